/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/findings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "threatlistd/enforce.h"
#include "core/findings_table.h"

void
findings_set_list(struct findings *findings, uint64_t generation, const struct list *list)
{
	findings->lists[1] = findings->lists[0];
	findings->lists[0] = (struct named_list){ generation, list };
}

/* Names of the lists in mask, each ended by '\n'. */
static void
write_names(const struct list *list, uint64_t mask, char names[static FINDING_LISTS_SIZE])
{
	size_t i, at = 0;

	for (i = 0; i < list_nsources(list) && i < LIST_SOURCES_MAX; i++) {
		const struct list_source *source = list_source(list, i);

		if ((mask & UINT64_C(1) << i) == 0 || source->role != LIST_THREAT)
			continue;
		at += (size_t)snprintf(names + at, FINDING_LISTS_SIZE - at, "%.*s\n",
		    LIST_NAME_MAX - 2, source->name);
	}
	names[at] = '\0';
}

/*
 * Keeps the names of the lists up to date.  The mask of an image that is gone
 * means nothing: then the list in force is asked for the remote.
 */
static void
name_lists(struct findings *findings, struct live *live, uint64_t generation, uint64_t mask)
{
	struct finding *finding = &live->finding;
	char names[FINDING_LISTS_SIZE];
	const struct list *list = NULL;
	struct list_hit hit;
	unsigned int i;

	if (finding->lists != NULL && live->lists_generation == generation && live->lists == mask)
		return;
	for (i = 0; i < 2 && list == NULL; i++) {
		if (findings->lists[i].generation == generation)
			list = findings->lists[i].list;
	}
	if (list == NULL) {
		list = findings->lists[0].list;
		if (list == NULL || !list_find(list, &finding->remote.first, &hit))
			return;
		mask = hit.lists;
	} else {
		live->lists_generation = generation;
		live->lists = mask;
	}
	write_names(list, mask, names);
	if (names[0] != '\0')
		finding_set_lists(finding, names);
}

static uint8_t
expected_verdict(const struct findings *findings, uint8_t action)
{
	if (findings->conf.mode != ENFORCE_DROP || action == LIST_WATCH)
		return VERDICT_WATCHED;
	return action == LIST_REJECT ? VERDICT_REJECTED : VERDICT_DROPPED;
}

/* The peer's finding of this direction, opened (or called back) if need be.  NULL: no room. */
static struct live *
get_live(struct findings *findings, struct peer *peer, uint8_t direction, uint8_t action,
    int64_t now_ms)
{
	const struct findings_recall *recall = &findings->conf.recall;
	struct live *live = direction == FLOW_INBOUND ? peer->inbound : peer->outbound;
	struct finding finding;
	int found = 0;

	if (live != NULL)
		return live;
	finding_init(&finding, &peer->remote, peer->aggregated, direction, now_ms);
	finding_id(finding.id, findings->conf.host_id, FINDING_TYPE, &peer->remote,
	    peer->aggregated, direction);
	if (recall->finding != NULL)
		found = recall->finding(finding.id, &finding, recall->arg);
	if (found < 0)
		return NULL;
	if (found == 0)
		finding.verdict = expected_verdict(findings, action);
	live = table_insert(findings, peer, &finding);
	if (live == NULL)
		finding_fini(&finding);
	else if (finding.revision == 0)
		table_make_fresh(findings, live, now_ms + OPEN_WAIT_MS);
	return live;
}

/* New activity: to be saved, and told when its time comes. */
static void
touch(struct findings *findings, struct live *live, int64_t now_ms)
{
	table_rouse(findings, live);
	live->change |= CHANGE_ACTIVITY;
	table_mark(findings, live->peer, CHANGE_ACTIVITY);
	TAILQ_REMOVE(&findings->by_age, live, age);
	TAILQ_INSERT_TAIL(&findings->by_age, live, age);
	if (!live->fresh && table_due_ms(findings, live) < findings->scan_ms)
		findings->scan_ms = table_due_ms(findings, live);
	if (findings->scan_ms > now_ms + SCAN_MAX_MS)
		findings->scan_ms = now_ms + SCAN_MAX_MS;
}

