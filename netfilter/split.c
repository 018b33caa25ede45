/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "split.h"

/* A range of either family as keys of the kernel. */
struct span {
	uint8_t first[KEY_MAX], last[KEY_MAX];
	uint8_t action;			/* enum list_action */
};

/* The ranges of one family of a list. */
struct view {
	const struct list *list;
	unsigned int family;		/* FAMILY_V4, FAMILY_V6 */
	size_t n, key_size;
	uint64_t small;			/* ranges up to this size become hosts */
};

void
split_init(struct split *split)
{
	unsigned int set;

	for (set = 0; set < SET_TURNS; set++)
		keys_init(&split->keys[set], set_info(set)->key_size, set_info(set)->ranges);
}

void
split_fini(struct split *split)
{
	unsigned int set;

	for (set = 0; set < SET_TURNS; set++)
		keys_fini(&split->keys[set]);
}

static void
put32(uint8_t *key, uint32_t value)
{
	key[0] = (uint8_t)(value >> 24);
	key[1] = (uint8_t)(value >> 16);
	key[2] = (uint8_t)(value >> 8);
	key[3] = (uint8_t)value;
}

static uint64_t
get_be(const uint8_t *key, size_t size)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < size; i++)
		value = value << 8 | key[i];
	return value;
}

static void
span_at(const struct view *view, size_t i, struct span *span)
{
	uint32_t attr;

	if (view->family == FAMILY_V4) {
		const struct list_range4 *range = list_ranges4(view->list) + i;

		put32(span->first, range->first);
		put32(span->last, range->last);
		attr = range->attr;
	} else {
		const struct list_range6 *range = list_ranges6(view->list) + i;

		memcpy(span->first, range->first, 16);
		memcpy(span->last, range->last, 16);
		attr = range->attr;
	}
	span->action = list_attr(view->list, attr)->action;
}

/* How many addresses, UINT64_MAX when they do not share all but the last 64 bits. */
static uint64_t
span_size(const struct span *span, size_t key_size)
{
	uint64_t first, last;

	if (key_size == 4)
		return get_be(span->last, 4) - get_be(span->first, 4) + 1;
	if (memcmp(span->first, span->last, 8) != 0)
		return UINT64_MAX;
	first = get_be(span->first + 8, 8);
	last = get_be(span->last + 8, 8);
	return last - first == UINT64_MAX ? UINT64_MAX : last - first + 1;
}

static bool
span_touches(const struct span *before, const struct span *after, size_t key_size)
{
	uint8_t next[KEY_MAX];

	memcpy(next, before->last, key_size);
	return key_next(next, key_size) && memcmp(next, after->first, key_size) == 0;
}

/*
 * The size up to which ranges become hosts: the largest power of two that does
 * not make the list half as long again.
 */
static uint64_t
choose_small(const struct view *view)
{
	uint64_t addresses[SMALL_RANGE_MAX + 1] = { 0 }, sum, limit;
	struct span span;
	size_t i;

	for (i = 0; i < view->n; i++) {
		uint64_t size;

		span_at(view, i, &span);
		size = span_size(&span, view->key_size);
		if (size <= SMALL_RANGE_MAX)
			addresses[size] += size;
	}
	for (limit = SMALL_RANGE_MAX; limit > 1; limit /= 2) {
		for (sum = 0, i = 2; i <= limit; i++)
			sum += addresses[i];
		if (sum <= view->n / 2 + 1024)
			break;
	}
	return limit;
}

static int
add_hosts(struct keys *hosts, const struct span *span)
{
	uint8_t key[KEY_MAX];
	int error;

	memcpy(key, span->first, hosts->key_size);
	for (;;) {
		error = keys_add(hosts, key, NULL);
		if (error != 0 || memcmp(key, span->last, hosts->key_size) == 0)
			return error;
		key_next(key, hosts->key_size);
	}
}

/* Ranges of one action within [from, to), as prefixes: neighbours united. */
static int
add_nets(struct keys *nets, const struct view *view, size_t from, size_t to, int action)
{
	struct span span, whole = { .action = 0 };
	bool open = false;
	int error = 0;

	for (; from < to && error == 0; from++) {
		span_at(view, from, &span);
		if (action >= 0 && span.action != action) {
			if (open)
				error = keys_add(nets, whole.first, whole.last);
			open = false;
		} else if (open) {
			memcpy(whole.last, span.last, sizeof(whole.last));
		} else {
			whole = span;
			open = true;
		}
	}
	return error == 0 && open ? keys_add(nets, whole.first, whole.last) : error;
}

/*
 * A run of touching ranges.  Where a listed address is, in the hosts or in the
 * prefixes, there it is also in the sets of its action: then both change together.
 */
