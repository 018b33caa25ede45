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

#include "kernel.h"

/* What only an event tells: the last child that left. */
struct blind {
	char given[IF_NAMESIZE], kind[16];	/* empty: none that we know of */
};

/* An event RTM_DELLINK: did the link go into another namespace? */
void blind_link_left(struct blind *blind, const struct nlmsghdr *nlh);

/* A sentence for each way, joined; "": none known.  0 or -errno. */
int blind_look(const struct blind *blind, struct kernel *kernel, char *text, size_t size);

#endif
