/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/keep.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "threatlistd/log.h"
#include "core/event.h"
#include "core/render.h"

#define COMMIT_MS	250		/* what changes waits no longer for the disk */
#define DISK_RETRY_MS	5000		/* between commits while the disk refuses them */
#define KICK_MS		5000		/* sinks are looked at again */
#define PRUNE_MS	(60 * 60 * 1000)
#define MEMORY_PROBE_MS	(60 * 1000)	/* can a file be used instead of memory? */
#define OWN_EVENT	(UINT64_C(1) << 63)	/* event ids of ours, apart from the parent's */

struct keep {
	struct keep_conf conf;
	struct host_facts facts;
	struct spool *spool;
	struct findings *findings;
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
	uint64_t lost, lost_rows, lost_told;	/* no room in memory; rows; as last told */
	char set_aside[300];		/* to be told as an event; empty: nothing */
};

/* Marks a finding for every sink that takes it. */
static int
want(struct keep *keep, const char *id, bool event, uint8_t severity, int64_t since_ms)
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

static int
save_finding(struct finding *finding, unsigned int change, void *arg)
{
	struct keep *keep = arg;
	char *body = NULL;
	int error;

	if ((change & CHANGE_UPDATE) != 0) {
		body = render_finding(finding, &keep->facts, spool_id(keep->spool));
		if (body == NULL)
			return -ENOMEM;
	}
	error = spool_save_finding(keep->spool, finding, body);
	if (error == 0 && body != NULL)
		error = want(keep, finding->id, false, finding->severity, finding->updated_ms);
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
static void
note_trouble(struct keep *keep, int error)
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

static void
kick_all(struct keep *keep)
{
	size_t i;

	for (i = 0; i < keep->ndeliveries; i++)
		delivery_kick(keep->deliveries[i]);
}

int
keep_commit(struct keep *keep)
{
	int error;

	keep->committed_ms = loop_now_ms();
	if (findings_changed(keep->findings) == CHANGE_NONE)
		return 0;
	error = spool_begin(keep->spool);
	if (error == 0) {
		error = findings_each_changed(keep->findings, save_finding, save_counter, keep);
		if (error == 0)
			error = spool_commit(keep->spool);
		else
			spool_rollback(keep->spool);
	}
	if (error == 0)
		findings_saved(keep->findings);
	note_trouble(keep, error);
	return error;
}

/* Begins a transaction around one event.  -EEXIST: it is there already. */
static int
save_event(struct keep *keep, const struct event *event)
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
			error = want(keep, id, true, event_severity(event->name), loop_wall_ms());
		if (error == 0)
			error = spool_commit(keep->spool);
		else
			spool_rollback(keep->spool);
	}
	free(body);
	return error;
}

void
keep_event(struct keep *keep, const struct event *event)
{
	int error = save_event(keep, event);

	if (error != -EEXIST)
		note_trouble(keep, error);
	if (error != 0 && error != -EEXIST)
		return;
	/* what is only in memory is not kept: the parent tells it again */
	if (!keep->in_memory && (event->id & OWN_EVENT) == 0)
		keep->conf.kept(event->id, keep->conf.arg);
	kick_all(keep);
}

/* Tells that reports are gone. */
static void
raise_lost(struct keep *keep, const char *reason)
{
	struct event event = { .name = EVENT_REPORTS_LOST };

	event.time_ms = loop_wall_ms();
	event.id = OWN_EVENT | (uint64_t)event.time_ms;
	snprintf(event.reason, sizeof(event.reason), "%s", reason);
	log_error("reports lost reason=\"%s\"", reason);
	keep_event(keep, &event);
}

