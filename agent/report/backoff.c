/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/backoff.h"

int64_t
backoff_ms(unsigned int failures, int64_t retry_after_ms, uint64_t random)
{
	int64_t ceiling = BACKOFF_FIRST_MS, delay;
	unsigned int i;

	for (i = 1; i < failures && ceiling < BACKOFF_MAX_MS; i++)
		ceiling *= 2;
	if (ceiling > BACKOFF_MAX_MS)
		ceiling = BACKOFF_MAX_MS;
	delay = (int64_t)(random % (uint64_t)(ceiling + 1));
	if (retry_after_ms > RETRY_AFTER_MAX_MS)
		retry_after_ms = RETRY_AFTER_MAX_MS;
	/* the jitter goes on top: many hosts were told the same second */
	return retry_after_ms > 0 ? retry_after_ms + delay % BACKOFF_FIRST_MS : delay;
}
