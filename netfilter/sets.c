/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "threatlistd/enforce.h"
#include "sets.h"

/* nft's own numbers for what a key is (datatype.h of nftables). */
#define KEY_TYPE_NFPROTO	2u
#define KEY_TYPE_INTEGER	4u
#define KEY_TYPE_IP4		7u
#define KEY_TYPE_IP6		8u
#define KEY_TYPE_PORT		13u
#define KEY_TYPE_BITS		6u	/* of each part of a concatenation */
/* And for what it is the type of: expression.h and proto.h, as typeof(@nh,64,32) is kept. */
#define TYPEOF_PAYLOAD		7u
#define TYPEOF_PAYLOAD_DESC	0u	/* attributes: no protocol, a field of none, */
#define TYPEOF_PAYLOAD_TYPE	1u
#define TYPEOF_PAYLOAD_BASE	2u	/* in the network header, */
#define TYPEOF_PAYLOAD_OFFSET	3u	/* bits */
#define TYPEOF_PAYLOAD_LEN	4u
#define TYPEOF_NETWORK_HEADER	2u
#define TYPEOF_SOURCE6		64u	/* where an IPv6 source begins: RFC 8200 §3 */
#define BYTEORDER_MIXED		0u	/* of a concatenation: its parts know */
#define BYTEORDER_HOST		1u
#define BYTEORDER_BIG		2u	/* else nft prints addresses the wrong way round */

#define SEEN_SIZE		65536u
#define SEEN_EP_SIZE		4096u	/* a day's worth of endpoints in an hour */
#define ARMED_ROOM		16u	/* what expired counts for some while, and members are made anew */
#define HASH_BUCKETS_MIN	2048u

static const struct set_info sets[SET_TURNS] = {
	{ { "hosts4", "hosts4_b" }, 4, false, "listed IPv4 hosts, whatever the action; asked when top4 says so" },
	{ { "hosts6", "hosts6_b" }, 16, false, "listed IPv6 hosts, asked when top6 says so" },
	{ { "nets4_a", "nets4_b" }, 4, true, "listed IPv4 prefixes, asked when top4 says so" },
	{ { "nets6_a", "nets6_b" }, 16, true, "listed IPv6 prefixes, asked when top6 says so" },
	{ { "watch4", "watch4_b" }, 4, false, "listed IPv4 hosts that are only watched" },
	{ { "watch6", "watch6_b" }, 16, false, "listed IPv6 hosts that are only watched" },
	{ { "watchnet4_a", "watchnet4_b" }, 4, true, "listed IPv4 prefixes that are only watched" },
	{ { "watchnet6_a", "watchnet6_b" }, 16, true, "listed IPv6 prefixes that are only watched" },
	{ { "reject4", "reject4_b" }, 4, false, "listed IPv4 hosts that get an error, outbound" },
	{ { "reject6", "reject6_b" }, 16, false, "listed IPv6 hosts that get an error, outbound" },
	{ { "rejectnet4_a", "rejectnet4_b" }, 4, true,
	    "listed IPv4 prefixes that get an error, outbound" },
	{ { "rejectnet6_a", "rejectnet6_b" }, 16, true,
	    "listed IPv6 prefixes that get an error, outbound" },
	{ { "protect4", "protect4_b" }, 4, false,
	    "never cut off: own addresses, gateways, resolvers, metadata service" },
	{ { "protect6", "protect6_b" }, 16, false,
	    "never cut off: own addresses, gateways, resolvers, metadata service" },
	{ { "protectnet4_a", "protectnet4_b" }, 4, true,
	    "never cut off: loopback, link-local, [enforce] admin" },
	{ { "protectnet6_a", "protectnet6_b" }, 16, true,
	    "never cut off: loopback, link-local, [enforce] admin" },
	{ { "top4", "top4_b" }, 4, false, "leading bits of all listed IPv4 addresses (20), or of the prefixes alone (16)" },
	{ { "top6", "top6_b" }, 4, false, "first 32 bits of all listed IPv6 addresses" },
	{ { "wide_in4_a", "wide_in4_b" }, 4, true,
	    "wide listed prefixes: packets of all their new remotes over a limit" },
	{ { "wide_in6_a", "wide_in6_b" }, 16, true,
	    "wide listed prefixes: packets of all their new remotes over a limit" },
	{ { "wide_out4_a", "wide_out4_b" }, 4, true,
	    "wide listed prefixes: packets to all their new remotes over a limit" },
	{ { "wide_out6_a", "wide_out6_b" }, 16, true,
	    "wide listed prefixes: packets to all their new remotes over a limit" },
};

static const char *const fixtures[FIXTURE_END] = {
	"allow4", "allow6", "seen_in4", "seen_in6", "seen_out4", "seen_out6",
	"protect_ep4", "protect_ep6", "seen_ep_in4", "seen_ep_in6", "seen_ep_out4", "seen_ep_out6",
	"armed",
};

const struct set_info *
set_info(unsigned int set)
{
	assert(set < SET_TURNS);
	return &sets[set];
}

