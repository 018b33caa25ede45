/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a list to the members of every set.
 *
 * Small ranges become hosts: they then cost a lookup in a hash instead of one
 * in an interval set, and do not open a /16 in the prefilter.  Ranges that
 * touch each other and of which one is large become one range, so that what is
 * known of them (lists, entries) does not move addresses between sets.
 */
#ifndef NETFILTER_SPLIT_H
#define NETFILTER_SPLIT_H

#include "threatlistd/list.h"
#include "difference.h"
#include "sets.h"

#define SMALL_RANGE_MAX	16u	/* addresses */

/* The difference to what the sets hold, which the caller puts into old before. */
struct split {
	struct difference sets[SET_TURNS];
	enum top_scope top[FAMILY_END];
};

void split_init(struct split *split);
void split_fini(struct split *split);

/* The sets of listed, watched and rejected members and the prefilters. */
int split_list(struct split *split, const struct list *list);

/* The sets of protected members, from ranges in any order, which may overlap. */
int split_protect(struct split *split, const struct range *ranges, size_t n);

/* Sorts them and unites those that overlap; the number that is left. */
size_t split_unite(struct range *ranges, size_t n);

#endif
