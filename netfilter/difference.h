/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What becomes of the members of one set.  The new members are told one by one
 * in ascending order and compared on the way with what the set holds: a change
 * takes memory for what changes, and none for what stays.
 */
#ifndef NETFILTER_DIFFERENCE_H
#define NETFILTER_DIFFERENCE_H

#include <stddef.h>

#include "keys.h"

struct difference {
	const struct keys *old;		/* borrowed; NULL: the set holds nothing */
	size_t at;			/* members of old before this one are dealt with */
	size_t n;			/* members from now on */
	struct keys come, gone;
};

void difference_init(struct difference *difference, uint8_t key_size, bool ranges);
void difference_fini(struct difference *difference);

/* One that is not the next old one. */
int difference_change(struct difference *difference, const uint8_t *first, const uint8_t *last);

/* One more member; last is ignored for hosts.  0 or -ENOMEM. */
static inline int
difference_add(struct difference *difference, const uint8_t *first, const uint8_t *last)
{
	const struct keys *old = difference->old;

	difference->n++;
	if (old == NULL || difference->at == old->n ||
	    keys_order(old, difference->at, first, last) != 0)
		return difference_change(difference, first, last);
	difference->at++;
	return 0;
}

/* That was the last one: old members that were not told go.  0 or -ENOMEM. */
int difference_end(struct difference *difference);

/* Forgets what was told: no member at all, so far. */
void difference_restart(struct difference *difference);

bool difference_none(const struct difference *difference);

#endif
