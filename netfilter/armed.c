/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <endian.h>
#include <errno.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "threatlistd/enforce.h"
#include "armed.h"
#include "elements.h"
#include "kernel.h"
#include "sets.h"

static const uint8_t families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };

int64_t
armed_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
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

void
armed_fill(struct batch *batch, const char *set, int64_t until_ms)
{
	int64_t left = until_ms - armed_now_ms();
	struct nlmsghdr *nlh;
	struct nlattr *list;
	size_t i;

	/* the time of one that is there cannot be changed */
	set_flush(batch, set);
	if (left <= 0)
		return;
	nlh = elements_begin(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set);
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

	element_put_set(nlh, set);
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	put_member(nlh, families[0], 0);
	mnl_attr_nest_end(nlh, list);
	error = kernel_ask(kernel, nlh, take_nothing, NULL, NULL);
	return error == 0 ? 1 : error == -ENOENT ? 0 : error;
}