/* At most once an update interval, for all that was lost since. */
static void
tell_lost(struct keep *keep)
{
	uint64_t refused = findings_lost(keep->findings) - keep->lost;
	uint64_t rows = keep->lost_rows - keep->lost_told;
	char reason[256];

	if ((refused == 0 && rows == 0) || (keep->lost_told_ms != 0 && loop_now_ms() <
	    keep->lost_told_ms + keep->conf.conf->agent.update_interval_ms))
		return;
	keep->lost += refused;
	keep->lost_told += rows;
	keep->lost_told_ms = loop_now_ms();
	if (rows > 0) {
		snprintf(reason, sizeof(reason), "the spool is full (spool_max is %" PRIu64
		    " bytes): %" PRIu64 " undelivered reports had to go",
		    keep->conf.conf->agent.spool_max, rows);
		raise_lost(keep, reason);
	}
	if (refused > 0) {
		snprintf(reason, sizeof(reason), "at most %u findings are live (max_findings): "
		    "%" PRIu64 " times there was no room for another",
		    keep->conf.conf->agent.max_findings, refused);
		raise_lost(keep, reason);
	}
}

/* A sink that is met keeps its rows, however old they are. */
static int
meet_sinks(struct keep *keep)
{
	const struct conf *conf = keep->conf.conf;
	struct spool_sink sink;
	size_t i;
	int error = 0;

	for (i = 0; i < conf->nsinks && error == 0; i++) {
		error = spool_sink(keep->spool, conf->sinks[i].name, loop_wall_ms(), &sink);
		keep->rows[i] = sink.row;
	}
	return error;
}

static void
prune(struct keep *keep)
{
	uint64_t lost;
	int error;

	keep->pruned_ms = loop_now_ms();
	error = meet_sinks(keep);
	if (error == 0)
		error = spool_prune(keep->spool, loop_wall_ms(), &lost);
	if (error == 0)
		keep->lost_rows += lost;
	note_trouble(keep, error);
}

/* Runs work in delay_ms, unless it runs earlier anyway. */
static void
work_in(struct keep *keep, int64_t delay_ms)
{
	int64_t due = loop_now_ms() + delay_ms;

	if (loop_timer_running(keep->work) && keep->work_ms <= due)
		return;
	keep->work_ms = due;
	loop_timer_start(keep->conf.loop, keep->work, delay_ms);
}

void
keep_soon(struct keep *keep)
{
	int64_t next = findings_next_ms(keep->findings), now = loop_wall_ms();
	unsigned int change = findings_changed(keep->findings);
	int64_t commit_in;

	if (next != INT64_MAX)
		work_in(keep, next <= now ? 0 : next - now < KICK_MS ? next - now : KICK_MS);
	if (change == CHANGE_NONE)
		return;
	commit_in = keep->committed_ms + (keep->trouble != 0 ? DISK_RETRY_MS : COMMIT_MS) -
	    loop_now_ms();
	if ((change & CHANGE_UPDATE) != 0 && keep->trouble == 0)
		commit_in = 0;
	work_in(keep, commit_in > 0 ? commit_in : 0);
}

static void
on_work(void *arg)
{
	struct keep *keep = arg;
	int64_t since = loop_now_ms() - keep->committed_ms;

	findings_tick(keep->findings, loop_wall_ms());
	if (keep->trouble == 0 || since >= DISK_RETRY_MS) {
		if ((findings_changed(keep->findings) & CHANGE_UPDATE) != 0 || since >= COMMIT_MS)
			keep_commit(keep);
		kick_all(keep);
	}
	if (findings_lost(keep->findings) != keep->lost)
		tell_lost(keep);
	if (spool_is_full(keep->spool) && keep->trouble == 0) {
		prune(keep);
		tell_lost(keep);
	}
	keep_soon(keep);
}

static void
tell_set_aside(struct keep *keep)
{
	char reason[256];

	if (keep->set_aside[0] == '\0')
		return;
	snprintf(reason, sizeof(reason), "%.250s", keep->set_aside);
	keep->set_aside[0] = '\0';
	raise_lost(keep, reason);
}

static void
on_slow(void *arg)
{
	struct keep *keep = arg;
	int64_t now = loop_now_ms();

	tell_set_aside(keep);
	/* a delivery met the trouble, and no finding has changed since: try with a small write */
	if (keep->trouble != 0 && findings_changed(keep->findings) == CHANGE_NONE)
		note_trouble(keep, meet_sinks(keep));
	if (now - keep->pruned_ms >= PRUNE_MS)
		prune(keep);
	tell_lost(keep);
	if (keep->in_memory && now - keep->probed_ms >= MEMORY_PROBE_MS) {
		keep->probed_ms = now;
		if (spool_file_usable(keep->spool) && keep_idle(keep)) {
			log_notice("spool can be written again: starting anew");
			keep->restart = true;
			loop_stop(keep->conf.loop);
		}
	}
	kick_all(keep);
	loop_timer_start(keep->conf.loop, keep->slow, KICK_MS);
}

