/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "attr.h"
#include "elements.h"
#include "isolate.h"
#include "readback.h"

/* The text of an attribute if it is one, else "". */
static const char *
attr_text(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 ? mnl_attr_get_str(attr) : "";
}

static int
find_epoch(const struct nftnl_udata *attr, void *arg)
{
	if (nftnl_udata_type(attr) == TABLE_USERDATA_EPOCH &&
	    nftnl_udata_len(attr) == sizeof(uint64_t))
		memcpy(arg, nftnl_udata_get(attr), sizeof(uint64_t));
	return 0;
}

static void
take_table(const struct nlmsghdr *nlh, void *arg)
{
	struct table_state *state = arg;
	const struct nlattr *attr;

	state->exists = true;
	attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_TABLE_FLAGS &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			state->dormant = (ntohl(mnl_attr_get_u32(attr)) &
			    NFT_TABLE_F_DORMANT) != 0;
		else if (mnl_attr_get_type(attr) == NFTA_TABLE_HANDLE &&
		    mnl_attr_validate(attr, MNL_TYPE_U64) == 0)
			state->handle = be64toh(mnl_attr_get_u64(attr));
		else if (mnl_attr_get_type(attr) == NFTA_TABLE_USERDATA)
			nftnl_udata_parse(mnl_attr_get_payload(attr),
			    mnl_attr_get_payload_len(attr), find_epoch, &state->epoch);
	}
	if (state->epoch == 0)
		state->epoch = state->handle;
}

int
readback_table(struct kernel *kernel, struct table_state *state)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETTABLE, 0);
	int error;

	memset(state, 0, sizeof(*state));
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, ENFORCE_TABLE);
	error = kernel_ask(kernel, nlh, take_table, NULL, state);
	return error == -ENOENT ? 0 : error;
}

static void
take_set(const struct nlmsghdr *nlh, void *arg)
{
	struct set_state *state = arg;
	const char *name = "", *table = "";
	const struct nlattr *attr;
	unsigned int set, turn;
	uint64_t handle = 0;

	attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_SET_TABLE)
			table = attr_text(attr);
		else if (mnl_attr_get_type(attr) == NFTA_SET_NAME)
			name = attr_text(attr);
		else if (mnl_attr_get_type(attr) == NFTA_SET_HANDLE &&
		    mnl_attr_validate(attr, MNL_TYPE_U64) == 0)
			handle = be64toh(mnl_attr_get_u64(attr));
	}
	if (strcmp(table, ENFORCE_TABLE) != 0)
		return;
	if (set_by_name(name, &set, &turn)) {
		state->turns[set][turn] = true;
		state->handles[set][turn] = (uint32_t)handle;
		return;
	}
	for (set = 0; set < FIXTURE_END; set++) {
		if (strcmp(name, fixture_name((enum set_fixture)set)) == 0)
			state->fixtures[set] = true;
	}
}

static void
forget_sets(void *arg)
{
	memset(arg, 0, sizeof(struct set_state));
}

int
readback_sets(struct kernel *kernel, struct set_state *state)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETSET, NLM_F_DUMP);
	int error;

	forget_sets(state);
	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, ENFORCE_TABLE);
	error = kernel_ask(kernel, nlh, take_set, forget_sets, state);
	return error == -ENOENT ? 0 : error;
}

static void
take_chain(const struct nlmsghdr *nlh, void *arg)
{
	const char *name = "", *table = "";
	const struct nlattr *attr;
	bool hook = false, *found = arg;

	attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_CHAIN_TABLE)
			table = attr_text(attr);
		else if (mnl_attr_get_type(attr) == NFTA_CHAIN_NAME)
			name = attr_text(attr);
		hook |= mnl_attr_get_type(attr) == NFTA_CHAIN_HOOK;
	}
	if (hook && strcmp(table, ENFORCE_TABLE) == 0 && table_chain_is_regular(name))
		*found = true;
}

int
readback_hooked(struct kernel *kernel)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETCHAIN, NLM_F_DUMP);
	bool found = false;
	int error;

	/* of all tables of the family: there is no asking for one; whatever was found before is so */
	error = kernel_ask(kernel, nlh, take_chain, NULL, &found);
	return error != 0 && error != -ENOENT ? error : found;
}

