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

/* Entry number index of the family. */
struct span entry_span(const struct entries *entries, uint8_t family, uint32_t index);

/* Called for each piece in ascending order; index is its entry.  Non-zero stops. */
typedef int nest_fn(const struct span *piece, uint32_t index, void *arg);

/* 0, -ENOMEM, or what piece() stopped it with. */
int nest(const struct entries *entries, uint8_t family, nest_fn *piece, void *arg);

#endif
