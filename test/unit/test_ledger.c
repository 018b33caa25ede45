/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ledger, rule by rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enforce/ledger.h"
#include "enforce/ledger_rows.h"
#include "ledger_book.h"

static void
adds_differences(void **state)
{
	struct book book;
	struct count count;

	new_book(&book, SMALL, SMALL);
	sweep_one(book.ledger, 1, 5, 10);
	count = only_unsent(book.ledger);
	assert_int_equal(count.packets, 10);
	assert_int_equal(count.bytes, 1000);
	assert_int_equal(count.dropped, 10);
	assert_int_equal(count.epoch, EPOCH);
	assert_int_equal(count.generation, 7);
	assert_int_equal(count.flags, 0);
	sweep_one(book.ledger, 1, 5, 10);
	assert_int_equal(ledger_unsent(book.ledger, &count, 1), 0);
	sweep_one(book.ledger, 1, 5, 25);
	assert_int_equal(only_unsent(book.ledger).packets, 25);
	close_book(&book);
}

static void
verdicts_are_of_their_packets(void **state)
{
	struct book book;
	struct ledger_reading one = reading(1, DIR_OUT, 10, false);
	struct count count;
	static const uint8_t verdicts[] = {
		VERDICT_WATCHED, VERDICT_REJECTED, VERDICT_PROTECTED, VERDICT_ALLOWED,
	};
	size_t i;

	new_book(&book, SMALL, SMALL);
	ledger_begin(book.ledger, 1);
	for (i = 0; i < sizeof(verdicts); i++) {
		one.packets = 10 * (i + 1);
		one.verdict = verdicts[i];
		assert_true(ledger_book(book.ledger, &one, NOW + (int64_t)i));
	}
	count = only_unsent(book.ledger);
	assert_int_equal(count.packets, 40);
	assert_int_equal(count.dropped, 10);
	assert_int_equal(count.verdict, VERDICT_ALLOWED);
	assert_int_equal(count.dir, DIR_OUT);
	assert_int_equal(count.first_ms, NOW);
	assert_int_equal(count.last_ms, NOW + 3);
	close_book(&book);
}

static void
restart_neither_doubles_nor_loses(void **state)
{
	struct book book;
	struct count count;

	new_book(&book, SMALL, SMALL);
	sweep_one(book.ledger, 1, 5, 10);
	only_unsent(book.ledger);
	reopen(&book);
	assert_null(book.anew);
	/* what was on its way is told again, its list by number is not known any more */
	count = only_unsent(book.ledger);
	assert_int_equal(count.packets, 10);
	assert_int_equal(count.generation, 0);
	sweep_one(book.ledger, 1, 5, 12);
	count = only_unsent(book.ledger);
	assert_int_equal(count.packets, 12);
	assert_int_equal(count.epoch, EPOCH);
	assert_int_equal(count.flags, 0);
	close_book(&book);
}

static bool
label_all(const struct addr *addr, struct ledger_label *label, void *arg)
{
	label->entry = (struct range){ .first = *addr, .last = *addr };
	label->lists = 4;
	label->generation = 1;
	label->action = LIST_REJECT;
	return true;
}

static void
relabels_what_is_outdated(void **state)
{
	struct book book;
	struct count count;

	new_book(&book, SMALL, SMALL);
	sweep_one(book.ledger, 1, 5, 10);
	ledger_relabel(book.ledger, label_all, NULL);
	assert_int_equal(only_unsent(book.ledger).lists, 1);
	reopen(&book);
	only_unsent(book.ledger);
	ledger_relabel(book.ledger, label_all, NULL);
	count = only_unsent(book.ledger);
	assert_int_equal(count.lists, 4);
	assert_int_equal(count.generation, 1);
	assert_int_equal(count.action, LIST_REJECT);
	assert_int_equal(count.packets, 10);
	close_book(&book);
}

