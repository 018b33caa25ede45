/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A day of virtual time: how often GuardDuty and S3 are asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/pace.h"

#define MINUTE	INT64_C(60000)
#define HOUR	(60 * MINUTE)
#define DAY	(24 * HOUR)
#define SETS	13	/* of a full account: 6 + 6 threat lists and a trusted one */

/* What the parent does, with everything but the asking. */
struct day {
	struct pace discovery, sets[SETS];
	int64_t now, refresh, discover;
	unsigned int discoveries, gets, feeds;
	unsigned int refused;		/* this many sets cannot be read */
	int64_t down_until;		/* nothing answers before */
	uint32_t seed;
};

static uint32_t
bits(struct day *day)
{
	day->seed = day->seed * 1664525u + 1013904223u;
	return day->seed;
}

static void
ask_discovery(struct day *day)
{
	day->discoveries++;
	day->discovery.hurried = false;
	if (day->now < day->down_until)
		pace_failed(&day->discovery, day->now, day->refresh, bits(day));
	else
		pace_done(&day->discovery, day->now, day->discover, PACE_SPREAD_DISCOVER,
		    bits(day));
}

static void
ask_set(struct day *day, unsigned int i)
{
	day->gets++;
	if (day->now >= day->down_until && i >= day->refused) {
		pace_done(&day->sets[i], day->now, day->refresh, PACE_SPREAD, bits(day));
		return;
	}
	pace_failed(&day->sets[i], day->now, day->refresh, bits(day));
	if (day->now >= day->down_until)
		pace_hurry(&day->discovery, day->now, day->discover, bits(day));
}

static int64_t
next_due(const struct day *day)
{
	int64_t due = day->discovery.due_ms;
	unsigned int i;

	for (i = 0; i < SETS; i++) {
		if (day->sets[i].due_ms < due)
			due = day->sets[i].due_ms;
	}
	return due;
}

static void
live(struct day *day)
{
	unsigned int i;

	while (day->now < DAY) {
		day->feeds++;
		if (pace_is_due(&day->discovery, day->now, day->refresh))
			ask_discovery(day);
		for (i = 0; i < SETS; i++) {
			if (pace_is_due(&day->sets[i], day->now, day->refresh))
				ask_set(day, i);
		}
		if (day->refused == 0)
			pace_calm(&day->discovery);
		if (next_due(day) > day->now)
			day->now = next_due(day);
	}
}

static void
a_day_costs_few_calls(void **state)
{
	uint32_t seed, total = 0;

	for (seed = 0; seed < 500; seed++) {
		struct day day = { .refresh = 15 * MINUTE, .discover = 6 * HOUR, .seed = seed };

		live(&day);
		/* 24 h in steps of 4.5 to 7.5 h, and the one at the start */
		assert_in_range(day.discoveries, 4, 6);
		/* 96 refreshes a set, each 0…20 % early */
		assert_in_range(day.gets, SETS * 96, SETS * 122);
		total += day.discoveries;
	}
	assert_in_range(total, 500 * 4, 500 * 5);
}

static void
a_fleet_does_not_ask_in_step(void **state)
{
	unsigned int hours[24] = { 0 }, i;
	uint32_t seed;

	for (seed = 0; seed < 2000; seed++) {
		struct day day = { .refresh = 15 * MINUTE, .discover = 6 * HOUR,
		    .seed = seed * 2654435761u };

		ask_discovery(&day);
		hours[day.discovery.due_ms / HOUR]++;
	}
	for (i = 5; i < 7; i++)
		assert_in_range(hours[i], 2000 / 3 - 100, 2000 / 3 + 100);
	assert_int_equal(hours[3] + hours[8], 0);
}

static void
a_list_that_stays_refused_does_not_cost_discoveries(void **state)
{
	struct day day = { .refresh = 15 * MINUTE, .discover = 6 * HOUR, .refused = 1, .seed = 7 };

	live(&day);
	/* after 1, 2, 4 … minutes: nine more than on other days, at most */
	assert_in_range(day.discoveries, 8, 15);
	assert_in_range(day.gets, SETS * 96, SETS * 122 + 12);
}

static void
an_outage_is_over_when_it_is_over(void **state)
{
	struct day day = { .refresh = 15 * MINUTE, .discover = 6 * HOUR, .down_until = 8 * HOUR,
	    .seed = 3 };

	while (day.now < day.down_until) {
		if (pace_is_due(&day.discovery, day.now, day.refresh))
			ask_discovery(&day);
		day.now = day.discovery.due_ms;
	}
	/* 5, 10, 20 … s, then each quarter of an hour */
	assert_in_range(day.discoveries, 30, 50);
	assert_in_range(day.now, day.down_until, day.down_until + 17 * MINUTE);
}

static void
spread_has_its_bounds(void **state)
{
	assert_int_equal(pace_spread(6 * HOUR, 25, 0), 6 * HOUR - 90 * MINUTE);
	assert_int_equal(pace_spread(6 * HOUR, 25, UINT32_MAX), 6 * HOUR + 90 * MINUTE);
	assert_int_equal(pace_spread(1000, 10, UINT32_MAX / 2), 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_costs_few_calls),
		cmocka_unit_test(a_fleet_does_not_ask_in_step),
		cmocka_unit_test(a_list_that_stays_refused_does_not_cost_discoveries),
		cmocka_unit_test(an_outage_is_over_when_it_is_over),
		cmocka_unit_test(spread_has_its_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
