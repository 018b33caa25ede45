/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One chain of the table, as messages of a batch. */
#ifndef NETFILTER_CHAIN_H
#define NETFILTER_CHAIN_H

#include "batch.h"

#define CHAIN_REGULAR	(-1)	/* instead of a hook: others jump to it */

struct chain {
	const char *name;
	int hook;		/* enum nf_inet_hooks */
	int priority;		/* of a hook */
	const char *comment;
};

/* Makes it with policy accept; one that is there stays, with its rules. */
void chain_put(struct batch *batch, const struct chain *what);
/* Deletes all its rules. */
void chain_flush(struct batch *batch, const char *name);
/* It must be empty. */
void chain_delete(struct batch *batch, const char *name);

#endif
