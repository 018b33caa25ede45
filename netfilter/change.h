/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From what the sets hold to what they shall hold: make before break.
 *
 *   1  new sets are made and filled; no rule knows them yet
 *   2  what was added goes into the hashes that stay
 *   3  one small transaction switches the rules to the new sets, if nobody
 *      changed nftables meanwhile
 *   4  what went leaves the hashes that stay; the old sets are deleted
 *
 * A member that stays is found at every instant.  An interval set is never
 * edited, nor filled in the transaction that first refers to it; an address
 * never changes sets within one transaction; and nothing is removed while a
 * packet may be under way that began under the old rules.
 */
#ifndef NETFILTER_CHANGE_H
#define NETFILTER_CHANGE_H

#include "engine.h"
#include "split.h"

/*
 * Sets [from, to) take the difference, which is one to the engine's own copy of
 * the members (enforce->sets[].keys), the others stay as they are.  Uses target
 * up.  On failure the rules still refer to what they did, and the members of
 * sets that were being changed are no longer known: the next change makes them
 * anew.
 */
int change_sets(struct enforce *enforce, struct split *target, unsigned int from, unsigned int to,
    struct enforce_error *err);

/*
 * Puts all rules anew, as they are planned, so that what is known of them is what
 * we wrote: for when somebody else may have changed them meanwhile.
 */
int change_rules(struct enforce *enforce, const struct rule_plan *plan, struct enforce_error *err);

/* Is this set needed for these members?  Sets of hosts are there even when empty. */
bool change_wants(unsigned int set, const struct difference *difference);

/* Who is protected now, into the protect sets of split.  0 or -errno. */
int engine_gather_protect(const struct enforce *enforce, struct split *split,
    struct enforce_error *err);

#endif
