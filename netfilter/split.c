/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "split.h"

/* An address of either family; IPv4 has the lower 32 bits of lo. */
struct number {
	uint64_t hi, lo;
};

struct span {
	struct number first, last;
};

/* The ranges of one family of a list. */
struct view {
	const struct list *list;
	const struct list_range4 *ranges4;
	const struct list_range6 *ranges6;
	uint32_t attr;			/* that action is of; UINT32_MAX: of none yet */
	uint8_t action;
	struct split *split;
	unsigned int family;		/* FAMILY_V4, FAMILY_V6 */
	size_t n;
	uint64_t small;			/* ranges up to this size become hosts */
	unsigned int wide;		/* ranges of so many bits are counted by themselves */
	enum top_scope top;
	uint64_t next_top;		/* leading bits that the prefilter has not yet */
	bool top_full;			/* there would be too many of them */
};

void
split_init(struct split *split)
{
	unsigned int set;

	for (set = 0; set < SET_TURNS; set++)
		difference_init(&split->sets[set], set_info(set)->key_size,
		    set_info(set)->ranges);
}

void
split_fini(struct split *split)
{
	unsigned int set;

	for (set = 0; set < SET_TURNS; set++)
		difference_fini(&split->sets[set]);
}

static void
put64(uint8_t *key, uint64_t value)
{
	value = htobe64(value);
	memcpy(key, &value, sizeof(value));
}

static uint64_t
get64(const uint8_t *key)
{
	uint64_t value;

	memcpy(&value, key, sizeof(value));
	return be64toh(value);
}

static void
number_put(struct number number, unsigned int family, uint8_t key[static KEY_MAX])
{
	uint32_t value = htobe32((uint32_t)number.lo);

	if (family == FAMILY_V4) {
		memcpy(key, &value, sizeof(value));
	} else {
		put64(key, number.hi);
		put64(key + 8, number.lo);
	}
}

