/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>

#include "attr.h"
#include "blind.h"
#include "route.h"

static const char *
text_of(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 ? mnl_attr_get_str(attr) : "?";
}

__attribute__((format(printf, 3, 4))) static void
append(char *text, size_t size, const char *fmt, ...)
{
	size_t at = strlen(text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + at, size - at, fmt, args);
	va_end(args);
}

static bool
has_program(const struct nlattr *xdp)
{
	const struct nlattr *attr;

	attr_for_each_nested(attr, xdp) {
		if (mnl_attr_get_type(attr) == IFLA_XDP_ATTACHED &&
		    mnl_attr_validate(attr, MNL_TYPE_U8) == 0)
			return mnl_attr_get_u8(attr) != XDP_ATTACHED_NONE;
	}
	return false;
}

int
blind_take_link(const struct nlmsghdr *nlh, void *arg)
{
	struct blind_ways *ways = arg;
	const struct nlattr *attr;
	const char *name = "?";
	bool xdp = false;

	attr_for_each(attr, nlh, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) == IFLA_IFNAME)
			name = text_of(attr);
		else if (mnl_attr_get_type(attr) == IFLA_XDP)
			xdp = has_program(attr);
	}
	children_take_parent(&ways->children,
	    ((const struct ifinfomsg *)mnl_nlmsg_get_payload(nlh))->ifi_index, name);
	if (xdp && ways->nxdp++ < BLIND_NAMED_MAX)
		append(ways->xdp, sizeof(ways->xdp), "%s%s",
		    ways->xdp[0] != '\0' ? ", " : "", name);
	return 0;
}

static void
forget_links(void *arg)
{
	struct blind_ways *ways = arg;

	ways->nxdp = 0;
	ways->xdp[0] = '\0';
}

void
blind_take_flowtable(const struct nlmsghdr *nlh, void *arg)
{
	struct blind_ways *ways = arg;
	const char *table = "?", *name = "?";
	const struct nlattr *attr;

	attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_FLOWTABLE_TABLE)
			table = text_of(attr);
		else if (mnl_attr_get_type(attr) == NFTA_FLOWTABLE_NAME)
			name = text_of(attr);
	}
	if (ways->nflowtables++ < BLIND_NAMED_MAX)
		append(ways->flowtables, sizeof(ways->flowtables), "%s%.32s in table %.32s",
		    ways->flowtables[0] != '\0' ? ", " : "", name, table);
}

void
blind_forget_flowtables(void *arg)
{
	struct blind_ways *ways = arg;

	ways->nflowtables = 0;
	ways->flowtables[0] = '\0';
}

static int
ask_flowtables(struct kernel *kernel, struct blind_ways *ways)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETFLOWTABLE, NLM_F_DUMP);

	/* of tables of all families */
	((struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family = NFPROTO_UNSPEC;
	return kernel_ask(kernel, nlh, blind_take_flowtable, blind_forget_flowtables, ways);
}

void
blind_tell(const struct blind_ways *ways, struct enforce_blind *found)
{
	memset(found, 0, sizeof(*found));
	if (ways->nflowtables > 0)
		append(found->ways[ENFORCE_WAY_FLOWTABLE], ENFORCE_WAY_MAX,
		    "flowtable %s takes established forwarded flows past the rules",
		    ways->flowtables);
	if (ways->nxdp > 0)
		append(found->ways[ENFORCE_WAY_XDP], ENFORCE_WAY_MAX,
		    "an XDP program on %s sees packets before the rules do", ways->xdp);
	children_tell(&ways->children, found->ways[ENFORCE_WAY_CHILD], ENFORCE_WAY_MAX);
}

int
blind_look(struct kernel *kernel, struct enforce_blind *found)
{
	struct blind_ways ways = { .xdp = "" };
	int error;

	error = ask_flowtables(kernel, &ways);
	if (error == 0)
		error = children_look(&ways.children);
	/* after the children: it has the names of their parents */
	if (error == 0)
		error = route_dump(RTM_GETLINK, sizeof(struct ifinfomsg), blind_take_link,
		    forget_links, &ways);
	blind_tell(&ways, found);
	return error;
}
