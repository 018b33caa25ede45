/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Walks over netlink attributes; libmnl's own macros cast const away. */
#ifndef NETFILTER_ATTR_H
#define NETFILTER_ATTR_H

#include <stdbool.h>
#include <stddef.h>

#include <libmnl/libmnl.h>

static inline bool
attr_within(const struct nlattr *attr, const void *end)
{
	return mnl_attr_ok(attr, (int)((const char *)end - (const char *)attr));
}

static inline const void *
attr_end(const struct nlattr *attr)
{
	return (const char *)mnl_attr_get_payload(attr) + mnl_attr_get_payload_len(attr);
}

/* Those of a message, behind its family's header. */
#define attr_for_each(attr, nlh, header)						\
	for ((attr) = mnl_nlmsg_get_payload_offset(nlh, header);			\
	    attr_within(attr, mnl_nlmsg_get_payload_tail(nlh)); (attr) = mnl_attr_next(attr))

/* Those within an attribute. */
#define attr_for_each_nested(attr, nest)						\
	for ((attr) = mnl_attr_get_payload(nest); attr_within(attr, attr_end(nest));	\
	    (attr) = mnl_attr_next(attr))

/* Those within size bytes. */
#define attr_for_each_within(attr, bytes, size)						\
	for ((attr) = (const struct nlattr *)(const void *)(bytes);			\
	    attr_within(attr, (const char *)(bytes) + (size)); (attr) = mnl_attr_next(attr))

#endif