/* splitmix64: one bit of a handle changes half of the mark. */
static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static int
find_drop(struct nftnl_expr *expr, void *arg)
{
	struct rules_state *state = arg;
	const char *name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);

	if (strcmp(name, "lookup") == 0 && nftnl_expr_is_set(expr, NFTNL_EXPR_LOOKUP_SET) &&
	    strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_LOOKUP_SET),
	    fixture_name(FIXTURE_ARMED)) == 0)
		state->armed = true;
	if (strcmp(name, "immediate") == 0 &&
	    nftnl_expr_is_set(expr, NFTNL_EXPR_IMM_VERDICT) &&
	    nftnl_expr_get_u32(expr, NFTNL_EXPR_IMM_VERDICT) == NF_DROP)
		state->drops = true;
	return 0;
}

static int
find_isolate_armed(struct nftnl_expr *expr, void *arg)
{
	struct rules_state *state = arg;

	if (strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), "lookup") == 0 &&
	    nftnl_expr_is_set(expr, NFTNL_EXPR_LOOKUP_SET) &&
	    strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_LOOKUP_SET), ISOLATE_ARMED) == 0)
		state->isolate_armed = true;
	return 0;
}

static void
take_rule(const struct nlmsghdr *nlh, void *arg)
{
	struct rules_state *state = arg;
	struct nftnl_rule *rule = nftnl_rule_alloc();
	const char *table, *chain;

	if (rule == NULL || nftnl_rule_nlmsg_parse(nlh, rule) != 0)
		goto out;
	table = nftnl_rule_get_str(rule, NFTNL_RULE_TABLE);
	chain = nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN);
	if (table == NULL || chain == NULL || strcmp(table, ENFORCE_TABLE) != 0)
		goto out;
	if (isolate_owns(chain)) {
		state->isolate_mark += mix(nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE));
		nftnl_expr_foreach(rule, find_isolate_armed, state);
	}
	if (!table_chain_is_ours(chain))
		goto out;
	state->n++;
	state->mark += mix(nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE));
	if (strcmp(chain, "verdict") == 0)
		nftnl_expr_foreach(rule, find_drop, state);
out:
	if (rule != NULL)
		nftnl_rule_free(rule);
}

static void
forget_rules(void *arg)
{
	memset(arg, 0, sizeof(struct rules_state));
}

int
readback_rules(struct kernel *kernel, struct rules_state *state)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETRULE, NLM_F_DUMP);
	int error;

	forget_rules(state);
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, ENFORCE_TABLE);
	error = kernel_ask(kernel, nlh, take_rule, forget_rules, state);
	return error == -ENOENT ? 0 : error;
}

static void
take_nothing(const struct nlmsghdr *nlh, void *arg)
{
}

int
readback_has_set(struct kernel *kernel, const char *set)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETSET, 0);
	int error;

	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, ENFORCE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, set);
	error = kernel_ask(kernel, nlh, take_nothing, NULL, NULL);
	return error == 0 ? 1 : error == -ENOENT ? 0 : error;
}

int
readback_has(struct kernel *kernel, const char *set, const uint8_t *key, size_t size)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETSETELEM, 0);
	int error;

	element_put_key(nlh, set, key, size);
	error = kernel_ask(kernel, nlh, take_nothing, NULL, NULL);
	return error == 0 ? 1 : error == -ENOENT ? 0 : error;
}

static void
take_counter(const struct nlmsghdr *nlh, void *arg)
{
	struct counter_state *state = arg;
	struct nftnl_obj *counter = nftnl_obj_alloc();
	const char *name;
	size_t i;

	if (counter == NULL || nftnl_obj_nlmsg_parse(nlh, counter) != 0)
		goto out;
	name = nftnl_obj_get_str(counter, NFTNL_OBJ_NAME);
	for (i = 0; name != NULL && i < COUNTER_END; i++) {
		if (strcmp(name, counter_name((enum table_counter)i)) != 0)
			continue;
		state->packets[i] = nftnl_obj_get_u64(counter, NFTNL_OBJ_CTR_PKTS);
		state->bytes[i] = nftnl_obj_get_u64(counter, NFTNL_OBJ_CTR_BYTES);
	}
out:
	if (counter != NULL)
		nftnl_obj_free(counter);
}

int
readback_counters(struct kernel *kernel, struct counter_state *state)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETOBJ, NLM_F_DUMP);
	int error;

	memset(state, 0, sizeof(*state));
	mnl_attr_put_strz(nlh, NFTA_OBJ_TABLE, ENFORCE_TABLE);
	mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	error = kernel_ask(kernel, nlh, take_counter, NULL, state);
	return error == -ENOENT ? 0 : error;
}
