/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ways round the hooks of this network namespace, as far as netlink tells:
 * flowtables, XDP programs, children of its links in other namespaces.
 * Senders on AF_PACKET and AF_XDP cannot be told from the many programs that
 * only listen.
 */
#ifndef NETFILTER_BLIND_H
#define NETFILTER_BLIND_H

#include <net/if.h>

#include "threatlistd/enforce.h"
#include "child.h"
#include "kernel.h"

#define BLIND_NAMED_MAX	3u	/* of each way; there can be thousands of links */

/* What dumps tell, gathered from their answers. */
struct blind_ways {
	char xdp[IF_NAMESIZE * BLIND_NAMED_MAX + 16], flowtables[160];
	unsigned int nxdp, nflowtables;
	struct children children;
};

/* Of each answer to NFT_MSG_GETFLOWTABLE and RTM_GETLINK; arg is the struct blind_ways. */
void blind_take_flowtable(const struct nlmsghdr *nlh, void *arg);
int blind_take_link(const struct nlmsghdr *nlh, void *arg);
/* The dump was broken off and begins anew. */
void blind_forget_flowtables(void *arg);
void blind_tell(const struct blind_ways *ways, struct enforce_blind *found);

/* All of this.  0 or -errno. */
int blind_look(struct kernel *kernel, struct enforce_blind *found);

#endif
