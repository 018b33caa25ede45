/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/keep.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "report/keep_inside.h"

#define COMMIT_MS	250		/* what changes waits no longer for the disk */
#define DISK_RETRY_MS	5000		/* between commits while the disk refuses them */
#define KICK_MS		5000		/* sinks are looked at again */
#define PRUNE_MS	(60 * 60 * 1000)
#define MEMORY_PROBE_MS	(60 * 1000)	/* can a file be used instead of memory? */

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

/* A write that found no room is trouble that room ends; any other waits for the disk. */
static void
make_room(struct keep *keep)
{
	if ((keep->trouble != 0 && keep->trouble != -ENOSPC) || !spool_is_full(keep->spool))
		return;
	keep_prune(keep);
	keep_tell_lost(keep);
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
		keep_kick(keep);
	}
	if (findings_lost(keep->findings) != keep->lost)
		keep_tell_lost(keep);
	make_room(keep);
	keep_soon(keep);
}

static void
on_slow(void *arg)
{
	struct keep *keep = arg;
	int64_t now = loop_now_ms();

	keep_tell_set_aside(keep);
	if (spool_unsynced(keep->spool) > 0)
		spool_sync_folder(keep->spool);
	/* a delivery met the trouble, and no finding has changed since: try with a small write */
	if (keep->trouble != 0 && findings_changed(keep->findings) == CHANGE_NONE)
		keep_note_trouble(keep, keep_meet_sinks(keep));
	if (now - keep->pruned_ms >= PRUNE_MS)
		keep_prune(keep);
	make_room(keep);
	keep_tell_lost(keep);
	if (keep->in_memory && now - keep->probed_ms >= MEMORY_PROBE_MS) {
		keep->probed_ms = now;
		if (spool_file_usable(keep->spool) && keep_idle(keep)) {
			log_notice("spool can be written again: starting anew");
			keep->restart = true;
			loop_stop(keep->conf.loop);
		}
	}
	keep_kick(keep);
	loop_timer_start(keep->conf.loop, keep->slow, KICK_MS);
}

static void
on_failed(int error, void *arg)
{
	keep_note_trouble(arg, error);
}

/* Asks nobody yet. */
static int
open_aws(struct keep *keep)
{
	const struct conf *conf = keep->conf.conf;
	const struct aws_wishes wishes = {
		.region = conf->agent.region, .known_region = keep->known_region, .ca_file = conf->agent.ca_file,
		.proxy = conf->agent.proxy, .fips = conf->agent.fips,
		.dualstack = conf->agent.dualstack,
	};
	struct aws_transport own;

	keep->aws_http = http_new();
	if (keep->aws_http == NULL)
		return -ENOMEM;
	if (keep->conf.announcer != NULL)
		http_on_connect(keep->aws_http, announcer_tell, keep->conf.announcer);
	own = aws_transport_real(keep->aws_http);
	keep->aws = aws_new(&own, &wishes, "/sys");
	if (keep->aws == NULL)
		return -ENOMEM;
	if (keep->conf.post == NULL)
		return 0;
	aws_on_keys(keep->aws, post_keys, keep->conf.post);
	keep->giver = giver_new(keep->aws, keep->conf.post);
	return keep->giver != NULL ? 0 : -ENOMEM;
}

void
keep_seed(struct keep *keep, const struct msg_keys *keys)
{
	aws_seed(keep->aws, keys);
}

void
keep_give_keys(struct keep *keep, const struct msg_keys_ask *ask)
{
	giver_ask(keep->giver, ask);
}

static int
open_sinks(struct keep *keep)
{
	const struct conf *conf = keep->conf.conf;
	struct delivery_conf delivery = {
		.loop = keep->conf.loop, .spool = keep->spool, .failed = on_failed, .arg = keep,
		.facts = &keep->facts,
		.sink = { .ca_file = conf->agent.ca_file, .proxy = conf->agent.proxy,
		    .host_id = keep->facts.host_id, .spool_id = spool_id(keep->spool),
		    .aws = keep->aws, .announcer = keep->conf.announcer },
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

/*
 * What cannot be read must not be taken for what is not there: all of it would be
 * counted once more.  Another reporter hears every count again.
 */
static int
recalled(struct keep *keep, int got)
{
	if (got < 0 && !keep->restart) {
		log_error("spool not read error=\"%s\"; starting anew", spool_error(keep->spool));
		keep->restart = true;
		loop_stop(keep->conf.loop);
	}
	if (got < 0)
		keep->trouble = got;
	return got;
}

static int
recall_finding(const char *id, struct finding *finding, void *arg)
{
	struct keep *keep = arg;

	return recalled(keep, spool_finding(keep->spool, id, finding));
}

static int
recall_counter(struct counter *counter, void *arg)
{
	struct keep *keep = arg;

	return recalled(keep, spool_counter(keep->spool, counter));
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
		if (spool_finding(keep->spool, ids + i * FINDING_ID_SIZE, &finding) == 1)
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
tell_unmet(const char *sink, uint64_t waiting, void *arg)
{
	log_notice("sink not in the config sink=%s waiting=%" PRIu64, sink, waiting);
	return 0;
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
	error = keep_meet_sinks(keep);
	if (error == 0)
		error = spool_unmet(keep->spool, tell_unmet, NULL);
	if (error == 0)
		error = spool_lost(keep->spool, &keep->untold_rows);
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
	/* a copy, because sinks read it; only IMDS tells a zone and with it the region */
	if (conf->facts->zone[0] != '\0')
		memcpy(keep->known_region, conf->facts->region, sizeof(keep->known_region));
	keep->probed_ms = loop_now_ms();
	keep->work = loop_timer_new(conf->loop, on_work, keep);
	keep->slow = loop_timer_new(conf->loop, on_slow, keep);
	error = keep->work == NULL || keep->slow == NULL ? -ENOMEM : open_spool(keep);
	if (error == 0)
		error = open_findings(keep);
	if (error == 0)
		error = open_aws(keep);
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
		keep_tell_set_aside(keep);
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
	/* what begins anew below has nobody to give it to: the next start has */
	keep->ndeliveries = 0;
	ended = giver_free(keep->giver) && ended;
	loop_timer_free(keep->conf.loop, keep->work);
	loop_timer_free(keep->conf.loop, keep->slow);
	findings_free(keep->findings);
	if (keep->restart && keep->trouble == -EBADMSG)
		begin_anew(keep);
	spool_free(keep->spool);
	if (ended) {
		aws_free(keep->aws);
		http_free(keep->aws_http);
	}
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
	keep->lost_told_ms = 0;
	keep_tell_lost(keep);
	keep_kick(keep);
}

void
keep_heartbeat(struct keep *keep, uint32_t sinks, const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < keep->ndeliveries; i++) {
		if ((sinks & (UINT32_C(1) << i)) != 0)
			delivery_heartbeat(keep->deliveries[i], text, size);
	}
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
	else if (spool_unsynced(keep->spool) > 0)
		snprintf(status->warning, sizeof(status->warning),
		    "a power failure may lose spool.db: its folder could not be synced, %u times",
		    spool_unsynced(keep->spool));
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
