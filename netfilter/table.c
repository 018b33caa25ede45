/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * In the order of "nft list table inet threatlistd".
 *
 * A packet pays for a membership test and nothing else, unless it is a hit:
 * then it is accounted for first (also when it is protected or allowed), and
 * judged last, by rules that no full set and no limit can keep from being
 * reached.  Each base chain judges one address: it ends with a goto or falls
 * through to its policy.
 */
#include <stddef.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/object.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "threatlistd/enforce.h"
#include "armed.h"
#include "chain.h"
#include "rule.h"
#include "table.h"

#define LOOPBACK_INDEX	1u	/* in every network namespace */

/* Before conntrack and its helpers (raw is -300): established flows are cut too. */
#define HOOK_PRIORITY	(-310)

/* Packets a second that are worth a look in user space; the counts are exact without them. */
#define FIRST_RATE	1000u
#define FIRST_BURST	1000u
#define SAMPLE_RATE	100u
#define SAMPLE_BURST	5u
#define SAMPLE_COMMENT	"a sample for the sensor to look at"

static const struct {
	const char *name;
	int hook;
	const char *comment;
} chains[] = {
	{ "prerouting", NF_INET_PRE_ROUTING, "whatever comes in: is its source listed?" },
	{ "output", NF_INET_LOCAL_OUT, "whatever this host sends: is its destination listed?" },
	{ "forward", NF_INET_FORWARD, "containers and guests: is the destination listed?" },
	{ "in_top4", CHAIN_REGULAR, "from an IPv4 network with listed addresses: is the source listed?" },
	{ "in_top6", CHAIN_REGULAR, "from an IPv6 network with listed addresses: is the source listed?" },
	{ "in_hit", CHAIN_REGULAR, "from a listed address" },
	{ "in_first", CHAIN_REGULAR, "the same for the first time, or there was no room to remember it" },
	{ "in_ep", CHAIN_REGULAR, "from what the agent itself talks to, never cut off" },
	{ "in_judge", CHAIN_REGULAR, "from a listed address, accounted for: exceptions, then the verdict" },
	{ "out_top4", CHAIN_REGULAR, "to an IPv4 network with listed addresses: is the destination listed?" },
	{ "out_top6", CHAIN_REGULAR, "to an IPv6 network with listed addresses: is the destination listed?" },
	{ "out_hit", CHAIN_REGULAR, "to a listed address" },
	{ "out_first", CHAIN_REGULAR, "the same for the first time, or there was no room to remember it" },
	{ "out_ep", CHAIN_REGULAR, "to what the agent itself talks to, never cut off" },
	{ "out_judge", CHAIN_REGULAR, "to a listed address, accounted for: exceptions, then the verdict" },
	{ "out_reject", CHAIN_REGULAR, "to an address whose list says reject; follows the mode" },
	{ "verdict", CHAIN_REGULAR, "everything else that is listed; follows the mode" },
};
#define CHAINS	(sizeof(chains) / sizeof(chains[0]))

static const struct { const char *name, *comment; } counters[COUNTER_END] = {
	[COUNTER_DROPPED] = { "dropped", "listed and dropped" },
	[COUNTER_REJECTED] = { "rejected", "listed and rejected" },
	[COUNTER_WATCHED] = { "watched", "listed and passed: mode or list says watch" },
	[COUNTER_PROTECTED] = { "protected", "listed and passed: never cut off" },
	[COUNTER_ALLOWED] = { "allowed", "listed and passed: your exception" },
	[COUNTER_FLOODED] = { "flooded", "listed, judged, counted to its wide prefix alone" },
	[COUNTER_OVERFLOW] = { "overflow", "listed, judged, but the seen set was full" },
	[COUNTER_ISOLATED] = { "isolated", "cut off by isolate, listed or not" },
};

/* One direction: whose address is judged, and what remembers it. */
struct direction {
	enum rule_side side;
	unsigned int way;		/* of SET_WIDE */
	enum set_fixture seen[FAMILY_END], seen_ep[FAMILY_END];
	const char *top[FAMILY_END], *hit, *first, *ep, *judge;	/* chains */
	const char *log_first, *log_sample;	/* prefixes */
};

