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

/* What is sorted: the first 64 bits that tell an IPv6 address apart, all of an IPv4 one. */
struct place {
	uint64_t key;
	uint32_t index;
};

struct sweep {
	const struct entries *entries;
	uint8_t family;
	struct place *places;
	size_t n;
	uint32_t *heap;		/* entries, the most specific first */
	size_t heaped, room;
	struct span held;	/* a piece that may still grow */
	uint32_t held_index;
	bool holds;
	nest_fn *piece;
	void *arg;
};

struct span
entry_span(const struct entries *entries, uint8_t family, uint32_t index)
{
	if (family == ADDR_V4)
		return (struct span){
			.first = key_of4(entries->v4[index].first),
			.last = key_of4(entries->v4[index].last),
		};
	return (struct span){
		.first = key_of6(entries->v6[index].first),
		.last = key_of6(entries->v6[index].last),
	};
}

static struct span
span_of(const struct sweep *sweep, uint32_t index)
{
	return entry_span(sweep->entries, sweep->family, index);
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
		place->key = sweep->family == ADDR_V4 ? sweep->entries->v4[i].first :
		    key_load64(sweep->entries->v6[i].first);
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
	unsigned int shift, bits = sweep->family == ADDR_V4 ? 32 : 64;

	sweep->places = malloc(sweep->n * sizeof(*sweep->places));
	if (sweep->places == NULL)
		return -ENOMEM;
	if (!fill_places(sweep)) {
		other = malloc(sweep->n * sizeof(*other));
		if (other == NULL)
			return -ENOMEM;
		for (shift = 0; shift < bits; shift += DIGIT_BITS) {
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
more_specific(const struct sweep *sweep, uint32_t a, uint32_t b)
{
	struct span left = span_of(sweep, a), right = span_of(sweep, b);
	struct key left_size = key_minus(left.last, left.first);
	struct key right_size = key_minus(right.last, right.first);

	if (!key_equal(left_size, right_size))
		return key_less(left_size, right_size);
	return a < b;
}

static int
heap_push(struct sweep *sweep, uint32_t index)
{
	size_t i = sweep->heaped, parent;

	if (i == sweep->room) {
		size_t more = sweep->room == 0 ? HEAP_FIRST : 2 * sweep->room;
		uint32_t *heap = realloc(sweep->heap, more * sizeof(*heap));

		if (heap == NULL)
			return -ENOMEM;
		sweep->heap = heap;
		sweep->room = more;
	}
	for (; i > 0; i = parent) {
		parent = (i - 1) / 2;
		if (!more_specific(sweep, index, sweep->heap[parent]))
			break;
		sweep->heap[i] = sweep->heap[parent];
	}
	sweep->heap[i] = index;
	sweep->heaped++;
	return 0;
}

static void
heap_pop(struct sweep *sweep)
{
	uint32_t last = sweep->heap[--sweep->heaped];
	size_t i = 0, child;

	for (; (child = 2 * i + 1) < sweep->heaped; i = child) {
		if (child + 1 < sweep->heaped &&
		    more_specific(sweep, sweep->heap[child + 1], sweep->heap[child]))
			child++;
		if (!more_specific(sweep, sweep->heap[child], last))
			break;
		sweep->heap[i] = sweep->heap[child];
	}
	sweep->heap[i] = last;
}

static int
tell(struct sweep *sweep, struct key first, struct key last, uint32_t index)
{
	int error = 0;

	if (sweep->holds && sweep->held_index == index &&
	    key_equal(key_next(sweep->held.last), first)) {
		sweep->held.last = last;
		return 0;
	}
	if (sweep->holds)
		error = sweep->piece(&sweep->held, sweep->held_index, sweep->arg);
	sweep->holds = true;
	sweep->held = (struct span){ .first = first, .last = last };
	sweep->held_index = index;
	return error;
}

static int
run(struct sweep *sweep)
{
	struct key at = { 0, 0 }, last, next = { 0, 0 };
	size_t i = 0;
	int error = 0;

	while (error == 0 && (i < sweep->n || sweep->heaped > 0)) {
		if (i < sweep->n)
			next = span_of(sweep, sweep->places[i].index).first;
		if (sweep->heaped == 0)
			at = next;
		if (i < sweep->n && key_equal(next, at)) {
			error = heap_push(sweep, sweep->places[i++].index);
			continue;
		}
		last = span_of(sweep, sweep->heap[0]).last;
		if (key_less(last, at)) {
			heap_pop(sweep);
			continue;
		}
		if (i < sweep->n && !key_less(last, next))
			last = key_prev(next);
		error = tell(sweep, at, last, sweep->heap[0]);
		/* nothing can start behind the end of the address space */
		if (key_is_max(last))
			break;
		at = key_next(last);
	}
	if (error == 0 && sweep->holds)
		error = sweep->piece(&sweep->held, sweep->held_index, sweep->arg);
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