/* The peer that stands for a remote: itself, or its entry while that is in flood. */
static struct peer *
stand_for(struct findings *findings, const struct range *remote, const struct range *entry,
    int64_t now_ms)
{
	struct peer *peer = table_find_peer(findings, remote, false);

	if (peer != NULL && (peer->inbound != NULL || peer->outbound != NULL || peer->held != NULL))
		return peer;
	if (entry->first.family == ADDR_NONE ||
	    aggregate_new_remote(findings->aggregate, entry, now_ms))
		return table_get_peer(findings, remote, false);
	return table_get_peer(findings, entry, true);
}

/* Inbound packets belong to the inbound finding, else they are replies. */
static struct live *
live_for(const struct peer *peer, uint8_t dir)
{
	struct live *first = dir == DIR_IN ? peer->inbound : peer->outbound;

	if (first != NULL)
		return first;
	return dir == DIR_IN ? peer->outbound : peer->inbound;
}

/*
 * Where the packets of a count belong, NULL: nowhere yet.  What was stopped is
 * no reply, unless the sensor saw it belong to a flow of the other side (one
 * that was cut in its middle).
 */
static struct live *
home_of(const struct peer *peer, const struct count *count)
{
	bool stopped = count->verdict == VERDICT_DROPPED || count->verdict == VERDICT_REJECTED;
	struct live *own = count->dir == DIR_IN ? peer->inbound : peer->outbound;

	if (own != NULL || (stopped && !peer->aggregated && !peer->explained[count->dir]))
		return own;
	return live_for(peer, count->dir);
}

static void
add_traffic(struct findings *findings, struct live *live, const struct traffic *traffic,
    const struct count *count, int64_t since_ms, int64_t now_ms)
{
	finding_add(&live->finding, traffic, count, since_ms);
	name_lists(findings, live, count->generation, count->lists);
	touch(findings, live, now_ms);
	if (live->fresh && live->tell_ms > now_ms) {
		/* now the verdict is known: tell it at the next tick, before the others */
		table_unfresh(findings, live);
		table_make_fresh(findings, live, now_ms);
	}
}

/* Gives what waited to the findings it belongs to now; the rest waits on. */
static void
settle_held(struct findings *findings, struct peer *peer, int64_t now_ms)
{
	struct held *held = peer->held;
	bool waiting = false;
	struct live *live;
	unsigned int dir;

	if (held == NULL)
		return;
	for (dir = 0; dir < 2; dir++) {
		if (held->traffic[dir].packets == 0)
			continue;
		live = home_of(peer, &held->last[dir]);
		if (live == NULL) {
			waiting = true;
			continue;
		}
		add_traffic(findings, live, &held->traffic[dir], &held->last[dir],
		    held->since_ms[dir], now_ms);
		memset(&held->traffic[dir], 0, sizeof(held->traffic[dir]));
	}
	if (!waiting)
		table_release_held(findings, peer);
}

/*
 * No sighting came.  What was dropped or rejected never became a flow: each
 * direction began by itself.  Of what passed, one direction alone is that
 * one, and with both the remote is taken for the one that began.  The two may
 * differ: one was counted before the mode changed, the other after it.
 */
void
findings_open_held(struct findings *findings, struct peer *peer, int64_t now_ms)
{
	struct held *held = peer->held;
	bool in = held->traffic[DIR_IN].packets > 0, out = held->traffic[DIR_OUT].packets > 0;
	const struct count *count = &held->last[in ? DIR_IN : DIR_OUT];
	bool stopped = count->verdict == VERDICT_DROPPED || count->verdict == VERDICT_REJECTED;
	bool room = true;

	if (in)
		room = get_live(findings, peer, FLOW_INBOUND, count->action, now_ms) != NULL;
	if (out && (!in || stopped || home_of(peer, &held->last[DIR_OUT]) == NULL))
		room = get_live(findings, peer, FLOW_OUTBOUND, held->last[DIR_OUT].action,
		    now_ms) != NULL && room;
	if (!room)
		findings->lost++;
	settle_held(findings, peer, now_ms);
	table_release_held(findings, peer);
}

