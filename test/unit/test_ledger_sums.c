/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ledger against a naive model of the kernel and of its reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "enforce/ledger.h"
#include "ledger_book.h"

/*
 * The property: a reader that adds differences as sighting.h says ends with
 * exactly what the kernel counted, whatever came between.
 */
#define REMOTES		300
#define WIDE		200		/* those below are in one entry that floods now and then */
#define TOLD_MAX	(2 * REMOTES + 2)

struct told {
	struct addr remote;
	uint8_t dir;
	uint64_t epoch, last_packets, last_dropped;
	uint64_t packets, dropped;
};

struct world {
	struct book book;
	uint64_t table_epoch;
	uint64_t kernel[REMOTES][2];	/* element values, 0: none */
	uint64_t read[REMOTES][2];	/* as the last reading saw it */
	unsigned int idle[REMOTES][2];	/* readings since it expired */
	uint64_t truth[REMOTES][2];	/* all packets that any reading saw */
	uint64_t dropped;
	struct told told[TOLD_MAX];
	size_t ntold;
	int64_t now;
	uint8_t verdict;
};

/* As sighting.h says: keep the last value, add the difference; a new epoch starts from zero. */
static void
hear(struct world *world, const struct count *count)
{
	struct told *told = world->told;
	size_t i;

	for (i = 0; i < world->ntold; i++, told++) {
		if (told->dir == count->dir &&
		    memcmp(&told->remote, &count->remote, sizeof(told->remote)) == 0)
			break;
	}
	if (i == world->ntold) {
		assert_true(i < TOLD_MAX);
		world->ntold++;
		*told = (struct told){ .remote = count->remote, .dir = count->dir };
	}
	if (told->epoch != count->epoch) {
		told->epoch = count->epoch;
		told->last_packets = told->last_dropped = 0;
	}
	assert_true(count->packets >= told->last_packets);
	assert_int_equal(count->bytes, count->packets * 100);
	told->packets += count->packets - told->last_packets;
	told->dropped += count->dropped - told->last_dropped;
	told->last_packets = count->packets;
	told->last_dropped = count->dropped;
}

static void
tell(struct world *world)
{
	struct count counts[16];
	uint32_t n, i;

	while ((n = ledger_unsent(world->book.ledger, counts, 16)) > 0) {
		for (i = 0; i < n; i++)
			hear(world, &counts[i]);
		ledger_sent(world->book.ledger, n);
	}
}

static void
sweep_world(struct world *world)
{
	struct ledger *ledger = world->book.ledger;
	uint32_t i;
	int dir;

	ledger_begin(ledger, world->table_epoch);
	for (i = 0; i < REMOTES; i++) {
		for (dir = 0; dir < 2; dir++) {
			struct ledger_reading one = reading(i, (uint8_t)dir,
			    world->kernel[i][dir], i < WIDE);
			uint64_t delta = one.packets - world->read[i][dir];

			world->idle[i][dir]++;
			if (one.packets == 0)
				continue;
			one.verdict = world->verdict;
			if (!ledger_changed(ledger, &one))
				continue;
			assert_true(ledger_book(ledger, &one, world->now));
			world->truth[i][dir] += delta;
			world->read[i][dir] = one.packets;
			if (one.verdict == VERDICT_DROPPED || one.verdict == VERDICT_REJECTED)
				world->dropped += delta;
		}
	}
	ledger_end(ledger, true);
}

static void
expire_some(struct world *world)
{
	uint32_t i;
	int dir;

	for (i = 0; i < REMOTES; i++) {
		for (dir = 0; dir < 2; dir++) {
			/* only what was read to its end expires: an hour is many readings */
			if (world->kernel[i][dir] == world->read[i][dir] && random() % 8 == 0) {
				world->kernel[i][dir] = world->read[i][dir] = 0;
				world->idle[i][dir] = 0;
			}
		}
	}
}

static void
step(struct world *world)
{
	unsigned int n = (unsigned int)(random() % 40);
	long what = random() % 100;

	while (n-- > 0) {
		uint32_t i = (uint32_t)(random() % REMOTES);
		int dir = (int)(random() % 2);

		/* an element that has just expired needs to be missed before it comes again */
		if (world->kernel[i][dir] != 0 || world->idle[i][dir] > LEDGER_MISSES)
			world->kernel[i][dir] += (uint64_t)(1 + random() % 9);
	}
	world->now += random() % 20000;
	if (what < 10) {
		/* misses are counted anew by a process */
		reopen(&world->book);
		assert_null(world->book.anew);
		memset(world->idle, 0, sizeof(world->idle));
	} else if (what < 12) {
		memset(world->kernel, 0, sizeof(world->kernel));
		memset(world->read, 0, sizeof(world->read));
		world->table_epoch++;
	} else if (what < 20) {
		expire_some(world);
	} else if (what < 25) {
		world->now += LEDGER_KEY_IDLE_MS;
		ledger_tidy(world->book.ledger, world->now);
	} else if (what < 30) {
		world->verdict = (uint8_t)(random() % 5);
	} else if (what < 60) {
		tell(world);
	}
	sweep_world(world);
}

static void
sums_are_exact(void **state)
{
	static struct world world;
	uint64_t wide_truth = 0, wide_told = 0, dropped = 0;
	uint64_t alone[REMOTES][2] = { { 0 } };
	unsigned int folded = 0;
	uint32_t i;

	srandom(7);
	new_book(&world.book, 1024, 1024);
	world.table_epoch = 1;
	world.now = NOW;
	memset(world.idle, 0x7f, sizeof(world.idle));
	for (i = 0; i < 3000; i++)
		step(&world);
	tell(&world);
	for (i = 0; i < world.ntold; i++) {
		const struct told *told = &world.told[i];
		uint32_t number = told->remote.bytes[2] * 256u + told->remote.bytes[3];

		dropped += told->dropped;
		folded += told->remote.family == ADDR_NONE;
		if (told->remote.family == ADDR_NONE || number < WIDE)
			wide_told += told->packets;
		else
			alone[number][told->dir] += told->packets;
	}
	for (i = 0; i < WIDE; i++)
		wide_truth += world.truth[i][0] + world.truth[i][1];
	for (; i < REMOTES; i++) {
		assert_int_equal(alone[i][0], world.truth[i][0]);
		assert_int_equal(alone[i][1], world.truth[i][1]);
	}
	assert_int_equal(wide_told, wide_truth);
	assert_int_equal(dropped, world.dropped);
	assert_true(folded > 0 && wide_truth > 1000);
	close_book(&world.book);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_exact),
	};

	return cmocka_run_group_tests_name("ledger sums", tests, NULL, NULL);
}
