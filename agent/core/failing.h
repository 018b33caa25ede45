/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How long something has failed, over restarts of the agent and of the host.
 * Pure: the clocks are given.
 *
 * Only a clock that nobody sets is counted by: that of the boot.  Between the
 * last failure before a restart and the first one after it there is that clock,
 * too, unless the host was started anew: then the wall clock is all there is, and
 * it may be years off until NTP has set it.  Of such a gap FAILING_GAP_MS counts
 * at most, and nothing if it goes backwards: however wrong the clock, one start of
 * the host brings the day nearer by half of one at most, and none puts it off
 * beyond a day of failures that the agent was there to see.  The same bound holds
 * where the host ran on and the agent was not there to ask.
 */
#ifndef CORE_FAILING_H
#define CORE_FAILING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAILING_DAY_MS		(24 * 3600 * INT64_C(1000))	/* contract §4: failing for a day */
#define FAILING_GAP_MS		(FAILING_DAY_MS / 2)
#define FAILING_BOOT_MAX	40	/* bytes of a boot id, random(4), with its NUL */
#define FAILING_TEXT_MAX	128	/* bytes of failing_print's, with the NUL */

struct failing {
	int64_t for_ms;		/* from the first failure to the last one, as far as it counts */
	int64_t last_ms;	/* when that was, by the clock of the boot below */
	int64_t last_wall_ms;	/* and since 1970 */
	char boot[FAILING_BOOT_MAX];
	bool on;		/* it fails, or failed when it was asked last */
	bool here;		/* in this run of the agent, too */
	bool told;		/* that it does for a day */
};

/* The clocks of now. */
struct failing_clock {
	int64_t now_ms;		/* CLOCK_BOOTTIME */
	int64_t wall_ms;
	const char *boot;	/* random(4)'s id; "": unknown, and of no other boot's clock */
};

/* It failed once more. */
void failing_again(struct failing *failing, const struct failing_clock *clock);

/* For a day, and nobody was told?  Says yes once: told is set. */
bool failing_is_due(struct failing *failing);

/* One line, for the next run.  Its length. */
size_t failing_print(const struct failing *failing, char text[static FAILING_TEXT_MAX]);

/* What an earlier run printed.  False: it is not that; *failing is zero. */
bool failing_read(struct failing *failing, const char *text);

#endif
