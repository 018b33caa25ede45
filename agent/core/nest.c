/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A sweep over the entries in order of their first address.  Those that cover
 * the place where the sweep stands wait in a heap, the most specific on top;
 * the ones that have ended are thrown out when they come up.
 */
#include "core/nest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGIT_BITS	8
#define DIGITS		(1u << DIGIT_BITS)
#define HEAP_FIRST	64	/* entries */

/*
 * What is sorted: of IPv4 both addresses of an entry, so that it need not be
 * looked up again; of IPv6 the upper half of the first.
 */
struct place {
	uint64_t key;
	uint32_t index;
};

#define V4_SHIFT	32	/* where the first IPv4 address lies in a key */

struct sweep {
	const struct entries *entries;
	uint8_t family;
	struct place *places;
	size_t n;
	struct place *heap;	/* the most specific first */
	size_t heaped, room;
	struct span held;	/* a piece that may still grow, of entry held_by */
	struct place held_by;
	bool holds;
	nest_fn *piece;
	void *arg;
};

static inline struct span
span_of(const struct sweep *sweep, const struct place *place)
{
	const struct entry6 *entry;

	if (sweep->family == ADDR_V4)
		return (struct span){
			.first = key_of4((uint32_t)(place->key >> V4_SHIFT)),
			.last = key_of4((uint32_t)place->key),
		};
	entry = &sweep->entries->v6[place->index];
	return (struct span){ .first = key_of6(entry->first), .last = key_of6(entry->last) };
}

static uint64_t
key_of_entry(const struct sweep *sweep, uint32_t i)
{
	const struct entry4 *entry;

	if (sweep->family == ADDR_V6)
		return key_load64(sweep->entries->v6[i].first);
	entry = &sweep->entries->v4[i];
	return (uint64_t)entry->first << V4_SHIFT | entry->last;
}

static bool
fill_places(struct sweep *sweep)
{
	bool sorted = true;
	uint64_t before = 0;
	uint32_t i;

	for (i = 0; i < sweep->n; i++) {
		struct place *place = &sweep->places[i];

		place->index = i;
		place->key = key_of_entry(sweep, i);
		sorted = sorted && before <= place->key;
		before = place->key;
	}
	return sorted;
}

/* One pass of a radix sort; false, nothing moved, when all have the same digit. */
static bool
sort_digit(const struct place *from, struct place *to, size_t n, unsigned int shift)
{
	size_t starts[DIGITS] = { 0 }, i, at = 0, count;

	for (i = 0; i < n; i++)
		starts[from[i].key >> shift & (DIGITS - 1)]++;
	if (starts[from[0].key >> shift & (DIGITS - 1)] == n)
		return false;
	for (i = 0; i < DIGITS; i++) {
		count = starts[i];
		starts[i] = at;
		at += count;
	}
	for (i = 0; i < n; i++)
		to[starts[from[i].key >> shift & (DIGITS - 1)]++] = from[i];
	return true;
}

static int
compare_v6(const void *left, const void *right, void *arg)
{
	const struct entries *entries = arg;
	uint32_t a = ((const struct place *)left)->index, b = ((const struct place *)right)->index;
	int order;

	order = memcmp(entries->v6[a].first, entries->v6[b].first, sizeof(entries->v6[a].first));
	return order != 0 ? order : (a > b) - (a < b);
}

/* Radix sort knows the upper half of IPv6 addresses only: sort what shares it. */
static void
sort_lower_halves(struct sweep *sweep)
{
	/* qsort_r takes its argument without const; compare_v6 does not write to it */
	union { const struct entries *in; void *out; } arg = { .in = sweep->entries };
	struct place *places = sweep->places;
	size_t i, start = 0;

	for (i = 1; i <= sweep->n; i++) {
		if (i < sweep->n && places[i].key == places[start].key)
			continue;
		if (i - start > 1)
			qsort_r(places + start, i - start, sizeof(*places), compare_v6, arg.out);
		start = i;
	}
}

static int
sort_places(struct sweep *sweep)
{
	struct place *other, *swap;
	unsigned int shift = sweep->family == ADDR_V4 ? V4_SHIFT : 0;

	sweep->places = malloc(sweep->n * sizeof(*sweep->places));
	if (sweep->places == NULL)
		return -ENOMEM;
	if (!fill_places(sweep)) {
		other = malloc(sweep->n * sizeof(*other));
		if (other == NULL)
			return -ENOMEM;
		for (; shift < 64; shift += DIGIT_BITS) {
			if (!sort_digit(sweep->places, other, sweep->n, shift))
				continue;
			swap = sweep->places;
			sweep->places = other;
			other = swap;
		}
		free(other);
	}
	if (sweep->family == ADDR_V6)
		sort_lower_halves(sweep);
	return 0;
}