static const struct direction inward = {
	.side = SIDE_SOURCE, .way = 0,
	.seen = { FIXTURE_SEEN_IN4, FIXTURE_SEEN_IN6 },
	.seen_ep = { FIXTURE_SEEN_EP_IN4, FIXTURE_SEEN_EP_IN6 },
	.top = { "in_top4", "in_top6" }, .hit = "in_hit", .first = "in_first", .ep = "in_ep",
	.judge = "in_judge",
	.log_first = "tl in first", .log_sample = "tl in",
};

static const struct direction outward = {
	.side = SIDE_DESTINATION, .way = 1,
	.seen = { FIXTURE_SEEN_OUT4, FIXTURE_SEEN_OUT6 },
	.seen_ep = { FIXTURE_SEEN_EP_OUT4, FIXTURE_SEEN_EP_OUT6 },
	.top = { "out_top4", "out_top6" }, .hit = "out_hit", .first = "out_first", .ep = "out_ep",
	.judge = "out_judge",
	.log_first = "tl out first", .log_sample = "tl out",
};

const char *
counter_name(enum table_counter counter)
{
	return counters[counter].name;
}

/* Its number, CHAINS: none of ours. */
static size_t
find_chain(const char *name)
{
	size_t i;

	for (i = 0; i < CHAINS && strcmp(chains[i].name, name) != 0; i++)
		;
	return i;
}

bool
table_chain_is_ours(const char *name)
{
	return find_chain(name) < CHAINS;
}

bool
table_chain_is_regular(const char *name)
{
	size_t i = find_chain(name);

	return i < CHAINS && chains[i].hook == CHAIN_REGULAR;
}

static void
put_table(struct batch *batch, uint16_t flags, bool dormant, const char *comment, uint64_t epoch)
{
	struct nftnl_udata_buf *userdata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *nlh = batch_begin(batch, NFT_MSG_NEWTABLE, flags, BATCH_OBJECT_MAX);

	if (table == NULL || userdata == NULL || nlh == NULL) {
		batch->failed = true;
		goto out;
	}
	nftnl_table_set_u32(table, NFTNL_TABLE_FAMILY, NFPROTO_INET);
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, ENFORCE_TABLE);
	nftnl_table_set_u32(table, NFTNL_TABLE_FLAGS, dormant ? NFT_TABLE_F_DORMANT : 0);
	if (comment != NULL) {
		nftnl_udata_put_strz(userdata, NFTNL_UDATA_TABLE_COMMENT, comment);
		nftnl_udata_put(userdata, TABLE_USERDATA_EPOCH, sizeof(epoch), &epoch);
		nftnl_table_set_data(table, NFTNL_TABLE_USERDATA,
		    nftnl_udata_buf_data(userdata), nftnl_udata_buf_len(userdata));
	}
	nftnl_table_nlmsg_build_payload(nlh, table);
	batch_end(batch, nlh);
out:
	if (table != NULL)
		nftnl_table_free(table);
	if (userdata != NULL)
		nftnl_udata_buf_free(userdata);
}

void
table_create(struct batch *batch, bool dormant, uint64_t epoch)
{
	put_table(batch, NLM_F_CREATE | NLM_F_EXCL, dormant, "cuts off listed addresses; "
	    "to lift it: nft add table inet threatlistd '{ flags dormant; }'", epoch);
}

void
table_set_dormant(struct batch *batch, bool dormant)
{
	put_table(batch, 0, dormant, NULL, 0);
}

void
table_delete(struct batch *batch)
{
	struct nlmsghdr *nlh = batch_begin(batch, NFT_MSG_DELTABLE, 0, BATCH_OBJECT_MAX);

	if (nlh == NULL)
		return;
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, ENFORCE_TABLE);
	batch_end(batch, nlh);
}

