/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keeping: what was taken in reaches the spool here, and from the spool the
 * sinks.  Nothing is handed to a sink before it is on disk.
 */
#ifndef REPORT_KEEP_H
#define REPORT_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/announce.h"
#include "runtime/conf.h"
#include "runtime/loop.h"
#include "runtime/post.h"
#include "core/findings.h"
#include "report/delivery.h"
#include "report/spool.h"

struct keep;

/* An event is on disk (or was already). */
typedef void keep_event_fn(uint64_t event_id, void *arg);

struct keep_conf {
	struct loop *loop;
	const struct conf *conf;	/* borrowed */
	const struct host_facts *facts;	/* copied */
	struct announcer *announcer;	/* told of connections; borrowed, may be NULL */
	struct post *post;		/* told of keys of AWS; borrowed, may be NULL */
	keep_event_fn *kept;
	void *arg;
};

/* Opens the spool and the sinks, calls back what is live.  0 or -errno. */
int keep_open(struct keep **keep, const struct keep_conf *conf);
/* false: a sink is in the middle of a delivery, leave by _exit(2). */
bool keep_free(struct keep *keep);

/* Findings are rendered with these from now on; the host id stays as it was. */
void keep_set_facts(struct keep *keep, const struct host_facts *facts);
const struct host_facts *keep_facts(const struct keep *keep);

/* Keys of AWS that a reporter before this one had. */
void keep_seed(struct keep *keep, const struct msg_keys *keys);
/* The parent wants them; the answer is posted. */
void keep_give_keys(struct keep *keep, const struct msg_keys_ask *ask);

/* The live findings, to be fed; keep_soon afterwards. */
struct findings *keep_findings(struct keep *keep);
void keep_soon(struct keep *keep);

/* Is one of the host's own addresses on this list?  When facts or the list change. */
void keep_look_at_own(struct keep *keep, const struct list *list);

void keep_event(struct keep *keep, const struct event *event);

/* A sign of life for these sinks (bits), which is not kept: one that cannot go now is replaced by the next. */
void keep_heartbeat(struct keep *keep, uint32_t sinks, const char *text, size_t size);

/* Commits what is there, now.  0 or -errno as in spool.h. */
int keep_commit(struct keep *keep);

/* Tells what was only just opened, commits and hands over: before the end. */
void keep_finish(struct keep *keep);
bool keep_idle(const struct keep *keep);

/* The file can be used again where the spool was in memory, or it is damaged: start anew. */
bool keep_wants_restart(const struct keep *keep);

struct spool *keep_spool(struct keep *keep);

void keep_status(struct keep *keep, struct msg_reporter_status *status);
/* false: there is no sink i. */
bool keep_sink_status(struct keep *keep, size_t i, struct msg_sink_status *status);

#endif
