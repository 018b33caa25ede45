/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "threatlistd/enforce.h"
#include "batch.h"

#define BATCH_FIRST_ROOM	(64u << 10)

void
batch_init(struct batch *batch)
{
	memset(batch, 0, sizeof(*batch));
}

void
batch_fini(struct batch *batch)
{
	free(batch->bytes);
	batch_init(batch);
}

void
batch_reset(struct batch *batch)
{
	batch->used = batch->last = 0;
	batch->failed = false;
}

bool
batch_empty(const struct batch *batch)
{
	return batch->used == 0;
}

static bool
make_room(struct batch *batch, size_t need)
{
	size_t room = batch->room == 0 ? BATCH_FIRST_ROOM : batch->room;
	uint8_t *bytes;

	if (batch->failed)
		return false;
	while (room - batch->used < need)
		room *= 2;
	if (room == batch->room)
		return true;
	bytes = realloc(batch->bytes, room);
	if (bytes == NULL) {
		batch->failed = true;
		return false;
	}
	batch->bytes = bytes;
	batch->room = room;
	return true;
}

struct nlmsghdr *
batch_begin(struct batch *batch, uint16_t type, uint16_t flags, size_t payload)
{
	struct nlmsghdr *nlh;
	struct nfgenmsg *nfg;

	if (!make_room(batch, MNL_NLMSG_HDRLEN + sizeof(*nfg) + payload))
		return NULL;
	nlh = mnl_nlmsg_put_header(batch->bytes + batch->used);
	nlh->nlmsg_type = (uint16_t)((NFNL_SUBSYS_NFTABLES << 8) | type);
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = NFPROTO_INET;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

void
batch_end(struct batch *batch, const struct nlmsghdr *nlh)
{
	batch->last = batch->used;
	batch->used += NLMSG_ALIGN(nlh->nlmsg_len);
}

void
batch_put_named(struct batch *batch, uint16_t type, const char *name)
{
	/* the table is attribute 1 of all, the name attribute 2, but for chains */
	_Static_assert((int)NFTA_RULE_TABLE == (int)NFTA_SET_TABLE &&
	    (int)NFTA_RULE_CHAIN == (int)NFTA_SET_NAME, "one layout for rules and sets");
	_Static_assert((int)NFTA_CHAIN_TABLE == (int)NFTA_SET_TABLE, "and chains");
	_Static_assert((int)NFTA_SET_ELEM_LIST_TABLE == (int)NFTA_SET_TABLE &&
	    (int)NFTA_SET_ELEM_LIST_SET == (int)NFTA_SET_NAME, "and elements");
	struct nlmsghdr *nlh = batch_begin(batch, type, 0, BATCH_OBJECT_MAX);

	if (nlh == NULL)
		return;
	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, ENFORCE_TABLE);
	mnl_attr_put_strz(nlh, type == NFT_MSG_DELCHAIN ? (uint16_t)NFTA_CHAIN_NAME :
	    (uint16_t)NFTA_SET_NAME, name);
	batch_end(batch, nlh);
}
