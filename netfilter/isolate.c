/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "threatlistd/enforce.h"
#include "threatlistd/log.h"
#include "armed.h"
#include "chain.h"
#include "elements.h"
#include "engine.h"
#include "frame.h"
#include "isolate.h"
#include "protect.h"
#include "readback.h"
#include "rule.h"
#include "split.h"
#include "table.h"
#include "watch.h"

/* Behind the listed ones (-310), before conntrack: established flows are cut too. */
#define ISOLATE_PRIORITY	(-309)
#define LOOPBACK_INDEX		1u	/* in every network namespace */

#define DNS_PORT		53u
#define DHCP4_CLIENT		68u	/* RFC 2131 §4.1 */
#define DHCP4_SERVER		67u
#define DHCP6_CLIENT		546u	/* RFC 8415 §7.2 */
#define DHCP6_SERVER		547u
#define MLD2_REPORT		143u	/* RFC 3810 §5.2; without it a switch may drop discovery */

#define SESSION_KEY_MAX	(KEY_MAX + 4u)	/* address and port, in whole registers */

enum { CHAIN_IN, CHAIN_OUT, CHAIN_FORWARD, CHAIN_END };

static const struct chain chains[CHAIN_END] = {
	[CHAIN_IN] = { "isolate_in", NF_INET_LOCAL_IN, ISOLATE_PRIORITY,
	    "isolated: what comes to this host, but for what it is run by" },
	[CHAIN_OUT] = { "isolate_out", NF_INET_LOCAL_OUT, ISOLATE_PRIORITY,
	    "isolated: what this host sends, but for what it is run by" },
	[CHAIN_FORWARD] = { "isolate_forward", NF_INET_FORWARD, ISOLATE_PRIORITY,
	    "isolated: containers and guests, but for the admin" },
};

static const struct { const char *names[FAMILY_END], *comment; } keeps[KEEP_END] = {
	[KEEP_ALL] = { { "isolate_keep4", "isolate_keep6" },
	    "kept in isolation: metadata and time service, [enforce] admin" },
	[KEEP_DNS] = { { "isolate_dns4", "isolate_dns6" },
	    "kept in isolation, DNS alone: the host's resolvers" },
};

static const char *const sessions[FAMILY_END] = { "isolate_ssh4", "isolate_ssh6" };

/* EC2's own services, the same in every VPC. */
static const struct { enum keep_set set; const char *text; } fixed[] = {
	{ KEEP_ALL, "169.254.169.254" }, { KEEP_ALL, "fd00:ec2::254" },	/* metadata */
	{ KEEP_ALL, "169.254.170.2" }, { KEEP_ALL, "169.254.170.23" },	/* credentials */
	{ KEEP_ALL, "fd00:ec2::23" },
	{ KEEP_ALL, "169.254.169.123" }, { KEEP_ALL, "fd00:ec2::123" },	/* time */
	{ KEEP_DNS, "169.254.169.253" }, { KEEP_DNS, "fd00:ec2::253" },
};

static void
forget_kept(struct keys kept[KEEP_END][FAMILY_END])
{
	unsigned int set, family;

	for (set = 0; set < KEEP_END; set++) {
		for (family = 0; family < FAMILY_END; family++)
			keys_fini(&kept[set][family]);
	}
}

void
isolate_forget(struct isolation *isolation)
{
	forget_kept(isolation->kept);
	isolation->present = false;
	isolation->mark = 0;
}

bool
isolate_owns(const char *name)
{
	return strncmp(name, "isolate", strlen("isolate")) == 0;
}

/* --- who is kept ----------------------------------------------------------------------- */

static int
add_fixed(struct protect *protect, enum keep_set set)
{
	struct range range;
	size_t i;
	int error = 0;

	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]) && error == 0; i++) {
		const char *wrong = addr_parse(&range.first, fixed[i].text,
		    strlen(fixed[i].text));

		assert(wrong == NULL);
		range.last = range.first;
		if (fixed[i].set == set && wrong == NULL)
			error = protect_add(protect, &range);
	}
	return error;
}

