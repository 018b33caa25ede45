/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/sight.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/flow.h"
#include "core/match.h"
#include "core/repeat.h"

#define WAITING_MAX	16	/* frames: decoding as many takes longer than memory does */
#define WAITING_BYTES	512	/* as much as an interface's capture shows; what is longer does not wait */

/* A frame that is decoded, and a copy of what it is decoded of: the ring's is the kernel's again soon. */
struct waiting {
	struct decoded decoded;
	int64_t time_us;
	uint8_t bytes[WAITING_BYTES];
};

struct sight {
	const struct list *list;	/* borrowed; NULL: none */
	struct match *match;		/* its index; NULL: the list itself is searched */
	uint64_t generation;
	struct flow_table *flows;
	struct repeat *repeat;		/* NULL: each packet comes once */
	struct range local[SIGHT_LOCAL_MAX];
	size_t nlocal;
	struct sight_stat stat;
	struct decoded decoded;
	struct waiting waiting[WAITING_MAX];
	unsigned int nwaiting;
};

/* One packet on its way, with what both sides are. */
struct look {
	const struct frame *frame;
	const struct packet *packet;
	const struct packet *quote;	/* what it quotes, NULL: nothing */
	int64_t time_us;
	bool listed[2];			/* SIDE_… */
	struct list_hit hit[2];		/* of those that are listed */
};

enum side { SIDE_SRC, SIDE_DST };

struct sight *
sight_new(const struct sight_conf *conf)
{
	struct sight *sight;

	sight = calloc(1, sizeof(*sight));
	if (sight == NULL)
		return NULL;
	sight->flows = flow_table_new(conf->max_flows, conf->sightings_per_s, conf->seed);
	sight->repeat = conf->repeats ? repeat_new(conf->seed) : NULL;
	if (sight->flows == NULL || (conf->repeats && sight->repeat == NULL)) {
		sight_free(sight);
		return NULL;
	}
	return sight;
}

void
sight_free(struct sight *sight)
{
	if (sight == NULL)
		return;
	match_free(sight->match);
	flow_table_free(sight->flows);
	repeat_free(sight->repeat);
	free(sight);
}

int
sight_set_list(struct sight *sight, const struct list *list, uint64_t generation, bool index)
{
	struct match *match = NULL;

	assert(sight->nwaiting == 0);
	if (list != NULL && index) {
		match = match_new(list);
		if (match == NULL)
			return -ENOMEM;
	}
	match_free(sight->match);
	sight->match = match;
	sight->list = list;
	sight->generation = generation;
	return 0;
}

void
sight_set_local(struct sight *sight, const struct range *ranges, size_t n)
{
	sight->nlocal = n < SIGHT_LOCAL_MAX ? n : SIGHT_LOCAL_MAX;
	if (sight->nlocal > 0)
		memcpy(sight->local, ranges, sight->nlocal * sizeof(ranges[0]));
}

void
sight_stat(const struct sight *sight, struct sight_stat *stat)
{
	*stat = sight->stat;
	stat->untold = flow_untold(sight->flows);
	stat->flows = flow_count(sight->flows);
}

static bool
is_local(const struct sight *sight, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < sight->nlocal; i++) {
		if (range_contains(&sight->local[i], addr))
			return true;
	}
	return false;
}

static bool
is_remote(const struct sight *sight, const struct look *look, enum side side)
{
	const struct packet *packet = look->packet;

	if (packet->kind == KIND_OUTER) {
		switch (look->frame->hook) {
		case HOOK_PREROUTING:
		case HOOK_INPUT:
			return side == SIDE_SRC;
		case HOOK_OUTPUT:
		case HOOK_POSTROUTING:
			return side == SIDE_DST;
		case HOOK_FORWARD:
			return side == SIDE_DST || !look->listed[SIDE_DST];
		}
	}
	return !is_local(sight, side == SIDE_SRC ? &packet->src : &packet->dst);
}

static uint8_t
flow_side(uint8_t initiator, enum side remote)
{
	if (initiator == INITIATOR_UNKNOWN)
		return FLOW_UNKNOWN;
	return (initiator == INITIATOR_SRC) == (remote == SIDE_SRC) ? FLOW_INBOUND : FLOW_OUTBOUND;
}

static void
fill_sighting(const struct sight *sight, const struct look *look, enum side side,
    const struct flow_report *flow, struct sighting *sighting)
{
	const struct packet *packet = look->packet;
	const struct frame *frame = look->frame;
	bool in = side == SIDE_SRC;

	memset(sighting, 0, sizeof(*sighting));
	sighting->time_us = look->time_us;
	sighting->remote = in ? packet->src : packet->dst;
	sighting->local = in ? packet->dst : packet->src;
	if (packet->has_ports) {
		sighting->has_ports = 1;
		sighting->remote_port = in ? packet->src_port : packet->dst_port;
		sighting->local_port = in ? packet->dst_port : packet->src_port;
	}
	sighting->proto = packet->proto;
	sighting->dir = in ? DIR_IN : DIR_OUT;
	sighting->flow = flow_side(flow->initiator, side);
	sighting->kind = packet->kind;
	sighting->action = look->hit[side].action;
	sighting->uid = frame->uid;
	sighting->gid = frame->gid;
	sighting->ifindex = frame->ifindex_in != 0 ? frame->ifindex_in : frame->ifindex_out;
	sighting->packets = flow->packets;
	sighting->lists = look->hit[side].lists;
	sighting->generation = sight->generation;
	sighting->entry = look->hit[side].entry;
}

