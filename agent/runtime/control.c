/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/control.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG	128	/* waiting to be accepted */

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
		[CONTROL_PLAN] = "plan", [CONTROL_VERIFY] = "verify",
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
	if ((request.flags & ~CONTROL_FLAGS) != 0 || request.pad != 0)
		return "unknown flags";
	if (memchr(request.text, '\0', sizeof(request.text)) == NULL)
		return "text without end";
	return NULL;
}

int
control_listen(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd, error = 0;

	/* an empty one would be bound to a name of the kernel's choice */
	if (path[0] == '\0' || strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	/*
	 * Whoever may connect is judged by its credentials, not by the mode.  Not by
	 * chmod: it would follow what somebody put in the socket's place.
	 */
	mask = umask(0111);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, BACKLOG) != 0)
		error = -errno;
	umask(mask);
	if (error == 0)
		return fd;
	close(fd);
	return error;
}
