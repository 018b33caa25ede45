/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The live findings in memory, private to the findings*.c: peers by remote,
 * and the queues of what waits.  findings_table.c keeps it, findings.c fills
 * it, findings_tell.c makes updates of it.
 */
#ifndef CORE_FINDINGS_TABLE_H
#define CORE_FINDINGS_TABLE_H

#include <sys/queue.h>

#include "core/aggregate.h"
#include "core/findings.h"

#define TABLE_BUCKETS	16384	/* a power of two, near the default of max_findings */
#define SCAN_MIN_MS	1000	/* between two looks at every finding */
#define SCAN_MAX_MS	(60 * 1000)

struct live {
	struct finding finding;
	unsigned int change;		/* or of enum findings_change */
	int64_t tell_ms;		/* while in fresh: when it is told at the latest */
	int64_t told_ms;		/* by the clock of then; updated_ms may be ahead of it */
	bool fresh;			/* in findings->fresh: never told */
	bool resting;			/* in findings->resting: told and saved, it may leave memory */
	uint64_t lists_generation, lists;	/* that finding.lists was made of */
	struct peer *peer;
	TAILQ_ENTRY(live) age;
	TAILQ_ENTRY(live) fresh_link;
	TAILQ_ENTRY(live) resting_link;
};

/* Counts that wait for a direction, by packet direction. */
struct held {
	struct traffic traffic[2];
	struct count last[2];
	int64_t since_ms[2];
};

#define COUNTERS	4	/* of a peer: the kernel's and the sensor's, each way */

/* Everything about one remote, or about one entry in flood. */
struct peer {
	struct range remote;
	bool aggregated, changed;
	struct counter counters[COUNTERS];
	bool counter_changed[COUNTERS];
	bool explained[2];		/* packets of this way were seen to belong to the other side's flow */
	struct live *inbound, *outbound;
	struct held *held;		/* NULL: nothing waits */
	int64_t held_until_ms;
	LIST_ENTRY(peer) chain;
	TAILQ_ENTRY(peer) held_link;
	TAILQ_ENTRY(peer) changed_link;
};

struct named_list {
	uint64_t generation;
	const struct list *list;
};

LIST_HEAD(peer_bucket, peer);

struct findings {
	struct findings_conf conf;
	char host_id[FACT_MAX];
	struct aggregate *aggregate;
	struct named_list lists[2];	/* current, previous */
	struct peer_bucket buckets[TABLE_BUCKETS];
	size_t npeers, nlive;
	TAILQ_HEAD(, live) by_age;	/* least recently active first */
	TAILQ_HEAD(, live) fresh;	/* by tell_ms */
	TAILQ_HEAD(, live) resting;	/* longest first */
	TAILQ_HEAD(, peer) held;	/* by held_until_ms */
	TAILQ_HEAD(, peer) changed;
	int64_t scan_ms, scanned_ms, ticked_ms;
	unsigned int change;		/* since findings_saved, or of enum findings_change */
	uint64_t lost;
};


struct peer *table_find_peer(struct findings *findings, const struct range *remote,
    bool aggregated);
/* Makes it if need be.  NULL: no room. */
struct peer *table_get_peer(struct findings *findings, const struct range *remote,
    bool aggregated);
/* A peer without finding, wait or unsaved counter is of no more use in memory. */
void table_free_idle_peer(struct findings *findings, struct peer *peer);
/* Which of a peer's counters this is. */
unsigned int table_counter(uint8_t dir, bool sensed);
/* What the peer holds is settled. */
void table_release_held(struct findings *findings, struct peer *peer);

/* Links a finding in; its parts are the live one's from now on.  NULL: no room. */
struct live *table_insert(struct findings *findings, struct peer *peer,
    const struct finding *finding);
/* Leaves the peer where it is. */
void table_forget(struct findings *findings, struct live *live);
/* A finding that was never told waits until tell_ms at most. */
void table_make_fresh(struct findings *findings, struct live *live, int64_t tell_ms);
void table_unfresh(struct findings *findings, struct live *live);

/* Nothing of it is untold or unsaved, unless it says otherwise: it makes room if need be. */
void table_rest(struct findings *findings, struct live *live);
/* Something is: it stays. */
void table_rouse(struct findings *findings, struct live *live);

/* The peer has something to save. */
void table_mark(struct findings *findings, struct peer *peer, unsigned int change);

/* The wait of a peer ended without a sighting: its counts decide by themselves. */
void findings_open_held(struct findings *findings, struct peer *peer, int64_t now_ms);

/* When activity of a told finding is told at the earliest. */
int64_t table_due_ms(const struct findings *findings, const struct live *live);

#endif
