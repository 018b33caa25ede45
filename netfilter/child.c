/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

#include "attr.h"
#include "child.h"
#include "route.h"

struct namespaces {
	int32_t ids[CHILD_NAMESPACES_MAX];
	unsigned int n;
};

static int32_t
number_of(const struct nlattr *attr, int32_t otherwise)
{
	return mnl_attr_validate(attr, MNL_TYPE_U32) == 0 ? (int32_t)mnl_attr_get_u32(attr) :
	    otherwise;
}

static int
take_namespace(const struct nlmsghdr *nlh, void *arg)
{
	struct namespaces *namespaces = arg;
	const struct nlattr *attr;

	attr_for_each(attr, nlh, sizeof(struct rtgenmsg)) {
		if (mnl_attr_get_type(attr) == NETNSA_NSID && number_of(attr, -1) >= 0 &&
		    namespaces->n < CHILD_NAMESPACES_MAX)
			namespaces->ids[namespaces->n++] = number_of(attr, -1);
	}
	return 0;
}

static void
forget_namespaces(void *arg)
{
	((struct namespaces *)arg)->n = 0;
}

static bool
is_child(const char *kind)
{
	static const char *const kinds[] = { "macvlan", "macvtap", "ipvlan", "vlan" };
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i], kind) == 0)
			return true;
	}
	return false;
}

static void
read_kind(const struct nlattr *linkinfo, struct child *child)
{
	const struct nlattr *attr;

	attr_for_each_nested(attr, linkinfo) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			snprintf(child->kind, sizeof(child->kind), "%s", mnl_attr_get_str(attr));
	}
}

int
children_take_link(const struct nlmsghdr *nlh, void *arg)
{
	struct children *children = arg;
	struct child child = { .name = "?" };
	int32_t where = CHILD_HERE_UNKNOWN;
	const struct nlattr *attr;

	attr_for_each(attr, nlh, sizeof(struct ifinfomsg)) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
				snprintf(child.name, sizeof(child.name), "%s",
				    mnl_attr_get_str(attr));
			break;
		case IFLA_LINK:
			child.parent = (uint32_t)number_of(attr, 0);
			break;
		case IFLA_LINK_NETNSID:
			/* where the parent is; absent: in the child's own namespace */
			where = number_of(attr, CHILD_HERE_UNKNOWN);
			break;
		case IFLA_LINKINFO:
			read_kind(attr, &child);
			break;
		default:
			break;
		}
	}
	if (where == CHILD_HERE_UNKNOWN || !is_child(child.kind))
		return 0;
	if (children->here == CHILD_HERE_UNKNOWN)
		children->unclear++;
	else if (where == children->here && children->n++ < CHILD_NAMED_MAX)
		children->some[children->n - 1] = child;
	return 0;
}

void
children_take_parent(struct children *children, int index, const char *name)
{
	unsigned int i;

	for (i = 0; i < CHILD_NAMED_MAX && i < children->n; i++) {
		if (children->some[i].parent == (uint32_t)index)
			snprintf(children->some[i].parent_name,
			    sizeof(children->some[i].parent_name), "%s", name);
	}
}

/* A dump that begins anew forgets what it took, not what others did. */
struct gathering {
	struct children *children, before;
};

static int
take_link(const struct nlmsghdr *nlh, void *arg)
{
	return children_take_link(nlh, ((struct gathering *)arg)->children);
}

static void
forget_links(void *arg)
{
	struct gathering *gathering = arg;

	*gathering->children = gathering->before;
}

/* It went meanwhile, or belongs to a user namespace where we may ask nothing. */
static bool
out_of_reach(int error)
{
	return error == -EINVAL || error == -ENODEV || error == -ENOENT || error == -EACCES ||
	    error == -EPERM;
}

static int
look_in(const struct namespaces *namespaces, struct children *children)
{
	unsigned int i;

	memset(children->some, 0, sizeof(children->some));
	children->n = children->unclear = 0;
	for (i = 0; i < namespaces->n; i++) {
		struct gathering gathering = { children, *children };
		int error = route_dump_links_of(namespaces->ids[i], take_link, forget_links,
		    &gathering);

		if (error != 0 && !out_of_reach(error))
			return error;
	}
	return 0;
}

int
children_look(struct children *children)
{
	struct namespaces namespaces = { .n = 0 };
	int error;

	error = route_dump(RTM_GETNSID, sizeof(struct rtgenmsg), take_namespace,
	    forget_namespaces, &namespaces);
	if (error != 0)
		return error;
	children->here = route_namespace();
	error = look_in(&namespaces, children);
	/* the kernel gives this namespace its id when it first has to name it as a parent's */
	if (error != 0 || children->unclear == 0)
		return error;
	children->here = route_namespace();
	return look_in(&namespaces, children);
}

void
children_tell(const struct children *children, char *text, size_t size)
{
	unsigned int i, named = children->n < CHILD_NAMED_MAX ? children->n : CHILD_NAMED_MAX;
	size_t at = 0;

	text[0] = '\0';
	for (i = 0; i < named && at < size; i++) {
		const struct child *child = &children->some[i];

		at += (size_t)snprintf(text + at, size - at, "%s%s %s of %s", i > 0 ? ", " : "",
		    child->kind, child->name,
		    child->parent_name[0] != '\0' ? child->parent_name : "?");
	}
	if (children->n > named && at < size)
		at += (size_t)snprintf(text + at, size - at, " and others");
	if (named > 0 && at < size)
		snprintf(text + at, size - at, children->n > 1 ?
		    " are in other network namespaces, their packets do not come by here" :
		    " is in another network namespace, its packets do not come by here");
}
