/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a list to the members of the kernel's sets, and from old members to new ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/compile.h"
#include "core/format.h"
#include "netfilter/split.h"

#define RANDOM_LISTS	60
#define LINE_ROOM	64

struct source {
	const char *text;
	uint8_t action;
};

static struct list *
list_of(const struct source *sources, size_t n, struct image *image)
{
	struct list *lists[4] = { NULL }, *list = NULL;
	struct image images[4];
	struct list_error err;
	struct compile_notes notes;
	size_t i;

	for (i = 0; i < n; i++) {
		struct list_source source = { .action = sources[i].action };
		struct entries *entries = entries_new();
		struct format_report report;

		snprintf(source.name, sizeof(source.name), "s%zu", i);
		assert_int_equal(format_read(entries, FORMAT_TXT, sources[i].text,
		    strlen(sources[i].text), &report), 0);
		assert_int_equal(compile_source(entries, &source, &images[i]), 0);
		assert_int_equal(list_open_memory(&lists[i], images[i].bytes, images[i].size,
		    &err), 0);
		entries_free(entries);
	}
	assert_int_equal(compile_union((const struct list *const *)lists, n, SCOPE_ANY, image,
	    &notes), 0);
	assert_int_equal(list_open_memory(&list, image->bytes, image->size, &err), 0);
	for (i = 0; i < n; i++) {
		list_free(lists[i]);
		image_free(&images[i]);
	}
	return list;
}

static void
split_text(struct split *split, const struct source *sources, size_t n)
{
	struct image image;
	struct list *list = list_of(sources, n, &image);

	split_init(split);
	assert_int_equal(split_list(split, list), 0);
	list_free(list);
	image_free(&image);
}

/* All members of a set as text, separated by blanks. */
static void
assert_members(const struct split *split, unsigned int set, const char *expected)
{
	const struct keys *keys = &split->sets[set].come;
	char text[1024] = "", one[RANGE_TEXT_MAX];
	size_t i, used = 0;

	for (i = 0; i < keys->n; i++) {
		struct range range = { .first = { .family = ADDR_V4 } };

		range.first.family = keys->key_size == 4 ? ADDR_V4 : ADDR_V6;
		memcpy(range.first.bytes, keys_item(keys, i), keys->key_size);
		range.last = range.first;
		if (keys->ranges)
			memcpy(range.last.bytes, keys_item(keys, i) + keys->key_size,
			    keys->key_size);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
		    i == 0 ? "" : " ", range_text(&range, one));
	}
	assert_string_equal(text, expected);
}

static void
small_ranges_become_hosts(void **state)
{
	const struct source source = {
		"192.0.2.1\n198.51.100.0/31\n203.0.113.0/24\n2001:db8::/127\n2001:db8:1::/48\n",
		LIST_DROP
	};
	struct split split;

	split_text(&split, &source, 1);
	assert_members(&split, set_of(CLASS_LISTED, SHAPE_HOSTS, FAMILY_V4),
	    "192.0.2.1 198.51.100.0 198.51.100.1");
	assert_members(&split, set_of(CLASS_LISTED, SHAPE_NETS, FAMILY_V4), "203.0.113.0/24");
	assert_members(&split, set_of(CLASS_LISTED, SHAPE_HOSTS, FAMILY_V6),
	    "2001:db8:: 2001:db8::1");
	assert_members(&split, set_of(CLASS_LISTED, SHAPE_NETS, FAMILY_V6), "2001:db8:1::/48");
	assert_int_equal(split.top[FAMILY_V4], TOP_ALL);
	assert_members(&split, SET_TOP(FAMILY_V4), "192.0.0.0 198.51.96.0 203.0.112.0");
	/* four bytes of 2001:db8::, as if they were an IPv4 address */
	assert_members(&split, SET_TOP(FAMILY_V6), "32.1.13.184");
	split_fini(&split);
}

/* Hosts far from each other would make the prefilter as large as their hash. */
static void
lonely_hosts_have_no_prefilter(void **state)
{
	const unsigned int n = 3 * TOP_FEW;
	char *text = malloc((n + 2) * LINE_ROOM);
	struct source source = { text, LIST_DROP };
	struct split split;
	size_t used = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, LINE_ROOM, "%u.%u.%u.1\n", 11 + (i >> 12),
		    i >> 4 & 255, (i & 15) << 4);
	snprintf(text + used, LINE_ROOM, "203.0.112.0/22\n");
	split_text(&split, &source, 1);
	assert_int_equal(split.top[FAMILY_V4], TOP_NETS);
	assert_members(&split, SET_TOP(FAMILY_V4), "203.0.0.0");
	assert_int_equal(split.sets[set_of(CLASS_LISTED, SHAPE_HOSTS, FAMILY_V4)].n, n);
	split_fini(&split);
	free(text);
}

