/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The membership index says what list_find says, and list_find what is in the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/compile.h"
#include "core/key.h"
#include "core/match.h"

#define ROUNDS	60
#define PROBES	3000

/* xorshift64*, so that a seed says everything */
static uint64_t random_state, seed_of_round;

static uint64_t
random_bits(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1d;
}

static uint64_t
random_below(uint64_t n)
{
	return (random_bits() >> 16) % n;
}

struct opened {
	struct image image;
	struct list *list;
	struct match *match;
};

static void
open_entries(struct opened *opened, const struct entries *entries)
{
	static const struct list_source source = { .name = "one", .action = LIST_DROP };
	struct list_error err;

	assert_int_equal(compile_source(entries, &source, &opened->image), 0);
	assert_int_equal(list_open_memory(&opened->list, opened->image.bytes, opened->image.size,
	    &err), 0);
	opened->match = match_new(opened->list);
	assert_non_null(opened->match);
}

static void
close_opened(struct opened *opened)
{
	match_free(opened->match);
	list_free(opened->list);
	image_free(&opened->image);
}

/* Few different upper bits, so that entries and probes meet. */
static struct addr
random_addr(void)
{
	uint8_t bytes[16];

	if (random_below(2) == 0)
		return addr_from_v4((uint32_t)(random_below(4) << 30 | random_below(3) << 15 |
		    random_below(700)));
	key_store64(bytes, random_below(4) << 62 | random_below(3) << 31);
	key_store64(bytes + 8, random_below(300));
	return addr_from_v6(bytes);
}

static struct range
random_range(void)
{
	struct addr addr = random_addr(), other;
	unsigned int bits = addr_bits(addr.family), kind = (unsigned int)random_below(10);

	if (kind < 6)
		return range_of_prefix(&addr, bits);
	if (kind < 8)
		return range_of_prefix(&addr, bits - (unsigned int)random_below(26));
	do {
		other = random_addr();
	} while (other.family != addr.family);
	return addr_compare(&addr, &other) <= 0 ? (struct range){ addr, other } :
	    (struct range){ other, addr };
}

static bool
same_answer(const struct opened *opened, const struct range *ranges, size_t n,
    const struct addr *addr)
{
	struct list_hit hit, found;
	bool listed = false, has;
	size_t i;

	for (i = 0; i < n && !listed; i++)
		listed = range_contains(&ranges[i], addr);
	has = addr->family == ADDR_V4 ? match_has4(opened->match, addr_to_v4(addr)) :
	    match_has6(opened->match, addr->bytes);
	if (has != listed || match_find(opened->match, addr, &hit) != listed ||
	    list_find(opened->list, addr, &found) != listed)
		return false;
	return !listed || (range_equal(&hit.range, &found.range) &&
	    range_contains(&hit.range, addr) && hit.lists == 1);
}

static void
probe(const struct opened *opened, const struct range *ranges, size_t n)
{
	struct addr addr;
	char text[ADDR_TEXT_MAX];
	size_t i;

	for (i = 0; i < PROBES; i++) {
		switch (random_below(4)) {
		case 0:
			addr = ranges[random_below(n)].first;
			if (random_below(2) == 0)
				addr_prev(&addr);
			break;
		case 1:
			addr = ranges[random_below(n)].last;
			if (random_below(2) == 0)
				addr_next(&addr);
			break;
		case 2:
			addr = addr_from_v4((uint32_t)random_bits());
			break;
		default:
			addr = random_addr();
			break;
		}
		if (!same_answer(opened, ranges, n, &addr))
			fail_msg("%s is answered wrongly", addr_text(&addr, text));
	}
}

#define RANGES_MAX	200

static void
match_follows_the_model(void **state)
{
	struct range ranges[RANGES_MAX];
	struct entries *entries;
	struct opened opened;
	size_t n, i;

	for (seed_of_round = 1; seed_of_round <= ROUNDS; seed_of_round++) {
		random_state = seed_of_round * 0x9e3779b97f4a7c15;
		entries = entries_new();
		n = 1 + random_below(RANGES_MAX);
		for (i = 0; i < n; i++) {
			ranges[i] = random_range();
			assert_int_equal(entries_add(entries, &ranges[i], (uint32_t)i), 0);
		}
		open_entries(&opened, entries);
		probe(&opened, ranges, n);
		close_opened(&opened);
		entries_free(entries);
	}
	seed_of_round = 0;
}

static int
show_seed(void **state)
{
	if (seed_of_round != 0)
		print_message("failed with seed %llu\n", (unsigned long long)seed_of_round);
	return 0;
}

static void
add(struct entries *entries, const char *text)
{
	struct range range;
	unsigned int notes = 0;

	assert_null(range_parse(&range, text, strlen(text), &notes));
	assert_int_equal(entries_add(entries, &range, 1), 0);
}

static void
everything_is_listed(void **state)
{
	struct entries *entries = entries_new();
	uint8_t bytes[16];
	struct opened opened;

	add(entries, "0.0.0.0/0");
	add(entries, "::/0");
	open_entries(&opened, entries);
	assert_true(match_has4(opened.match, 0));
	assert_true(match_has4(opened.match, UINT32_MAX));
	assert_true(match_has4(opened.match, 0x0a00ffff));
	memset(bytes, 0, sizeof(bytes));
	assert_true(match_has6(opened.match, bytes));
	memset(bytes, 0xff, sizeof(bytes));
	assert_true(match_has6(opened.match, bytes));
	close_opened(&opened);
	entries_free(entries);
}

static void
nothing_is_listed(void **state)
{
	struct entries *entries = entries_new();
	uint8_t bytes[16] = { 0 };
	struct opened opened;
	struct addr none = { .family = ADDR_NONE };
	struct list_hit hit;

	open_entries(&opened, entries);
	assert_false(match_has4(opened.match, 0));
	assert_false(match_has4(opened.match, UINT32_MAX));
	assert_false(match_has6(opened.match, bytes));
	assert_false(match_find(opened.match, &none, &hit));
	close_opened(&opened);
	entries_free(entries);
}

/* Design §7: at 250,000 entries of the usual shape. */
static void
memory_is_bounded(void **state)
{
	struct entries *entries = entries_new();
	struct opened opened;
	struct range range;
	uint32_t i;

	random_state = 1;
	for (i = 0; i < 250000; i++) {
		if (i % 20 == 0)
			range.first = addr_from_v4((uint32_t)random_bits() & 0xffffff00);
		range.first.bytes[3] = (uint8_t)random_bits();
		range.last = range.first;
		assert_int_equal(entries_add(entries, &range, i), 0);
	}
	open_entries(&opened, entries);
	assert_true(match_bytes(opened.match) <= 16 * 250000u);
	close_opened(&opened);
	entries_free(entries);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(match_follows_the_model, show_seed),
		cmocka_unit_test(everything_is_listed),
		cmocka_unit_test(nothing_is_listed),
		cmocka_unit_test(memory_is_bounded),
	};

	return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
