/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The spool: findings, counters and deliveries that survive everything but the
 * loss of the disk.  SQLite in STATE_DIR/spool.db; spool*.c alone know that.
 *
 * A spool has a random id of its own.  Per (spool, sink) sequences are
 * contiguous from 1.  What a sink still wants of a finding is one mark, however
 * many updates there were; when delivery is tried the body is frozen with the
 * next sequence, and repeats read the frozen one.
 *
 * Functions that return int give 0 or -errno: -ENOSPC (disk full, read-only or
 * failing; try again later), -EBADMSG (the file is damaged), -ENOMEM.
 * spool_error has the sentence for it.
 */
#ifndef REPORT_SPOOL_H
#define REPORT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "threatlistd/finding.h"
#include "core/findings.h"
#include "core/own.h"

#define SPOOL_ID_SIZE	33
#define SPOOL_SINKS_MAX	16

struct spool;

struct spool_conf {
	const char *dir;		/* state_dir */
	const char *host_id;
	uint64_t max_bytes;		/* of the database file */
	int64_t history_ms;
};

struct spool_opened {
	bool memory;			/* the file cannot be used: kept in memory until it can */
	bool set_aside;			/* an earlier file was renamed, with what it held */
	bool damaged;			/* … because it was unreadable, not another host's */
	char reason[256];		/* for memory or set_aside */
};

/* Opens or begins the spool.  0 with *opened filled, also for one in memory; -ENOMEM. */
int spool_open(struct spool **spool, const struct spool_conf *conf, int64_t now_ms,
    struct spool_opened *opened);
void spool_free(struct spool *spool);
const char *spool_id(const struct spool *spool);
/* What the last failure was; a constant until the next one. */
const char *spool_error(const struct spool *spool);
/* Renames a file that turned out to be damaged; the spool is of no use afterwards. */
void spool_set_aside(struct spool *spool, int64_t now_ms);
/* Could a file be opened where this spool is only in memory? */
bool spool_file_usable(const struct spool *spool);

/*
 * Its folder, once a file was made or set aside there.  A failure is said once and
 * counted until one goes well: after a power failure the spool might not be found.
 */
void spool_sync_folder(struct spool *spool);
unsigned int spool_unsynced(const struct spool *spool);

/* One transaction around any of the calls below; a failed commit is rolled back. */
int spool_begin(struct spool *spool);
int spool_commit(struct spool *spool);
void spool_rollback(struct spool *spool);

/*
 * Findings and counters.  body: as rendered at this update, NULL: none was
 * made, the last one stays.
 */
int spool_save_finding(struct spool *spool, const struct finding *finding, const char *body);
int spool_save_counter(struct spool *spool, const struct counter *counter);
/* As struct findings_recall wants them: 1, 0 (there is none) or -errno. */
int spool_finding(struct spool *spool, const char *id, struct finding *finding);
int spool_counter(struct spool *spool, struct counter *counter);
/*
 * The ids of findings that have untold activity or were active at or after since_ms.  Of
 * more than max those with untold activity, then the latest.  Active longest ago first, as
 * they leave memory again; malloc'd with NULs, *n of them, FINDING_ID_SIZE bytes each.
 */
int spool_live_ids(struct spool *spool, int64_t since_ms, size_t max, char **ids, size_t *n);
/* -EEXIST: this occurrence is kept already. */
int spool_save_event(struct spool *spool, const char *id, const struct event *event,
    const char *body);

/* What was last told of an own address.  All empty: nothing. */
struct spool_own {
	char entry[RANGE_TEXT_MAX];	/* empty: it was not listed since */
	char lists[FINDING_LISTS_SIZE];
	int64_t created_ms, updated_ms;
	uint64_t revision;
};
int spool_own(struct spool *spool, const char *id, struct spool_own *own);
int spool_save_own(struct spool *spool, const char *id, const struct spool_own *own,
    const char *body);
/* It is listed no more: the next time is told again. */
int spool_forget_own(struct spool *spool, const char *id);

/* Sinks by name: a row each.  One that is no longer met goes after history. */
struct spool_sink {
	int64_t row;
	uint64_t sequence;		/* last one given */
	uint64_t pending, refused;	/* findings that wait; bodies refused for good */
	int64_t oldest_pending_ms, last_ok_ms;	/* 0: none */
};
int spool_sink(struct spool *spool, const char *name, int64_t now_ms, struct spool_sink *sink);
int spool_sink_stat(struct spool *spool, int64_t row, struct spool_sink *sink);

