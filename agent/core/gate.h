/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gates: what a new list of one source must not be, judged against the list in
 * force by the parent, never by the feed that made it.  Trusted sources pass
 * no prefix gate (they only ever take away from drops).
 */
#ifndef CORE_GATE_H
#define CORE_GATE_H

#include "threatlistd/list.h"

struct gates {
	uint8_t max_prefix4;	/* shortest prefix length allowed, 0…32 (default 8) */
	uint8_t max_prefix6;	/* 0…128 (default 19) */
	uint32_t max_shrink;	/* percent of entries that may go (default 50) */
	uint32_t max_growth;	/* percent that may come (default 300) */
};

/*
 * May the new image be enforced?  If not, *reason says what was allowed and
 * what came.  old_list may be NULL: no list in force, then only the prefix
 * gates judge.  own: subnets of the host that no threat list may contain
 * wholly; may be NULL.  Shrink and growth judge only from GATE_MIN_ENTRIES up,
 * so that small hand-kept lists can change freely.
 */
#define GATE_MIN_ENTRIES	20
bool gate_pass(const struct gates *gates, const struct list *old_list, const struct list *new_list,
    const struct range *own, size_t nown, char reason[static 256]);

/* Differences between two images of one source in entries' ranges: how many came, how many went. */
void list_difference(const struct list *old_list, const struct list *new_list, uint64_t *added,
    uint64_t *removed);

#endif
