/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_tables.h>

#include "threatlistd/enforce.h"
#include "threatlistd/log.h"
#include "holders.h"
#include "isolate.h"
#include "table.h"

struct holder {
	char chain[NFT_NAME_MAXLEN], set[16];
	uint64_t handle;
};

/* What is looked for while a dump is read. */
struct search {
	struct holders *holders;
	const char *set;
	bool asks;		/* the rule that is being looked at */
};

void
holders_init(struct holders *holders)
{
	memset(holders, 0, sizeof(*holders));
}

void
holders_fini(struct holders *holders)
{
	free(holders->others);
	holders_init(holders);
}

/* The expressions that have a set, and which attribute names it. */
static int
look_at(struct nftnl_expr *expr, void *arg)
{
	static const struct { const char *name; uint16_t set; } kinds[] = {
		{ "lookup", NFTNL_EXPR_LOOKUP_SET }, { "dynset", NFTNL_EXPR_DYNSET_SET_NAME },
		{ "objref", NFTNL_EXPR_OBJREF_SET_NAME },
	};
	const char *name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), *set;
	struct search *search = arg;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(name, kinds[i].name) != 0 || !nftnl_expr_is_set(expr, kinds[i].set))
			continue;
		set = nftnl_expr_get_str(expr, kinds[i].set);
		search->asks |= set != NULL && strcmp(set, search->set) == 0;
	}
	return 0;
}

static bool
is_known(const struct holders *holders, const char *chain, uint64_t handle)
{
	size_t i;

	for (i = 0; i < holders->n; i++) {
		if (holders->others[i].handle == handle &&
		    strcmp(holders->others[i].chain, chain) == 0)
			return true;
	}
	return false;
}

static void
add(struct search *search, const char *chain, uint64_t handle)
{
	struct holders *holders = search->holders;
	struct holder *holder;

	if (is_known(holders, chain, handle))
		return;
	if (holders->n == holders->room) {
		size_t room = holders->room == 0 ? 16 : 2 * holders->room;
		struct holder *others = realloc(holders->others, room * sizeof(*others));

		if (others == NULL) {
			holders->error = -ENOMEM;
			return;
		}
		holders->others = others;
		holders->room = room;
	}
	holder = &holders->others[holders->n++];
	snprintf(holder->chain, sizeof(holder->chain), "%s", chain);
	snprintf(holder->set, sizeof(holder->set), "%s", search->set);
	holder->handle = handle;
}

static void
take_rule(const struct nlmsghdr *nlh, void *arg)
{
	struct search *search = arg;
	struct nftnl_rule *rule = nftnl_rule_alloc();
	const char *table, *chain;

	if (rule == NULL) {
		search->holders->error = -ENOMEM;
		return;
	}
	search->asks = false;
	if (nftnl_rule_nlmsg_parse(nlh, rule) != 0)
		goto out;
	table = nftnl_rule_get_str(rule, NFTNL_RULE_TABLE);
	chain = nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN);
	if (table == NULL || chain == NULL || strcmp(table, ENFORCE_TABLE) != 0)
		goto out;
	nftnl_expr_foreach(rule, look_at, search);
	if (!search->asks)
		goto out;
	if (table_chain_is_ours(chain) || isolate_owns(chain))
		search->holders->ours++;
	else
		add(search, chain, nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE));
out:
	nftnl_rule_free(rule);
}

int
holders_find(struct kernel *kernel, const char *set, struct holders *holders)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETRULE, NLM_F_DUMP);
	struct search search = { .holders = holders, .set = set };
	int error;

	/* a dump that is read again finds the same ones: no rule is taken twice */
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, ENFORCE_TABLE);
	error = kernel_ask(kernel, nlh, take_rule, NULL, &search);
	return error != 0 ? error : holders->error;
}

void
holders_delete(struct batch *batch, const struct holders *holders)
{
	size_t i;

	for (i = 0; i < holders->n; i++) {
		const struct holder *holder = &holders->others[i];
		struct nlmsghdr *nlh = batch_begin(batch, NFT_MSG_DELRULE, 0, BATCH_OBJECT_MAX);

		if (nlh == NULL)
			return;
		log_warn("rule of yours deleted chain=\"%s\" handle=%llu set=%s reason=\"it kept the list "
		    "from changing\"", holder->chain, (unsigned long long)holder->handle, holder->set);
		mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, ENFORCE_TABLE);
		mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, holder->chain);
		mnl_attr_put_u64(nlh, NFTA_RULE_HANDLE, htobe64(holder->handle));
		batch_end(batch, nlh);
	}
}
