/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The live findings: sightings and counts in, findings and their updates out.
 * Pure: no I/O, time is an argument (wall clock in ms since 1970; a capture's
 * own clock when one is replayed).
 *
 * A sighting opens a finding at once and names its direction.  A count that
 * comes first waits COUNT_WAIT_MS for the sighting that may be on its way and
 * then decides by itself.  A new finding is told with its first count, or
 * after OPEN_WAIT_MS without one; afterwards at most once an update interval,
 * and only when there was activity.
 *
 * Each packet is counted in exactly one finding: inbound packets in the
 * INBOUND finding of their remote if that is live, else in the OUTBOUND one
 * (they are replies), and the other way round.
 *
 * The owner saves what changed (findings_each_changed) and then says so; what
 * left memory is asked back through struct findings_recall.
 */
#ifndef CORE_FINDINGS_H
#define CORE_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/finding.h"

#define COUNT_WAIT_MS	300	/* for the sighting that gives a count its direction */
#define OPEN_WAIT_MS	500	/* for the count that gives a new finding its verdict */
#define QUIET_MS	(60 * 60 * 1000)	/* without activity a finding leaves memory */

/* The last value of one cumulative counter: struct count. */
struct counter {
	struct range remote;		/* one address, or the entry if aggregated */
	bool aggregated;
	uint8_t dir;			/* enum packet_dir */
	bool sensed;			/* COUNT_SENSED: another one than the kernel's, with epochs of its own */
	bool known;
	uint64_t epoch;
	struct traffic value;
	int64_t last_ms;
};

/*
 * Where findings and counters are kept that are not in memory.  1: found, 0: there
 * is none, -errno: that cannot be told now; what asked for it is not taken, and is
 * to be told again.  A finding is filled as finding_init and finding_set_lists do.
 */
struct findings_recall {
	int (*finding)(const char *id, struct finding *finding, void *arg);
	int (*counter)(struct counter *counter, void *arg);	/* its key is set */
	void *arg;
};

struct findings_conf {
	const char *host_id;		/* copied */
	int64_t update_interval_ms;
	int64_t history_ms;		/* counts last changed before that open nothing; 0: all do */
	unsigned int max_findings;
	uint8_t mode;			/* enum enforce_mode: expected until counts tell */
	uint64_t seed;			/* random: keeps the hash table fair */
	struct findings_recall recall;	/* NULL functions: nothing is kept */
};

struct findings;

struct findings *findings_new(const struct findings_conf *conf);	/* NULL: no memory */
void findings_free(struct findings *findings);

/*
 * The image in force, which names the lists of sightings and counts; the one
 * before stays in use.  Both are borrowed until two calls later (NULL: none)
 * or findings_free.
 */
void findings_set_list(struct findings *findings, uint64_t generation, const struct list *list);

void findings_sighting(struct findings *findings, const struct sighting *sighting,
    int64_t now_ms);
void findings_count(struct findings *findings, const struct count *count, int64_t now_ms);

/* Puts a finding from the spool back into memory; takes what it owns.  -ENOBUFS: no room. */
int findings_adopt(struct findings *findings, struct finding *finding, int64_t now_ms);

/* Does what is due: waits that ended, updates, findings that went quiet. */
void findings_tick(struct findings *findings, int64_t now_ms);
/* When findings_tick has something to do again; INT64_MAX: not foreseen. */
int64_t findings_next_ms(const struct findings *findings);

/* Ends every wait and makes every update that has activity, due or not. */
void findings_finish(struct findings *findings, int64_t now_ms);

enum findings_change {
	CHANGE_NONE = 0,
	CHANGE_ACTIVITY = 1u << 0,
	CHANGE_UPDATE = 1u << 1,	/* accepted: revision rose, sinks want it */
};

/* What changed since findings_saved: the union of all bits. */
unsigned int findings_changed(const struct findings *findings);

typedef int findings_finding_fn(struct finding *finding, unsigned int change, void *arg);
typedef int findings_counter_fn(const struct counter *counter, void *arg);
/* Stops at the first result that is not 0 and returns it. */
int findings_each_changed(struct findings *findings, findings_finding_fn *finding,
    findings_counter_fn *counter, void *arg);
/*
 * All of it is on disk: the marks are taken away, and counters may leave memory.
 * Only for an owner that can give them back (struct findings_recall).
 */
void findings_saved(struct findings *findings);

size_t findings_live(const struct findings *findings);
/* Remotes that found no room since the start. */
uint64_t findings_lost(const struct findings *findings);
/* The live finding with this id, or NULL. */
const struct finding *findings_by_id(const struct findings *findings, const char *id);
/* All live ones by first_ms, then id; malloc'd, findings_live() of them.  NULL: no memory. */
const struct finding **findings_sorted(const struct findings *findings);

#endif
