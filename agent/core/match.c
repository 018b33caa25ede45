/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * IPv4: a bit for each /24 that has something listed in it; behind it, for
 * each /16, its listed runs as pairs of 16-bit numbers, sorted.  A run never
 * leaves its /16 and neighbours are joined, so a /16 has at most 32,768 of them.
 *
 * IPv6: a bit for each hash of the first 32 bits of what is listed; behind it
 * the list's own ranges.
 */
#include "core/match.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/key.h"

#define BLOCKS4		(1u << 24)		/* /24s */
#define NETS4		(1u << 16)		/* /16s */
#define BITMAP4_BYTES	(BLOCKS4 / 8)

/* Bits for IPv6: eight a range, so that one in eight foreign networks goes on to the search. */
#define FILTER6_BITS_MIN	12
#define FILTER6_BITS_MAX	22
#define FILTER6_PER_RANGE	8
/* Ranges over more /32s than this, as many as a /12 has, and there is no filter. */
#define FILTER6_NETS_MAX	(1u << 20)

struct run {
	uint16_t first, last;
};

struct match {
	const struct list *list;
	uint64_t *bitmap;	/* BLOCKS4 bits */
	uint32_t *starts;	/* NETS4 + 1: first run of each /16 */
	struct run *runs;
	size_t nruns;
	uint64_t *filter6;	/* NULL: everything goes on to the search */
	unsigned int filter6_bits;	/* log2 of its bits */
};

