/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What gates hold back, and what they say of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/compile.h"
#include "core/gate.h"

static const struct gates defaults = {
	.max_prefix4 = 8, .max_prefix6 = 19, .max_shrink = 50, .max_growth = 300,
};

struct one {
	struct image image;
	struct list *list;
};

static void
open_list(struct one *one, uint8_t role, const char *const texts[])
{
	struct list_source source = { .name = "one", .role = role };
	struct entries *entries = entries_new();
	struct list_error err;
	struct range range;
	unsigned int notes = 0;
	size_t i;

	for (i = 0; texts[i] != NULL; i++) {
		assert_null(range_parse(&range, texts[i], strlen(texts[i]), &notes));
		assert_int_equal(entries_add(entries, &range, 1), 0);
	}
	assert_int_equal(compile_source(entries, &source, &one->image), 0);
	assert_int_equal(list_open_memory(&one->list, one->image.bytes, one->image.size, &err), 0);
	entries_free(entries);
}

static void
close_list(struct one *one)
{
	list_free(one->list);
	image_free(&one->image);
}

static void
passes(const struct gates *gates, uint8_t role, const char *const texts[], const char *expected)
{
	struct range own;
	struct one one;
	unsigned int notes = 0;
	char reason[256];
	bool pass;

	assert_null(range_parse(&own, "172.31.0.0/20", 13, &notes));
	open_list(&one, role, texts);
	pass = gate_pass(gates, NULL, one.list, &own, 1, reason);
	assert_int_equal(pass, expected == NULL);
	if (expected != NULL)
		assert_string_equal(reason, expected);
	close_list(&one);
}

#define TEXTS(...)	(const char *const[]){ __VA_ARGS__, NULL }

static void
short_prefixes_are_held(void **state)
{
	passes(&defaults, LIST_THREAT, TEXTS("9.0.0.0/8", "2a00::/19"), NULL);
	passes(&defaults, LIST_THREAT, TEXTS("8.0.0.0/7"),
	    "contains 8.0.0.0/7, prefixes shorter than /8 are not accepted");
	passes(&defaults, LIST_THREAT, TEXTS("1.2.3.4", "0.0.0.0/0"),
	    "contains 0.0.0.0/0, prefixes shorter than /8 are not accepted");
	passes(&defaults, LIST_THREAT, TEXTS("2a00::/18"),
	    "contains 2a00::/18, prefixes shorter than /19 are not accepted");
	passes(&defaults, LIST_THREAT, TEXTS("::/0"),
	    "contains ::/0, prefixes shorter than /19 are not accepted");
}

static void
pieces_make_a_prefix(void **state)
{
	passes(&defaults, LIST_THREAT, TEXTS("9.0.0.0/8", "10.0.0.0/8"), NULL);
	passes(&defaults, LIST_THREAT, TEXTS("8.0.0.0/8", "9.0.0.0/9", "9.128.0.0/9"),
	    "contains 8.0.0.0/7, prefixes shorter than /8 are not accepted");
	passes(&defaults, LIST_THREAT, TEXTS("7.9.0.0-10.1.2.3"),
	    "contains 8.0.0.0/7, prefixes shorter than /8 are not accepted");
	passes(&defaults, LIST_THREAT, TEXTS("255.0.0.0/8", "254.0.0.0/8"),
	    "contains 254.0.0.0/7, prefixes shorter than /8 are not accepted");
}

static void
limits_at_their_ends(void **state)
{
	struct gates gates = defaults;

	gates.max_prefix4 = gates.max_prefix6 = 0;
	passes(&gates, LIST_TRUSTED, TEXTS("0.0.0.0/0", "::/0"), NULL);
	gates.max_prefix4 = 32;
	passes(&gates, LIST_THREAT, TEXTS("1.1.1.1", "1.1.1.3"), NULL);
	passes(&gates, LIST_THREAT, TEXTS("1.1.1.2", "1.1.1.3"),
	    "contains 1.1.1.2/31, prefixes shorter than /32 are not accepted");
}