const char *
fixture_name(enum set_fixture fixture)
{
	return fixtures[fixture];
}

bool
set_by_name(const char *name, unsigned int *set, unsigned int *turn)
{
	for (*set = 0; *set < SET_TURNS; ++*set) {
		for (*turn = 0; *turn < 2; ++*turn) {
			if (strcmp(sets[*set].names[*turn], name) == 0)
				return true;
		}
	}
	return false;
}

/*
 * The kernel makes a power of two of buckets out of size * 4 / 3
 * (nft_hash_buckets): three quarters of it is the size that wastes none.
 */
uint32_t
set_size_for(size_t n)
{
	uint64_t buckets = HASH_BUCKETS_MIN;

	while (buckets / 4 * 3 < n + n / 10)
		buckets *= 2;
	return (uint32_t)(buckets / 4 * 3);
}

/* What a set is made of; zero: none of it. */
struct spec {
	const char *name;
	uint32_t key_type, key_size, byteorder;
	uint32_t flags, size;
	uint64_t timeout_ms;
	bool leading;			/* 32 bits of an IPv6 address */
	const char *comment;
};

/* Without it nft can neither print the members nor read back what it printed. */
static void
put_typeof_leading(struct nftnl_udata_buf *userdata)
{
	struct nftnl_udata *of, *data;

	of = nftnl_udata_nest_start(userdata, NFTNL_UDATA_SET_KEY_TYPEOF);
	nftnl_udata_put_u32(userdata, NFTNL_UDATA_SET_TYPEOF_EXPR, TYPEOF_PAYLOAD);
	data = nftnl_udata_nest_start(userdata, NFTNL_UDATA_SET_TYPEOF_DATA);
	nftnl_udata_put_u32(userdata, TYPEOF_PAYLOAD_DESC, 0);
	nftnl_udata_put_u32(userdata, TYPEOF_PAYLOAD_TYPE, 0);
	nftnl_udata_put_u32(userdata, TYPEOF_PAYLOAD_BASE, TYPEOF_NETWORK_HEADER);
	nftnl_udata_put_u32(userdata, TYPEOF_PAYLOAD_OFFSET, TYPEOF_SOURCE6);
	nftnl_udata_put_u32(userdata, TYPEOF_PAYLOAD_LEN, 32);
	nftnl_udata_nest_end(userdata, data);
	nftnl_udata_nest_end(userdata, of);
}

/*
 * What every member of the set does with a packet that it matches: up to the
 * limit it does not match after all, over it it counts.
 */
static void
add_meter(struct batch *batch, struct nftnl_set *set)
{
	struct nftnl_expr *limit = nftnl_expr_alloc("limit"), *counter;

	if (limit == NULL) {
		batch->failed = true;
		return;
	}
	nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_RATE, WIDE_REMOTES);
	nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_UNIT, 60);
	nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_BURST, WIDE_REMOTES);
	nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_FLAGS, NFT_LIMIT_F_INV);
	nftnl_set_add_expr(set, limit);
	counter = nftnl_expr_alloc("counter");
	if (counter == NULL) {
		batch->failed = true;
		return;
	}
	nftnl_set_add_expr(set, counter);
}

static void
create(struct batch *batch, const struct spec *spec)
{
	struct nftnl_set *set = nftnl_set_alloc();
	struct nftnl_udata_buf *userdata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	struct nlmsghdr *nlh = batch_begin(batch, NFT_MSG_NEWSET, NLM_F_CREATE, BATCH_OBJECT_MAX);

	if (set == NULL || userdata == NULL || nlh == NULL) {
		batch->failed = true;
		goto out;
	}
	nftnl_set_set_str(set, NFTNL_SET_TABLE, ENFORCE_TABLE);
	nftnl_set_set_str(set, NFTNL_SET_NAME, spec->name);
	nftnl_set_set_u32(set, NFTNL_SET_FAMILY, NFPROTO_INET);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, spec->key_type);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, spec->key_size);
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, spec->flags);
	/* any number that is not twice in a transaction */
	nftnl_set_set_u32(set, NFTNL_SET_ID, (uint32_t)batch->used + 1);
	if (spec->size != 0)
		nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, spec->size);
	if (spec->flags & NFT_SET_EXPR)
		add_meter(batch, set);
	if (spec->timeout_ms != 0)
		nftnl_set_set_u64(set, NFTNL_SET_TIMEOUT, spec->timeout_ms);
	nftnl_udata_put_u32(userdata, NFTNL_UDATA_SET_KEYBYTEORDER, spec->byteorder);
	if (spec->leading)
		put_typeof_leading(userdata);
	nftnl_udata_put_strz(userdata, NFTNL_UDATA_SET_COMMENT, spec->comment);
	nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(userdata),
	    nftnl_udata_buf_len(userdata));
	nftnl_set_nlmsg_build_payload(nlh, set);
	batch_end(batch, nlh);
out:
	if (set != NULL)
		nftnl_set_free(set);
	if (userdata != NULL)
		nftnl_udata_buf_free(userdata);
}

