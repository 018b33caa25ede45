/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an earlier run, a failed change or somebody else left: sets under both of
 * their names.  The one that our rules ask is in use, the other goes.
 */
#ifndef NETFILTER_SETTLE_H
#define NETFILTER_SETTLE_H

#include "engine.h"

/* Afterwards each set is there under the name of its turn, or not at all.  0 or -errno. */
int settle_turns(struct enforce *enforce, struct enforce_error *err);

/*
 * Deletes rules in chains of others that ask one of these sets: the kernel would
 * not let it go, and what it holds is an old list by now.  0 or -errno.
 */
int settle_holders(struct enforce *enforce, bool going[SET_TURNS][2], struct enforce_error *err);

#endif
