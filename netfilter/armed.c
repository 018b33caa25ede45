/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "threatlistd/enforce.h"
#include "armed.h"
#include "kernel.h"

#define KEY_TYPE_NFPROTO	2u	/* nft's own number (datatype.h of nftables) */
#define BYTEORDER_HOST		1u
#define ARMED_SIZE		2u	/* one a family */

static const uint8_t families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };

int64_t
armed_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
armed_create(struct batch *batch, const char *name, const char *comment)
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
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, KEY_TYPE_NFPROTO);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, sizeof(families[0]));
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, NFT_SET_TIMEOUT);
	nftnl_set_set_u32(set, NFTNL_SET_ID, (uint32_t)batch->used + 1);
	nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, ARMED_SIZE);
	nftnl_udata_put_u32(userdata, NFTNL_UDATA_SET_KEYBYTEORDER, BYTEORDER_HOST);
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

static void
put_member(struct nlmsghdr *nlh, uint8_t family, uint64_t timeout_ms)
{
	struct nlattr *element = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	struct nlattr *key = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);

	mnl_attr_put_u8(nlh, NFTA_DATA_VALUE, family);
	mnl_attr_nest_end(nlh, key);
	if (timeout_ms > 0)
		mnl_attr_put_u64(nlh, NFTA_SET_ELEM_TIMEOUT, htobe64(timeout_ms));
	mnl_attr_nest_end(nlh, element);
}

static struct nlmsghdr *
begin(struct batch *batch, uint16_t type, uint16_t flags, const char *set)
{
	struct nlmsghdr *nlh = batch_begin(batch, type, flags, BATCH_OBJECT_MAX);

	if (nlh == NULL)
		return NULL;
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, ENFORCE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	return nlh;
}

void
armed_fill(struct batch *batch, const char *set, int64_t until_ms)
{
	int64_t left = until_ms - armed_now_ms();
	struct nlmsghdr *nlh;
	struct nlattr *list;
	size_t i;

	/* no elements named: all of them; the time of one that is there cannot be changed */
	nlh = begin(batch, NFT_MSG_DELSETELEM, 0, set);
	if (nlh == NULL)
		return;
	batch_end(batch, nlh);
	if (left <= 0)
		return;
	nlh = begin(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set);
	if (nlh == NULL)
		return;
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (i = 0; i < sizeof(families); i++)
		put_member(nlh, families[i], (uint64_t)left);
	mnl_attr_nest_end(nlh, list);
	batch_end(batch, nlh);
}

static void
take_nothing(const struct nlmsghdr *nlh, void *arg)
{
}

int
armed_holds(struct kernel *kernel, const char *set)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETSETELEM, 0);
	struct nlattr *list;
	int error;

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, ENFORCE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	put_member(nlh, families[0], 0);
	mnl_attr_nest_end(nlh, list);
	error = kernel_ask(kernel, nlh, take_nothing, NULL, NULL);
	return error == 0 ? 1 : error == -ENOENT ? 0 : error;
}
