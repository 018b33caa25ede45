/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The admin's own exceptions, with what he wrote to them: read, and put back. */
#ifndef NETFILTER_ALLOW_H
#define NETFILTER_ALLOW_H

#include "threatlistd/enforce.h"
#include "batch.h"
#include "kernel.h"
#include "keys.h"

#define ALLOW_MAX	65536u	/* of one family; more are not kept over a restore */

/* Of the transaction that makes a table: the first of them go with it, the others follow. */
#define ALLOW_SHARE	4u

struct allow {
	struct keys ranges;				/* as the kernel has them, sorted */
	char (*comments)[ENFORCE_COMMENT_MAX];		/* one a range, "": none */
};

void allow_init(struct allow *allow, uint8_t key_size);
void allow_fini(struct allow *allow);

/* Appends one; the caller keeps the order.  0, -ENOMEM, -E2BIG. */
int allow_add(struct allow *allow, const uint8_t *first, const uint8_t *last,
    const char *comment);

bool allow_same(const struct allow *a, const struct allow *b);

/* Empties *from into *to. */
void allow_move(struct allow *to, struct allow *from);

/* What the kernel's set of this name holds, into *allow (emptied first).  0 or -errno. */
int allow_read(struct kernel *kernel, const char *set, struct allow *allow);

/*
 * Appends messages that add them from the one of this number on, as long as the
 * batch has less than most bytes.  The number of the first that is not added.
 */
size_t allow_put(struct batch *batch, const char *set, const struct allow *allow, size_t from,
    size_t most);

#endif
