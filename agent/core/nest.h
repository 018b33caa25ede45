/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Nested and overlapping entries of one family, cut into disjoint pieces that
 * each belong to the most specific entry there: the smallest one, and of equal
 * ones the first.
 */
#ifndef CORE_NEST_H
#define CORE_NEST_H

#include "core/entries.h"
#include "core/key.h"

struct span {
	struct key first, last;
};

/*
 * Called for each piece in ascending order with the entry it belongs to, which
 * is number index of its family.  Non-zero stops.
 */
typedef int nest_fn(const struct span *piece, const struct span *entry, uint32_t index, void *arg);

/* 0, -ENOMEM, or what piece() stopped it with. */
int nest(const struct entries *entries, uint8_t family, nest_fn *piece, void *arg);

#endif
