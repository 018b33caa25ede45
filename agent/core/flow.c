/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/flow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow_begin.h"

#define NONE		UINT32_MAX
#define SECOND_US	INT64_C(1000000)

/* Quiet for longer, and the next packet is another flow (close to Linux' conntrack). */
#define IDLE_TCP_US	(3600 * SECOND_US)
#define IDLE_OTHER_US	(180 * SECOND_US)
#define IDLE_ICMP_US	(30 * SECOND_US)

enum flow_kind {
	FLOW_TRAFFIC = 0,
	FLOW_QUOTED = 1,	/* known from ICMP errors only */
	FLOW_FRAGMENTS = 2,	/* later fragments: no ports */
	FLOW_ERRORS_OF_A = 3,	/* ICMP errors over what a, or b, began */
	FLOW_ERRORS_OF_B = 4,
};

/*
 * Both directions of a flow have one key: a is the lower end.  Without padding,
 * so that it is compared and hashed as bytes.
 */
struct flow_key {
	struct addr a, b;
	uint8_t proto;
	uint8_t kind;			/* enum flow_kind */
	uint16_t a_port, b_port;
};
#define KEY_WORDS	5
_Static_assert(sizeof(struct flow_key) == KEY_WORDS * sizeof(uint64_t), "the key has no padding");

enum flow_end { END_UNKNOWN = 0, END_A, END_B };

/* In one chain of its hash bucket, and in the list from most to least recent. */
struct flow {
	struct flow_key key;
	uint8_t initiator;		/* enum flow_end */
	uint8_t evidence;		/* enum flow_evidence */
	bool told;
	uint32_t packets;		/* since last told */
	int64_t last_us, told_us;
	uint32_t chain;
	uint32_t newer, older;
};

struct flow_table {
	struct flow *flows;
	uint32_t *buckets;
	uint32_t max, used, mask;
	uint32_t newest, oldest, free_list;	/* the free list runs through chain */
	uint64_t seed;
	unsigned int rate, tokens;
	bool filled;
	int64_t filled_us;
	uint64_t untold;
};

struct flow_table *
flow_table_new(size_t max_flows, unsigned int sightings_per_s, uint64_t seed)
{
	struct flow_table *table;
	size_t nbuckets = 1;

	assert(max_flows > 0 && max_flows < NONE / 2);
	table = calloc(1, sizeof(*table));
	if (table == NULL)
		return NULL;
	while (nbuckets < max_flows)
		nbuckets *= 2;
	/* touched only as far as it is used */
	table->flows = calloc(max_flows, sizeof(*table->flows));
	table->buckets = malloc(nbuckets * sizeof(*table->buckets));
	if (table->flows == NULL || table->buckets == NULL) {
		flow_table_free(table);
		return NULL;
	}
	memset(table->buckets, 0xff, nbuckets * sizeof(*table->buckets));
	table->max = (uint32_t)max_flows;
	table->mask = (uint32_t)nbuckets - 1;
	table->newest = table->oldest = table->free_list = NONE;
	table->seed = seed;
	table->rate = table->tokens = sightings_per_s;
	return table;
}

void
flow_table_free(struct flow_table *table)
{
	if (table == NULL)
		return;
	free(table->flows);
	free(table->buckets);
	free(table);
}

size_t
flow_count(const struct flow_table *table)
{
	return table->used;
}

uint64_t
flow_untold(const struct flow_table *table)
{
	return table->untold;
}

