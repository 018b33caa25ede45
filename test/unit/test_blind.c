/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the kernel says of flowtables, and of links in other namespaces, which the
 * kernel that runs these tests may not have: messages as linux/netfilter/nf_tables.h (enum nft_flowtable_attributes,
 * nft_flowtable_hook_attributes) and netlink(7) describe them, byte by byte, and
 * those that libnftnl makes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <libnftnl/flowtable.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>

#include "netfilter/blind.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HOST16(n)	(n) & 0xff, (n) >> 8
#else
#define HOST16(n)	(n) >> 8, (n) & 0xff
#endif

/* One answer of a dump: flowtable "ft" of table "fast", two devices, hook ingress, handle 2. */
static const _Alignas(8) uint8_t recorded[] = {
	0, 0, 0, 0,				/* its length: see whole() */
	HOST16(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWFLOWTABLE), HOST16(NLM_F_MULTI),
	1, 0, 0, 0, 2, 0, 0, 0,			/* sequence, port id */
	NFPROTO_INET, 0, 0, 3,			/* family, version, generation */
	HOST16(9), HOST16(1), 'f', 'a', 's', 't', 0, 0, 0, 0,	/* NFTA_FLOWTABLE_TABLE */
	HOST16(7), HOST16(2), 'f', 't', 0, 0,	/* NFTA_FLOWTABLE_NAME */
	HOST16(8), HOST16(4), 0, 0, 0, 1,	/* NFTA_FLOWTABLE_USE */
	HOST16(12), HOST16(5), 0, 0, 0, 0, 0, 0, 0, 2,		/* NFTA_FLOWTABLE_HANDLE */
	HOST16(8), HOST16(7), 0, 0, 0, 0,	/* NFTA_FLOWTABLE_FLAGS */
	HOST16(56), HOST16(3 | NLA_F_NESTED),	/* NFTA_FLOWTABLE_HOOK */
	HOST16(8), HOST16(1), 0, 0, 0, 0,	/* NFTA_FLOWTABLE_HOOK_NUM: ingress */
	HOST16(8), HOST16(2), 0, 0, 0, 0,	/* NFTA_FLOWTABLE_HOOK_PRIORITY */
	HOST16(36), HOST16(3 | NLA_F_NESTED),	/* NFTA_FLOWTABLE_HOOK_DEVS */
	HOST16(14), HOST16(1), 't', 'o', '-', 'l', 'i', 's', 't', 'e', 'd', 0, 0, 0,
	HOST16(16), HOST16(1), 't', 'o', '-', 'i', 'n', 'n', 'o', 'c', 'e', 'n', 't', 0,
};

/* The recorded one, with its length in the byte order of this host. */
static struct nlmsghdr *
whole(void *bytes)
{
	struct nlmsghdr *nlh = memcpy(bytes, recorded, sizeof(recorded));

	nlh->nlmsg_len = sizeof(recorded);
	return nlh;
}

static const char *
sentence(const struct blind_ways *ways, unsigned int way)
{
	static struct enforce_blind found;

	blind_tell(ways, &found);
	return found.ways[way];
}

static void
a_recorded_dump_is_read(void **state)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[sizeof(recorded)];
	struct blind_ways ways = { .xdp = "" };

	assert_int_equal(sizeof(recorded), 124);
	assert_string_equal(sentence(&ways, ENFORCE_WAY_FLOWTABLE), "");
	blind_take_flowtable(whole(bytes), &ways);
	assert_int_equal(ways.nflowtables, 1);
	assert_string_equal(sentence(&ways, ENFORCE_WAY_FLOWTABLE),
	    "flowtable ft in table fast takes established forwarded flows past the rules");
	assert_string_equal(sentence(&ways, ENFORCE_WAY_XDP), "");
	/* broken off: what it said before does not count */
	blind_forget_flowtables(&ways);
	assert_string_equal(sentence(&ways, ENFORCE_WAY_FLOWTABLE), "");
	blind_take_flowtable(whole(bytes), &ways);
	assert_int_equal(ways.nflowtables, 1);
}