static void
discards_what_is_not_its_own(void **state)
{
	struct book book;
	struct rows_header *header;
	struct key_row *keys;
	struct element_row *elements;

	new_book(&book, SMALL, SMALL);
	header = book.region;
	elements = (struct element_row *)(void *)((char *)book.region +
	    (sizeof(*header) + 63) / 64 * 64);
	sweep_one(book.ledger, 1, 5, 10);
	memcpy(book.origin, "boot-2", 7);
	reopen(&book);
	assert_string_equal(book.anew, "of another boot or network namespace");
	assert_int_equal(header->nkeys, 0);

	header->version++;
	reopen(&book);
	assert_string_equal(book.anew, "of another version");

	header->magic ^= 1;
	reopen(&book);
	assert_string_equal(book.anew, "damaged: not a ledger");

	header->nkeys = SMALL + 1;
	reopen(&book);
	assert_string_equal(book.anew, "damaged: more rows than there is room for");

	header->journal.complete = 1;
	header->journal.key = 1;
	reopen(&book);
	assert_string_equal(book.anew, "damaged: journal out of bounds");

	sweep_one(book.ledger, 1, 5, 10);
	elements[0].key = 77;
	reopen(&book);
	assert_string_equal(book.anew, "damaged: elements");

	sweep_one(book.ledger, 1, 5, 10);
	keys = (struct key_row *)(void *)((char *)book.region + ledger_size(SMALL, SMALL)) - SMALL;
	keys[0].count.verdict = 99;
	reopen(&book);
	assert_string_equal(book.anew, "damaged: keys");
	reopen(&book);
	assert_null(book.anew);
	close_book(&book);
}

static void
a_new_table_starts_from_zero(void **state)
{
	struct book book;
	struct count count;

	new_book(&book, SMALL, SMALL);
	sweep_one(book.ledger, 1, 5, 10);
	only_unsent(book.ledger);
	/* flushed by someone: higher than before, yet all of it is new */
	sweep_one(book.ledger, 2, 5, 15);
	count = only_unsent(book.ledger);
	assert_int_equal(count.packets, 25);
	assert_int_equal(count.flags, COUNT_APPROXIMATE);
	close_book(&book);

	new_book(&book, SMALL, SMALL);
	sweep_one(book.ledger, 1, 5, 10);
	only_unsent(book.ledger);
	ledger_closed(book.ledger);
	reopen(&book);
	only_unsent(book.ledger);
	sweep_one(book.ledger, 2, 5, 15);
	count = only_unsent(book.ledger);
	assert_int_equal(count.packets, 25);
	assert_int_equal(count.flags, 0);
	close_book(&book);
}

static void
older_values_than_the_ledger_are_approximate(void **state)
{
	struct book book;

	new_book(&book, SMALL, SMALL);
	ledger_inherits(book.ledger);
	sweep_one(book.ledger, 1, 5, 10);
	assert_int_equal(only_unsent(book.ledger).flags, COUNT_APPROXIMATE);
	sweep_one(book.ledger, 1, 6, 10);
	assert_int_equal(only_unsent(book.ledger).flags, 0);
	close_book(&book);
}

static void
empty_readings(struct ledger *ledger, unsigned int n)
{
	while (n-- > 0) {
		ledger_begin(ledger, 1);
		ledger_end(ledger, true);
	}
}

static void
expires_and_comes_again(void **state)
{
	struct book book;
	struct ledger_stat stat;

	new_book(&book, SMALL, SMALL);
	sweep_one(book.ledger, 1, 5, 10);
	only_unsent(book.ledger);
	/* missed by fewer readings than it takes: still the same element */
	empty_readings(book.ledger, LEDGER_MISSES - 2);
	ledger_begin(book.ledger, 1);
	assert_int_equal(ledger_end(book.ledger, true), 1);
	sweep_one(book.ledger, 1, 5, 10);
	ledger_stat(book.ledger, &stat);
	assert_int_equal(stat.unsent, 0);
	/* expired: the next value is new from zero, also when it is higher */
	empty_readings(book.ledger, LEDGER_MISSES - 1);
	ledger_begin(book.ledger, 1);
	assert_int_equal(ledger_end(book.ledger, true), 0);
	ledger_stat(book.ledger, &stat);
	assert_int_equal(stat.elements, 0);
	assert_int_equal(stat.keys, 1);
	sweep_one(book.ledger, 1, 5, 11);
	assert_int_equal(only_unsent(book.ledger).packets, 21);
	/* lower than before without having been missed */
	sweep_one(book.ledger, 1, 5, 3);
	assert_int_equal(only_unsent(book.ledger).packets, 24);
	close_book(&book);
}

/* A reading of one element with the time when it expires; all before since is booked. */
static void
sweep_at(struct ledger *ledger, uint64_t packets, int64_t touched_ms, int64_t since_ms)
{
	struct ledger_reading one = reading(5, DIR_IN, packets, false);

	one.expires_ms = touched_ms + ENFORCE_SEEN_MS;
	one.since_ms = since_ms;
	ledger_begin(ledger, 1);
	if (ledger_changed(ledger, &one))
		assert_true(ledger_book(ledger, &one, NOW));
	ledger_end(ledger, true);
}

