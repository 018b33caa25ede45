/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "core/findings_table.h"

static void
accept_update(struct findings *findings, struct live *live, int64_t now_ms)
{
	table_unfresh(findings, live);
	finding_accept(&live->finding, now_ms);
	live->told_ms = now_ms;
	live->change |= CHANGE_ACTIVITY | CHANGE_UPDATE;
	table_mark(findings, live->peer, CHANGE_ACTIVITY | CHANGE_UPDATE);
}

/* One finding at a scan: told, forgotten or left; *next_ms is when to look again. */
static void
look_at(struct findings *findings, struct live *live, int64_t now_ms, int64_t *next_ms)
{
	struct finding *finding = &live->finding;
	struct peer *peer = live->peer;
	int64_t due = table_due_ms(findings, live);

	if (live->fresh)
		return;
	if (finding->active) {
		/* a clock that was set back must not silence a finding, nor make it told all the time */
		if (due <= now_ms || live->told_ms > now_ms)
			accept_update(findings, live, now_ms);
		else if (due < *next_ms)
			*next_ms = due;
	} else if (live->change == CHANGE_NONE && findings->conf.recall.finding != NULL &&
	    finding->last_ms < now_ms - QUIET_MS) {
		table_forget(findings, live);
		table_free_idle_peer(findings, peer);
	}
}

static void
scan(struct findings *findings, int64_t now_ms)
{
	struct live *live, *next;
	int64_t next_ms = now_ms + SCAN_MAX_MS;

	for (live = TAILQ_FIRST(&findings->by_age); live != NULL; live = next) {
		next = TAILQ_NEXT(live, age);
		look_at(findings, live, now_ms, &next_ms);
	}
	findings->scanned_ms = now_ms;
	findings->scan_ms = findings->nlive > 0 ? next_ms : INT64_MAX;
}

/* A clock that was set back must not stretch the waits. */
static void
bound_waits(struct findings *findings, int64_t now_ms)
{
	struct peer *peer;
	struct live *live;

	TAILQ_FOREACH(peer, &findings->held, held_link) {
		if (peer->held_until_ms > now_ms + COUNT_WAIT_MS)
			peer->held_until_ms = now_ms;
	}
	TAILQ_FOREACH(live, &findings->fresh, fresh_link) {
		if (live->tell_ms > now_ms + OPEN_WAIT_MS)
			live->tell_ms = now_ms;
	}
	findings->scanned_ms = 0;
	findings->scan_ms = now_ms;
}

void
findings_tick(struct findings *findings, int64_t now_ms)
{
	struct peer *peer;
	struct live *live;

	if (now_ms < findings->ticked_ms)
		bound_waits(findings, now_ms);
	findings->ticked_ms = now_ms;
	while ((peer = TAILQ_FIRST(&findings->held)) != NULL && peer->held_until_ms <= now_ms)
		findings_open_held(findings, peer, now_ms);
	while ((live = TAILQ_FIRST(&findings->fresh)) != NULL && live->tell_ms <= now_ms)
		accept_update(findings, live, now_ms);
	if (findings_next_ms(findings) <= now_ms)
		scan(findings, now_ms);
}

int64_t
findings_next_ms(const struct findings *findings)
{
	int64_t next = findings->scan_ms;

	if (next != INT64_MAX && next < findings->scanned_ms + SCAN_MIN_MS)
		next = findings->scanned_ms + SCAN_MIN_MS;
	if (!TAILQ_EMPTY(&findings->held) && TAILQ_FIRST(&findings->held)->held_until_ms < next)
		next = TAILQ_FIRST(&findings->held)->held_until_ms;
	if (!TAILQ_EMPTY(&findings->fresh) && TAILQ_FIRST(&findings->fresh)->tell_ms < next)
		next = TAILQ_FIRST(&findings->fresh)->tell_ms;
	return next;
}

void
findings_finish(struct findings *findings, int64_t now_ms)
{
	struct peer *peer;
	struct live *live;

	while ((peer = TAILQ_FIRST(&findings->held)) != NULL)
		findings_open_held(findings, peer, now_ms);
	TAILQ_FOREACH(live, &findings->by_age, age) {
		if (live->fresh || live->finding.active)
			accept_update(findings, live, now_ms);
	}
}