static bool
number_equal(struct number a, struct number b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

/* Adds one; from the end of the address space on it is no address any more. */
static struct number
number_next(struct number number)
{
	number.lo++;
	number.hi += number.lo == 0;
	return number;
}

static inline void
span_at(const struct view *view, size_t i, struct span *span)
{
	if (view->family == FAMILY_V4) {
		const struct list_range4 *range = view->ranges4 + i;

		span->first = (struct number){ 0, range->first };
		span->last = (struct number){ 0, range->last };
	} else {
		const struct list_range6 *range = view->ranges6 + i;

		span->first = (struct number){ get64(range->first), get64(range->first + 8) };
		span->last = (struct number){ get64(range->last), get64(range->last + 8) };
	}
}

/* Ranges in a row mostly share what is known of them. */
static inline uint8_t
action_at(struct view *view, size_t i)
{
	uint32_t attr = view->family == FAMILY_V4 ? view->ranges4[i].attr :
	    view->ranges6[i].attr;

	if (attr != view->attr) {
		view->attr = attr;
		view->action = list_attr(view->list, attr)->action;
	}
	return view->action;
}

/* How many addresses, UINT64_MAX when they do not share all but the last 64 bits. */
static uint64_t
span_size(const struct span *span)
{
	uint64_t more = span->last.lo - span->first.lo;

	return span->first.hi != span->last.hi || more == UINT64_MAX ? UINT64_MAX : more + 1;
}

/* The n for which a range has at least 2^n addresses and less than twice as many. */
static unsigned int
size_bits(uint64_t size)
{
	return size == UINT64_MAX ? 64 : 63 - (unsigned int)__builtin_clzll(size);
}

/* How far to shift an address, IPv6: its upper half, for the bits of the prefilter. */
static unsigned int
top_shift(unsigned int family, enum top_scope scope)
{
	return (family == FAMILY_V4 ? 32 : 64) - top_bits(family, scope);
}

/* What there is of each kind, by one look at all ranges. */
struct survey {
	uint64_t addresses[SMALL_RANGE_MAX + 1];	/* in ranges of this size */
	size_t ranges[65];				/* of so many bits */
	uint64_t tops;			/* leading bits that a prefilter of all IPv4 would have */
};

static void
look_at(const struct view *view, struct survey *survey)
{
	const unsigned int shift = top_shift(FAMILY_V4, TOP_ALL);
	uint64_t first, last, next = 0, size;
	struct span span;
	size_t i;

	memset(survey, 0, sizeof(*survey));
	for (i = 0; i < view->n; i++) {
		span_at(view, i, &span);
		size = span_size(&span);
		if (size <= SMALL_RANGE_MAX)
			survey->addresses[size] += size;
		survey->ranges[size_bits(size)]++;
		if (view->family != FAMILY_V4)
			continue;
		first = span.first.lo >> shift;
		last = span.last.lo >> shift;
		if (first < next)
			first = next;
		if (last >= first)
			survey->tops += last - first + 1;
		next = last + 1;
	}
}

/*
 * The size up to which ranges become hosts: the largest power of two that does
 * not make the list half as long again.
 */
static uint64_t
choose_small(const struct view *view, const struct survey *survey)
{
	uint64_t sum, limit;
	size_t i;

	for (limit = SMALL_RANGE_MAX; limit > 1; limit /= 2) {
		for (sum = 0, i = 2; i <= limit; i++)
			sum += survey->addresses[i];
		if (sum <= view->n / 2 + 1024)
			break;
	}
	return limit;
}

static unsigned int
choose_wide(const struct survey *survey)
{
	unsigned int bits;
	size_t sum = 0;

	for (bits = 64; bits >= WIDE_BITS; bits--) {
		sum += survey->ranges[bits];
		if (sum > WIDE_MAX)
			break;
	}
	return bits + 1;
}

/* Is a prefilter of everything small enough beside the list itself? */
static enum top_scope
choose_top(const struct view *view, const struct survey *survey)
{
	return view->family == FAMILY_V6 ||
	    (survey->tops <= TOP_MAX && survey->tops <= view->n / 2 + TOP_FEW) ? TOP_ALL :
	    TOP_NETS;
}

static int
add_wide(struct view *view, const struct span *span)
{
	uint8_t first[KEY_MAX], last[KEY_MAX];
	unsigned int way;
	int error = 0;

	number_put(span->first, view->family, first);
	number_put(span->last, view->family, last);
	for (way = 0; way < SET_WAYS && error == 0; way++)
		error = difference_add(&view->split->sets[SET_WIDE(way, view->family)], first,
		    last);
	return error;
}

/* What the family's prefilter must know of listed addresses behind it. */
static int
add_top(struct view *view, const struct span *span)
{
	struct difference *top = &view->split->sets[SET_TOP(view->family)];
	bool v4 = view->family == FAMILY_V4;
	unsigned int shift = top_shift(view->family, view->top);
	uint64_t value = (v4 ? span->first.lo : span->first.hi) >> shift;
	uint64_t last = (v4 ? span->last.lo : span->last.hi) >> shift;
	int error = 0;

	if (value < view->next_top)
		value = view->next_top;
	if (last >= value && top->n + (last - value + 1) > TOP_MAX)
		view->top_full = true;
	for (; value <= last && error == 0 && !view->top_full; value++) {
		struct number leading = { v4 ? 0 : value << shift, v4 ? value << shift : 0 };
		uint8_t key[KEY_MAX];

		number_put(leading, view->family, key);
		error = difference_add(top, key, key);
		view->next_top = value + 1;
	}
	return error;
}

static int
add_hosts(struct view *view, enum set_class class, const struct span *span)
{
	struct difference *hosts = &view->split->sets[set_of(class, SHAPE_HOSTS, view->family)];
	struct number host;
	uint8_t key[KEY_MAX];
	int error = 0;

	if (class == CLASS_LISTED && view->top == TOP_ALL)
		error = add_top(view, span);
	if (error != 0)
		return error;
	for (host = span->first;; host = number_next(host)) {
		number_put(host, view->family, key);
		error = difference_add(hosts, key, key);
		if (error != 0 || number_equal(host, span->last))
			return error;
	}
}

static int
add_net(struct view *view, enum set_class class, const struct span *span)
{
	uint8_t first[KEY_MAX], last[KEY_MAX];
	int error;

	number_put(span->first, view->family, first);
	number_put(span->last, view->family, last);
	error = difference_add(&view->split->sets[set_of(class, SHAPE_NETS, view->family)],
	    first, last);
	if (error == 0 && class == CLASS_LISTED)
		error = add_top(view, span);
	return error;
}

/* Ranges of one action (< 0: any) within [from, to), as prefixes: neighbours united. */
static int
add_nets(struct view *view, enum set_class class, size_t from, size_t to, int action)
{
	struct span span, whole = { .first = { 0, 0 } };
	bool open = false;
	int error = 0;

	for (; from < to && error == 0; from++) {
		span_at(view, from, &span);
		if (action >= 0 && action_at(view, from) != action) {
			if (open)
				error = add_net(view, class, &whole);
			open = false;
		} else if (open) {
			whole.last = span.last;
		} else {
			whole = span;
			open = true;
		}
	}
	return error == 0 && open ? add_net(view, class, &whole) : error;
}

/*
 * A run of touching ranges.  Where a listed address is, in the hosts or in the
 * prefixes, there it is also in the sets of its action: then both change together.
 */
static int
add_run(struct view *view, size_t from, size_t to, bool large)
{
	struct span span;
	int error = 0;

	if (large) {
		error = add_nets(view, CLASS_LISTED, from, to, -1);
		if (error == 0)
			error = add_nets(view, CLASS_WATCH, from, to, LIST_WATCH);
		if (error == 0)
			error = add_nets(view, CLASS_REJECT, from, to, LIST_REJECT);
		return error;
	}
	for (; from < to && error == 0; from++) {
		uint8_t action = action_at(view, from);

		span_at(view, from, &span);
		error = add_hosts(view, CLASS_LISTED, &span);
		if (error == 0 && action == LIST_WATCH)
			error = add_hosts(view, CLASS_WATCH, &span);
		else if (error == 0 && action == LIST_REJECT)
			error = add_hosts(view, CLASS_REJECT, &span);
	}
	return error;
}

static int
split_family(struct view *view)
{
	struct number behind = { 0, 0 };
	struct span span;
	size_t i, from = 0;
	bool large = false;
	uint64_t size;
	int error;

	for (i = 0; i < view->n; i++) {
		span_at(view, i, &span);
		size = span_size(&span);
		if (i > from && !number_equal(behind, span.first)) {
			error = add_run(view, from, i, large);
			if (error != 0)
				return error;
			from = i;
			large = false;
		}
		large |= size > view->small;
		if (size_bits(size) >= view->wide) {
			error = add_wide(view, &span);
			if (error != 0)
				return error;
		}
		behind = number_next(span.last);
	}
	return from < i ? add_run(view, from, i, large) : 0;
}

int
split_list(struct split *split, const struct list *list)
{
	struct view view = { .list = list, .ranges4 = list_ranges4(list),
		.ranges6 = list_ranges6(list), .attr = UINT32_MAX, .split = split };
	struct survey survey;
	unsigned int set;
	int error = 0;

	for (view.family = 0; view.family < FAMILY_END && error == 0; view.family++) {
		view.n = view.family == FAMILY_V4 ? list_nranges4(list) : list_nranges6(list);
		look_at(&view, &survey);
		view.small = choose_small(&view, &survey);
		view.wide = choose_wide(&survey);
		view.top = split->top[view.family] = choose_top(&view, &survey);
		view.next_top = 0;
		view.top_full = false;
		error = split_family(&view);
		/* half a prefilter would hide prefixes */
		if (view.top_full)
			difference_restart(&split->sets[SET_TOP(view.family)]);
	}
	for (set = 0; set < SET_TURNS && error == 0; set++) {
		if (!set_protects(set))
			error = difference_end(&split->sets[set]);
	}
	return error;
}

static int
compare_ranges(const void *a, const void *b)
{
	const struct range *left = a, *right = b;

	return addr_compare(&left->first, &right->first);
}

size_t
split_unite(struct range *ranges, size_t n)
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
	unsigned int set;
	size_t i;
	int error = 0;

	ranges = malloc((n + 1) * sizeof(*ranges));
	if (ranges == NULL)
		return -ENOMEM;
	if (n > 0)
		memcpy(ranges, given, n * sizeof(*ranges));
	n = split_unite(ranges, n);
	for (i = 0; i < n && error == 0; i++) {
		const struct range *range = &ranges[i];
		unsigned int family = range->first.family == ADDR_V4 ? FAMILY_V4 : FAMILY_V6;
		enum set_shape shape = addr_equal(&range->first, &range->last) ? SHAPE_HOSTS :
		    SHAPE_NETS;

		error = difference_add(&split->sets[set_of(CLASS_PROTECT, shape, family)],
		    range->first.bytes, range->last.bytes);
	}
	free(ranges);
	for (set = 0; set < SET_TURNS && error == 0; set++) {
		if (set_protects(set))
			error = difference_end(&split->sets[set]);
	}
	return error;
}