/* The next call is just late enough: the element expired and was made anew between two readings. */
static void
an_hourly_caller_is_counted_each_time(void **state)
{
	const int64_t hour = ENFORCE_SEEN_MS, first = 5000000;
	struct book book;
	struct count count;

	new_book(&book, SMALL, SMALL);
	sweep_at(book.ledger, 3, first, 0);
	sweep_at(book.ledger, 3, first + 20, first + 400);
	assert_int_equal(only_unsent(book.ledger).packets, 3);
	sweep_at(book.ledger, 3, first + hour + 10, first + hour - 100);
	count = only_unsent(book.ledger);
	assert_int_equal(count.packets, 6);
	assert_int_equal(count.bytes, 600);
	assert_int_equal(count.flags, 0);
	/* seen in its middle, then whole */
	sweep_at(book.ledger, 1, first + 2 * hour + 50, first + 2 * hour);
	sweep_at(book.ledger, 3, first + 2 * hour + 90, first + 2 * hour + 60);
	count = only_unsent(book.ledger);
	assert_int_equal(count.packets, 9);
	assert_int_equal(count.flags, 0);
	/* more than before, and nothing came until it had expired */
	sweep_at(book.ledger, 4, first + 3 * hour + 3000, first + 3 * hour + 2900);
	count = only_unsent(book.ledger);
	assert_int_equal(count.packets, 13);
	assert_int_equal(count.flags, 0);
	/* more than before around that time: it may be the same element */
	sweep_at(book.ledger, 7, first + 4 * hour + 3010, first + 4 * hour + 2800);
	count = only_unsent(book.ledger);
	assert_int_equal(count.packets, 16);
	assert_int_equal(count.flags, COUNT_APPROXIMATE);
	close_book(&book);
}

static void
what_was_not_booked_is_still_made_anew(void **state)
{
	const int64_t first = 5000000, later = first + ENFORCE_SEEN_MS + 10;
	struct ledger_reading one = reading(5, DIR_IN, 3, false);
	struct book book;

	new_book(&book, SMALL, SMALL);
	sweep_at(book.ledger, 3, first, 0);
	only_unsent(book.ledger);
	one.expires_ms = later + ENFORCE_SEEN_MS;
	ledger_begin(book.ledger, 1);
	assert_true(ledger_changed(book.ledger, &one));
	ledger_end(book.ledger, true);
	sweep_at(book.ledger, 3, later, later + 100);
	assert_int_equal(only_unsent(book.ledger).packets, 6);
	sweep_at(book.ledger, 3, later + 30, later + 300);
	sweep_at(book.ledger, 4, later + 1000, later + 500);
	assert_int_equal(only_unsent(book.ledger).packets, 7);
	close_book(&book);
}

static void
a_broken_reading_expires_nothing(void **state)
{
	struct book book;
	struct ledger_stat stat;
	unsigned int i;

	new_book(&book, SMALL, SMALL);
	sweep_one(book.ledger, 1, 5, 10);
	for (i = 0; i < 2 * LEDGER_MISSES; i++)
		ledger_begin(book.ledger, 1);
	sweep_one(book.ledger, 1, 5, 11);
	ledger_stat(book.ledger, &stat);
	assert_int_equal(stat.elements, 1);
	assert_int_equal(only_unsent(book.ledger).packets, 11);
	close_book(&book);
}

static void
idle_keys_go_once_told(void **state)
{
	struct book book;
	struct ledger_stat stat;
	struct count count;

	new_book(&book, SMALL, SMALL);
	sweep_one(book.ledger, 1, 5, 10);
	sweep_one(book.ledger, 1, 5, 12);
	empty_readings(book.ledger, LEDGER_MISSES);
	ledger_tidy(book.ledger, NOW + LEDGER_KEY_IDLE_MS + 1);
	ledger_stat(book.ledger, &stat);
	assert_int_equal(stat.keys, 1);
	only_unsent(book.ledger);
	ledger_tidy(book.ledger, NOW + LEDGER_KEY_IDLE_MS);
	ledger_stat(book.ledger, &stat);
	assert_int_equal(stat.keys, 1);
	ledger_tidy(book.ledger, NOW + LEDGER_KEY_IDLE_MS + 1);
	ledger_stat(book.ledger, &stat);
	assert_int_equal(stat.keys, 0);
	/* the same remote, from zero: only in another epoch may its value be lower */
	sweep_one(book.ledger, 1, 5, 3);
	count = only_unsent(book.ledger);
	assert_int_equal(count.packets, 3);
	assert_int_not_equal(count.epoch, EPOCH);
	close_book(&book);
}