static int
gather_set(const struct enforce *enforce, enum keep_set set, struct keys keys[FAMILY_END])
{
	struct protect protect = { .ranges = NULL };
	size_t i;
	int error, unread;

	keys_init(&keys[FAMILY_V4], 4, true);
	keys_init(&keys[FAMILY_V6], 16, true);
	error = add_fixed(&protect, set);
	for (i = 0; set == KEEP_ALL && i < enforce->nadmin && error == 0; i++)
		error = protect_add(&protect, &enforce->admin[i]);
	if (set == KEEP_DNS && error == 0) {
		unread = protect_resolvers(&protect);
		if (unread != 0)
			log_warn("resolvers are incomplete: error=\"%s\"", strerror(-unread));
	}
	protect.n = split_unite(protect.ranges, protect.n);
	for (i = 0; i < protect.n && error == 0; i++) {
		const struct range *range = &protect.ranges[i];

		error = keys_add(&keys[range->first.family == ADDR_V4 ? FAMILY_V4 : FAMILY_V6],
		    range->first.bytes, range->last.bytes);
	}
	protect_fini(&protect);
	return error;
}

static int
gather(const struct enforce *enforce, struct keys kept[KEEP_END][FAMILY_END])
{
	unsigned int set;
	int error = 0;

	for (set = 0; set < KEEP_END && error == 0; set++)
		error = gather_set(enforce, (enum keep_set)set, kept[set]);
	return error;
}

static bool
same_kept(struct keys a[KEEP_END][FAMILY_END], struct keys b[KEEP_END][FAMILY_END])
{
	unsigned int set, family;

	for (set = 0; set < KEEP_END; set++) {
		for (family = 0; family < FAMILY_END; family++) {
			const struct keys *x = &a[set][family], *y = &b[set][family];

			if (x->n != y->n || (x->n > 0 &&
			    memcmp(x->bytes, y->bytes, x->n * keys_item_size(x)) != 0))
				return false;
		}
	}
	return true;
}

static bool
same_wanted(const struct enforce_isolation *a, const struct enforce_isolation *b)
{
	return a->on == b->on && a->until_ms == b->until_ms &&
	    a->session_port == b->session_port && addr_equal(&a->session, &b->session);
}

/* --- the rules ------------------------------------------------------------------------- */

/* Whose address and port are the other end's, seen from the chain. */
static enum rule_side
remote_side(unsigned int chain)
{
	return chain == CHAIN_IN ? SIDE_SOURCE : SIDE_DESTINATION;
}

static enum rule_side
own_side(unsigned int chain)
{
	return chain == CHAIN_IN ? SIDE_DESTINATION : SIDE_SOURCE;
}

static void
pass(struct rule *rule, const char *comment)
{
	rule_return(rule);
	rule_end(rule, comment);
}

/* Not confirmed in time: everything passes. */
static void
released_rule(struct batch *batch, const struct enforce_isolation *wanted, unsigned int chain)
{
	struct rule rule;

	if (wanted->until_ms == 0)
		return;
	rule_begin(&rule, batch, chains[chain].name);
	rule_family_not_in_set(&rule, ISOLATE_ARMED);
	pass(&rule, "no \"confirm\" came in time: it is over");
}

static void
icmp6_rule(struct batch *batch, unsigned int chain, uint8_t first, uint8_t last,
    const char *comment)
{
	struct rule rule;

	rule_begin(&rule, batch, chains[chain].name);
	rule_protocol(&rule, IPPROTO_ICMPV6);
	rule_icmp_types(&rule, first, last);
	pass(&rule, comment);
}

/* A host that does not hear of its neighbours or of the path's MTU is lost to everybody. */
static void
link_rules(struct batch *batch, unsigned int chain)
{
	struct rule rule;

	rule_begin(&rule, batch, chains[chain].name);
	if (chain == CHAIN_IN)
		rule_interface_in(&rule, LOOPBACK_INDEX);
	else
		rule_interface_out(&rule, LOOPBACK_INDEX);
	pass(&rule, NULL);
	icmp6_rule(batch, chain, ND_ROUTER_SOLICIT, ND_NEIGHBOR_ADVERT, "neighbour discovery");
	icmp6_rule(batch, chain, MLD_LISTENER_QUERY, MLD_LISTENER_REDUCTION,
	    "multicast groups of neighbour discovery");
	icmp6_rule(batch, chain, MLD2_REPORT, MLD2_REPORT,
	    "multicast groups of neighbour discovery");
	if (chain != CHAIN_IN)
		return;
	icmp6_rule(batch, chain, ICMP6_PACKET_TOO_BIG, ICMP6_PACKET_TOO_BIG, "path MTU");
	rule_begin(&rule, batch, chains[chain].name);
	rule_protocol(&rule, IPPROTO_ICMP);
	rule_icmp_types(&rule, ICMP_DEST_UNREACH, ICMP_DEST_UNREACH);
	rule_icmp_code(&rule, ICMP_FRAG_NEEDED);
	pass(&rule, "path MTU");
}