static void
on_failed(int error, void *arg)
{
	note_trouble(arg, error);
}

static int
open_sinks(struct keep *keep)
{
	const struct conf *conf = keep->conf.conf;
	struct delivery_conf delivery = {
		.loop = keep->conf.loop, .spool = keep->spool, .failed = on_failed, .arg = keep,
		.sink = { .ca_file = conf->agent.ca_file, .proxy = conf->agent.proxy,
		    .host_id = keep->facts.host_id, .spool_id = spool_id(keep->spool) },
	};
	size_t i;

	for (i = 0; i < conf->nsinks; i++) {
		delivery.sink.conf = &conf->sinks[i];
		delivery.row = keep->rows[i];
		keep->deliveries[i] = delivery_new(&delivery);
		if (keep->deliveries[i] == NULL)
			return -errno;
		keep->ndeliveries++;
	}
	return 0;
}

static bool
recall_finding(const char *id, struct finding *finding, void *arg)
{
	struct keep *keep = arg;

	return spool_finding(keep->spool, id, finding);
}

static bool
recall_counter(struct counter *counter, void *arg)
{
	struct keep *keep = arg;

	return spool_counter(keep->spool, counter);
}

/* Brings back what has untold activity, and what was active of late. */
static int
recall_live(struct keep *keep)
{
	struct finding finding;
	int64_t now = loop_wall_ms();
	size_t n, i;
	char *ids;
	int error;

	error = spool_live_ids(keep->spool, now - QUIET_MS,
	    keep->conf.conf->agent.max_findings, &ids, &n);
	for (i = 0; i < n && error == 0; i++) {
		memset(&finding, 0, sizeof(finding));
		if (spool_finding(keep->spool, ids + i * FINDING_ID_SIZE, &finding))
			error = findings_adopt(keep->findings, &finding, now);
		finding_fini(&finding);
	}
	free(ids);
	return error;
}

static int
open_findings(struct keep *keep)
{
	const struct conf *conf = keep->conf.conf;
	struct findings_conf findings = {
		.host_id = keep->facts.host_id,
		.update_interval_ms = conf->agent.update_interval_ms,
		.history_ms = conf->agent.history_ms,
		.max_findings = conf->agent.max_findings,
		.mode = conf->enforce.mode,
		.recall = { recall_finding, recall_counter, keep },
	};

	if (getrandom(&findings.seed, sizeof(findings.seed), GRND_NONBLOCK) < 0)
		findings.seed = (uint64_t)loop_now_ms();
	keep->findings = findings_new(&findings);
	return keep->findings != NULL ? recall_live(keep) : -ENOMEM;
}

static int
open_spool(struct keep *keep)
{
	const struct conf *conf = keep->conf.conf;
	const struct spool_conf spool = {
		.dir = conf->agent.state_dir, .host_id = keep->facts.host_id,
		.max_bytes = conf->agent.spool_max, .history_ms = conf->agent.history_ms,
	};
	struct spool_opened opened;
	int error;

	error = spool_open(&keep->spool, &spool, loop_wall_ms(), &opened);
	if (error != 0)
		return error;
	error = meet_sinks(keep);
	if (error != 0)
		return error;
	keep->in_memory = opened.memory;
	if (opened.memory)
		log_error("spool in memory path=%s/spool.db error=\"%s\"", spool.dir,
		    opened.reason);
	if (opened.damaged)
		snprintf(keep->set_aside, sizeof(keep->set_aside),
		    "the spool was damaged and is set aside: %s", opened.reason);
	else if (opened.set_aside)
		log_warn("spool set aside reason=\"%s\"", opened.reason);
	return 0;
}

