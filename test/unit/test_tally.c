/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counts of remotes: cumulative, given when they changed, bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/tally.h"

#define EPOCH	42
#define SEED	UINT64_C(0x5eed)

static struct sighting
seen(uint32_t remote, uint8_t dir, int64_t time_ms)
{
	struct sighting sighting = {
		.remote = addr_from_v4(remote), .dir = dir, .time_us = time_ms * 1000 + 999,
		.action = LIST_DROP, .lists = 5, .generation = 3,
	};

	sighting.entry.first = sighting.entry.last = sighting.remote;
	return sighting;
}

static void
counts_add_up(void **state)
{
	struct tally *tally = tally_new(8, EPOCH, SEED);
	struct sighting in = seen(1, DIR_IN, 10), out = seen(1, DIR_OUT, 20);
	struct count count;

	assert_false(tally_next(tally, &count));
	tally_add(tally, &in, 100);
	tally_add(tally, &out, 40);
	in.time_us += 5000;
	tally_add(tally, &in, 1);
	assert_true(tally_next(tally, &count));
	assert_true(addr_equal(&count.remote, &in.remote));
	assert_int_equal(count.dir, DIR_IN);
	assert_int_equal(count.packets, 2);
	assert_int_equal(count.bytes, 101);
	assert_int_equal(count.dropped, 0);
	assert_int_equal(count.first_ms, 10);
	assert_int_equal(count.last_ms, 15);
	assert_int_equal(count.verdict, VERDICT_WATCHED);
	assert_int_equal(count.flags, COUNT_SENSED);
	assert_int_equal(count.epoch, EPOCH);
	assert_int_equal(count.lists, 5);
	assert_int_equal(count.generation, 3);
	assert_true(tally_next(tally, &count));
	assert_int_equal(count.dir, DIR_OUT);
	assert_int_equal(count.packets, 1);
	assert_false(tally_next(tally, &count));
	/* only what changed, and cumulative */
	tally_add(tally, &out, 2);
	assert_true(tally_next(tally, &count));
	assert_int_equal(count.packets, 2);
	assert_int_equal(count.bytes, 42);
	assert_false(tally_next(tally, &count));
	tally_again(tally);
	tally_again(tally);
	assert_true(tally_next(tally, &count) && tally_next(tally, &count));
	assert_false(tally_next(tally, &count));
	tally_free(tally);
}

static void
full_tally_counts_what_it_loses(void **state)
{
	struct tally *tally = tally_new(100, EPOCH, SEED);
	struct sighting sighting;
	struct count count;
	uint32_t i, n = 0, packets = 0;

	for (i = 0; i < 600; i++) {
		sighting = seen(i % 150, DIR_IN, i);
		tally_add(tally, &sighting, 1);
	}
	while (tally_next(tally, &count)) {
		packets += (uint32_t)count.packets;
		n++;
	}
	assert_int_equal(n, 100);
	assert_int_equal(packets, 400);
	assert_int_equal(tally_lost(tally), 200);
	tally_free(tally);
}

static void
add_at(struct tally *tally, uint32_t remote, int64_t time_ms)
{
	struct sighting sighting = seen(remote, DIR_IN, time_ms);

	tally_add(tally, &sighting, 5);
}

static void
expect_next(struct tally *tally, uint32_t remote, uint64_t packets, uint64_t epoch)
{
	struct count count;

	assert_true(tally_next(tally, &count));
	assert_int_equal(addr_to_v4(&count.remote), remote);
	assert_int_equal(count.packets, packets);
	assert_int_equal(count.bytes, 5 * packets);
	assert_true(count.epoch == epoch);
}

/* Else who has met max of them once counts nobody else any more. */
static void
quiet_ones_make_room_in_another_epoch(void **state)
{
	const int64_t begin = 1000000, late = begin + 30 + TALLY_IDLE_MS;
	struct tally *tally = tally_new(2, EPOCH, SEED);
	struct count count;

	add_at(tally, 1, begin);
	add_at(tally, 2, begin + 10);
	add_at(tally, 1, begin + 20);
	/* not before it was given */
	add_at(tally, 3, late);
	assert_int_equal(tally_lost(tally), 1);
	expect_next(tally, 1, 2, EPOCH);
	expect_next(tally, 2, 1, EPOCH);
	/* nor before whoever took it could keep it */
	add_at(tally, 3, begin + TALLY_IDLE_MS);
	assert_int_equal(tally_lost(tally), 2);
	add_at(tally, 3, late);
	expect_next(tally, 3, 1, EPOCH + 1);
	add_at(tally, 1, late);
	expect_next(tally, 1, 3, EPOCH);
	add_at(tally, 2, late);
	assert_int_equal(tally_lost(tally), 3);
	/* it comes again, from zero */
	add_at(tally, 2, late + TALLY_IDLE_MS);
	expect_next(tally, 2, 1, EPOCH + 2);
	/* a clock that was set back does not keep them for its way back */
	add_at(tally, 4, begin);
	expect_next(tally, 4, 1, EPOCH + 3);
	assert_int_equal(tally_lost(tally), 3);
	tally_again(tally);
	assert_true(tally_next(tally, &count) && tally_next(tally, &count));
	assert_false(tally_next(tally, &count));
	tally_free(tally);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_add_up),
		cmocka_unit_test(full_tally_counts_what_it_loses),
		cmocka_unit_test(quiet_ones_make_room_in_another_epoch),
	};

	return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