unsigned int
findings_changed(const struct findings *findings)
{
	return findings->change;
}

/* False: nothing is left of it, or part began in an epoch before. */
static bool
take_back(struct traffic *value, const struct traffic *part)
{
	if (value->packets <= part->packets || value->bytes < part->bytes ||
	    value->dropped < part->dropped)
		return false;
	value->packets -= part->packets;
	value->bytes -= part->bytes;
	value->dropped -= part->dropped;
	return true;
}

/* Does something of what this one counted? */
static bool
waits(const struct peer *peer, const struct counter *counter)
{
	return peer->held != NULL && peer->held->traffic[counter->dir].packets > 0 &&
	    ((peer->held->last[counter->dir].flags & COUNT_SENSED) != 0) == counter->sensed;
}

static int
each_of_peer(struct peer *peer, findings_finding_fn *on_finding, findings_counter_fn *on_counter,
    void *arg)
{
	struct live *both[2] = { peer->inbound, peer->outbound };
	unsigned int i;
	int result = 0;

	for (i = 0; i < 2 && result == 0; i++) {
		if (both[i] != NULL && both[i]->change != CHANGE_NONE)
			result = on_finding(&both[i]->finding, both[i]->change, arg);
	}
	for (i = 0; i < COUNTERS && result == 0; i++) {
		struct counter counter = peer->counters[i];

		/* what waits is in no finding yet, and all else is: that is saved together */
		if (peer->counter_changed[i] && (!waits(peer, &counter) ||
		    take_back(&counter.value, &peer->held->traffic[counter.dir])))
			result = on_counter(&counter, arg);
	}
	return result;
}

int
findings_each_changed(struct findings *findings, findings_finding_fn *finding,
    findings_counter_fn *counter, void *arg)
{
	struct peer *peer;
	int result = 0;

	TAILQ_FOREACH(peer, &findings->changed, changed_link) {
		result = each_of_peer(peer, finding, counter, arg);
		if (result != 0)
			break;
	}
	return result;
}

static void
saved(struct findings *findings, struct live *live)
{
	if (live == NULL)
		return;
	live->change = CHANGE_NONE;
	table_rest(findings, live);
}

void
findings_saved(struct findings *findings)
{
	struct peer *peer, *next;

	findings->change = CHANGE_NONE;
	for (peer = TAILQ_FIRST(&findings->changed); peer != NULL; peer = next) {
		next = TAILQ_NEXT(peer, changed_link);
		saved(findings, peer->inbound);
		saved(findings, peer->outbound);
		if (peer->held != NULL)
			continue;	/* once it is settled it changes again */
		memset(peer->counter_changed, 0, sizeof(peer->counter_changed));
		peer->changed = false;
		TAILQ_REMOVE(&findings->changed, peer, changed_link);
		table_free_idle_peer(findings, peer);
	}
}

size_t
findings_live(const struct findings *findings)
{
	return findings->nlive;
}

uint64_t
findings_lost(const struct findings *findings)
{
	return findings->lost;
}

const struct finding *
findings_by_id(const struct findings *findings, const char *id)
{
	const struct live *live;

	TAILQ_FOREACH(live, &findings->by_age, age) {
		if (strcmp(live->finding.id, id) == 0)
			return &live->finding;
	}
	return NULL;
}

static int
by_time(const void *a, const void *b)
{
	const struct finding *left = *(const struct finding *const *)a;
	const struct finding *right = *(const struct finding *const *)b;

	if (left->first_ms != right->first_ms)
		return left->first_ms < right->first_ms ? -1 : 1;
	return strcmp(left->id, right->id);
}

const struct finding **
findings_sorted(const struct findings *findings)
{
	const struct finding **sorted;
	const struct live *live;
	size_t n = 0;

	sorted = calloc(findings->nlive + 1, sizeof(*sorted));
	if (sorted == NULL)
		return NULL;
	TAILQ_FOREACH(live, &findings->by_age, age)
		sorted[n++] = &live->finding;
	qsort(sorted, n, sizeof(*sorted), by_time);
	return sorted;
}
