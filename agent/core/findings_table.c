/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/findings_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEERS_EXTRA	4096	/* remotes with counters alone, until they are saved */

struct findings *
findings_new(const struct findings_conf *conf)
{
	struct findings *findings;

	findings = calloc(1, sizeof(*findings));
	if (findings == NULL)
		return NULL;
	findings->conf = *conf;
	snprintf(findings->host_id, sizeof(findings->host_id), "%s", conf->host_id);
	findings->conf.host_id = findings->host_id;
	findings->aggregate = aggregate_new(conf->max_findings > 0 ? conf->max_findings : 1);
	if (findings->aggregate == NULL) {
		free(findings);
		return NULL;
	}
	TAILQ_INIT(&findings->by_age);
	TAILQ_INIT(&findings->fresh);
	TAILQ_INIT(&findings->resting);
	TAILQ_INIT(&findings->held);
	TAILQ_INIT(&findings->changed);
	findings->scan_ms = INT64_MAX;
	return findings;
}

static struct peer_bucket *
bucket_of(struct findings *findings, const struct range *remote, bool aggregated)
{
	const uint8_t *bytes = (const uint8_t *)remote;
	uint64_t hash = findings->conf.seed ^ (aggregated ? 1 : 0);
	size_t i;

	/* FNV-1a over the bytes of a range, which has no padding */
	for (i = 0; i < sizeof(*remote); i++)
		hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
	hash ^= hash >> 29;
	return &findings->buckets[hash & (TABLE_BUCKETS - 1)];
}

unsigned int
table_counter(uint8_t dir, bool sensed)
{
	return sensed ? 2u + dir : dir;
}

struct peer *
table_find_peer(struct findings *findings, const struct range *remote, bool aggregated)
{
	struct peer *peer;

	LIST_FOREACH(peer, bucket_of(findings, remote, aggregated), chain) {
		if (peer->aggregated == aggregated && range_equal(&peer->remote, remote))
			return peer;
	}
	return NULL;
}

struct peer *
table_get_peer(struct findings *findings, const struct range *remote, bool aggregated)
{
	struct peer *peer = table_find_peer(findings, remote, aggregated);
	unsigned int i;

	if (peer != NULL)
		return peer;
	if (findings->npeers >= 2 * (size_t)findings->conf.max_findings + PEERS_EXTRA)
		return NULL;
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL)
		return NULL;
	peer->remote = *remote;
	peer->aggregated = aggregated;
	for (i = 0; i < COUNTERS; i++)
		peer->counters[i] = (struct counter){ .remote = *remote, .aggregated = aggregated,
			.dir = i % 2, .sensed = i >= 2 };
	LIST_INSERT_HEAD(bucket_of(findings, remote, aggregated), peer, chain);
	findings->npeers++;
	return peer;
}

void
table_release_held(struct findings *findings, struct peer *peer)
{
	if (peer->held == NULL)
		return;
	TAILQ_REMOVE(&findings->held, peer, held_link);
	free(peer->held);
	peer->held = NULL;
}

static void
free_peer(struct findings *findings, struct peer *peer)
{
	table_release_held(findings, peer);
	if (peer->changed)
		TAILQ_REMOVE(&findings->changed, peer, changed_link);
	LIST_REMOVE(peer, chain);
	findings->npeers--;
	free(peer);
}

void
table_free_idle_peer(struct findings *findings, struct peer *peer)
{
	if (peer->inbound == NULL && peer->outbound == NULL && peer->held == NULL &&
	    !peer->changed)
		free_peer(findings, peer);
}

void
table_forget(struct findings *findings, struct live *live)
{
	struct peer *peer = live->peer;

	if (peer->inbound == live)
		peer->inbound = NULL;
	else
		peer->outbound = NULL;
	table_unfresh(findings, live);
	table_rouse(findings, live);
	TAILQ_REMOVE(&findings->by_age, live, age);
	findings->nlive--;
	finding_fini(&live->finding);
	free(live);
}

void
findings_free(struct findings *findings)
{
	struct live *live;
	struct peer *peer;
	size_t i;

	if (findings == NULL)
		return;
	while ((live = TAILQ_FIRST(&findings->by_age)) != NULL)
		table_forget(findings, live);
	for (i = 0; i < TABLE_BUCKETS; i++) {
		while ((peer = LIST_FIRST(&findings->buckets[i])) != NULL)
			free_peer(findings, peer);
	}
	aggregate_free(findings->aggregate);
	free(findings);
}

void
table_mark(struct findings *findings, struct peer *peer, unsigned int change)
{
	findings->change |= change;
	if (peer->changed)
		return;
	peer->changed = true;
	TAILQ_INSERT_TAIL(&findings->changed, peer, changed_link);
}

void
table_rest(struct findings *findings, struct live *live)
{
	if (live->resting || live->fresh || live->finding.active || live->change != CHANGE_NONE)
		return;
	live->resting = true;
	TAILQ_INSERT_TAIL(&findings->resting, live, resting_link);
}

void
table_rouse(struct findings *findings, struct live *live)
{
	if (live->resting)
		TAILQ_REMOVE(&findings->resting, live, resting_link);
	live->resting = false;
}

/*
 * Makes room by putting the finding out that was quiet longest, of any peer but the
 * one that it is for.  false: all are needed.
 */
static bool
evict(struct findings *findings, const struct peer *wanting)
{
	struct live *live = TAILQ_FIRST(&findings->resting);
	struct peer *peer;

	/* a peer has two at most */
	while (live != NULL && live->peer == wanting)
		live = TAILQ_NEXT(live, resting_link);
	if (findings->conf.recall.finding == NULL || live == NULL)
		return false;
	peer = live->peer;
	table_forget(findings, live);
	table_free_idle_peer(findings, peer);
	return true;
}

struct live *
table_insert(struct findings *findings, struct peer *peer, const struct finding *finding)
{
	struct live *live;

	if (findings->nlive >= findings->conf.max_findings && !evict(findings, peer))
		return NULL;
	live = calloc(1, sizeof(*live));
	if (live == NULL)
		return NULL;
	live->finding = *finding;
	live->told_ms = finding->updated_ms;
	live->peer = peer;
	if (finding->direction == FLOW_INBOUND)
		peer->inbound = live;
	else
		peer->outbound = live;
	TAILQ_INSERT_TAIL(&findings->by_age, live, age);
	findings->nlive++;
	return live;
}

void
table_make_fresh(struct findings *findings, struct live *live, int64_t tell_ms)
{
	const struct live *first = TAILQ_FIRST(&findings->fresh);

	/* waits are all of one length, so a new one is the first or the last */
	live->fresh = true;
	live->tell_ms = tell_ms;
	if (first != NULL && tell_ms < first->tell_ms)
		TAILQ_INSERT_HEAD(&findings->fresh, live, fresh_link);
	else
		TAILQ_INSERT_TAIL(&findings->fresh, live, fresh_link);
}

void
table_unfresh(struct findings *findings, struct live *live)
{
	if (live->fresh)
		TAILQ_REMOVE(&findings->fresh, live, fresh_link);
	live->fresh = false;
}

int64_t
table_due_ms(const struct findings *findings, const struct live *live)
{
	return live->told_ms + findings->conf.update_interval_ms;
}