/* The sink wants the present state of this finding. */
int spool_want(struct spool *spool, int64_t row, const char *id, int64_t now_ms);

/* Another form of a body with its place in it, which it takes.  malloc'd; NULL: no memory. */
typedef char *spool_form_fn(char *body, void *arg);

/*
 * Freezes up to max wanted findings, oldest mark first, unless earlier ones
 * still wait.  form NULL: as they are.  A transaction of its own.  *n: how
 * many wait now.
 */
int spool_freeze(struct spool *spool, int64_t row, unsigned int max, spool_form_fn *form,
    void *arg, unsigned int *n);
/*
 * Bodies that wait, but were frozen in another form than is wanted now (the sink was
 * configured anew), are made again of what was last told; each keeps its sequence.
 */
int spool_reform(struct spool *spool, int64_t row, bool (*fits)(const char *body),
    spool_form_fn *form, void *arg);
/* Does anything wait, frozen or not? */
bool spool_has_more(struct spool *spool, int64_t row);

struct spool_body {
	uint64_t sequence;
	char *text;			/* malloc'd */
	size_t size;
};
/*
 * The first frozen bodies that wait: at most max, and at most max_bytes
 * together (always one), contiguous in sequence unless gaps may be.  *n of
 * them in *bodies, malloc'd.
 */
int spool_waiting(struct spool *spool, int64_t row, unsigned int max, size_t max_bytes,
    bool gaps, struct spool_body **bodies, unsigned int *n);
void spool_bodies_free(struct spool_body *bodies, unsigned int n);

/* What became of a try, for all sequences first…last.  Transactions of their own. */
int spool_delivered(struct spool *spool, int64_t row, uint64_t first, uint64_t last,
    int64_t now_ms);
int spool_tried(struct spool *spool, int64_t row, uint64_t first, uint64_t last,
    const char *error);
int spool_refused(struct spool *spool, int64_t row, uint64_t sequence, int64_t now_ms,
    const char *error);

/* Whose body has this sequence; "" when it is not there. */
void spool_id_of(struct spool *spool, int64_t row, uint64_t sequence,
    char id[static FINDING_ID_SIZE]);

/*
 * Makes room: what is older than history, and above max_bytes the oldest
 * delivered rows, then the oldest undelivered ones, which are counted in *lost.
 * The newest few events that say that reports were lost stay.
 */
int spool_prune(struct spool *spool, int64_t now_ms, uint64_t *lost);
bool spool_is_full(struct spool *spool);
/* How many of those no event has told of yet, whichever process dropped them. */
int spool_lost(struct spool *spool, uint64_t *lost);
/* One does: in the transaction that saves it. */
int spool_told_lost(struct spool *spool, uint64_t told);

/* Of all sinks met: (sink, finding) marks and frozen bodies that wait; findings among them. */
int spool_undelivered(struct spool *spool, uint64_t *pending, uint64_t *findings);
/* Sinks that were not met since spool_open(), and how much waits for each. */
typedef int spool_unmet_fn(const char *sink, uint64_t waiting, void *arg);
int spool_unmet(struct spool *spool, spool_unmet_fn *each, void *arg);

/*
 * Queries, for people.  each() gets the body as it was last told; active:
 * there is later activity in the finding.  A result other than 0 ends it.
 */
struct spool_row {
	const char *id, *body;
	bool active;
};
typedef int spool_row_fn(const struct spool_row *row, void *arg);
struct spool_query {
	int64_t since_ms;		/* last active at or after */
	bool undelivered;		/* only what waits for a sink that was met */
	const char *id;			/* NULL: all */
};
/* Newest first. */
int spool_select(struct spool *spool, const struct spool_query *query, spool_row_fn *each,
    void *arg);

struct spool_delivery {
	const char *sink;
	uint64_t sequence;		/* 0: not given yet */
	uint64_t revision;
	const char *state;		/* pending, waiting, delivered, refused */
	uint64_t attempts;
	int64_t done_ms;		/* 0: not yet */
	const char *error;		/* NULL: none */
};
typedef int spool_delivery_fn(const struct spool_delivery *delivery, void *arg);
int spool_deliveries(struct spool *spool, const char *id, spool_delivery_fn *each, void *arg);

#endif
