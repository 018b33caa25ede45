/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/control.h"

#include <stddef.h>
#include <string.h>

const char *
control_name(uint32_t kind)
{
	static const char *const names[CONTROL_END] = {
		[CONTROL_STATUS] = "status", [CONTROL_LISTS] = "lists",
		[CONTROL_FINDINGS] = "findings", [CONTROL_SHOW] = "show",
		[CONTROL_CHECK] = "check", [CONTROL_REFRESH] = "refresh",
		[CONTROL_ACCEPT] = "accept", [CONTROL_ENFORCE] = "enforce",
		[CONTROL_PANIC] = "panic", [CONTROL_RESUME] = "resume",
		[CONTROL_PURGE] = "purge", [CONTROL_CONFIRM] = "confirm",
		[CONTROL_PLAN] = "plan",
		[CONTROL_ISOLATE] = "isolate",
	};

	return kind > 0 && kind < CONTROL_END ? names[kind] : "unknown";
}

const char *
control_check(const void *data, uint64_t size)
{
	struct control_request request;

	if (size != sizeof(request))
		return "wrong request size";
	memcpy(&request, data, sizeof(request));
	if (request.version != CONTROL_VERSION)
		return "threatlistctl and agent are of different versions";
	if (request.kind == 0 || request.kind >= CONTROL_END)
		return "unknown command";
	if (memchr(request.text, '\0', sizeof(request.text)) == NULL)
		return "text without end";
	return NULL;
}
