/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Compiling against a naive model: random entries in a small window of the
 * address space, so that they overlap and nest, asked address by address.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/compile.h"
#include "core/key.h"

#define WINDOW		96	/* addresses */
#define ENTRIES_MAX	24	/* in one source */
#define SOURCES_MAX	5
#define ROUNDS		4000

/* Where windows begin: both ends of both spaces, byte borders, borders of the scope. */
static const struct window {
	uint8_t family;
	struct key base;
} windows[] = {
	{ ADDR_V4, { 0, 0 } },
	{ ADDR_V4, { 0, 0xffffffff - (WINDOW - 1) } },
	{ ADDR_V4, { 0, 0x01ffffff - WINDOW / 2 } },
	{ ADDR_V4, { 0, 0x09ffffff - WINDOW / 2 } },
	{ ADDR_V4, { 0, 0xcb0070ff - WINDOW / 2 } },
	{ ADDR_V6, { 0, 0 } },
	{ ADDR_V6, { UINT64_MAX, UINT64_MAX - (WINDOW - 1) } },
	{ ADDR_V6, { 0x2a00000000000000, UINT64_MAX - WINDOW / 2 } },
	{ ADDR_V6, { 0x20010db7ffffffff, UINT64_MAX - WINDOW / 2 } },
	{ ADDR_V6, { 0x1fffffffffffffff, UINT64_MAX - WINDOW / 2 } },
};

struct model_entry {
	unsigned int first, last;	/* offsets in the window */
};

struct model_source {
	struct model_entry entries[ENTRIES_MAX];
	unsigned int n;
	bool absent;
	uint8_t role, action;
};

struct model {
	struct window window;
	struct model_source sources[SOURCES_MAX];
	unsigned int n;
	enum list_scope scope;
};

/* xorshift64*, so that a seed says everything */
static uint64_t random_state, seed_of_round;

static uint64_t
random_below(uint64_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1d >> 16) % n;
}

static struct addr
addr_at(const struct window *window, unsigned int offset)
{
	struct key key = window->base;
	uint8_t bytes[16];

	key.lo += offset;
	if (key.lo < offset)
		key.hi++;
	if (window->family == ADDR_V4)
		return addr_from_v4((uint32_t)key.lo);
	key_to6(key, bytes);
	return addr_from_v6(bytes);
}

static void
make_model(struct model *model)
{
	unsigned int i, j, a, b;

	memset(model, 0, sizeof(*model));
	model->window = windows[random_below(sizeof(windows) / sizeof(windows[0]))];
	model->n = 1 + (unsigned int)random_below(SOURCES_MAX);
	model->scope = random_below(2) == 0 ? SCOPE_ANY : SCOPE_PUBLIC;
	for (i = 0; i < model->n; i++) {
		struct model_source *source = &model->sources[i];

		source->n = 1 + (unsigned int)random_below(ENTRIES_MAX);
		source->absent = random_below(10) == 0;
		source->role = random_below(4) == 0 ? LIST_TRUSTED : LIST_THREAT;
		source->action = (uint8_t)random_below(3);
		for (j = 0; j < source->n; j++) {
			a = (unsigned int)random_below(WINDOW);
			b = a + (unsigned int)random_below(1 + random_below(WINDOW));
			source->entries[j].first = a;
			source->entries[j].last = b < WINDOW ? b : WINDOW - 1;
		}
	}
}

static struct list *
open_image(const struct image *image)
{
	struct list_error err;
	struct list *list = NULL;

	if (list_open_memory(&list, image->bytes, image->size, &err) != 0)
		fail_msg("%s", err.text);
	return list;
}

static struct range
range_at(const struct window *window, const struct model_entry *entry)
{
	return (struct range){
		.first = addr_at(window, entry->first),
		.last = addr_at(window, entry->last),
	};
}

static struct list *
compile_model_source(const struct model *model, unsigned int i, struct image *image)
{
	const struct model_source *source = &model->sources[i];
	struct list_source head = { .role = source->role, .action = source->action };
	struct entries *entries = entries_new();
	struct range range;
	unsigned int j;

	head.name[0] = (char)('a' + i);
	for (j = 0; j < source->n; j++) {
		range = range_at(&model->window, &source->entries[j]);
		assert_int_equal(entries_add(entries, &range, j + 1), 0);
	}
	assert_int_equal(compile_source(entries, &head, image), 0);
	entries_free(entries);
	return open_image(image);
}

