/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/pace.h"

#define ALONG_PERCENT	10	/* of the period: what "soon" is */

int64_t
pace_spread(int64_t period_ms, unsigned int percent, uint32_t random)
{
	int64_t span = period_ms / 100 * percent;

	return period_ms - span + (int64_t)((uint64_t)(2 * span + 1) * random >> 32);
}

void
pace_done(struct pace *pace, int64_t now_ms, int64_t period_ms, unsigned int percent,
    uint32_t random)
{
	pace->due_ms = now_ms + pace_spread(period_ms, percent, random);
	pace->retry_ms = 0;
	pace->hurried = false;
}

void
pace_failed(struct pace *pace, int64_t now_ms, int64_t most_ms, uint32_t random)
{
	pace->retry_ms = pace->retry_ms == 0 ? PACE_RETRY_MS : pace->retry_ms * 2;
	if (pace->retry_ms > most_ms)
		pace->retry_ms = most_ms;
	pace->due_ms = now_ms + pace_spread(pace->retry_ms, PACE_SPREAD, random);
	pace->hurried = false;
}

void
pace_hurry(struct pace *pace, int64_t now_ms, int64_t most_ms, uint32_t random)
{
	int64_t due_ms;

	if (pace->hurried)
		return;
	pace->hurry_ms = pace->hurry_ms == 0 ? PACE_HURRY_MS : pace->hurry_ms * 2;
	if (pace->hurry_ms > most_ms)
		pace->hurry_ms = most_ms;
	due_ms = now_ms + pace_spread(pace->hurry_ms, PACE_SPREAD, random);
	if (due_ms >= pace->due_ms)
		return;
	pace->due_ms = due_ms;
	pace->hurried = true;
}

void
pace_calm(struct pace *pace)
{
	pace->hurry_ms = 0;
}

bool
pace_is_due(const struct pace *pace, int64_t now_ms, int64_t period_ms)
{
	return pace->due_ms <= now_ms + period_ms / 100 * ALONG_PERCENT;
}