static void
without_room_nothing_is_lost_that_stays(void **state)
{
	struct book book;
	struct ledger_stat stat;
	struct ledger_reading one;
	struct count counts[8];
	uint32_t i;

	new_book(&book, 8, 4);
	ledger_begin(book.ledger, 1);
	for (i = 0; i < 8; i++) {
		one = reading(i, DIR_IN, 10 + i, false);
		assert_int_equal(ledger_book(book.ledger, &one, NOW), i < 4);
	}
	ledger_end(book.ledger, true);
	ledger_stat(book.ledger, &stat);
	assert_int_equal(stat.refused, 4);
	assert_int_equal(ledger_unsent(book.ledger, counts, 8), 4);
	ledger_sent(book.ledger, 4);
	/* the first four expire, the others are still there and get their places */
	for (i = 0; i < LEDGER_MISSES; i++) {
		ledger_begin(book.ledger, 1);
		ledger_end(book.ledger, true);
	}
	ledger_begin(book.ledger, 1);
	for (i = 4; i < 8; i++)
		read_one(book.ledger, i, DIR_IN, 10 + i, false);
	ledger_end(book.ledger, true);
	assert_int_equal(ledger_unsent(book.ledger, counts, 8), 4);
	for (i = 0; i < 4; i++)
		assert_int_equal(counts[i].packets, 14 + i);
	close_book(&book);
}

static int
no_space(uint64_t offset, uint64_t size, void *arg)
{
	unsigned int *left = arg;

	if (*left == 0)
		return -28;
	(*left)--;
	return 0;
}

static void
a_full_disk_is_no_room(void **state)
{
	struct book book;
	unsigned int left = 2;
	struct ledger_conf conf = {
		.max_elements = SMALL, .max_keys = SMALL, .origin = "b", .epoch = EPOCH,
		.reserve = no_space, .reserve_arg = &left,
	};
	struct ledger_reading one = reading(1, DIR_IN, 1, false);
	struct ledger *ledger;
	const char *anew;

	new_book(&book, SMALL, SMALL);
	conf.region = book.region;
	/* enough for the header and the elements, not for the keys */
	assert_int_equal(ledger_open(&ledger, &conf, &anew), 0);
	ledger_begin(ledger, 1);
	assert_false(ledger_book(ledger, &one, NOW));
	left = 1;
	ledger_begin(ledger, 1);
	assert_true(ledger_book(ledger, &one, NOW));
	ledger_free(ledger);
	left = 0;
	assert_int_equal(ledger_open(&ledger, &conf, &anew), -28);
	close_book(&book);
}

/* 65,536 spoofed remotes of one entry: 64 by themselves, the rest is one. */
static void
a_flood_is_one_entry(void **state)
{
	struct book book;
	struct ledger_stat stat;
	static struct count counts[100];
	uint64_t sum = 0;
	uint32_t i, n;

	new_book(&book, LEDGER_ELEMENTS, LEDGER_KEYS);
	ledger_begin(book.ledger, 1);
	for (i = 0; i < 65536; i++)
		read_one(book.ledger, i, DIR_IN, 1 + i % 3, true);
	/* answers go to the same remotes: those follow the first direction */
	read_one(book.ledger, 0, DIR_OUT, 1, true);
	read_one(book.ledger, 60000, DIR_OUT, 1, true);
	ledger_end(book.ledger, true);
	ledger_stat(book.ledger, &stat);
	assert_int_equal(stat.elements, 65538);
	assert_int_equal(stat.keys, 67);
	n = ledger_unsent(book.ledger, counts, 100);
	assert_int_equal(n, 67);
	for (i = 0; i < n; i++) {
		bool folded = (counts[i].flags & COUNT_AGGREGATED) != 0;
		const struct range wide = entry_of(0, true);

		assert_int_equal(counts[i].remote.family, folded ? ADDR_NONE : ADDR_V4);
		assert_memory_equal(&counts[i].entry, &wide, sizeof(wide));
		sum += counts[i].dir == DIR_IN ? counts[i].packets : 0;
	}
	assert_int_equal(sum, 65536 / 3 * 6 + 1);
	reopen(&book);
	assert_null(book.anew);
	close_book(&book);
}

/* A list that changes what a folded remote belongs to moves it, without a jump. */
static void
another_entry_is_another_key(void **state)
{
	struct book book;
	struct ledger_reading one;
	struct count counts[80];
	uint32_t i;

	new_book(&book, SMALL, SMALL);
	ledger_begin(book.ledger, 1);
	for (i = 0; i < 66; i++)
		read_one(book.ledger, i, DIR_IN, 5, true);
	ledger_sent(book.ledger, ledger_unsent(book.ledger, counts, 80));
	one = reading(65, DIR_IN, 8, false);
	assert_true(ledger_book(book.ledger, &one, NOW));
	assert_int_equal(ledger_unsent(book.ledger, counts, 80), 1);
	assert_int_equal(counts[0].packets, 3);
	assert_int_equal(counts[0].flags, 0);
	close_book(&book);
}