static bool
more_specific(const struct sweep *sweep, const struct place *a, const struct place *b)
{
	struct span left = span_of(sweep, a), right = span_of(sweep, b);
	struct key left_size = key_minus(left.last, left.first);
	struct key right_size = key_minus(right.last, right.first);

	if (!key_equal(left_size, right_size))
		return key_less(left_size, right_size);
	return a->index < b->index;
}

static int
heap_push(struct sweep *sweep, const struct place *place)
{
	size_t i = sweep->heaped, parent;

	if (i == sweep->room) {
		size_t more = sweep->room == 0 ? HEAP_FIRST : 2 * sweep->room;
		struct place *heap = realloc(sweep->heap, more * sizeof(*heap));

		if (heap == NULL)
			return -ENOMEM;
		sweep->heap = heap;
		sweep->room = more;
	}
	for (; i > 0; i = parent) {
		parent = (i - 1) / 2;
		if (!more_specific(sweep, place, &sweep->heap[parent]))
			break;
		sweep->heap[i] = sweep->heap[parent];
	}
	sweep->heap[i] = *place;
	sweep->heaped++;
	return 0;
}

static void
heap_pop(struct sweep *sweep)
{
	struct place last = sweep->heap[--sweep->heaped];
	size_t i = 0, child;

	for (; (child = 2 * i + 1) < sweep->heaped; i = child) {
		if (child + 1 < sweep->heaped &&
		    more_specific(sweep, &sweep->heap[child + 1], &sweep->heap[child]))
			child++;
		if (!more_specific(sweep, &sweep->heap[child], &last))
			break;
		sweep->heap[i] = sweep->heap[child];
	}
	sweep->heap[i] = last;
}

static int
tell_held(struct sweep *sweep)
{
	struct span entry = span_of(sweep, &sweep->held_by);

	return sweep->piece(&sweep->held, &entry, sweep->held_by.index, sweep->arg);
}

static int
hold(struct sweep *sweep, struct key first, struct key last, const struct place *place)
{
	int error = 0;

	if (sweep->holds && sweep->held_by.index == place->index &&
	    key_equal(key_next(sweep->held.last), first)) {
		sweep->held.last = last;
		return 0;
	}
	if (sweep->holds)
		error = tell_held(sweep);
	sweep->holds = true;
	sweep->held = (struct span){ .first = first, .last = last };
	sweep->held_by = *place;
	return error;
}

static int
run(struct sweep *sweep)
{
	struct key at = { 0, 0 }, last, next;
	size_t i = 0;
	int error = 0;

	next = span_of(sweep, &sweep->places[0]).first;
	while (error == 0 && (i < sweep->n || sweep->heaped > 0)) {
		if (sweep->heaped == 0)
			at = next;
		if (i < sweep->n && key_equal(next, at)) {
			error = heap_push(sweep, &sweep->places[i++]);
			if (i < sweep->n)
				next = span_of(sweep, &sweep->places[i]).first;
			continue;
		}
		last = span_of(sweep, &sweep->heap[0]).last;
		if (key_less(last, at)) {
			heap_pop(sweep);
			continue;
		}
		if (i < sweep->n && !key_less(last, next))
			last = key_prev(next);
		error = hold(sweep, at, last, &sweep->heap[0]);
		/* nothing can start behind the end of the address space */
		if (key_is_max(last))
			break;
		at = key_next(last);
	}
	if (error == 0 && sweep->holds)
		error = tell_held(sweep);
	return error;
}

int
nest(const struct entries *entries, uint8_t family, nest_fn *piece, void *arg)
{
	struct sweep sweep = {
		.entries = entries,
		.family = family,
		.n = family == ADDR_V4 ? entries->n4 : entries->n6,
		.piece = piece,
		.arg = arg,
	};
	int error;

	if (sweep.n == 0)
		return 0;
	error = sort_places(&sweep);
	if (error == 0)
		error = run(&sweep);
	free(sweep.places);
	free(sweep.heap);
	return error;
}