static void
set_bit(uint64_t *bits, size_t i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool
get_bit(const uint64_t *bits, size_t i)
{
	return (bits[i / 64] >> (i % 64) & 1) != 0;
}

/* Cuts the ranges at /16 borders and joins neighbours.  runs NULL: only counts them. */
static size_t
make_runs(const struct list *list, uint32_t *starts, struct run *runs)
{
	const struct list_range4 *ranges = list_ranges4(list);
	size_t n = list_nranges4(list), count = 0, i;
	uint32_t net, started = 0, first, last, before = 0;

	for (i = 0; i < n; i++) {
		for (net = ranges[i].first >> 16; net <= ranges[i].last >> 16; net++) {
			first = net == ranges[i].first >> 16 ? ranges[i].first : net << 16;
			last = net == ranges[i].last >> 16 ? ranges[i].last : net << 16 | 0xffff;
			/* joined to the run before it, which is in the same /16 */
			if (count > 0 && first == before + 1 && (first & 0xffff) != 0) {
				if (runs != NULL)
					runs[count - 1].last = (uint16_t)last;
				before = last;
				continue;
			}
			while (started <= net)
				starts[started++] = (uint32_t)count;
			if (runs != NULL)
				runs[count] = (struct run){ (uint16_t)first, (uint16_t)last };
			before = last;
			count++;
		}
	}
	while (started <= NETS4)
		starts[started++] = (uint32_t)count;
	return count;
}

static void
fill_bitmap(struct match *match)
{
	const struct list_range4 *ranges = list_ranges4(match->list);
	size_t n = list_nranges4(match->list), i;
	uint32_t block;

	for (i = 0; i < n; i++) {
		for (block = ranges[i].first >> 8; block <= ranges[i].last >> 8; block++)
			set_bit(match->bitmap, block);
	}
}

/* One large page where the kernel has it: to find a small one takes as long as to read from it. */
static uint64_t *
new_bitmap(void)
{
	uint64_t *bitmap = aligned_alloc(BITMAP4_BYTES, BITMAP4_BYTES);

	if (bitmap == NULL)
		return NULL;
	(void)madvise(bitmap, BITMAP4_BYTES, MADV_HUGEPAGE);
	memset(bitmap, 0, BITMAP4_BYTES);
	return bitmap;
}

static bool
build4(struct match *match)
{
	match->bitmap = new_bitmap();
	match->starts = calloc(NETS4 + 1, sizeof(*match->starts));
	if (match->bitmap == NULL || match->starts == NULL)
		return false;
	match->nruns = make_runs(match->list, match->starts, NULL);
	match->runs = calloc(match->nruns + 1, sizeof(*match->runs));
	if (match->runs == NULL)
		return false;
	make_runs(match->list, match->starts, match->runs);
	fill_bitmap(match);
	return true;
}

static uint32_t
first_32_bits(const uint8_t bytes[static 16])
{
	return (uint32_t)(key_load64(bytes) >> 32);
}

static size_t
filter6_slot(const struct match *match, uint32_t net)
{
	/* 2^32 / golden ratio */
	return net * UINT32_C(2654435769) >> (32 - match->filter6_bits);
}

static bool
build6(struct match *match)
{
	const struct list_range6 *ranges = list_ranges6(match->list);
	size_t n = list_nranges6(match->list), i;
	uint64_t nets = 0;
	uint32_t net, last;

	for (i = 0; i < n; i++)
		nets += first_32_bits(ranges[i].last) - first_32_bits(ranges[i].first);
	if (nets > FILTER6_NETS_MAX)
		return true;
	match->filter6_bits = FILTER6_BITS_MIN;
	while (match->filter6_bits < FILTER6_BITS_MAX &&
	    (size_t)1 << match->filter6_bits < n * FILTER6_PER_RANGE)
		match->filter6_bits++;
	match->filter6 = calloc((size_t)1 << match->filter6_bits >> 6, sizeof(*match->filter6));
	if (match->filter6 == NULL)
		return false;
	for (i = 0; i < n; i++) {
		last = first_32_bits(ranges[i].last);
		for (net = first_32_bits(ranges[i].first); ; net++) {
			set_bit(match->filter6, filter6_slot(match, net));
			if (net == last)
				break;
		}
	}
	return true;
}

struct match *
match_new(const struct list *list)
{
	struct match *match;

	match = calloc(1, sizeof(*match));
	if (match == NULL)
		return NULL;
	match->list = list;
	if (!build4(match) || !build6(match)) {
		match_free(match);
		return NULL;
	}
	return match;
}

void
match_free(struct match *match)
{
	if (match == NULL)
		return;
	free(match->bitmap);
	free(match->starts);
	free(match->runs);
	free(match->filter6);
	free(match);
}

bool
match_has4(const struct match *match, uint32_t host_order)
{
	uint32_t low, high, middle;
	uint16_t host = (uint16_t)host_order;

	if (!get_bit(match->bitmap, host_order >> 8))
		return false;
	low = match->starts[host_order >> 16];
	high = match->starts[(host_order >> 16) + 1];
	while (low < high) {
		middle = low + (high - low) / 2;
		if (match->runs[middle].last < host)
			low = middle + 1;
		else
			high = middle;
	}
	return low < match->starts[(host_order >> 16) + 1] && match->runs[low].first <= host;
}

static bool
may_have6(const struct match *match, const uint8_t addr[static 16])
{
	return match->filter6 == NULL ||
	    get_bit(match->filter6, filter6_slot(match, first_32_bits(addr)));
}

bool
match_has6(const struct match *match, const uint8_t addr[static 16])
{
	struct list_hit hit;
	struct addr asked;

	if (!may_have6(match, addr))
		return false;
	asked = addr_from_v6(addr);
	return list_find(match->list, &asked, &hit);
}

void
match_prefetch(const struct match *match, const struct addr *addr)
{
	if (addr->family == ADDR_V4)
		__builtin_prefetch(&match->bitmap[(addr_to_v4(addr) >> 8) / 64]);
	else if (match->filter6 != NULL)
		__builtin_prefetch(&match->filter6[filter6_slot(match,
		    first_32_bits(addr->bytes)) / 64]);
}

bool
match_find(const struct match *match, const struct addr *addr, struct list_hit *hit)
{
	switch (addr->family) {
	case ADDR_V4:
		return match_has4(match, addr_to_v4(addr)) && list_find(match->list, addr, hit);
	case ADDR_V6:
		return may_have6(match, addr->bytes) && list_find(match->list, addr, hit);
	default:
		return false;
	}
}

size_t
match_bytes(const struct match *match)
{
	size_t bytes = sizeof(*match) + BITMAP4_BYTES + (NETS4 + 1) * sizeof(*match->starts) +
	    (match->nruns + 1) * sizeof(*match->runs);

	if (match->filter6 != NULL)
		bytes += (size_t)1 << match->filter6_bits >> 3;
	return bytes;
}