static uint32_t *
bucket_of(struct flow_table *table, const struct flow_key *key)
{
	uint64_t words[KEY_WORDS], hash = table->seed;
	unsigned int i;

	memcpy(words, key, sizeof(words));
	for (i = 0; i < KEY_WORDS; i++) {
		hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return &table->buckets[(hash >> 32) & table->mask];
}

static void
leave_order(struct flow_table *table, struct flow *flow)
{
	if (flow->newer != NONE)
		table->flows[flow->newer].older = flow->older;
	else
		table->newest = flow->older;
	if (flow->older != NONE)
		table->flows[flow->older].newer = flow->newer;
	else
		table->oldest = flow->newer;
}

static void
enter_order(struct flow_table *table, struct flow *flow)
{
	uint32_t index = (uint32_t)(flow - table->flows);

	flow->newer = NONE;
	flow->older = table->newest;
	if (table->newest != NONE)
		table->flows[table->newest].newer = index;
	else
		table->oldest = index;
	table->newest = index;
}

static void
forget(struct flow_table *table, struct flow *flow)
{
	uint32_t index = (uint32_t)(flow - table->flows);
	uint32_t *at = bucket_of(table, &flow->key);

	while (*at != index)
		at = &table->flows[*at].chain;
	*at = flow->chain;
	leave_order(table, flow);
	flow->chain = table->free_list;
	table->free_list = index;
	table->used--;
}

static bool
is_idle(const struct flow *flow, int64_t now_us)
{
	int64_t limit = flow->key.proto == PROTO_TCP ? IDLE_TCP_US :
	    flow->key.proto == PROTO_ICMP || flow->key.proto == PROTO_ICMPV6 ? IDLE_ICMP_US :
	    IDLE_OTHER_US;

	return now_us - flow->last_us > limit;
}

/* The flow with this key, or NULL; one that went idle is forgotten. */
static struct flow *
find(struct flow_table *table, const struct flow_key *key, int64_t now_us)
{
	uint32_t index = *bucket_of(table, key);

	while (index != NONE) {
		struct flow *flow = &table->flows[index];

		if (memcmp(&flow->key, key, sizeof(*key)) == 0) {
			if (!is_idle(flow, now_us))
				return flow;
			forget(table, flow);
			return NULL;
		}
		index = flow->chain;
	}
	return NULL;
}

static struct flow *
add(struct flow_table *table, const struct flow_key *key, int64_t now_us)
{
	struct flow *flow;
	uint32_t *bucket;

	if (table->oldest != NONE && (table->used == table->max ||
	    is_idle(&table->flows[table->oldest], now_us)))
		forget(table, &table->flows[table->oldest]);
	if (table->free_list != NONE) {
		flow = &table->flows[table->free_list];
		table->free_list = flow->chain;
	} else {
		/* without free ones, those in use are the first of the array */
		flow = &table->flows[table->used];
	}
	table->used++;
	memset(flow, 0, sizeof(*flow));
	flow->key = *key;
	flow->last_us = now_us;
	bucket = bucket_of(table, key);
	flow->chain = *bucket;
	*bucket = (uint32_t)(flow - table->flows);
	enter_order(table, flow);
	return flow;
}

/* Returns which end of the key the packet's source is. */
static enum flow_end
key_of(const struct packet *packet, enum flow_kind kind, struct flow_key *key)
{
	uint16_t src_port = 0, dst_port = 0;
	bool src_is_a;
	int order;

	memset(key, 0, sizeof(*key));
	if (packet->has_ports && kind != FLOW_FRAGMENTS) {
		src_port = packet->src_port;
		dst_port = packet->dst_port;
	} else if (packet->has_icmp_id) {
		/* the identifier is the asking side's port: pings both ways are two flows */
		if (icmp_is_reply(packet->proto, packet->icmp_type))
			dst_port = packet->icmp_id;
		else
			src_port = packet->icmp_id;
	}
	order = memcmp(&packet->src, &packet->dst, sizeof(packet->src));
	src_is_a = order < 0 || (order == 0 && src_port <= dst_port);
	key->a = src_is_a ? packet->src : packet->dst;
	key->b = src_is_a ? packet->dst : packet->src;
	key->a_port = src_is_a ? src_port : dst_port;
	key->b_port = src_is_a ? dst_port : src_port;
	key->proto = packet->proto;
	key->kind = (uint8_t)kind;
	return src_is_a ? END_A : END_B;
}

static uint8_t
to_initiator(uint8_t end, enum flow_end src)
{
	if (end == END_UNKNOWN)
		return INITIATOR_UNKNOWN;
	return end == src ? INITIATOR_SRC : INITIATOR_DST;
}

static uint8_t
to_end(uint8_t initiator, enum flow_end src)
{
	if (initiator == INITIATOR_UNKNOWN)
		return END_UNKNOWN;
	return (initiator == INITIATOR_SRC) == (src == END_A) ? END_A : END_B;
}

/* Who began the flow of a quoted packet, relative to that packet. */
static uint8_t
initiator_of_quote(struct flow_table *table, const struct packet *quote, int64_t now_us)
{
	struct flow_key key;
	enum flow_end src;
	struct flow *flow;

	src = key_of(quote, quote->later_fragment ? FLOW_FRAGMENTS : FLOW_TRAFFIC, &key);
	flow = find(table, &key, now_us);
	if (flow != NULL && flow->initiator != END_UNKNOWN)
		return to_initiator(flow->initiator, src);
	/* with too little of it to tell, its sender */
	return flow_begin(quote).initiator == INITIATOR_DST ? INITIATOR_DST : INITIATOR_SRC;
}

/*
 * An error is the doing of whoever sent the packet it quotes, unless the flow
 * of that packet was begun by the error's own sender.
 */
static struct flow_begin
begin_of_error(struct flow_table *table, const struct packet *packet, const struct packet *quote,
    int64_t now_us)
{
	uint8_t initiator = initiator_of_quote(table, quote, now_us);
	const struct addr *began = initiator == INITIATOR_DST ? &quote->dst : &quote->src;
	bool by_sender = addr_equal(began, &packet->src);

	return (struct flow_begin){ by_sender ? INITIATOR_SRC : INITIATOR_DST, EVIDENCE_SEEN, false };
}

static struct flow_begin
begin_of(struct flow_table *table, const struct packet *packet, const struct packet *quote,
    int64_t now_us)
{
	if (quote != NULL)
		return begin_of_error(table, packet, quote, now_us);
	if (packet->kind == KIND_EMBEDDED)
		return (struct flow_begin){ initiator_of_quote(table, packet, now_us),
		    EVIDENCE_SEEN, false };
	return flow_begin(packet);
}

/* Later fragments have no ports: they go with the latest first one of their ends. */
static void
remember_fragments(struct flow_table *table, const struct packet *packet, uint8_t initiator,
    int64_t now_us)
{
	struct flow_key key;
	enum flow_end src = key_of(packet, FLOW_FRAGMENTS, &key);
	struct flow *flow = find(table, &key, now_us);

	if (flow == NULL) {
		flow = add(table, &key, now_us);
		/* the first fragment told of it */
		flow->told = true;
		flow->told_us = now_us;
	}
	flow->initiator = to_end(initiator, src);
	flow->evidence = EVIDENCE_SEEN;
}

static bool
take_token(struct flow_table *table, int64_t now_us)
{
	int64_t passed = now_us - table->filled_us;

	if (!table->filled || passed >= SECOND_US || passed < 0) {
		table->filled = true;
		table->tokens = table->rate;
		table->filled_us = now_us;
	}
	if (table->tokens == 0) {
		table->untold++;
		return false;
	}
	table->tokens--;
	return true;
}

static bool
tell(struct flow_table *table, struct flow *flow, bool due, int64_t now_us)
{
	int64_t passed = now_us - flow->told_us;

	/* a new flow that found no token stays due */
	due = due || !flow->told || passed >= FLOW_SIGHT_INTERVAL_US ||
	    passed <= -FLOW_SIGHT_INTERVAL_US;
	if (!due || !take_token(table, now_us))
		return false;
	flow->told = true;
	flow->told_us = now_us;
	flow->packets = 0;
	return true;
}

static enum flow_kind
kind_of(const struct packet *packet)
{
	if (packet->kind == KIND_EMBEDDED)
		return FLOW_QUOTED;
	return packet->later_fragment ? FLOW_FRAGMENTS : FLOW_TRAFFIC;
}

/* The flow of this key as the most recent one, made if there is none. */
static struct flow *
take(struct flow_table *table, const struct flow_key *key, int64_t now_us)
{
	struct flow *flow = find(table, key, now_us);

	if (flow == NULL)
		return add(table, key, now_us);
	leave_order(table, flow);
	enter_order(table, flow);
	flow->last_us = now_us;
	return flow;
}

void
flow_see(struct flow_table *table, const struct packet *packet, const struct packet *quote,
    int64_t now_us, struct flow_report *report)
{
	struct flow_begin begin = begin_of(table, packet, quote, now_us);
	struct flow_key key;
	enum flow_end src = key_of(packet, kind_of(packet), &key);
	uint8_t end = to_end(begin.initiator, src);
	struct flow *flow;
	bool due = false;

	if (quote != NULL)
		key.kind = end == END_A ? FLOW_ERRORS_OF_A : FLOW_ERRORS_OF_B;
	flow = take(table, &key, now_us);
	if (begin.opens || begin.evidence > flow->evidence) {
		/* a direction that is not what was told before is news */
		due = end != flow->initiator;
		flow->initiator = end;
		flow->evidence = begin.evidence;
	}
	report->initiator = to_initiator(flow->initiator, src);
	if (flow->packets < UINT32_MAX)
		flow->packets++;
	report->packets = flow->packets;
	report->sight = tell(table, flow, due, now_us);
	if (packet->first_fragment && packet->kind != KIND_EMBEDDED)
		remember_fragments(table, packet, report->initiator, now_us);
}