static void
hold(struct findings *findings, struct peer *peer, const struct traffic *traffic,
    const struct count *count, int64_t since_ms, int64_t now_ms)
{
	struct traffic *sum;

	if (peer->held == NULL) {
		peer->held = calloc(1, sizeof(*peer->held));
		if (peer->held == NULL) {
			findings->lost++;
			return;
		}
		peer->held_until_ms = now_ms + COUNT_WAIT_MS;
		TAILQ_INSERT_TAIL(&findings->held, peer, held_link);
	}
	sum = &peer->held->traffic[count->dir];
	if (sum->packets == 0)
		peer->held->since_ms[count->dir] = since_ms;
	sum->packets += traffic->packets;
	sum->bytes += traffic->bytes;
	sum->dropped += traffic->dropped;
	peer->held->last[count->dir] = *count;
}

void
findings_sighting(struct findings *findings, const struct sighting *sighting, int64_t now_ms)
{
	const struct range remote = { sighting->remote, sighting->remote };
	uint8_t direction = sighting->flow;
	struct peer *peer;
	struct live *live;

	peer = stand_for(findings, &remote, &sighting->entry, now_ms);
	if (peer == NULL) {
		findings->lost++;
		return;
	}
	if (direction != FLOW_INBOUND && direction != FLOW_OUTBOUND) {
		live = live_for(peer, sighting->dir);
		direction = live != NULL ? live->finding.direction :
		    sighting->dir == DIR_IN ? FLOW_INBOUND : FLOW_OUTBOUND;
	}
	live = get_live(findings, peer, direction, sighting->action, now_ms);
	if (live == NULL) {
		findings->lost++;
		table_free_idle_peer(findings, peer);
		return;
	}
	finding_see(&live->finding, sighting);
	if (sighting->dir == (direction == FLOW_INBOUND ? DIR_OUT : DIR_IN))
		peer->explained[sighting->dir] = true;
	name_lists(findings, live, sighting->generation, sighting->lists);
	touch(findings, live, now_ms);
	settle_held(findings, peer, now_ms);
}

