/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the keep*.c have in common. */
#ifndef REPORT_KEEP_INSIDE_H
#define REPORT_KEEP_INSIDE_H

#include "threatlistd/log.h"
#include "report/giver.h"
#include "report/keep.h"

struct keep {
	struct keep_conf conf;
	struct host_facts facts;
	struct spool *spool;
	struct findings *findings;
	struct http *aws_http;		/* to the metadata service, for all sinks */
	struct aws *aws;
	struct giver *giver;		/* NULL: nobody asks this process for keys */
	char known_region[FACT_MAX];	/* empty: unknown; aws borrows it */
	struct delivery *deliveries[CONF_SINKS_MAX];
	int64_t rows[CONF_SINKS_MAX];	/* of the sinks in the spool */
	size_t ndeliveries;
	struct loop_timer *work;	/* tick, commit */
	struct loop_timer *slow;	/* kicks, prunes, probes */
	int64_t work_ms;		/* when work runs, if it does */
	int64_t committed_ms, pruned_ms, probed_ms, lost_told_ms;
	bool in_memory, restart;
	int trouble;			/* -errno of the last commit, 0: fine */
	struct log_limit trouble_log;
	uint64_t lost;			/* as last told: no room in memory */
	uint64_t lost_rows, untold_rows;	/* no room in the spool; those that no event told of */
	uint64_t own_events;
	uint64_t taken_event;		/* ids up to this one were taken in while in memory */
	unsigned int rows_saved, chunk;	/* rows of this transaction; of one at most, 0: no bound */
	char set_aside[300];		/* to be told as an event; empty: nothing */
};

/* The disk's failures are told once, and again when it works; 0: it does. */
void keep_note_trouble(struct keep *keep, int error);
void keep_kick(struct keep *keep);
/* Marks a finding for every sink that takes it.  0 or -errno. */
int keep_want(struct keep *keep, const char *id, bool event, uint8_t severity, int64_t since_ms);
/* Finds the rows of the configured sinks, which keep what is theirs by being met. */
int keep_meet_sinks(struct keep *keep);
void keep_prune(struct keep *keep);
/* Tells what was lost, at most once an update interval for all of it. */
void keep_tell_lost(struct keep *keep);
void keep_tell_set_aside(struct keep *keep);

#endif
