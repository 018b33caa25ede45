/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages between roles: the first byte says whether a descriptor came along. */
#include "runtime/channel.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message message;

	if (size == 0 || size - 1 > sizeof(message))
		return 0;
	memset(&message, 0, sizeof(message));
	memcpy(&message, data + 1, size - 1);
	message_check(&message, size - 1, (data[0] & 1) != 0);
	return 0;
}