/* The most specific entry of a source at an offset, NULL: none. */
static const struct model_entry *
model_entry_at(const struct model_source *source, unsigned int offset)
{
	const struct model_entry *best = NULL;
	unsigned int j;

	for (j = 0; j < source->n; j++) {
		const struct model_entry *entry = &source->entries[j];

		if (entry->first > offset || entry->last < offset)
			continue;
		if (best == NULL || entry->last - entry->first < best->last - best->first)
			best = entry;
	}
	return best;
}

/* The contract's words, read with nothing of what compiles them. */
static bool
model_is_public(const struct addr *addr)
{
	static const char *const excluded[] = {
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
		"172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"224.0.0.0/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	};
	struct range range;
	unsigned int notes = 0;
	size_t i;

	for (i = 0; i < sizeof(excluded) / sizeof(excluded[0]); i++) {
		assert_null(range_parse(&range, excluded[i], strlen(excluded[i]), &notes));
		if (range_contains(&range, addr))
			return false;
	}
	return addr->family == ADDR_V4 || addr->bytes[0] >> 5 == 1;
}

static bool
model_is_trusted(const struct model *model, unsigned int offset)
{
	unsigned int i;

	for (i = 0; i < model->n; i++) {
		if (!model->sources[i].absent && model->sources[i].role == LIST_TRUSTED &&
		    model_entry_at(&model->sources[i], offset) != NULL)
			return true;
	}
	return false;
}

/* What the compiled list must say of one address; false: nothing. */
static bool
model_find(const struct model *model, unsigned int offset, struct list_hit *hit)
{
	struct addr addr = addr_at(&model->window, offset);
	const struct model_entry *best = NULL, *entry;
	unsigned int i;

	memset(hit, 0, sizeof(*hit));
	for (i = 0; i < model->n; i++) {
		const struct model_source *source = &model->sources[i];

		if (source->absent || source->role == LIST_TRUSTED)
			continue;
		entry = model_entry_at(source, offset);
		if (entry == NULL)
			continue;
		hit->lists |= UINT64_C(1) << i;
		if (source->action > hit->action)
			hit->action = source->action;
		if (best == NULL || entry->last - entry->first < best->last - best->first)
			best = entry;
	}
	if (best == NULL || model_is_trusted(model, offset) ||
	    (model->scope == SCOPE_PUBLIC && !model_is_public(&addr)))
		return false;
	hit->entry = range_at(&model->window, best);
	return true;
}

static void
same_hit(const struct list_hit *found, const struct list_hit *expected)
{
	assert_int_equal(found->lists, expected->lists);
	assert_int_equal(found->action, expected->action);
	assert_true(range_equal(&found->entry, &expected->entry));
}

static void
compare_union(const struct model *model, const struct list *list)
{
	struct list_hit found, expected;
	struct addr addr, outside;
	unsigned int i;

	for (i = 0; i < WINDOW; i++) {
		bool is_there = model_find(model, i, &expected);

		addr = addr_at(&model->window, i);
		assert_int_equal(list_find(list, &addr, &found), is_there);
		if (!is_there)
			continue;
		same_hit(&found, &expected);
		assert_true(range_contains(&found.range, &addr));
	}
	outside = addr_at(&model->window, 0);
	if (addr_prev(&outside))
		assert_false(list_find(list, &outside, &found));
	outside = addr_at(&model->window, WINDOW - 1);
	if (addr_next(&outside))
		assert_false(list_find(list, &outside, &found));
}

static size_t
list_nranges(const struct list *list)
{
	return list_nranges4(list) + list_nranges6(list);
}

static void
list_hit(const struct list *list, size_t i, struct list_hit *hit)
{
	if (list_nranges4(list) > 0)
		list_hit4(list, i, hit);
	else
		list_hit6(list, i, hit);
}