/* Of one remote some packets are protected and some are dropped: each counts as what it is. */
static void
an_endpoint_is_the_same_remote(void **state)
{
	struct book book;
	struct ledger_reading judged = reading(1, DIR_OUT, 4, false);
	struct ledger_reading passed = reading(1, DIR_OUT | LEDGER_ENDPOINT, 10, false);
	struct count count;

	passed.verdict = VERDICT_PROTECTED;
	new_book(&book, SMALL, SMALL);
	ledger_begin(book.ledger, 1);
	assert_true(ledger_changed(book.ledger, &judged));
	assert_true(ledger_book(book.ledger, &judged, NOW));
	assert_true(ledger_changed(book.ledger, &passed));
	assert_true(ledger_book(book.ledger, &passed, NOW));
	count = only_unsent(book.ledger);
	assert_int_equal(count.dir, DIR_OUT);
	assert_int_equal(count.packets, 14);
	assert_int_equal(count.bytes, 1400);
	assert_int_equal(count.dropped, 4);
	assert_int_equal(count.verdict, VERDICT_PROTECTED);

	reopen(&book);
	assert_null(book.anew);
	only_unsent(book.ledger);
	ledger_begin(book.ledger, 1);
	assert_false(ledger_changed(book.ledger, &passed));
	judged = reading(1, DIR_OUT, 7, false);
	assert_true(ledger_book(book.ledger, &judged, NOW));
	count = only_unsent(book.ledger);
	assert_int_equal(count.packets, 17);
	assert_int_equal(count.dropped, 7);
	assert_int_equal(count.verdict, VERDICT_DROPPED);
	close_book(&book);
}

static void
what_a_full_set_lost_is_told_once(void **state)
{
	struct book book;

	new_book(&book, SMALL, SMALL);
	/* the first that is heard of a new table, too */
	assert_int_equal(ledger_overflow(book.ledger, 1, 40), 40);
	reopen(&book);
	assert_int_equal(ledger_overflow(book.ledger, 1, 50), 50);
	ledger_overflow_told(book.ledger);
	reopen(&book);
	assert_int_equal(ledger_overflow(book.ledger, 1, 50), 0);
	assert_int_equal(ledger_overflow(book.ledger, 1, 57), 7);
	/* another table counts anew, and so does one whose counters were reset */
	assert_int_equal(ledger_overflow(book.ledger, 2, 3), 10);
	assert_int_equal(ledger_overflow(book.ledger, 2, 1), 11);
	ledger_overflow_told(book.ledger);
	assert_int_equal(ledger_overflow(book.ledger, 2, 1), 0);
	close_book(&book);
}

static void
what_a_lost_ledger_told_of_is_not_told_again(void **state)
{
	struct book book;

	new_book(&book, SMALL, SMALL);
	ledger_inherits(book.ledger);
	assert_int_equal(ledger_overflow(book.ledger, 1, 40), 0);
	assert_int_equal(ledger_overflow(book.ledger, 1, 42), 2);
	close_book(&book);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds_differences),
		cmocka_unit_test(verdicts_are_of_their_packets),
		cmocka_unit_test(restart_neither_doubles_nor_loses),
		cmocka_unit_test(relabels_what_is_outdated),
		cmocka_unit_test(discards_what_is_not_its_own),
		cmocka_unit_test(a_new_table_starts_from_zero),
		cmocka_unit_test(older_values_than_the_ledger_are_approximate),
		cmocka_unit_test(expires_and_comes_again),
		cmocka_unit_test(an_hourly_caller_is_counted_each_time),
		cmocka_unit_test(what_was_not_booked_is_still_made_anew),
		cmocka_unit_test(a_broken_reading_expires_nothing),
		cmocka_unit_test(idle_keys_go_once_told),
		cmocka_unit_test(without_room_nothing_is_lost_that_stays),
		cmocka_unit_test(a_full_disk_is_no_room),
		cmocka_unit_test(a_flood_is_one_entry),
		cmocka_unit_test(another_entry_is_another_key),
		cmocka_unit_test(an_endpoint_is_the_same_remote),
		cmocka_unit_test(what_a_full_set_lost_is_told_once),
		cmocka_unit_test(what_a_lost_ledger_told_of_is_not_told_again),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
