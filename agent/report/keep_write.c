/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What was taken in becomes rows; what was lost is told. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/event.h"
#include "core/render.h"
#include "report/keep_inside.h"

#define CHUNK_ROWS	10	/* saved at once when the spool is nearly full */
#define OWN_EVENT	(UINT64_C(1) << 63)	/* event ids of ours, apart from the parent's */

int
keep_want(struct keep *keep, const char *id, bool event, uint8_t severity, int64_t since_ms)
{
	size_t i;
	int error = 0;

	for (i = 0; i < keep->conf.conf->nsinks && error == 0; i++) {
		if (!sink_wants(&keep->conf.conf->sinks[i], event, severity))
			continue;
		error = spool_want(keep->spool, keep->rows[i], id, since_ms);
	}
	return error;
}

static void
note_lost(struct keep *keep, uint64_t rows)
{
	keep->lost_rows += rows;
	keep->untold_rows += rows;
}

/*
 * With a bound on the rows of a transaction: makes it durable and begins the
 * next one, with room made if need be.
 */
static int
next_chunk(struct keep *keep)
{
	uint64_t lost = 0;
	int error;

	if (keep->chunk == 0 || ++keep->rows_saved % keep->chunk != 0)
		return 0;
	error = spool_commit(keep->spool);
	if (error == 0 && spool_is_full(keep->spool))
		error = spool_prune(keep->spool, loop_wall_ms(), &lost);
	note_lost(keep, lost);
	return error == 0 ? spool_begin(keep->spool) : error;
}

static int
save_finding(struct finding *finding, unsigned int change, void *arg)
{
	struct keep *keep = arg;
	char *body = NULL;
	int error;

	error = next_chunk(keep);
	if (error != 0)
		return error;
	if ((change & CHANGE_UPDATE) != 0) {
		body = render_finding(finding, &keep->facts, spool_id(keep->spool));
		if (body == NULL)
			return -ENOMEM;
	}
	error = spool_save_finding(keep->spool, finding, body);
	if (error == 0 && body != NULL)
		error = keep_want(keep, finding->id, false, finding->severity, finding->updated_ms);
	free(body);
	return error;
}

static int
save_counter(const struct counter *counter, void *arg)
{
	struct keep *keep = arg;

	return spool_save_counter(keep->spool, counter);
}

/* The disk's failures are told once, and again when it works. */
void
keep_note_trouble(struct keep *keep, int error)
{
	unsigned int skipped;

	if (error == -EBADMSG && !keep->in_memory && !keep->restart) {
		log_error("spool damaged error=\"%s\"", spool_error(keep->spool));
		keep->restart = true;
		loop_stop(keep->conf.loop);
	} else if (error != 0 && log_allowed(&keep->trouble_log, loop_now_ms(), 60000, &skipped)) {
		log_error("spool not written error=\"%s\"; findings are kept in memory",
		    spool_error(keep->spool));
	} else if (error == 0 && keep->trouble != 0) {
		log_notice("spool written again");
	}
	keep->trouble = error;
}

void
keep_kick(struct keep *keep)
{
	size_t i;

	for (i = 0; i < keep->ndeliveries; i++)
		delivery_kick(keep->deliveries[i]);
}

static int
save_changed(struct keep *keep, unsigned int chunk)
{
	int error;

	keep->chunk = chunk;
	keep->rows_saved = 0;
	error = spool_begin(keep->spool);
	if (error != 0)
		return error;
	error = findings_each_changed(keep->findings, save_finding, save_counter, keep);
	if (error == 0)
		return spool_commit(keep->spool);
	spool_rollback(keep->spool);
	return error;
}

/*
 * One transaction for all that changed.  Where that is more than the rest of
 * the spool holds, it goes bit by bit, and room is made in between.
 */
int
keep_commit(struct keep *keep)
{
	int error;

	keep->committed_ms = loop_now_ms();
	if (keep->restart)
		return keep->trouble;
	if (findings_changed(keep->findings) == CHANGE_NONE)
		return 0;
	error = save_changed(keep, 0);
	if (error == -ENOSPC)
		error = save_changed(keep, CHUNK_ROWS);
	if (error == 0)
		findings_saved(keep->findings);
	keep_note_trouble(keep, error);
	return error;
}