/* Neighbours of which the same is known are one range. */
static void
ranges_are_joined(const struct list *list)
{
	struct list_hit before, hit;
	size_t i;

	for (i = 1; i < list_nranges(list); i++) {
		list_hit(list, i - 1, &before);
		list_hit(list, i, &hit);
		if (!addr_next(&before.range.last) ||
		    !addr_equal(&before.range.last, &hit.range.first))
			continue;
		assert_true(before.lists != hit.lists || before.action != hit.action ||
		    !range_equal(&before.entry, &hit.entry));
	}
}

/* How many ranges of the threat sources what is taken away touches. */
static void
compare_notes(const struct model *model, struct list *const lists[],
    const struct compile_notes *notes)
{
	struct compile_notes expected = { 0, 0 };
	struct list_hit hit;
	unsigned int i, offset;
	size_t j;

	for (i = 0; i < model->n; i++) {
		if (lists[i] == NULL || model->sources[i].role == LIST_TRUSTED)
			continue;
		for (j = 0; j < list_nranges(lists[i]); j++) {
			bool trusted = false, not_public = false;

			list_hit(lists[i], j, &hit);
			for (offset = 0; offset < WINDOW; offset++) {
				struct addr addr = addr_at(&model->window, offset);

				if (!range_contains(&hit.range, &addr))
					continue;
				trusted = trusted || model_is_trusted(model, offset);
				not_public = not_public || !model_is_public(&addr);
			}
			expected.trusted += trusted;
			expected.not_public += not_public && model->scope == SCOPE_PUBLIC;
		}
	}
	assert_int_equal(notes->trusted, expected.trusted);
	assert_int_equal(notes->not_public, expected.not_public);
}

static void
one_round(const struct model *model)
{
	struct image sources[SOURCES_MAX] = { { NULL, 0 } }, image = { NULL, 0 };
	struct list *lists[SOURCES_MAX] = { NULL }, *list;
	struct compile_notes notes;
	unsigned int i;

	for (i = 0; i < model->n; i++) {
		if (model->sources[i].absent)
			continue;
		lists[i] = compile_model_source(model, i, &sources[i]);
		ranges_are_joined(lists[i]);
	}
	assert_int_equal(compile_union((const struct list *const *)lists, model->n, model->scope,
	    &image, &notes), 0);
	list = open_image(&image);
	assert_int_equal(list_nsources(list), model->n);
	compare_union(model, list);
	ranges_are_joined(list);
	compare_notes(model, lists, &notes);
	list_free(list);
	image_free(&image);
	for (i = 0; i < model->n; i++) {
		list_free(lists[i]);
		image_free(&sources[i]);
	}
}

static void
compile_follows_the_model(void **state)
{
	struct model model;
	uint64_t seed;

	for (seed = 1; seed <= ROUNDS; seed++) {
		random_state = seed * 0x9e3779b97f4a7c15;
		make_model(&model);
		seed_of_round = seed;
		one_round(&model);
	}
	seed_of_round = 0;
}

/* A failed round does not come back: what is left then is its seed. */
static int
show_seed(void **state)
{
	if (seed_of_round != 0)
		print_message("failed with seed %llu\n", (unsigned long long)seed_of_round);
	return 0;
}

static void
add(struct entries *entries, const char *text, uint32_t line)
{
	struct range range;
	unsigned int notes = 0;

	assert_null(range_parse(&range, text, strlen(text), &notes));
	assert_int_equal(entries_add(entries, &range, line), 0);
}

static const struct list_source one_source = { .name = "one", .action = LIST_DROP };

static void
lines_of_ranges(void **state)
{
	struct entries *entries = entries_new();
	struct image image;
	struct list *list;
	uint32_t *lines;

	add(entries, "2001:db8::/32", 1);
	add(entries, "10.0.0.0/24", 2);
	add(entries, "10.0.0.7", 3);
	add(entries, "10.0.0.0/24", 4);
	assert_int_equal(compile_source(entries, &one_source, &image), 0);
	list = open_image(&image);
	lines = compile_lines(entries, list);
	assert_int_equal(list_nranges4(list), 3);
	assert_int_equal(list_nranges6(list), 1);
	assert_int_equal(lines[0], 2);
	assert_int_equal(lines[1], 3);
	assert_int_equal(lines[2], 2);
	assert_int_equal(lines[3], 1);
	assert_int_equal(list_source(list, 0)->entries, 4);
	free(lines);
	list_free(list);
	image_free(&image);
	entries_free(entries);
}

