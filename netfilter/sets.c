/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "threatlistd/enforce.h"
#include "armed.h"
#include "sets.h"

/* nft's own numbers for what a key is (datatype.h of nftables). */
#define KEY_TYPE_IP4		7u
#define KEY_TYPE_IP6		8u
#define BYTEORDER_BIG		2u	/* else nft prints addresses the wrong way round */

#define SEEN_SIZE		65536u
#define SEEN_TIMEOUT_MS		(60u * 60u * 1000u)
#define HASH_BUCKETS_MIN	2048u

static const struct set_info sets[SET_TURNS] = {
	{ { "hosts4", "hosts4_b" }, 4, false, "listed IPv4 hosts, whatever the action" },
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
	{ { "top4", "top4_b" }, 4, false, "first 16 bits of all listed IPv4 prefixes" },
	{ { "top6", "top6_b" }, 16, false, "first 32 bits of all listed IPv6 addresses" },
};

static const char *const fixtures[FIXTURE_END] = {
	"allow4", "allow6", "seen_in4", "seen_in6", "seen_out4", "seen_out6", "armed",
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

static void
create(struct batch *batch, const char *name, uint8_t key_size, uint32_t flags, uint32_t size,
    const char *comment)
{
	struct nftnl_set *set = nftnl_set_alloc();
	struct nftnl_udata_buf *userdata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	struct nlmsghdr *nlh = batch_begin(batch, NFT_MSG_NEWSET, NLM_F_CREATE, BATCH_OBJECT_MAX);

	if (set == NULL || userdata == NULL || nlh == NULL) {
		batch->failed = true;
		goto out;
	}
	nftnl_set_set_str(set, NFTNL_SET_TABLE, ENFORCE_TABLE);
	nftnl_set_set_str(set, NFTNL_SET_NAME, name);
	nftnl_set_set_u32(set, NFTNL_SET_FAMILY, NFPROTO_INET);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, key_size == 4 ? KEY_TYPE_IP4 : KEY_TYPE_IP6);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, key_size);
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, flags);
	/* any number that is not twice in a transaction */
	nftnl_set_set_u32(set, NFTNL_SET_ID, (uint32_t)batch->used + 1);
	if (size != 0)
		nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, size);
	if (flags & NFT_SET_TIMEOUT)
		nftnl_set_set_u64(set, NFTNL_SET_TIMEOUT, SEEN_TIMEOUT_MS);
	nftnl_udata_put_u32(userdata, NFTNL_UDATA_SET_KEYBYTEORDER, BYTEORDER_BIG);
	nftnl_udata_put_strz(userdata, NFTNL_UDATA_SET_COMMENT, comment);
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

void
set_create(struct batch *batch, unsigned int set, unsigned int turn, uint32_t size)
{
	const struct set_info *info = set_info(set);

	create(batch, info->names[turn], info->key_size, info->ranges ? NFT_SET_INTERVAL : 0,
	    info->ranges ? 0 : size, info->comment);
}

void
fixtures_create(struct batch *batch)
{
	const uint32_t dynamic = NFT_SET_TIMEOUT | NFT_SET_EVAL;

	create(batch, fixtures[FIXTURE_ALLOW4], 4, NFT_SET_INTERVAL, 0,
	    "your own exceptions, IPv4: edit by hand, kept over updates");
	create(batch, fixtures[FIXTURE_ALLOW6], 16, NFT_SET_INTERVAL, 0,
	    "your own exceptions, IPv6: edit by hand, kept over updates");
	create(batch, fixtures[FIXTURE_SEEN_IN4], 4, dynamic, SEEN_SIZE,
	    "listed IPv4 remotes that sent to us");
	create(batch, fixtures[FIXTURE_SEEN_IN6], 16, dynamic, SEEN_SIZE,
	    "listed IPv6 remotes that sent to us");
	create(batch, fixtures[FIXTURE_SEEN_OUT4], 4, dynamic, SEEN_SIZE,
	    "listed IPv4 remotes that were sent to");
	create(batch, fixtures[FIXTURE_SEEN_OUT6], 16, dynamic, SEEN_SIZE,
	    "listed IPv6 remotes that were sent to");
	armed_create(batch, fixtures[FIXTURE_ARMED],
	    "behind enforce drop --confirm: empty, it is watch");
}

void
set_delete(struct batch *batch, const char *name)
{
	struct nlmsghdr *nlh = batch_begin(batch, NFT_MSG_DELSET, 0, BATCH_OBJECT_MAX);

	if (nlh == NULL)
		return;
	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, ENFORCE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, name);
	batch_end(batch, nlh);
}