static void
put_counter(struct batch *batch, const char *name, const char *comment)
{
	struct nftnl_udata_buf *userdata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	struct nftnl_obj *counter = nftnl_obj_alloc();
	struct nlmsghdr *nlh = batch_begin(batch, NFT_MSG_NEWOBJ, NLM_F_CREATE, BATCH_OBJECT_MAX);

	if (counter == NULL || userdata == NULL || nlh == NULL) {
		batch->failed = true;
		goto out;
	}
	nftnl_obj_set_u32(counter, NFTNL_OBJ_FAMILY, NFPROTO_INET);
	nftnl_obj_set_str(counter, NFTNL_OBJ_TABLE, ENFORCE_TABLE);
	nftnl_obj_set_str(counter, NFTNL_OBJ_NAME, name);
	nftnl_obj_set_u32(counter, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nftnl_obj_set_u64(counter, NFTNL_OBJ_CTR_PKTS, 0);
	nftnl_obj_set_u64(counter, NFTNL_OBJ_CTR_BYTES, 0);
	nftnl_udata_put_strz(userdata, NFTNL_UDATA_OBJ_COMMENT, comment);
	nftnl_obj_set_data(counter, NFTNL_OBJ_USERDATA, nftnl_udata_buf_data(userdata),
	    nftnl_udata_buf_len(userdata));
	nftnl_obj_nlmsg_build_payload(nlh, counter);
	batch_end(batch, nlh);
out:
	if (counter != NULL)
		nftnl_obj_free(counter);
	if (userdata != NULL)
		nftnl_udata_buf_free(userdata);
}

void
table_counters(struct batch *batch)
{
	size_t i;

	for (i = 0; i < COUNTER_END; i++)
		put_counter(batch, counters[i].name, counters[i].comment);
}

static void
put_chain(struct batch *batch, size_t i)
{
	const struct chain chain = {
		chains[i].name, chains[i].hook, HOOK_PRIORITY, chains[i].comment,
	};

	chain_put(batch, &chain);
}

/* The prefilter to ask before the hosts, or behind them for the prefixes; NULL: not there. */
static const char *
top_set(const struct rule_plan *plan, unsigned int family, enum top_scope scope)
{
	return plan->top[family] == scope ? plan->set[SET_TOP(family)] : NULL;
}

/* Hosts first, then prefixes; top is the prefilter of the prefixes, NULL: none. */
static void
listed_rules(struct batch *batch, const struct rule_plan *plan, const char *chain,
    const struct direction *way, unsigned int family, const char *top)
{
	const struct rule_address remote = { way->side, family };
	const char *hosts = plan->set[set_of(CLASS_LISTED, SHAPE_HOSTS, family)];
	const char *nets = plan->set[set_of(CLASS_LISTED, SHAPE_NETS, family)];
	struct rule rule;

	if (hosts != NULL) {
		rule_begin(&rule, batch, chain);
		rule_in_set(&rule, remote, hosts);
		rule_goto(&rule, way->hit);
		rule_end(&rule, NULL);
	}
	if (nets != NULL) {
		rule_begin(&rule, batch, chain);
		if (top != NULL)
			rule_top_in_set(&rule, remote, top_bits(family, plan->top[family]), top);
		rule_in_set(&rule, remote, nets);
		rule_goto(&rule, way->hit);
		rule_end(&rule, top != NULL ? "a hash of first bits spares most packets the prefixes" :
		    NULL);
	}
}

static void
base_rules(struct batch *batch, const struct rule_plan *plan, const char *chain,
    const struct direction *way)
{
	unsigned int family;
	struct rule rule;

	for (family = 0; family < FAMILY_END; family++) {
		const char *top = top_set(plan, family, TOP_ALL);

		if (top == NULL) {
			listed_rules(batch, plan, chain, way, family,
			    top_set(plan, family, TOP_NETS));
			continue;
		}
		rule_begin(&rule, batch, chain);
		rule_top_in_set(&rule, (struct rule_address){ way->side, family },
		    top_bits(family, TOP_ALL), top);
		rule_goto(&rule, way->top[family]);
		rule_end(&rule, family == FAMILY_V4 ? "first 20 bits of the address: most packets end here" :
		    "first 32 bits of the address: most packets end here");
	}
}

static void
log_rule(struct batch *batch, const struct rule_plan *plan, const char *chain, uint64_t rate,
    uint32_t burst, const char *prefix, const char *comment)
{
	struct rule rule;

	if (!plan->log)
		return;
	rule_begin(&rule, batch, chain);
	rule_limit(&rule, rate, burst);
	rule_log(&rule, prefix, plan->nflog_group);
	rule_end(&rule, comment);
}

static void
account_rules(struct batch *batch, const struct direction *way, const enum set_fixture *seen,
    const char *chain)
{
	struct rule rule;
	unsigned int family;

	for (family = 0; family < FAMILY_END; family++) {
		rule_begin(&rule, batch, chain);
		rule_update(&rule, (struct rule_address){ way->side, family },
		    fixture_name(seen[family]));
		rule_end(&rule, "counted to its remote, exactly");
	}
}

/* Packets of remotes that found no room in the seen set. */
static void
overflow_rules(struct batch *batch, const struct direction *way, const enum set_fixture *seen,
    const char *chain)
{
	struct rule rule;
	unsigned int family;

	for (family = 0; family < FAMILY_END; family++) {
		rule_begin(&rule, batch, chain);
		rule_not_in_set(&rule, (struct rule_address){ way->side, family },
		    fixture_name(seen[family]));
		rule_count(&rule, counter_name(COUNTER_OVERFLOW));
		rule_end(&rule, "the set had no room for it");
	}
}

/* Too many new remotes of one wide prefix: its member of the set counts for all of them. */
static void
flood_rules(struct batch *batch, const struct rule_plan *plan, const struct direction *way)
{
	struct rule rule;
	unsigned int family;

	for (family = 0; family < FAMILY_END; family++) {
		const char *wide = plan->set[SET_WIDE(way->way, family)];

		if (wide == NULL)
			continue;
		rule_begin(&rule, batch, way->first);
		rule_in_set(&rule, (struct rule_address){ way->side, family }, wide);
		rule_count(&rule, counter_name(COUNTER_FLOODED));
		rule_goto(&rule, way->judge);
		rule_end(&rule, "a flood: over its limit the prefix counts, not each remote");
	}
}

/*
 * Packets of remotes that the seen set has not (yet): the first one of each is
 * logged under a limit of its own, so that a flood of others cannot hide it.
 * The seen sets are only asked for absence: a lookup that finds an element
 * counts in it, as the update does.
 */
static void
first_rules(struct batch *batch, const struct rule_plan *plan, const struct direction *way)
{
	struct rule rule;

	flood_rules(batch, plan, way);
	log_rule(batch, plan, way->first, FIRST_RATE, FIRST_BURST, way->log_first,
	    "shown to the sensor under a limit of its own, that no flood uses up");
	account_rules(batch, way, way->seen, way->first);
	overflow_rules(batch, way, way->seen, way->first);
	rule_begin(&rule, batch, way->first);
	rule_goto(&rule, way->judge);
	rule_end(&rule, NULL);
}

/* Counts and passes members of a set; without a name there is none. */
static void
pass_rule(struct batch *batch, const struct direction *way, unsigned int family, const char *set,
    enum table_counter counter)
{
	const struct rule_address remote = { way->side, family };
	struct rule rule;

	if (set == NULL)
		return;
	rule_begin(&rule, batch, way->judge);
	rule_in_set(&rule, remote, set);
	rule_count(&rule, counter_name(counter));
	rule_return(&rule);
	rule_end(&rule, NULL);
}

static void
pass_class(struct batch *batch, const struct rule_plan *plan, const struct direction *way,
    enum set_class class, enum table_counter counter)
{
	unsigned int family;

	for (family = 0; family < FAMILY_END; family++) {
		pass_rule(batch, way, family, plan->set[set_of(class, SHAPE_HOSTS, family)],
		    counter);
		pass_rule(batch, way, family, plan->set[set_of(class, SHAPE_NETS, family)],
		    counter);
	}
}

/* Only outbound: a reject of what comes in would answer strangers. */
static void
reject_rules(struct batch *batch, const struct rule_plan *plan)
{
	struct rule rule;
	unsigned int family, shape;

	for (family = 0; family < FAMILY_END; family++) {
		const struct rule_address remote = { outward.side, family };

		for (shape = 0; shape < SHAPE_END; shape++) {
			const char *set = plan->set[set_of(CLASS_REJECT, (enum set_shape)shape,
			    family)];

			if (set == NULL)
				continue;
			rule_begin(&rule, batch, outward.judge);
			rule_in_set(&rule, remote, set);
			rule_goto(&rule, "out_reject");
			rule_end(&rule, NULL);
		}
	}
}

/*
 * Connections of the agent itself pass, and are counted apart: all of them are
 * protected, while the rest of the same remote's packets is judged.  Whoever
 * comes from such an address and port to open a connection is no endpoint.
 */
static void
endpoint_rules(struct batch *batch, const struct direction *way)
{
	struct rule rule;
	unsigned int family;

	for (family = 0; family < FAMILY_END; family++) {
		rule_begin(&rule, batch, way->hit);
		rule_endpoint_in_set(&rule, (struct rule_address){ way->side, family },
		    fixture_name(FIXTURE_PROTECT_EP4 + family));
		if (way == &inward)
			rule_not_opening(&rule);
		rule_goto(&rule, way->ep);
		rule_end(&rule, "the agent's own connection");
	}
}

static void
ep_rules(struct batch *batch, const struct rule_plan *plan, const struct direction *way)
{
	struct rule rule;

	log_rule(batch, plan, way->ep, SAMPLE_RATE, SAMPLE_BURST, way->log_sample,
	    SAMPLE_COMMENT);
	account_rules(batch, way, way->seen_ep, way->ep);
	overflow_rules(batch, way, way->seen_ep, way->ep);
	rule_begin(&rule, batch, way->ep);
	rule_count(&rule, counter_name(COUNTER_PROTECTED));
	rule_return(&rule);
	rule_end(&rule, NULL);
}

static void
hit_rules(struct batch *batch, const struct rule_plan *plan, const struct direction *way)
{
	struct rule rule;
	unsigned int family;

	if (way == &inward) {
		rule_begin(&rule, batch, way->hit);
		rule_interface_in(&rule, LOOPBACK_INDEX);
		rule_return(&rule);
		rule_end(&rule, "a reset made by reject comes back from the listed address");
	}
	endpoint_rules(batch, way);
	for (family = 0; family < FAMILY_END; family++) {
		rule_begin(&rule, batch, way->hit);
		rule_not_in_set(&rule, (struct rule_address){ way->side, family },
		    fixture_name(way->seen[family]));
		rule_goto(&rule, way->first);
		rule_end(&rule, "not met for an hour");
	}
	log_rule(batch, plan, way->hit, SAMPLE_RATE, SAMPLE_BURST, way->log_sample,
	    SAMPLE_COMMENT);
	account_rules(batch, way, way->seen, way->hit);
	rule_begin(&rule, batch, way->hit);
	rule_goto(&rule, way->judge);
	rule_end(&rule, NULL);
}

static void
judge_rules(struct batch *batch, const struct rule_plan *plan, const struct direction *way)
{
	struct rule rule;

	pass_class(batch, plan, way, CLASS_PROTECT, COUNTER_PROTECTED);
	pass_rule(batch, way, FAMILY_V4, fixture_name(FIXTURE_ALLOW4), COUNTER_ALLOWED);
	pass_rule(batch, way, FAMILY_V6, fixture_name(FIXTURE_ALLOW6), COUNTER_ALLOWED);
	pass_class(batch, plan, way, CLASS_WATCH, COUNTER_WATCHED);
	if (way == &outward)
		reject_rules(batch, plan);
	rule_begin(&rule, batch, way->judge);
	rule_goto(&rule, "verdict");
	rule_end(&rule, NULL);
}

static void
direction_rules(struct batch *batch, const struct rule_plan *plan, const struct direction *way)
{
	unsigned int family;

	for (family = 0; family < FAMILY_END; family++) {
		if (top_set(plan, family, TOP_ALL) != NULL)
			listed_rules(batch, plan, way->top[family], way, family, NULL);
	}
	hit_rules(batch, plan, way);
	first_rules(batch, plan, way);
	ep_rules(batch, plan, way);
	judge_rules(batch, plan, way);
}

static void
watch_rule(struct batch *batch, const char *chain)
{
	struct rule rule;

	rule_begin(&rule, batch, chain);
	rule_count(&rule, counter_name(COUNTER_WATCHED));
	rule_return(&rule);
	rule_end(&rule, "mode = watch");
}

/* Not confirmed in time, drop has become watch. */
static void
disarmed_rule(struct batch *batch, const struct rule_plan *plan, const char *chain)
{
	struct rule rule;

	if (plan->until_ms == 0)
		return;
	rule_begin(&rule, batch, chain);
	rule_family_not_in_set(&rule, fixture_name(FIXTURE_ARMED));
	rule_count(&rule, counter_name(COUNTER_WATCHED));
	rule_return(&rule);
	rule_end(&rule, "not confirmed in time: mode = watch");
}

static void
drop_rules(struct batch *batch, const struct rule_plan *plan)
{
	struct rule rule;

	disarmed_rule(batch, plan, "out_reject");
	disarmed_rule(batch, plan, "verdict");
	rule_begin(&rule, batch, "out_reject");
	rule_tcp(&rule);
	rule_count(&rule, counter_name(COUNTER_REJECTED));
	rule_reject(&rule, true);
	rule_end(&rule, "mode = drop");
	rule_begin(&rule, batch, "out_reject");
	rule_count(&rule, counter_name(COUNTER_REJECTED));
	rule_reject(&rule, false);
	rule_end(&rule, "mode = drop");
	rule_begin(&rule, batch, "verdict");
	rule_count(&rule, counter_name(COUNTER_DROPPED));
	rule_drop(&rule);
	rule_end(&rule, "mode = drop");
}

static void
verdict_rules(struct batch *batch, const struct rule_plan *plan)
{
	armed_fill(batch, fixture_name(FIXTURE_ARMED), plan->until_ms);
	if (plan->mode == ENFORCE_DROP) {
		drop_rules(batch, plan);
	} else {
		watch_rule(batch, "out_reject");
		watch_rule(batch, "verdict");
	}
}

void
table_verdict(struct batch *batch, const struct rule_plan *plan)
{
	/* of a table that was broken off in the making they may be missing */
	put_chain(batch, find_chain("out_reject"));
	put_chain(batch, find_chain("verdict"));
	chain_flush(batch, "out_reject");
	chain_flush(batch, "verdict");
	verdict_rules(batch, plan);
}

void
table_rules(struct batch *batch, const struct rule_plan *plan)
{
	size_t i;

	for (i = 0; i < CHAINS; i++)
		put_chain(batch, i);
	for (i = 0; i < CHAINS; i++)
		chain_flush(batch, chains[i].name);
	base_rules(batch, plan, "prerouting", &inward);
	base_rules(batch, plan, "output", &outward);
	base_rules(batch, plan, "forward", &outward);
	direction_rules(batch, plan, &inward);
	direction_rules(batch, plan, &outward);
	verdict_rules(batch, plan);
}

void
table_log_probe(struct batch *batch, bool table, uint16_t nflog_group)
{
	struct rule rule;

	if (!table)
		put_table(batch, NLM_F_CREATE | NLM_F_EXCL, true, NULL, 0);
	chain_put(batch, &(struct chain){ .name = "log_probe", .hook = CHAIN_REGULAR, .comment = "" });
	rule_begin(&rule, batch, "log_probe");
	rule_log(&rule, "tl", nflog_group);
	rule_end(&rule, NULL);
}
