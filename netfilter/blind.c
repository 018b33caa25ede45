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

#define NAMED_MAX	3u	/* of each way; there can be thousands of links */

struct finding {
	char xdp[IF_NAMESIZE * NAMED_MAX + 16], flowtables[160];
	unsigned int nxdp, nflowtables;
};

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

static int
take_link(const struct nlmsghdr *nlh, void *arg)
{
	struct finding *finding = arg;
	const struct nlattr *attr;
	const char *name = "?";
	bool xdp = false;

	attr_for_each(attr, nlh, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) == IFLA_IFNAME)
			name = text_of(attr);
		else if (mnl_attr_get_type(attr) == IFLA_XDP)
			xdp = has_program(attr);
	}
	if (xdp && finding->nxdp++ < NAMED_MAX)
		append(finding->xdp, sizeof(finding->xdp), "%s%s",
		    finding->xdp[0] != '\0' ? ", " : "", name);
	return 0;
}

static void
forget_links(void *arg)
{
	struct finding *finding = arg;

	finding->nxdp = 0;
	finding->xdp[0] = '\0';
}

static void
take_flowtable(const struct nlmsghdr *nlh, void *arg)
{
	struct finding *finding = arg;
	const char *table = "?", *name = "?";
	const struct nlattr *attr;

	attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_FLOWTABLE_TABLE)
			table = text_of(attr);
		else if (mnl_attr_get_type(attr) == NFTA_FLOWTABLE_NAME)
			name = text_of(attr);
	}
	if (finding->nflowtables++ < NAMED_MAX)
		append(finding->flowtables, sizeof(finding->flowtables), "%s%.32s in table %.32s",
		    finding->flowtables[0] != '\0' ? ", " : "", name, table);
}

static void
forget_flowtables(void *arg)
{
	struct finding *finding = arg;

	finding->nflowtables = 0;
	finding->flowtables[0] = '\0';
}

static int
ask_flowtables(struct kernel *kernel, struct finding *finding)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETFLOWTABLE, NLM_F_DUMP);

	/* of tables of all families */
	((struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family = NFPROTO_UNSPEC;
	return kernel_ask(kernel, nlh, take_flowtable, forget_flowtables, finding);
}

static bool
is_child(const char *kind)
{
	static const char *const kinds[] = { "macvlan", "macvtap", "ipvlan", "ipvtap" };
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i], kind) == 0)
			return true;
	}
	return false;
}

void
blind_link_left(struct blind *blind, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr, *info;
	const char *name = "?", *kind = "";
	bool elsewhere = false;

	attr_for_each(attr, nlh, sizeof(struct ifinfomsg)) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			name = text_of(attr);
			break;
		case IFLA_NEW_NETNSID:
		case IFLA_NEW_IFINDEX:
			elsewhere = true;
			break;
		case IFLA_LINKINFO:
			attr_for_each_nested(info, attr) {
				if (mnl_attr_get_type(info) == IFLA_INFO_KIND)
					kind = text_of(info);
			}
			break;
		default:
			break;
		}
	}
	if (!elsewhere || !is_child(kind))
		return;
	snprintf(blind->given, sizeof(blind->given), "%s", name);
	snprintf(blind->kind, sizeof(blind->kind), "%s", kind);
}

int
blind_look(const struct blind *blind, struct kernel *kernel, char *text, size_t size)
{
	struct finding finding = { .xdp = "" };
	int error;

	text[0] = '\0';
	error = ask_flowtables(kernel, &finding);
	if (error == 0)
		error = route_dump(RTM_GETLINK, sizeof(struct ifinfomsg), take_link, forget_links,
		    &finding);
	if (finding.nflowtables > 0)
		append(text, size, "flowtable %s takes established forwarded flows past the rules",
		    finding.flowtables);
	if (finding.nxdp > 0)
		append(text, size, "%san XDP program on %s sees packets before the rules do",
		    text[0] != '\0' ? "; " : "", finding.xdp);
	if (blind->given[0] != '\0')
		append(text, size, "%s%s %s was given to another network namespace, its packets do "
		    "not come by here", text[0] != '\0' ? "; " : "", blind->kind, blind->given);
	return error;
}