static void
dhcp_rule(struct batch *batch, unsigned int chain, uint16_t client, uint16_t server,
    const char *comment)
{
	struct rule rule;

	rule_begin(&rule, batch, chains[chain].name);
	rule_protocol(&rule, IPPROTO_UDP);
	rule_port(&rule, own_side(chain), client);
	rule_port(&rule, remote_side(chain), server);
	pass(&rule, comment);
}

static void
dns_rules(struct batch *batch, unsigned int chain)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_TCP };
	struct rule rule;
	unsigned int family;
	size_t i;

	for (family = 0; family < FAMILY_END; family++) {
		for (i = 0; i < sizeof(protocols); i++) {
			rule_begin(&rule, batch, chains[chain].name);
			rule_in_set(&rule, (struct rule_address){ remote_side(chain), family },
			    keeps[KEEP_DNS].names[family]);
			rule_protocol(&rule, protocols[i]);
			rule_port(&rule, remote_side(chain), DNS_PORT);
			if (chain == CHAIN_IN && protocols[i] == IPPROTO_TCP)
				rule_not_opening(&rule);
			pass(&rule, NULL);
		}
	}
}

/* Addresses that are kept whatever it is about, seen from one side. */
static void
address_rules(struct batch *batch, unsigned int chain, enum rule_side side)
{
	struct rule rule;
	unsigned int family;

	for (family = 0; family < FAMILY_END; family++) {
		const struct rule_address remote = { side, family };

		rule_begin(&rule, batch, chains[chain].name);
		rule_in_set(&rule, remote, keeps[KEEP_ALL].names[family]);
		pass(&rule, NULL);
		rule_begin(&rule, batch, chains[chain].name);
		rule_in_set(&rule, remote, fixture_name(FIXTURE_ALLOW4 + family));
		pass(&rule, NULL);
	}
}

/* The agent's own connections and Systems Manager's, and who asked for it all. */
static void
way_back_rules(struct batch *batch, unsigned int chain)
{
	struct rule rule;
	unsigned int family;

	for (family = 0; family < FAMILY_END; family++) {
		const struct rule_address remote = { remote_side(chain), family };

		rule_begin(&rule, batch, chains[chain].name);
		rule_endpoint_in_set(&rule, remote, fixture_name(FIXTURE_PROTECT_EP4 + family));
		if (chain == CHAIN_IN)
			rule_not_opening(&rule);
		pass(&rule, NULL);
		rule_begin(&rule, batch, chains[chain].name);
		rule_served_in_set(&rule, remote, sessions[family]);
		pass(&rule, "who isolated this host");
	}
}

static void
cut_rule(struct batch *batch, unsigned int chain)
{
	struct rule rule;

	rule_begin(&rule, batch, chains[chain].name);
	rule_count(&rule, counter_name(COUNTER_ISOLATED));
	rule_drop(&rule);
	rule_end(&rule, "isolated; to end it: threatlistctl isolate off");
}

static void
put_rules(struct batch *batch, const struct enforce_isolation *wanted)
{
	unsigned int chain;

	for (chain = 0; chain < CHAIN_END; chain++) {
		released_rule(batch, wanted, chain);
		if (chain == CHAIN_FORWARD) {
			address_rules(batch, chain, SIDE_SOURCE);
		} else {
			link_rules(batch, chain);
			dhcp_rule(batch, chain, DHCP4_CLIENT, DHCP4_SERVER, "DHCP");
			dhcp_rule(batch, chain, DHCP6_CLIENT, DHCP6_SERVER, "DHCPv6");
			dns_rules(batch, chain);
			way_back_rules(batch, chain);
		}
		address_rules(batch, chain, remote_side(chain));
		cut_rule(batch, chain);
	}
}

/* --- the batches ----------------------------------------------------------------------- */