int
keep_open(struct keep **result, const struct keep_conf *conf)
{
	struct keep *keep;
	int error;

	keep = calloc(1, sizeof(*keep));
	if (keep == NULL)
		return -ENOMEM;
	keep->conf = *conf;
	keep->facts = *conf->facts;
	keep->probed_ms = loop_now_ms();
	keep->work = loop_timer_new(conf->loop, on_work, keep);
	keep->slow = loop_timer_new(conf->loop, on_slow, keep);
	error = keep->work == NULL || keep->slow == NULL ? -ENOMEM : open_spool(keep);
	if (error == 0)
		error = open_findings(keep);
	if (error == 0)
		error = open_sinks(keep);
	if (error != 0) {
		if (keep->spool != NULL && *spool_error(keep->spool) != '\0')
			log_error("spool not opened error=\"%s\"", spool_error(keep->spool));
		if (error == -EBADMSG)
			spool_set_aside(keep->spool, loop_wall_ms());
		keep_free(keep);
		return error;
	}
	loop_timer_start(conf->loop, keep->slow, 0);
	keep_soon(keep);
	*result = keep;
	return 0;
}

/* The damaged file goes, and the one the next start finds says so. */
static void
begin_anew(struct keep *keep)
{
	snprintf(keep->set_aside, sizeof(keep->set_aside),
	    "the spool was damaged and is set aside: %.200s", spool_error(keep->spool));
	spool_set_aside(keep->spool, loop_wall_ms());
	spool_free(keep->spool);
	keep->spool = NULL;
	if (open_spool(keep) == 0)
		tell_set_aside(keep);
}

bool
keep_free(struct keep *keep)
{
	bool ended = true;
	size_t i;

	if (keep == NULL)
		return true;
	for (i = 0; i < keep->ndeliveries; i++)
		ended = delivery_free(keep->deliveries[i]) && ended;
	loop_timer_free(keep->conf.loop, keep->work);
	loop_timer_free(keep->conf.loop, keep->slow);
	findings_free(keep->findings);
	if (keep->restart && keep->trouble == -EBADMSG)
		begin_anew(keep);
	spool_free(keep->spool);
	free(keep);
	return ended;
}

void
keep_set_facts(struct keep *keep, const struct host_facts *facts)
{
	char host_id[FACT_MAX];

	memcpy(host_id, keep->facts.host_id, sizeof(host_id));
	keep->facts = *facts;
	memcpy(keep->facts.host_id, host_id, sizeof(host_id));
}

const struct host_facts *
keep_facts(const struct keep *keep)
{
	return &keep->facts;
}

struct findings *
keep_findings(struct keep *keep)
{
	return keep->findings;
}

struct spool *
keep_spool(struct keep *keep)
{
	return keep->spool;
}

void
keep_finish(struct keep *keep)
{
	/* what was only just opened is not left for the next start */
	findings_tick(keep->findings, loop_wall_ms() + OPEN_WAIT_MS);
	keep_commit(keep);
	kick_all(keep);
}

bool
keep_idle(const struct keep *keep)
{
	size_t i;

	for (i = 0; i < keep->ndeliveries; i++) {
		if (!delivery_idle(keep->deliveries[i]))
			return false;
	}
	return true;
}

bool
keep_wants_restart(const struct keep *keep)
{
	return keep->restart;
}

void
keep_status(struct keep *keep, struct msg_reporter_status *status)
{
	status->live = findings_live(keep->findings);
	spool_undelivered(keep->spool, &status->pending, &status->undelivered);
	status->lost = keep->lost_rows + findings_lost(keep->findings);
	status->spool_ok = !keep->in_memory && keep->trouble == 0;
	snprintf(status->spool, sizeof(status->spool), "%s", spool_id(keep->spool));
	if (keep->in_memory)
		snprintf(status->warning, sizeof(status->warning),
		    "findings are kept in memory only: spool.db cannot be written");
	else if (keep->trouble != 0)
		snprintf(status->warning, sizeof(status->warning),
		    "findings wait in memory, spool.db cannot be written: %.150s",
		    spool_error(keep->spool));
	else if (status->lost > 0)
		snprintf(status->warning, sizeof(status->warning),
		    "%" PRIu64 " reports were lost", status->lost);
}

bool
keep_sink_status(struct keep *keep, size_t i, struct msg_sink_status *status)
{
	if (i >= keep->ndeliveries)
		return false;
	delivery_status(keep->deliveries[i], status);
	return true;
}