/* A transaction around one event, which tells of so many lost rows.  -EEXIST: it is there already. */
static int
save_event(struct keep *keep, const struct event *event, uint64_t rows)
{
	char id[FINDING_ID_SIZE], *body;
	int error;

	event_finding_id(id, keep->facts.host_id, event);
	body = render_event(event, &keep->facts, spool_id(keep->spool));
	if (body == NULL)
		return -ENOMEM;
	error = spool_begin(keep->spool);
	if (error == 0) {
		error = spool_save_event(keep->spool, id, event, body);
		if (error == 0)
			error = keep_want(keep, id, true, event_severity(event->name), loop_wall_ms());
		if (error == 0 && rows > 0)
			error = spool_told_lost(keep->spool, rows);
		if (error == 0)
			error = spool_commit(keep->spool);
		else
			spool_rollback(keep->spool);
	}
	free(body);
	return error;
}

/* 0 or -errno: it is not in the spool. */
static int
take_event(struct keep *keep, const struct event *event, uint64_t rows)
{
	int error = save_event(keep, event, rows);

	if (error == -ENOSPC && spool_is_full(keep->spool)) {
		keep_prune(keep);
		error = save_event(keep, event, rows);
	}
	if (error == -EEXIST)
		return 0;
	keep_note_trouble(keep, error);
	if (error != 0)
		return error;
	if (spool_is_full(keep->spool))
		keep_prune(keep);
	keep_kick(keep);
	return 0;
}

void
keep_event(struct keep *keep, const struct event *event)
{
	/* what is only in memory is not kept: the parent tells it again, to us in vain */
	if (keep->in_memory && event->id <= keep->taken_event)
		return;
	if (take_event(keep, event, 0) != 0)
		return;
	if (keep->in_memory)
		keep->taken_event = event->id;
	else
		keep->conf.kept(event->id, keep->conf.arg);
}

/* Tells that reports are gone, rows of the spool among them.  0 or -errno: to be told again. */
static int
raise_lost(struct keep *keep, const char *reason, uint64_t rows)
{
	struct event event = { .name = EVENT_REPORTS_LOST };
	int error;

	event.time_ms = loop_wall_ms();
	event.id = OWN_EVENT | ++keep->own_events;
	snprintf(event.reason, sizeof(event.reason), "%s", reason);
	error = take_event(keep, &event, rows);
	if (error != 0)
		return error;
	keep->lost_told_ms = loop_now_ms();
	log_error("reports lost reason=\"%s\"", reason);
	return 0;
}

/* At most once an update interval, for all that was lost since. */
void
keep_tell_lost(struct keep *keep)
{
	uint64_t refused = findings_lost(keep->findings) - keep->lost;
	uint64_t rows = keep->untold_rows;
	char reason[256];

	if (keep->restart || (refused == 0 && rows == 0) || (keep->lost_told_ms != 0 && loop_now_ms() <
	    keep->lost_told_ms + keep->conf.conf->agent.update_interval_ms))
		return;
	if (rows > 0) {
		snprintf(reason, sizeof(reason), "the spool is full (spool_max is %" PRIu64
		    " bytes): %" PRIu64 " undelivered reports had to go",
		    keep->conf.conf->agent.spool_max, rows);
		if (raise_lost(keep, reason, rows) == 0)
			keep->untold_rows -= rows;
	}
	if (refused > 0) {
		snprintf(reason, sizeof(reason), "at most %u findings are live (max_findings): "
		    "%" PRIu64 " times there was no room for another",
		    keep->conf.conf->agent.max_findings, refused);
		if (raise_lost(keep, reason, 0) == 0)
			keep->lost += refused;
	}
}

/* A sink that is met keeps its rows, however old they are. */
int
keep_meet_sinks(struct keep *keep)
{
	const struct conf *conf = keep->conf.conf;
	struct spool_sink sink;
	size_t i;
	int error = 0;

	for (i = 0; i < conf->nsinks && error == 0; i++) {
		error = spool_sink(keep->spool, conf->sinks[i].name, loop_wall_ms(), &sink);
		if (error == 0)
			keep->rows[i] = sink.row;
	}
	return error;
}

void
keep_prune(struct keep *keep)
{
	uint64_t lost = 0;
	int error;

	keep->pruned_ms = loop_now_ms();
	error = keep_meet_sinks(keep);
	if (error == 0)
		error = spool_prune(keep->spool, loop_wall_ms(), &lost);
	note_lost(keep, lost);
	keep_note_trouble(keep, error);
}

void
keep_tell_set_aside(struct keep *keep)
{
	char reason[256];

	if (keep->set_aside[0] == '\0')
		return;
	snprintf(reason, sizeof(reason), "%.250s", keep->set_aside);
	if (raise_lost(keep, reason, 0) == 0)
		keep->set_aside[0] = '\0';
}