static void
tell_sides(struct sight *sight, const struct look *look, const struct flow_report *flow,
    sight_fn *each, void *arg)
{
	struct sight_hit hit = { .packet = look->packet };
	enum side side;

	for (side = SIDE_SRC; side <= SIDE_DST; side++) {
		if (!look->listed[side])
			continue;
		hit.src = side == SIDE_SRC;
		hit.hit = look->hit[side];
		hit.remote = is_remote(sight, look, side);
		fill_sighting(sight, look, side, flow, &hit.sighting);
		hit.tell = hit.remote && flow->sight && (look->packet->kind != KIND_EMBEDDED ||
		    hit.sighting.flow == FLOW_OUTBOUND);
		each(&hit, arg);
	}
}

static bool
is_repeat(struct sight *sight, const struct decoded *decoded, int64_t time_us)
{
	const struct frame *frame = &decoded->frame;
	uint32_t ifindex = frame->ifindex_in != 0 ? frame->ifindex_in : frame->ifindex_out;

	/* netfilter's hooks see a packet once each */
	if (sight->repeat == NULL || ifindex == 0 || frame->hook != HOOK_UNKNOWN)
		return false;
	if (!repeat_seen(sight->repeat, &decoded->packets[0], ifindex, time_us))
		return false;
	sight->stat.repeated++;
	return true;
}

static bool
find_listed(const struct sight *sight, const struct addr *addr, struct list_hit *hit)
{
	return sight->match != NULL ? match_find(sight->match, addr, hit) :
	    list_find(sight->list, addr, hit);
}

static bool
find_sides(const struct sight *sight, struct look *look)
{
	bool src = find_listed(sight, &look->packet->src, &look->hit[SIDE_SRC]);
	bool dst = find_listed(sight, &look->packet->dst, &look->hit[SIDE_DST]);

	look->listed[SIDE_SRC] = src;
	look->listed[SIDE_DST] = dst;
	return src || dst;
}

static void
look_at_packets(struct sight *sight, const struct decoded *decoded, int64_t time_us,
    sight_fn *each, void *arg)
{
	struct flow_report flow;
	bool first = true;
	unsigned int i;

	for (i = 0; i < decoded->npackets; i++) {
		struct look look;	/* nearly all end here: nothing is set for them in vain */

		look.packet = &decoded->packets[i];
		if (!find_sides(sight, &look))
			continue;
		if (first && is_repeat(sight, decoded, time_us))
			return;
		first = false;
		look.frame = &decoded->frame;
		look.time_us = time_us;
		look.quote = i + 1 < decoded->npackets &&
		    decoded->packets[i + 1].kind == KIND_EMBEDDED ? &decoded->packets[i + 1] : NULL;
		flow_see(sight->flows, look.packet, look.quote, time_us, &flow);
		tell_sides(sight, &look, &flow, each, arg);
	}
}

/* The time of the frame, as it says itself or as it was captured. */
static int64_t
decode(struct sight *sight, int link, const uint8_t *data, size_t size, int64_t time_us,
    struct decoded *decoded)
{
	decode_frame(link, data, size, decoded);
	sight->stat.frames++;
	sight->stat.skipped[decoded->skip]++;
	if (decoded->npackets == 0 && decoded->skip != SKIP_NOT_IP)
		sight->stat.undecodable++;
	return decoded->frame.time_us != 0 ? decoded->frame.time_us : time_us;
}

void
sight_frame(struct sight *sight, int link, const uint8_t *data, size_t size, int64_t time_us,
    sight_fn *each, void *arg)
{
	time_us = decode(sight, link, data, size, time_us, &sight->decoded);
	if (sight->list != NULL)
		look_at_packets(sight, &sight->decoded, time_us, each, arg);
}

void
sight_queue(struct sight *sight, int link, const uint8_t *data, size_t size, int64_t time_us,
    sight_fn *each, void *arg)
{
	struct waiting *waiting;
	unsigned int i;

	if (sight->match == NULL || size > WAITING_BYTES) {
		sight_flush(sight, each, arg);
		sight_frame(sight, link, data, size, time_us, each, arg);
		return;
	}
	waiting = &sight->waiting[sight->nwaiting++];
	memcpy(waiting->bytes, data, size);
	waiting->time_us = decode(sight, link, waiting->bytes, size, time_us, &waiting->decoded);
	for (i = 0; i < waiting->decoded.npackets; i++) {
		match_prefetch(sight->match, &waiting->decoded.packets[i].src);
		match_prefetch(sight->match, &waiting->decoded.packets[i].dst);
	}
	if (sight->nwaiting == WAITING_MAX)
		sight_flush(sight, each, arg);
}

void
sight_flush(struct sight *sight, sight_fn *each, void *arg)
{
	unsigned int i;

	for (i = 0; i < sight->nwaiting; i++)
		look_at_packets(sight, &sight->waiting[i].decoded, sight->waiting[i].time_us,
		    each, arg);
	sight->nwaiting = 0;
}