static void
own_subnet_is_held(void **state)
{
	passes(&defaults, LIST_THREAT, TEXTS("172.31.0.0/21"), NULL);
	passes(&defaults, LIST_THREAT, TEXTS("172.31.0.0/21", "172.31.8.0/21"),
	    "contains 172.31.0.0/20, a subnet of this host, whole (in 172.31.0.0/20)");
	passes(&defaults, LIST_THREAT, TEXTS("172.16.0.0/12"),
	    "contains 172.31.0.0/20, a subnet of this host, whole (in 172.16.0.0/12)");
}

static void
trusted_lists_only_take_away(void **state)
{
	passes(&defaults, LIST_TRUSTED, TEXTS("0.0.0.0/0", "172.31.0.0/16"), NULL);
}

/* n hosts that start at 1.0.0.0 + first, every second address. */
static void
open_hosts(struct one *one, unsigned int first, unsigned int n)
{
	struct list_source source = { .name = "one" };
	struct entries *entries = entries_new();
	struct list_error err;
	struct range range;
	unsigned int i;

	for (i = first; i < first + n; i++) {
		range.first = range.last = addr_from_v4(0x01000000 + 2 * i);
		assert_int_equal(entries_add(entries, &range, 1), 0);
	}
	assert_int_equal(compile_source(entries, &source, &one->image), 0);
	assert_int_equal(list_open_memory(&one->list, one->image.bytes, one->image.size, &err), 0);
	entries_free(entries);
}

static void
changes(unsigned int old_first, unsigned int old_n, unsigned int first, unsigned int n,
    const char *expected)
{
	struct one before, after;
	char reason[256];

	open_hosts(&before, old_first, old_n);
	open_hosts(&after, first, n);
	assert_int_equal(gate_pass(&defaults, before.list, after.list, NULL, 0, reason),
	    expected == NULL);
	if (expected != NULL)
		assert_string_equal(reason, expected);
	close_list(&before);
	close_list(&after);
}

static void
sudden_changes_are_held(void **state)
{
	changes(0, 100, 0, 50, NULL);
	changes(0, 100, 0, 49, "51 of 100 entries would go (51 %), at most 50 % may");
	changes(0, 100, 0, 400, NULL);
	changes(0, 100, 0, 401, "301 entries would come to 100 (301 %), at most 300 % may");
	changes(0, 100, 100, 100, "100 of 100 entries would go (100 %), at most 50 % may");
	changes(0, GATE_MIN_ENTRIES - 1, 0, 1, NULL);
	changes(0, GATE_MIN_ENTRIES - 1, 0, 5000, NULL);
	changes(0, GATE_MIN_ENTRIES, 0, 1, "19 of 20 entries would go (95 %), at most 50 % may");
}

static void
differences_are_counted(void **state)
{
	struct one before, after;
	uint64_t added, removed;

	open_list(&before, LIST_THREAT, TEXTS("1.0.0.1", "2.0.0.0/8", "2a00::1",
	    "255.255.255.255"));
	open_list(&after, LIST_THREAT, TEXTS("1.0.0.1", "2.0.0.0/9", "2a00::2", "2a00::4"));
	list_difference(before.list, after.list, &added, &removed);
	assert_int_equal(added, 3);
	assert_int_equal(removed, 3);
	list_difference(before.list, before.list, &added, &removed);
	assert_int_equal(added + removed, 0);
	list_difference(NULL, after.list, &added, &removed);
	assert_int_equal(added, 4);
	assert_int_equal(removed, 0);
	close_list(&before);
	close_list(&after);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_prefixes_are_held),
		cmocka_unit_test(pieces_make_a_prefix),
		cmocka_unit_test(limits_at_their_ends),
		cmocka_unit_test(own_subnet_is_held),
		cmocka_unit_test(trusted_lists_only_take_away),
		cmocka_unit_test(sudden_changes_are_held),
		cmocka_unit_test(differences_are_counted),
	};

	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