/* A set of addresses. */
static struct spec
addresses(const char *name, unsigned int family, const char *comment)
{
	return (struct spec){
		.name = name,
		.key_type = family == FAMILY_V4 ? KEY_TYPE_IP4 : KEY_TYPE_IP6,
		.key_size = family == FAMILY_V4 ? 4 : 16,
		.byteorder = BYTEORDER_BIG,
		.comment = comment,
	};
}

void
set_create_as(struct batch *batch, unsigned int set, const char *name, uint32_t size)
{
	const struct set_info *info = set_info(set);
	struct spec spec = addresses(name,
	    info->key_size == 4 ? FAMILY_V4 : FAMILY_V6, info->comment);

	if (set == SET_TOP(FAMILY_V6)) {
		spec.key_type = KEY_TYPE_INTEGER;
		spec.leading = true;
	}
	if (info->ranges)
		spec.flags = NFT_SET_INTERVAL;
	else
		spec.size = size;
	if (set_counts(set))
		spec.flags |= NFT_SET_EXPR;
	create(batch, &spec);
}

void
set_create(struct batch *batch, unsigned int set, unsigned int turn, uint32_t size)
{
	set_create_as(batch, set, set_info(set)->names[turn], size);
}

static void
create_allow(struct batch *batch, unsigned int family)
{
	struct spec spec = addresses(fixtures[FIXTURE_ALLOW4 + family], family,
	    family == FAMILY_V4 ? "your own exceptions, IPv4: edit by hand, kept over updates" :
	    "your own exceptions, IPv6: edit by hand, kept over updates");

	spec.flags = NFT_SET_INTERVAL;
	create(batch, &spec);
}

static void
create_seen(struct batch *batch, enum set_fixture fixture, unsigned int family, uint32_t size,
    const char *comment)
{
	struct spec spec = addresses(fixtures[fixture + family], family, comment);

	spec.flags = NFT_SET_TIMEOUT | NFT_SET_EVAL;
	spec.size = size;
	spec.timeout_ms = ENFORCE_SEEN_MS;
	create(batch, &spec);
}

void
set_create_nets(struct batch *batch, const char *name, unsigned int family, const char *comment)
{
	struct spec spec = addresses(name, family, comment);

	spec.flags = NFT_SET_INTERVAL;
	create(batch, &spec);
}

/* Address . TCP port: each part of a key takes whole 32-bit registers. */
static struct spec
ports(const char *name, unsigned int family, const char *comment)
{
	struct spec spec = addresses(name, family, comment);

	spec.key_type = spec.key_type << KEY_TYPE_BITS | KEY_TYPE_PORT;
	spec.key_size += sizeof(uint32_t);
	spec.byteorder = BYTEORDER_MIXED;
	return spec;
}

void
set_create_ports(struct batch *batch, const char *name, unsigned int family, uint32_t size,
    const char *comment)
{
	struct spec spec = ports(name, family, comment);

	spec.size = size;
	create(batch, &spec);
}

static void
create_endpoints(struct batch *batch, unsigned int family)
{
	struct spec spec = ports(fixtures[FIXTURE_PROTECT_EP4 + family], family,
	    "never cut off: lists, collectors and services the agent itself talks to");

	spec.flags = NFT_SET_TIMEOUT;
	/* room for what expired and is not swept out yet; no buckets are wasted */
	spec.size = ENFORCE_ENDPOINTS_MAX * 3;
	spec.timeout_ms = ENFORCE_ENDPOINT_MS;
	create(batch, &spec);
}

void
set_create_armed(struct batch *batch, const char *name, const char *comment)
{
	const struct spec spec = {
		.name = name, .key_type = KEY_TYPE_NFPROTO, .key_size = 1, .byteorder = BYTEORDER_HOST,
		.flags = NFT_SET_TIMEOUT, .size = FAMILY_END * ARMED_ROOM, .comment = comment,
	};

	create(batch, &spec);
}

void
fixtures_create(struct batch *batch)
{
	unsigned int family;

	for (family = 0; family < FAMILY_END; family++) {
		create_allow(batch, family);
		create_seen(batch, FIXTURE_SEEN_IN4, family, SEEN_SIZE,
		    "listed remotes that sent to us");
		create_seen(batch, FIXTURE_SEEN_OUT4, family, SEEN_SIZE,
		    "listed remotes that were sent to");
		create_endpoints(batch, family);
		create_seen(batch, FIXTURE_SEEN_EP_IN4, family, SEEN_EP_SIZE,
		    "what came from listed members of protect_ep");
		create_seen(batch, FIXTURE_SEEN_EP_OUT4, family, SEEN_EP_SIZE,
		    "what was sent to listed members of protect_ep");
	}
	set_create_armed(batch, fixtures[FIXTURE_ARMED],
	    "behind enforce drop --confirm: empty, it is watch");
}

void
set_flush(struct batch *batch, const char *name)
{
	/* no elements named: all of them */
	batch_put_named(batch, NFT_MSG_DELSETELEM, name);
}

void
set_delete(struct batch *batch, const char *name)
{
	batch_put_named(batch, NFT_MSG_DELSET, name);
}