static int
add_run(struct split *split, const struct view *view, size_t from, size_t to, bool large)
{
	struct keys *keys = split->keys;
	struct span span;
	int error = 0;

	if (large) {
		error = add_nets(&keys[set_of(CLASS_LISTED, SHAPE_NETS, view->family)], view,
		    from, to, -1);
		if (error == 0)
			error = add_nets(&keys[set_of(CLASS_WATCH, SHAPE_NETS, view->family)],
			    view, from, to, LIST_WATCH);
		if (error == 0)
			error = add_nets(&keys[set_of(CLASS_REJECT, SHAPE_NETS, view->family)],
			    view, from, to, LIST_REJECT);
		return error;
	}
	for (; from < to && error == 0; from++) {
		span_at(view, from, &span);
		error = add_hosts(&keys[set_of(CLASS_LISTED, SHAPE_HOSTS, view->family)], &span);
		if (error == 0 && span.action == LIST_WATCH)
			error = add_hosts(&keys[set_of(CLASS_WATCH, SHAPE_HOSTS, view->family)],
			    &span);
		else if (error == 0 && span.action == LIST_REJECT)
			error = add_hosts(&keys[set_of(CLASS_REJECT, SHAPE_HOSTS, view->family)],
			    &span);
	}
	return error;
}

static int
split_family(struct split *split, const struct view *view)
{
	struct span span, before = { .action = 0 };
	size_t i, from = 0;
	bool large = false;
	int error;

	for (i = 0; i < view->n; i++) {
		span_at(view, i, &span);
		if (i > from && !span_touches(&before, &span, view->key_size)) {
			error = add_run(split, view, from, i, large);
			if (error != 0)
				return error;
			from = i;
			large = false;
		}
		large |= span_size(&span, view->key_size) > view->small;
		before = span;
	}
	return from < i ? add_run(split, view, from, i, large) : 0;
}

/* The prefilter of the listed prefixes; left empty when it would be too large. */
static int
split_top(struct split *split, unsigned int family)
{
	const struct keys *nets = &split->keys[set_of(CLASS_LISTED, SHAPE_NETS, family)];
	struct keys *top = &split->keys[SET_TOP(family)];
	unsigned int shift = family == FAMILY_V4 ? 32 - TOP_BITS4 : 32 - TOP_BITS6;
	uint64_t next = 0, value, last;
	size_t i;

	for (i = 0; i < nets->n; i++) {
		const uint8_t *item = keys_item(nets, i);

		value = get_be(item, 4) >> shift;
		last = get_be(item + nets->key_size, 4) >> shift;
		if (value < next)
			value = next;
		if (last >= value && top->n + (last - value + 1) > TOP_MAX) {
			keys_fini(top);
			return 0;
		}
		for (; value <= last; value++) {
			uint8_t key[KEY_MAX] = { 0 };

			put32(key, (uint32_t)(value << shift));
			if (keys_add(top, key, NULL) != 0)
				return -ENOMEM;
			next = value + 1;
		}
	}
	return 0;
}

int
split_list(struct split *split, const struct list *list)
{
	struct view view = { .list = list };
	unsigned int set;
	int error = 0;

	for (view.family = 0; view.family < FAMILY_END && error == 0; view.family++) {
		view.n = view.family == FAMILY_V4 ? list_nranges4(list) : list_nranges6(list);
		view.key_size = view.family == FAMILY_V4 ? 4 : 16;
		view.small = choose_small(&view);
		keys_reserve(&split->keys[set_of(CLASS_LISTED, SHAPE_HOSTS, view.family)], view.n);
		error = split_family(split, &view);
		if (error == 0)
			error = split_top(split, view.family);
	}
	for (set = 0; set < SET_TURNS; set++)
		keys_trim(&split->keys[set]);
	return error;
}

static int
compare_ranges(const void *a, const void *b)
{
	const struct range *left = a, *right = b;

	return addr_compare(&left->first, &right->first);
}

/* Sorts them and unites those that overlap; the number that is left. */
static size_t
unite(struct range *ranges, size_t n)
{
	size_t i, last = 0;

	qsort(ranges, n, sizeof(*ranges), compare_ranges);
	for (i = 1; i < n; i++) {
		/* addresses of different families never overlap: they order by family first */
		if (addr_compare(&ranges[i].first, &ranges[last].last) > 0)
			ranges[++last] = ranges[i];
		else if (addr_compare(&ranges[i].last, &ranges[last].last) > 0)
			ranges[last].last = ranges[i].last;
	}
	return n == 0 ? 0 : last + 1;
}

int
split_protect(struct split *split, const struct range *given, size_t n)
{
	struct range *ranges;
	size_t i;
	int error = 0;

	ranges = malloc((n + 1) * sizeof(*ranges));
	if (ranges == NULL)
		return -ENOMEM;
	if (n > 0)
		memcpy(ranges, given, n * sizeof(*ranges));
	n = unite(ranges, n);
	for (i = 0; i < n && error == 0; i++) {
		const struct range *range = &ranges[i];
		unsigned int family = range->first.family == ADDR_V4 ? FAMILY_V4 : FAMILY_V6;
		enum set_shape shape = addr_equal(&range->first, &range->last) ? SHAPE_HOSTS :
		    SHAPE_NETS;

		error = keys_add(&split->keys[set_of(CLASS_PROTECT, shape, family)],
		    range->first.bytes, range->last.bytes);
	}
	free(ranges);
	return error;
}