/* All that there is of it, empty; what is there stays. */
static void
put_frame(struct batch *batch)
{
	unsigned int set, family, chain;

	for (family = 0; family < FAMILY_END; family++) {
		for (set = 0; set < KEEP_END; set++)
			set_create_nets(batch, keeps[set].names[family], family,
			    keeps[set].comment);
		set_create_ports(batch, sessions[family], family, 1,
		    "kept in isolation: who asked for it, to the port that he came to");
	}
	set_create_armed(batch, ISOLATE_ARMED, "behind isolate on --confirm: empty, it is over");
	for (chain = 0; chain < CHAIN_END; chain++) {
		chain_put(batch, &chains[chain]);
		chain_flush(batch, chains[chain].name);
	}
}

static void
put_session(struct batch *batch, const struct enforce_isolation *wanted)
{
	unsigned int family = wanted->session.family == ADDR_V4 ? FAMILY_V4 : FAMILY_V6;
	size_t size = family == FAMILY_V4 ? 4 : 16;
	uint8_t key[SESSION_KEY_MAX] = { 0 };
	const uint16_t wire = htons(wanted->session_port);
	struct nlmsghdr *nlh;

	set_flush(batch, sessions[FAMILY_V4]);
	set_flush(batch, sessions[FAMILY_V6]);
	if (wanted->session.family == ADDR_NONE)
		return;
	memcpy(key, wanted->session.bytes, size);
	memcpy(key + size, &wire, sizeof(wire));
	nlh = batch_begin(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE, BATCH_OBJECT_MAX);
	if (nlh == NULL)
		return;
	element_put_key(nlh, sessions[family], key, size + sizeof(uint32_t));
	batch_end(batch, nlh);
}

static void
put_on(struct batch *batch, const struct enforce_isolation *wanted,
    struct keys kept[KEEP_END][FAMILY_END])
{
	unsigned int set, family;

	put_frame(batch);
	for (set = 0; set < KEEP_END; set++) {
		for (family = 0; family < FAMILY_END; family++) {
			const char *name = keeps[set].names[family];

			set_flush(batch, name);
			elements_add(batch, name, &kept[set][family], 0, kept[set][family].n);
		}
	}
	put_session(batch, wanted);
	armed_fill(batch, ISOLATE_ARMED, wanted->until_ms);
	put_rules(batch, wanted);
}

/* Also of what is there in part: all is made before it is deleted. */
static void
put_off(struct batch *batch)
{
	unsigned int set, family, chain;

	put_frame(batch);
	for (chain = 0; chain < CHAIN_END; chain++)
		chain_delete(batch, chains[chain].name);
	for (family = 0; family < FAMILY_END; family++) {
		for (set = 0; set < KEEP_END; set++)
			set_delete(batch, keeps[set].names[family]);
		set_delete(batch, sessions[family]);
	}
	set_delete(batch, ISOLATE_ARMED);
}

/* What cut off goes first: an own rule of the admin's that asks one of the sets keeps only that. */
static int
commit_off(struct enforce *enforce, struct enforce_error *err)
{
	struct batch batch;
	int error;

	batch_init(&batch);
	put_off(&batch);
	error = kernel_commit(enforce->kernel, &batch, 0, "ending isolation", err);
	if (error == -EBUSY) {
		batch_reset(&batch);
		put_frame(&batch);
		error = kernel_commit(enforce->kernel, &batch, 0, "ending isolation", err);
	}
	batch_fini(&batch);
	return error;
}

static bool
is_begun(struct isolation *isolation, const struct enforce_isolation *wanted,
    struct keys kept[KEEP_END][FAMILY_END])
{
	return isolation->present && same_kept(kept, isolation->kept) &&
	    same_wanted(&isolation->wanted, wanted);
}

/* In one transaction, whatever of the table is missing; kept is consumed. */
static int
put_begin(struct enforce *enforce, const struct enforce_isolation *wanted,
    struct keys kept[KEEP_END][FAMILY_END], bool alone, struct enforce_error *err)
{
	struct isolation *isolation = &enforce->isolation;
	const uint32_t commits = kernel_commits(enforce->kernel);
	const uint32_t generation = kernel_generation(enforce->kernel);
	struct rules_state state;
	struct batch batch;
	int error;