/* As libnftnl puts one together for a kernel that has them. */
static void
make(struct blind_ways *ways, const char *table, const char *name)
{
	_Alignas(struct nlmsghdr) char bytes[4096];
	const char *devices[] = { "eth0", "eth1", NULL };
	struct nftnl_flowtable *flowtable = nftnl_flowtable_alloc();
	struct nlmsghdr *nlh;

	assert_non_null(flowtable);
	nftnl_flowtable_set_str(flowtable, NFTNL_FLOWTABLE_TABLE, table);
	nftnl_flowtable_set_str(flowtable, NFTNL_FLOWTABLE_NAME, name);
	nftnl_flowtable_set_u32(flowtable, NFTNL_FLOWTABLE_HOOKNUM, NF_NETDEV_INGRESS);
	nftnl_flowtable_set_u32(flowtable, NFTNL_FLOWTABLE_PRIO, 0);
	nftnl_flowtable_set_data(flowtable, NFTNL_FLOWTABLE_DEVICES, devices, 0);
	nlh = nftnl_nlmsg_build_hdr(bytes, NFT_MSG_NEWFLOWTABLE, NFPROTO_IPV4, NLM_F_MULTI, 1);
	nftnl_flowtable_nlmsg_build_payload(nlh, flowtable);
	nftnl_flowtable_free(flowtable);
	blind_take_flowtable(nlh, ways);
}

static void
the_library_s_own_is_read(void **state)
{
	struct blind_ways ways = { .xdp = "" };

	make(&ways, "filter", "f");
	make(&ways, "nat", "g");
	assert_string_equal(sentence(&ways, ENFORCE_WAY_FLOWTABLE), "flowtable f in table filter, "
	    "g in table nat takes established forwarded flows past the rules");
}

/* Names of the kernel's greatest length, and more of them than are named. */
static void
the_sentence_is_bounded(void **state)
{
	struct blind_ways ways = { .xdp = "" };
	char name[256];
	unsigned int i;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (i = 0; i < 1000; i++)
		make(&ways, name, name);
	assert_int_equal(ways.nflowtables, 1000);
	assert_true(strlen(ways.flowtables) < sizeof(ways.flowtables));
	assert_true(strlen(sentence(&ways, ENFORCE_WAY_FLOWTABLE)) < ENFORCE_WAY_MAX);
}

/* Whatever is cut or changed, nothing is read that is not there (with AddressSanitizer). */
static void
cut_and_changed_messages_do_no_harm(void **state)
{
	size_t i, size;
	unsigned int bit;

	for (size = NLMSG_HDRLEN + sizeof(struct nfgenmsg); size <= sizeof(recorded); size += 4) {
		struct blind_ways ways = { .xdp = "" };
		struct nlmsghdr *nlh = malloc(size);

		assert_non_null(nlh);
		memcpy(nlh, recorded, size);
		nlh->nlmsg_len = (uint32_t)size;
		blind_take_flowtable(nlh, &ways);
		free(nlh);
	}
	for (i = NLMSG_HDRLEN + sizeof(struct nfgenmsg); i < sizeof(recorded); i++) {
		for (bit = 0; bit < 8; bit++) {
			struct blind_ways ways = { .xdp = "" };
			struct nlmsghdr *nlh = whole(malloc(sizeof(recorded)));

			((uint8_t *)nlh)[i] ^= (uint8_t)(1u << bit);
			blind_take_flowtable(nlh, &ways);
			assert_true(strlen(ways.flowtables) < sizeof(ways.flowtables));
			free(nlh);
		}
	}
}

#define HERE	7

/* An answer to RTM_GETLINK in another namespace; where -1: no IFLA_LINK_NETNSID. */
static struct nlmsghdr *
link_answer(void *bytes, const char *name, const char *kind, uint32_t parent, int32_t where)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(bytes);
	struct nlattr *nest;

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put_u32(nlh, IFLA_LINK, parent);
	if (where >= 0)
		mnl_attr_put_u32(nlh, IFLA_LINK_NETNSID, (uint32_t)where);
	nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
	mnl_attr_nest_end(nlh, nest);
	return nlh;
}

