/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rules that ask a set: as long as there is one, the kernel does not delete it. */
#ifndef NETFILTER_HOLDERS_H
#define NETFILTER_HOLDERS_H

#include <stddef.h>
#include <stdint.h>

#include "batch.h"
#include "kernel.h"

struct holder;

struct holders {
	struct holder *others;		/* in chains that are none of ours */
	size_t n, room;
	size_t ours;			/* how many there are in our own */
	int error;
};

void holders_init(struct holders *holders);
void holders_fini(struct holders *holders);

/* Adds those of the set of this name.  0 or -errno. */
int holders_find(struct kernel *kernel, const char *set, struct holders *holders);

/* Appends messages that delete the others, each once and each named in the log. */
void holders_delete(struct batch *batch, const struct holders *holders);

#endif
