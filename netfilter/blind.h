/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ways round the hooks of this network namespace, as far as netlink tells:
 * flowtables, XDP programs, children of macvlan and ipvlan devices that were
 * given to another namespace.  Senders on AF_PACKET and AF_XDP cannot be told
 * from the many programs that only listen.
 */
#ifndef NETFILTER_BLIND_H
#define NETFILTER_BLIND_H

#include <net/if.h>

#include "threatlistd/enforce.h"
#include "kernel.h"

/* What only an event tells: the last child that left. */
struct blind {
	char given[IF_NAMESIZE], kind[16];	/* empty: none that we know of */
};

/* An event RTM_DELLINK: did the link go into another namespace? */
void blind_link_left(struct blind *blind, const struct nlmsghdr *nlh);
/* An event RTM_NEWLINK: has it come back? */
void blind_link_came(struct blind *blind, const struct nlmsghdr *nlh);

#define BLIND_NAMED_MAX	3u	/* of each way; there can be thousands of links */

/* What dumps tell, gathered from their answers. */
struct blind_ways {
	char xdp[IF_NAMESIZE * BLIND_NAMED_MAX + 16], flowtables[160];
	unsigned int nxdp, nflowtables;
};

/* Of each answer to NFT_MSG_GETFLOWTABLE and RTM_GETLINK; arg is the struct blind_ways. */
void blind_take_flowtable(const struct nlmsghdr *nlh, void *arg);
int blind_take_link(const struct nlmsghdr *nlh, void *arg);
/* The dump was broken off and begins anew. */
void blind_forget_flowtables(void *arg);
void blind_tell(const struct blind *blind, const struct blind_ways *ways,
    struct enforce_blind *found);

/* All of this.  0 or -errno. */
int blind_look(const struct blind *blind, struct kernel *kernel, struct enforce_blind *found);

#endif