	batch_init(&batch);
	if (alone && enforce->table) {
		table_delete(&batch);
		engine_forget(enforce);
	}
	error = frame_put(enforce, &batch, err);
	if (error == 0) {
		put_on(&batch, wanted, kept);
		error = kernel_commit(enforce->kernel, &batch, 0, "isolating", err);
	}
	batch_fini(&batch);
	if (error == 0)
		error = frame_made(enforce, err);
	if (error != 0) {
		forget_kept(kept);
		return error;
	}
	isolate_forget(isolation);
	memcpy(isolation->kept, kept, sizeof(isolation->kept));
	isolation->wanted = *wanted;
	isolation->present = true;
	isolation->mark = readback_rules(enforce->kernel, &state) == 0 ? state.isolate_mark : 0;
	/* somebody may have changed them before they were read: not relied on, they are put once more */
	if (kernel_generation(enforce->kernel) != generation + kernel_commits(enforce->kernel) - commits)
		isolation->mark = 0;
	return 0;
}

/* alone: nothing else is to be in the table. */
static int
begin(struct enforce *enforce, const struct enforce_isolation *wanted, bool alone,
    struct enforce_error *err)
{
	struct keys kept[KEEP_END][FAMILY_END];
	int error;

	memset(kept, 0, sizeof(kept));
	error = gather(enforce, kept);
	if (error != 0) {
		forget_kept(kept);
		return enforce_fail(err, error, "who is kept in isolation", NULL);
	}
	if (!alone && enforce->fixtures && is_begun(&enforce->isolation, wanted, kept)) {
		forget_kept(kept);
		return 0;
	}
	return put_begin(enforce, wanted, kept, alone, err);
}

static int
end(struct enforce *enforce, struct enforce_error *err)
{
	struct rules_state state;
	int error = 0;

	if (enforce->table) {
		error = readback_rules(enforce->kernel, &state);
		if (error != 0)
			return enforce_fail(err, error, "asking for rules", NULL);
	}
	if (enforce->table && (enforce->isolation.present || state.isolate_mark != 0))
		error = commit_off(enforce, err);
	if (error != 0)
		return error;
	isolate_forget(&enforce->isolation);
	memset(&enforce->isolation.wanted, 0, sizeof(enforce->isolation.wanted));
	return 0;
}

bool
isolate_holds(const struct enforce_isolation *wanted)
{
	return wanted->on && (wanted->until_ms == 0 || wanted->until_ms > armed_now_ms());
}

int
isolate_anew(struct enforce *enforce, struct enforce_error *err)
{
	const struct enforce_isolation wanted = enforce->isolation.wanted;

	return begin(enforce, &wanted, true, err);
}

int
enforce_isolate(struct enforce *enforce, const struct enforce_isolation *wanted,
    struct enforce_error *err)
{
	int error;

	watch_pause(enforce);
	error = engine_look(enforce, err);
	if (error == 0)
		error = isolate_holds(wanted) ? begin(enforce, wanted, false, err) : end(enforce, err);
	watch_resume(enforce);
	return error;
}

int
enforce_isolate_alone(struct enforce *enforce, const struct enforce_isolation *wanted,
    struct enforce_error *err)
{
	int error;

	if (!isolate_holds(wanted))
		return enforce_set_mode(enforce, ENFORCE_OFF, err);
	watch_pause(enforce);
	/* the admin's exceptions are read once more: they come back in the new table */
	error = engine_look(enforce, err);
	if (error == 0 && enforce->table && engine_read_allow(enforce) != 0)
		error = enforce_fail(err, -EIO, "reading allow4 and allow6", NULL);
	if (error == 0)
		error = begin(enforce, wanted, true, err);
	/* somebody else deleted the table that we were about to */
	if (error == -ENOENT && engine_look(enforce, err) == 0)
		error = begin(enforce, wanted, true, err);
	if (error == 0) {
		enforce->mode = ENFORCE_OFF;
		enforce->until_ms = 0;
	}
	watch_resume(enforce);
	return error;
}

int
enforce_isolate_confirm(struct enforce *enforce, struct enforce_error *err)
{
	struct enforce_isolation wanted = enforce->isolation.wanted;
	int armed;

	/* the kernel's own clock decides */
	armed = wanted.on && wanted.until_ms != 0 ?
	    armed_holds(enforce->kernel, ISOLATE_ARMED) : 0;
	if (armed < 0)
		return enforce_fail(err, armed, "asking whether it is in time", NULL);
	if (armed == 0 || armed_now_ms() >= wanted.until_ms) {
		if (err != NULL)
			snprintf(err->text, sizeof(err->text),
			    "too late, the isolation is over already");
		return -ETIME;
	}
	wanted.until_ms = 0;
	return enforce_isolate(enforce, &wanted, err);
}
