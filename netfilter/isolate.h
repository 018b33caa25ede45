/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Chains of their own that cut off everything but what the host is run by, and
 * the sets of that.  They stand behind the listed ones: what those drop is gone
 * before.
 */
#ifndef NETFILTER_ISOLATE_H
#define NETFILTER_ISOLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "threatlistd/enforce.h"
#include "keys.h"
#include "sets.h"

/* The switch behind --confirm, as "armed" is of drop. */
#define ISOLATE_ARMED	"isolate_armed"

/* Which set an address is kept open by. */
enum keep_set {
	KEEP_ALL,		/* whatever it is about */
	KEEP_DNS,		/* questions to it and its answers */
	KEEP_END
};

struct isolation {
	struct enforce_isolation wanted;
	bool present;		/* the chains are there, whole, for wanted */
	uint64_t mark;		/* of their rules, as in struct rules_state */
	struct keys kept[KEEP_END][FAMILY_END];	/* what the sets hold, if present */
};

/* The table is gone; what is wanted stays. */
void isolate_forget(struct isolation *isolation);

/* Not: what is over already, or was never wanted. */
bool isolate_holds(const struct enforce_isolation *wanted);

/* What is wanted, in a table made anew: whatever else is in it goes.  0 or -errno. */
struct enforce;
int isolate_anew(struct enforce *enforce, struct enforce_error *err);

/* Is it the name of a chain or set of isolation? */
bool isolate_owns(const char *name);

#endif
