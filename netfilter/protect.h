/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is never cut off: what the host needs to stay reachable and manageable. */
#ifndef NETFILTER_PROTECT_H
#define NETFILTER_PROTECT_H

#include <stddef.h>

#include "threatlistd/addr.h"
#include "threatlistd/enforce.h"

#define PROTECT_MAX	65536u	/* own addresses, gateways and resolvers together */

struct protect {
	struct range *ranges;
	size_t n, room;
};
void protect_fini(struct protect *protect);

/*
 * Gathers own addresses, default gateways, resolvers and the fixed ones.  What
 * cannot be read is left out and said in *err; the rest is there.
 */
int protect_gather(struct protect *protect, struct enforce_error *err);
/* The host's DNS resolvers alone.  0 or -errno; what could be read is there. */
int protect_resolvers(struct protect *protect);
/* Another number when the files that name them are not what they were. */
uint64_t protect_resolvers_mark(void);
int protect_add(struct protect *protect, const struct range *range);

#endif
