/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "threatlistd/enforce.h"
#include "chain.h"

void
chain_put(struct batch *batch, const struct chain *what)
{
	struct nftnl_udata_buf *userdata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *nlh = batch_begin(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE,
	    BATCH_OBJECT_MAX);

	if (chain == NULL || userdata == NULL || nlh == NULL) {
		batch->failed = true;
		goto out;
	}
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_FAMILY, NFPROTO_INET);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, ENFORCE_TABLE);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, what->name);
	if (what->hook != CHAIN_REGULAR) {
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, (uint32_t)what->hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, what->priority);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	}
	nftnl_udata_put_strz(userdata, NFTNL_UDATA_CHAIN_COMMENT, what->comment);
	nftnl_chain_set_data(chain, NFTNL_CHAIN_USERDATA, nftnl_udata_buf_data(userdata),
	    nftnl_udata_buf_len(userdata));
	nftnl_chain_nlmsg_build_payload(nlh, chain);
	batch_end(batch, nlh);
out:
	if (chain != NULL)
		nftnl_chain_free(chain);
	if (userdata != NULL)
		nftnl_udata_buf_free(userdata);
}

void
chain_flush(struct batch *batch, const char *name)
{
	batch_put_named(batch, NFT_MSG_DELRULE, name);
}

void
chain_delete(struct batch *batch, const char *name)
{
	batch_put_named(batch, NFT_MSG_DELCHAIN, name);
}
