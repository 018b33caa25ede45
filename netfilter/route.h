/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Questions to rtnetlink: all addresses, routes or links of this network namespace,
 * and the links of others.
 */
#ifndef NETFILTER_ROUTE_H
#define NETFILTER_ROUTE_H

#include <stddef.h>
#include <stdint.h>
#include <linux/netlink.h>

/* Non-zero: -errno, nothing more is taken. */
typedef int route_take_fn(const struct nlmsghdr *nlh, void *arg);
/* The dump was broken off by a change and begins anew: what was taken is forgotten. */
typedef void route_forget_fn(void *arg);

/*
 * Dumps all objects of a type (RTM_GET…), whose messages begin with so many
 * bytes of header.  Broken off each time, what was read last is the best there
 * is.  0 or -errno.
 */
int route_dump(uint16_t type, size_t header, route_take_fn *take, route_forget_fn *forget,
    void *arg);

/* RTM_GETLINK in the namespace with this id; the kernel wants CAP_NET_ADMIN there. */
int route_dump_links_of(int32_t namespace, route_take_fn *take, route_forget_fn *forget,
    void *arg);

/* The id that this namespace has for itself; -1: none yet, or it cannot be asked. */
int32_t route_namespace(void);

#endif