/* A host with an action of its own inside a prefix does not cut the prefix in pieces. */
static void
actions_follow_the_shape(void **state)
{
	const struct source sources[] = {
		{ "203.0.113.0/24\n192.0.2.1\n", LIST_WATCH },
		{ "203.0.113.7\n192.0.2.9\n", LIST_DROP },
		{ "198.51.100.4\n192.0.2.10\n", LIST_REJECT },
	};
	struct split split;

	split_text(&split, sources, 3);
	assert_members(&split, set_of(CLASS_LISTED, SHAPE_HOSTS, FAMILY_V4),
	    "192.0.2.1 192.0.2.9 192.0.2.10 198.51.100.4");
	assert_members(&split, set_of(CLASS_LISTED, SHAPE_NETS, FAMILY_V4), "203.0.113.0/24");
	assert_members(&split, set_of(CLASS_WATCH, SHAPE_HOSTS, FAMILY_V4), "192.0.2.1");
	assert_members(&split, set_of(CLASS_WATCH, SHAPE_NETS, FAMILY_V4),
	    "203.0.113.0-203.0.113.6 203.0.113.8-203.0.113.255");
	assert_members(&split, set_of(CLASS_REJECT, SHAPE_HOSTS, FAMILY_V4),
	    "192.0.2.10 198.51.100.4");
	assert_members(&split, set_of(CLASS_REJECT, SHAPE_NETS, FAMILY_V4), "");
	split_fini(&split);
}

static void
ends_of_the_address_space(void **state)
{
	const struct source source = {
		"0.0.0.0/1\n255.255.255.0/24\n::/8\nffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n",
		LIST_DROP
	};
	struct split split;

	split_text(&split, &source, 1);
	assert_members(&split, set_of(CLASS_LISTED, SHAPE_NETS, FAMILY_V4),
	    "0.0.0.0/1 255.255.255.0/24");
	assert_members(&split, set_of(CLASS_LISTED, SHAPE_NETS, FAMILY_V6), "::/8");
	assert_members(&split, set_of(CLASS_LISTED, SHAPE_HOSTS, FAMILY_V6),
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_int_equal(split.sets[SET_TOP(FAMILY_V4)].n, 32769);
	/* 2^24 first 32 bits: too many for a prefilter */
	assert_int_equal(split.sets[SET_TOP(FAMILY_V6)].n, 0);
	split_fini(&split);
}

static void
protected_ranges_may_overlap(void **state)
{
	static const char *const given[] = {
		"10.0.0.0/8", "fe80::/10", "10.1.2.3", "192.0.2.1", "192.0.2.1", "fe80::1",
		"192.0.2.0", "10.255.0.0-11.0.0.5",
	};
	struct range ranges[8];
	struct split split;
	unsigned int notes = 0;
	size_t i;

	for (i = 0; i < 8; i++)
		assert_null(range_parse(&ranges[i], given[i], strlen(given[i]), &notes));
	split_init(&split);
	assert_int_equal(split_protect(&split, ranges, 8), 0);
	assert_members(&split, set_of(CLASS_PROTECT, SHAPE_HOSTS, FAMILY_V4),
	    "192.0.2.0 192.0.2.1");
	assert_members(&split, set_of(CLASS_PROTECT, SHAPE_NETS, FAMILY_V4),
	    "10.0.0.0-11.0.0.5");
	assert_members(&split, set_of(CLASS_PROTECT, SHAPE_NETS, FAMILY_V6), "fe80::/10");
	split_fini(&split);
}

/* Does the kernel, asked as the rules ask it, find the address? */
static bool
found(const struct split *split, uint32_t addr)
{
	uint8_t key[4] = { (uint8_t)(addr >> 24), (uint8_t)(addr >> 16), (uint8_t)(addr >> 8),
	    (uint8_t)addr };
	const uint8_t top[4] = { key[0], key[1], key[2] & 0xf0, 0 };
	const struct difference *sets = split->sets;

	assert_int_equal(split->top[FAMILY_V4], TOP_ALL);
	return keys_contain(&sets[SET_TOP(FAMILY_V4)].come, top) &&
	    (keys_contain(&sets[set_of(CLASS_LISTED, SHAPE_HOSTS, FAMILY_V4)].come, key) ||
	    keys_contain(&sets[set_of(CLASS_LISTED, SHAPE_NETS, FAMILY_V4)].come, key));
}

/* Against a naive model: one flag for each address of 10.0.0.0 to 10.3.255.255. */
static void
random_lists_keep_every_address(void **state)
{
	const uint32_t base = 10u << 24, space = 1u << 18;
	uint8_t *listed = malloc(space);
	char *text = malloc(4096 * LINE_ROOM);
	unsigned int round, i;
	uint32_t addr;

	srand(7);
	for (round = 0; round < RANDOM_LISTS; round++) {
		struct source source = { text, LIST_DROP };
		struct split split;
		size_t used = 0;

		memset(listed, 0, space);
		for (i = 0; i < 1 + round * 60; i++) {
			uint32_t size = 1u << (rand() % 8 == 0 ? rand() % 11 : rand() % 3);
			uint32_t first = ((uint32_t)rand() % space) & ~(size - 1);

			memset(listed + first, 1, size);
			used += (size_t)snprintf(text + used, LINE_ROOM, "10.%u.%u.%u/%d\n",
			    first >> 16, first >> 8 & 255, first & 255,
			    32 - __builtin_ctz(size));
		}
		split_text(&split, &source, 1);
		for (addr = 0; addr < space; addr++) {
			if (found(&split, base + addr) != (listed[addr] != 0))
				fail_msg("round %u: 10.%u.%u.%u", round, addr >> 16,
				    addr >> 8 & 255, addr & 255);
		}
		split_fini(&split);
	}
	free(text);
	free(listed);
}

static void
fill_keys(struct keys *keys, const uint8_t *values, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		uint8_t key[4] = { 0, 0, 0, values[i] };

		assert_int_equal(keys_add(keys, key, key), 0);
	}
}

