/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jitter.h"

#include <sys/random.h>

#define JITTER_PERCENT	10

int64_t
jittered(int64_t period_ms)
{
	int64_t span = period_ms / 100 * JITTER_PERCENT;
	uint64_t value = 0;

	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
		return period_ms;	/* early at boot: no jitter rather than no refresh */
	return period_ms - span + (int64_t)(value % (uint64_t)(2 * span + 1));
}
