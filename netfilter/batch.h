/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The messages of one nftables transaction, in the order the kernel reads
 * them.  Out of memory is remembered and told once, by kernel_commit: makers of
 * messages need not check.
 */
#ifndef NETFILTER_BATCH_H
#define NETFILTER_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/netlink.h>

#define BATCH_OBJECT_MAX	8192u	/* bytes of a message that is not a list of elements */

struct batch {
	uint8_t *bytes;
	size_t used, room;
	size_t last;		/* offset of the last message */
	bool failed;		/* no memory, or an object that could not be built */
};

void batch_init(struct batch *batch);
void batch_fini(struct batch *batch);
/* Empties it, keeps the memory. */
void batch_reset(struct batch *batch);
bool batch_empty(const struct batch *batch);

/*
 * Starts a message for family inet with room for payload bytes more; NULL when
 * out of memory.  type is one of NFT_MSG_….  batch_end takes what was written.
 */
struct nlmsghdr *batch_begin(struct batch *batch, uint16_t type, uint16_t flags, size_t payload);
void batch_end(struct batch *batch, const struct nlmsghdr *nlh);

/* A request about something of our table that has a name, and nothing more in it. */
void batch_put_named(struct batch *batch, uint16_t type, const char *name);

#endif