static void
only_children_of_this_host_are_told(void **state)
{
	_Alignas(struct nlmsghdr) char bytes[512];
	struct blind_ways ways = { .children.here = HERE };

	children_take_link(link_answer(bytes, "veth7", "veth", 2, HERE), &ways.children);
	children_take_link(link_answer(bytes, "mv7", "macvlan", 2, -1), &ways.children);
	children_take_link(link_answer(bytes, "mv8", "macvlan", 2, HERE + 1), &ways.children);
	assert_string_equal(sentence(&ways, ENFORCE_WAY_CHILD), "");
	children_take_link(link_answer(bytes, "eth0", "vlan", 2, HERE), &ways.children);
	assert_string_equal(sentence(&ways, ENFORCE_WAY_CHILD), "vlan eth0 of ? is in another "
	    "network namespace, its packets do not come by here");
	children_take_parent(&ways.children, 3, "ens6");
	children_take_parent(&ways.children, 2, "ens5");
	children_take_link(link_answer(bytes, "eth0", "ipvlan", 2, HERE), &ways.children);
	children_take_link(link_answer(bytes, "eth1", "macvtap", 2, HERE), &ways.children);
	assert_string_equal(sentence(&ways, ENFORCE_WAY_CHILD), "vlan eth0 of ens5, ipvlan eth0 of "
	    "? and others are in other network namespaces, their packets do not come by here");
	assert_int_equal(ways.children.n, 3);
}

/* The kernel makes the id of this namespace while it answers: asked for again, not guessed. */
static void
children_are_unclear_until_this_namespace_has_an_id(void **state)
{
	_Alignas(struct nlmsghdr) char bytes[512];
	struct blind_ways ways = { .children.here = CHILD_HERE_UNKNOWN };

	children_take_link(link_answer(bytes, "mv7", "macvlan", 2, -1), &ways.children);
	assert_int_equal(ways.children.unclear, 0);
	children_take_link(link_answer(bytes, "mv8", "macvlan", 2, 0), &ways.children);
	assert_int_equal(ways.children.unclear, 1);
	assert_string_equal(sentence(&ways, ENFORCE_WAY_CHILD), "");
}

static void
links_of_any_names_do_no_harm(void **state)
{
	_Alignas(struct nlmsghdr) char bytes[2048];
	struct blind_ways ways = { .children.here = HERE };
	char name[256];
	unsigned int i;
	size_t size;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (i = 0; i < 1000; i++)
		children_take_link(link_answer(bytes, name, "macvlan", i, HERE), &ways.children);
	for (i = 0; i < 1000; i++)
		children_take_parent(&ways.children, (int)i, name);
	assert_int_equal(ways.children.n, 1000);
	assert_true(strlen(sentence(&ways, ENFORCE_WAY_CHILD)) < ENFORCE_WAY_MAX);
	/* cut anywhere, with AddressSanitizer */
	link_answer(bytes, "mv0", "macvlan", 2, HERE);
	for (size = NLMSG_HDRLEN + sizeof(struct ifinfomsg);
	    size <= ((const struct nlmsghdr *)bytes)->nlmsg_len; size += 4) {
		struct nlmsghdr *nlh = memcpy(malloc(size), bytes, size);

		nlh->nlmsg_len = (uint32_t)size;
		children_take_link(nlh, &ways.children);
		free(nlh);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recorded_dump_is_read),
		cmocka_unit_test(the_library_s_own_is_read),
		cmocka_unit_test(the_sentence_is_bounded),
		cmocka_unit_test(cut_and_changed_messages_do_no_harm),
		cmocka_unit_test(only_children_of_this_host_are_told),
		cmocka_unit_test(children_are_unclear_until_this_namespace_has_an_id),
		cmocka_unit_test(links_of_any_names_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