static void
assert_keys(const struct keys *keys, const uint8_t *values, size_t n)
{
	size_t i;

	assert_int_equal(keys->n, n);
	for (i = 0; i < n; i++)
		assert_int_equal(keys_item(keys, i)[3], values[i]);
}

static void
differences(void **state)
{
	static const uint8_t old[] = { 1, 2, 3, 7, 9 }, new[] = { 0, 2, 7, 8, 9, 200 };
	struct difference difference;
	struct keys keys;
	size_t i;

	keys_init(&keys, 4, false);
	fill_keys(&keys, old, sizeof(old));
	difference_init(&difference, 4, false);
	difference.old = &keys;
	for (i = 0; i < sizeof(new); i++)
		assert_int_equal(difference_add(&difference,
		    (const uint8_t[]){ 0, 0, 0, new[i] }, NULL), 0);
	assert_int_equal(difference_end(&difference), 0);
	assert_int_equal(difference.n, sizeof(new));
	assert_keys(&difference.come, (const uint8_t[]){ 0, 8, 200 }, 3);
	assert_keys(&difference.gone, (const uint8_t[]){ 1, 3 }, 2);
	assert_int_equal(keys_reserve(&keys, difference.n), 0);
	keys_patch(&keys, &difference.gone, &difference.come);
	assert_keys(&keys, new, sizeof(new));
	difference_restart(&difference);
	assert_int_equal(difference_end(&difference), 0);
	assert_keys(&difference.gone, new, sizeof(new));
	difference_fini(&difference);
	keys_fini(&keys);
}

/* From each list to the next, patched, it must be what the next one gives from nothing. */
static void
patches_lead_from_list_to_list(void **state)
{
	struct keys held[SET_TURNS];
	char *text = malloc(1024 * LINE_ROOM);
	unsigned int round, set, i;

	srand(11);
	for (set = 0; set < SET_TURNS; set++)
		keys_init(&held[set], set_info(set)->key_size, set_info(set)->ranges);
	for (round = 0; round < RANDOM_LISTS; round++) {
		struct source source = { text, round % 3 == 0 ? LIST_WATCH : LIST_DROP };
		struct split whole, split;
		struct image image;
		struct list *list;
		size_t used = 0;

		for (i = 0; i < 1 + (unsigned int)rand() % 900; i++)
			used += (size_t)snprintf(text + used, LINE_ROOM, rand() % 4 == 0 ?
			    "2a00:%x::%x/%d\n" : "10.0.%u.%u/%d\n", rand() % 4, rand() % 256,
			    rand() % 3 == 0 ? 27 : 32);
		list = list_of(&source, 1, &image);
		split_init(&whole);
		split_init(&split);
		for (set = 0; set < SET_TURNS; set++)
			split.sets[set].old = &held[set];
		assert_int_equal(split_list(&whole, list), 0);
		assert_int_equal(split_list(&split, list), 0);
		for (set = 0; set < SET_TURNS; set++) {
			const struct keys *expected = &whole.sets[set].come;

			assert_int_equal(keys_reserve(&held[set], split.sets[set].n), 0);
			keys_patch(&held[set], &split.sets[set].gone, &split.sets[set].come);
			assert_int_equal(held[set].n, expected->n);
			if (expected->n > 0)
				assert_memory_equal(held[set].bytes, expected->bytes,
				    expected->n * keys_item_size(expected));
		}
		split_fini(&whole);
		split_fini(&split);
		list_free(list);
		image_free(&image);
	}
	for (set = 0; set < SET_TURNS; set++)
		keys_fini(&held[set]);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_ranges_become_hosts),
		cmocka_unit_test(lonely_hosts_have_no_prefilter),
		cmocka_unit_test(actions_follow_the_shape),
		cmocka_unit_test(ends_of_the_address_space),
		cmocka_unit_test(protected_ranges_may_overlap),
		cmocka_unit_test(random_lists_keep_every_address),
		cmocka_unit_test(differences),
		cmocka_unit_test(patches_lead_from_list_to_list),
	};

	return cmocka_run_group_tests_name("split", tests, NULL, NULL);
}
