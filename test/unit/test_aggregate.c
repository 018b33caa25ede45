/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When an entry folds, for how long, and what it costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/aggregate.h"

static struct range
net(uint32_t number)
{
	struct range range;

	memset(&range, 0, sizeof(range));
	range.first.family = range.last.family = ADDR_V4;
	range.first.bytes[0] = range.last.bytes[0] = (uint8_t)(number >> 16);
	range.first.bytes[1] = range.last.bytes[1] = (uint8_t)(number >> 8);
	range.first.bytes[2] = range.last.bytes[2] = (uint8_t)number;
	range.last.bytes[3] = 255;
	return range;
}

/* How many of n arrivals, step apart, stand for themselves. */
static unsigned int
arrive(struct aggregate *aggregate, const struct range *entry, int64_t from_ms, int64_t step_ms,
    unsigned int n)
{
	unsigned int i, alone = 0;

	for (i = 0; i < n; i++)
		alone += aggregate_new_remote(aggregate, entry, from_ms + (int64_t)i * step_ms);
	return alone;
}

static void
the_65th_folds(void **state)
{
	struct aggregate *aggregate = aggregate_new(10);
	struct range entry = net(1), other = net(2);

	assert_int_equal(arrive(aggregate, &entry, 1000, 0, 64), 64);
	assert_false(aggregate_new_remote(aggregate, &entry, 1000));
	assert_true(aggregate_new_remote(aggregate, &other, 1000));
	aggregate_free(aggregate);
}

/* 64 in any minute never fold, 65 in the longest minute do: the window slides. */
static void
the_window_slides(void **state)
{
	struct aggregate *aggregate = aggregate_new(10);
	struct range entry = net(1);
	const int64_t slow = AGGREGATE_WINDOW_MS / 64 + 1, fast = (AGGREGATE_WINDOW_MS - 1) / 64;

	assert_int_equal(arrive(aggregate, &entry, 0, slow, 1000), 1000);
	aggregate_free(aggregate);
	aggregate = aggregate_new(10);
	assert_int_equal(arrive(aggregate, &entry, 0, fast, 1000), 64);
	aggregate_free(aggregate);
	/* half at the end of one clock minute, half at the start of the next */
	aggregate = aggregate_new(10);
	assert_int_equal(arrive(aggregate, &entry, 59000, 0, 33), 33);
	assert_int_equal(arrive(aggregate, &entry, 61000, 0, 33), 31);
	aggregate_free(aggregate);
}

static void
folded_while_it_floods_and_some_minutes_more(void **state)
{
	struct aggregate *aggregate = aggregate_new(10);
	struct range entry = net(1);
	int64_t now = 0;

	/* an hour of flood */
	for (; now < 3600 * 1000; now += 100)
		arrive(aggregate, &entry, now, 0, 1);
	assert_false(aggregate_new_remote(aggregate, &entry, now));
	/* a trickle does not keep it folded, and is folded until the hold is over */
	assert_false(aggregate_new_remote(aggregate, &entry, now + AGGREGATE_HOLD_MS - 1));
	assert_true(aggregate_new_remote(aggregate, &entry, now + AGGREGATE_HOLD_MS));
	aggregate_free(aggregate);
}

static void
single_addresses_never_fold(void **state)
{
	struct aggregate *aggregate = aggregate_new(1);
	struct range entry = net(1);

	entry.last = entry.first;
	assert_int_equal(arrive(aggregate, &entry, 0, 0, 1000), 1000);
	aggregate_free(aggregate);
}

/* More entries than there is room for: those in use stay, the quiet ones go. */
static void
room_is_bounded(void **state)
{
	struct aggregate *aggregate = aggregate_new(4);
	struct range flood = net(1);
	uint32_t i;

	arrive(aggregate, &flood, 0, 0, 65);
	for (i = 0; i < 10000; i++) {
		struct range quiet = net(100 + i);

		assert_true(aggregate_new_remote(aggregate, &quiet, i));
		assert_false(aggregate_new_remote(aggregate, &flood, i));
	}
	aggregate_free(aggregate);
}

static void
clock_may_step_back(void **state)
{
	struct aggregate *aggregate = aggregate_new(4);
	struct range entry = net(1);
	const int64_t day = 24 * 3600 * 1000;

	arrive(aggregate, &entry, day, 0, 65);
	assert_false(aggregate_new_remote(aggregate, &entry, day - 500));
	assert_int_equal(arrive(aggregate, &entry, 0, 0, 65), 64);
	aggregate_free(aggregate);
}

/* Against the definition: more than 64 arrivals in the minute that ends now. */
static void
random_arrivals_agree_with_the_definition(void **state)
{
	enum { ARRIVALS = 4000 };
	static int64_t times[ARRIVALS];
	struct aggregate *aggregate = aggregate_new(4);
	struct range entry = net(1);
	int64_t now = 0, folded_until = -1;
	unsigned int i, j, folded = 0;

	srandom(1);
	for (i = 0; i < ARRIVALS; i++) {
		unsigned int inside = 0;

		/* bursts and lulls of up to a minute */
		now += random() % 200 == 0 ? random() % (8 * AGGREGATE_WINDOW_MS) : random() % 1900;
		times[i] = now;
		for (j = i + 1; j-- > 0 && times[j] > now - AGGREGATE_WINDOW_MS; )
			inside++;
		if (inside > AGGREGATE_REMOTES)
			folded_until = now + AGGREGATE_HOLD_MS;
		assert_int_equal(aggregate_new_remote(aggregate, &entry, now),
		    now >= folded_until);
		folded += now < folded_until;
	}
	assert_in_range(folded, ARRIVALS / 10, ARRIVALS - ARRIVALS / 10);
	aggregate_free(aggregate);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_65th_folds),
		cmocka_unit_test(the_window_slides),
		cmocka_unit_test(folded_while_it_floods_and_some_minutes_more),
		cmocka_unit_test(single_addresses_never_fold),
		cmocka_unit_test(room_is_bounded),
		cmocka_unit_test(clock_may_step_back),
		cmocka_unit_test(random_arrivals_agree_with_the_definition),
	};

	return cmocka_run_group_tests_name("aggregate", tests, NULL, NULL);
}