/* Order and repetition of lines change nothing, another range does. */
static void
hash_is_of_the_ranges(void **state)
{
	struct entries *entries[3] = { entries_new(), entries_new(), entries_new() };
	struct image images[3];
	struct list *lists[3];
	int i;

	add(entries[0], "1.0.0.1", 1);
	add(entries[0], "2.0.0.0/8", 2);
	add(entries[1], "2.0.0.0/8", 1);
	add(entries[1], "1.0.0.1", 2);
	add(entries[1], "1.0.0.1/32", 9);
	add(entries[2], "1.0.0.2", 1);
	add(entries[2], "2.0.0.0/8", 2);
	for (i = 0; i < 3; i++) {
		assert_int_equal(compile_source(entries[i], &one_source, &images[i]), 0);
		lists[i] = open_image(&images[i]);
	}
	assert_memory_equal(list_source(lists[0], 0)->hash, list_source(lists[1], 0)->hash,
	    LIST_HASH_LEN);
	assert_memory_not_equal(list_source(lists[0], 0)->hash, list_source(lists[2], 0)->hash,
	    LIST_HASH_LEN);
	assert_memory_not_equal(list_hash(lists[0]), list_hash(lists[2]), LIST_HASH_LEN);
	for (i = 0; i < 3; i++) {
		list_free(lists[i]);
		image_free(&images[i]);
		entries_free(entries[i]);
	}
}

/* Many hosts need no row each. */
static void
hosts_share_a_row(void **state)
{
	struct entries *entries = entries_new();
	struct range range;
	struct image image;
	struct list *list;
	uint32_t i;

	for (i = 0; i < 10000; i++) {
		range.first = range.last = addr_from_v4(i * 7919);
		assert_int_equal(entries_add(entries, &range, i + 1), 0);
	}
	assert_int_equal(compile_source(entries, &one_source, &image), 0);
	list = open_image(&image);
	assert_int_equal(list_nranges4(list), 10000);
	for (i = 0; i < 10000; i++)
		assert_int_equal(list_ranges4(list)[i].attr, 0);
	assert_true(image.size < 10000 * sizeof(struct list_range4) + 1000);
	list_free(list);
	image_free(&image);
	entries_free(entries);
}

/* An IPv6 sort by the upper half alone would leave these as they are. */
static void
lower_halves_are_sorted(void **state)
{
	struct entries *entries = entries_new();
	struct image image;
	struct list *list;

	add(entries, "2a00::9", 1);
	add(entries, "2a00::1", 2);
	add(entries, "2a00::5/127", 3);
	add(entries, "1a00::5", 4);
	assert_int_equal(compile_source(entries, &one_source, &image), 0);
	list = open_image(&image);
	assert_int_equal(list_nranges6(list), 4);
	list_free(list);
	image_free(&image);
	entries_free(entries);
}

static void
too_many_sources_are_refused(void **state)
{
	const struct list *lists[LIST_SOURCES_MAX + 1] = { NULL };
	struct compile_notes notes;
	struct image image;
	struct list *list;

	assert_int_equal(compile_union(lists, LIST_SOURCES_MAX + 1, SCOPE_ANY, &image, &notes),
	    -EINVAL);
	assert_int_equal(compile_union(lists, LIST_SOURCES_MAX, SCOPE_ANY, &image, &notes), 0);
	list = open_image(&image);
	assert_int_equal(list_nsources(list), LIST_SOURCES_MAX);
	assert_int_equal(list_nranges4(list), 0);
	list_free(list);
	image_free(&image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(compile_follows_the_model, show_seed),
		cmocka_unit_test(lines_of_ranges),
		cmocka_unit_test(hash_is_of_the_ranges),
		cmocka_unit_test(hosts_share_a_row),
		cmocka_unit_test(lower_halves_are_sorted),
		cmocka_unit_test(too_many_sources_are_refused),
	};

	return cmocka_run_group_tests_name("compile", tests, NULL, NULL);
}