static uint64_t
more_than(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* What count adds to the counter, which is moved on. */
static struct traffic
advance(struct counter *counter, const struct count *count)
{
	static const struct traffic zero;
	struct traffic base = counter->known && counter->epoch == count->epoch ?
	    counter->value : zero;
	struct traffic added;

	added.packets = more_than(count->packets, base.packets);
	added.bytes = more_than(count->bytes, base.bytes);
	added.dropped = more_than(count->dropped, base.dropped);
	counter->value.packets = base.packets + added.packets;
	counter->value.bytes = base.bytes + added.bytes;
	counter->value.dropped = base.dropped + added.dropped;
	counter->epoch = count->epoch;
	counter->known = true;
	counter->last_ms = count->last_ms;
	return added;
}

/* Counts show how the kernel treats an action now. */
static void
learn_mode(struct findings *findings, const struct count *count)
{
	if (count->verdict == VERDICT_DROPPED || count->verdict == VERDICT_REJECTED)
		findings->conf.mode = ENFORCE_DROP;
	else if (count->verdict == VERDICT_WATCHED && count->action != LIST_WATCH)
		findings->conf.mode = ENFORCE_WATCH;
}

static bool
is_sensed(const struct count *count)
{
	return (count->flags & COUNT_SENSED) != 0;
}

/* Does something wait that the other one of kernel and sensor has counted? */
static bool
holds_of_other(const struct peer *peer, const struct count *count)
{
	return peer->held != NULL && peer->held->traffic[count->dir].packets > 0 &&
	    is_sensed(&peer->held->last[count->dir]) != is_sensed(count);
}

/*
 * Where the traffic of a count belongs; it may have to wait there.  An entry
 * in flood does not wait: what would be waited for are its remotes' counters,
 * which are on their way to disk already.
 */
static void
attribute(struct findings *findings, struct peer *peer, const struct traffic *traffic,
    const struct count *count, int64_t since_ms, int64_t now_ms)
{
	struct live *live;

	if (!peer->aggregated && peer->inbound == NULL && peer->outbound == NULL)
		peer = stand_for(findings, &peer->remote, &count->entry, now_ms);
	if (peer == NULL) {
		findings->lost++;
		return;
	}
	/* whose packets wait is to be known when counters are saved */
	if (holds_of_other(peer, count))
		findings_open_held(findings, peer, now_ms);
	live = home_of(peer, count);
	if (live == NULL && peer->aggregated) {
		live = get_live(findings, peer, count->dir == DIR_IN ? FLOW_INBOUND : FLOW_OUTBOUND,
		    count->action, now_ms);
		findings->lost += live == NULL;
	}
	if (live != NULL)
		add_traffic(findings, live, traffic, count, since_ms, now_ms);
	else if (!peer->aggregated)
		hold(findings, peer, traffic, count, since_ms, now_ms);
}

void
findings_count(struct findings *findings, const struct count *told, int64_t now_ms)
{
	const struct findings_recall *recall = &findings->conf.recall;
	bool aggregated = (told->flags & COUNT_AGGREGATED) != 0;
	struct range remote = { told->remote, told->remote };
	struct count count = *told;
	struct counter counter;
	struct traffic added;
	unsigned int which;
	struct peer *peer;
	bool first;

	if (aggregated)
		remote = told->entry;
	if (count.last_ms == 0 || count.last_ms > now_ms)
		count.last_ms = now_ms;
	peer = table_find_peer(findings, &remote, aggregated);
	which = table_counter(count.dir, is_sensed(&count));
	counter = (struct counter){ .remote = remote, .aggregated = aggregated, .dir = count.dir,
		.sensed = is_sensed(&count) };
	if (peer != NULL)
		counter = peer->counters[which];
	if (!counter.known && recall->counter != NULL &&
	    recall->counter(&counter, recall->arg) < 0)
		return;
	first = !counter.known;
	added = advance(&counter, &count);
	if (added.packets == 0 && !first)
		return;
	if (peer == NULL)
		peer = table_get_peer(findings, &remote, aggregated);
	if (peer == NULL) {
		/* the counter stays behind: all of it is added when there is room */
		findings->lost++;
		return;
	}
	peer->counters[which] = counter;
	peer->counter_changed[which] = true;
	table_mark(findings, peer, CHANGE_ACTIVITY);
	if (added.packets == 0 || (first && findings->conf.history_ms > 0 &&
	    count.last_ms < now_ms - findings->conf.history_ms))
		return;
	learn_mode(findings, &count);
	attribute(findings, peer, &added, &count, first && count.first_ms > 0 &&
	    count.first_ms < count.last_ms ? count.first_ms : count.last_ms, now_ms);
}

/* What was stopped and is in the other side's finding had been seen to belong to a flow of its. */
static void
recall_explained(struct peer *peer, const struct finding *finding)
{
	if (finding->direction == FLOW_OUTBOUND && finding->in.dropped > 0)
		peer->explained[DIR_IN] = true;
	if (finding->direction == FLOW_INBOUND && finding->out.dropped > 0)
		peer->explained[DIR_OUT] = true;
}

int
findings_adopt(struct findings *findings, struct finding *finding, int64_t now_ms)
{
	struct peer *peer = table_get_peer(findings, &finding->remote, finding->aggregated);
	struct live *live;

	if (peer == NULL)
		return -ENOBUFS;
	live = finding->direction == FLOW_INBOUND ? peer->inbound : peer->outbound;
	if (live == NULL)
		live = table_insert(findings, peer, finding);
	if (live == NULL) {
		table_free_idle_peer(findings, peer);
		return -ENOBUFS;
	}
	recall_explained(peer, finding);
	if (finding->revision == 0)
		table_make_fresh(findings, live, now_ms);
	table_rest(findings, live);
	findings->scan_ms = now_ms;
	memset(finding, 0, sizeof(*finding));
	return 0;
}

