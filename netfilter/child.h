/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Children of this network namespace's links that live in another: each sends and
 * receives on its parent's wire, past the rules here.  The kernel tells of the
 * links in every namespace that it has an id for here (RTM_GETNSID).  It gives one
 * to a namespace that a link was moved to, and to one that holds the other end of
 * a veth device; a child that was made right inside a namespace without one is not
 * to be found.
 */
#ifndef NETFILTER_CHILD_H
#define NETFILTER_CHILD_H

#include <stdint.h>
#include <linux/netlink.h>
#include <net/if.h>

#define CHILD_NAMED_MAX		2u
#define CHILD_NAMESPACES_MAX	1024u	/* that are asked; a host with more has no children here */
#define CHILD_HERE_UNKNOWN	(-1)

struct child {
	char name[IF_NAMESIZE], kind[16];
	uint32_t parent;		/* its index in this namespace, */
	char parent_name[IF_NAMESIZE];	/* and its name; "": not told yet */
};

struct children {
	struct child some[CHILD_NAMED_MAX];
	unsigned int n;			/* of all */
	int32_t here;			/* the kernel's id for this namespace, or CHILD_HERE_UNKNOWN */
	unsigned int unclear;		/* as long as that is unknown: those that may be ours */
};

/* Asks in all namespaces.  0 or -errno. */
int children_look(struct children *children);

/* An answer to RTM_GETLINK from another namespace; arg is the struct children. */
int children_take_link(const struct nlmsghdr *nlh, void *arg);
/* One from this namespace: is it somebody's parent? */
void children_take_parent(struct children *children, int index, const char *name);

/* A sentence, or "". */
void children_tell(const struct children *children, char *text, size_t size);

#endif
