/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The reading of the kernel's counters, again and again: often while there is
 * something to see, less often when not, never so often that it costs more
 * than its share of a core, and always within a second of a packet.  Full sets
 * take the kernel a tenth of a second to tell and more (it walks them from the
 * start for every few hundred elements), so the few counters of the table are
 * asked first whether anything was counted at all.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enforce/enforcer.h"

#define BUSY_MS		250	/* between readings while they change */
#define IDLE_MS		500	/* and when nothing has changed for QUIET_MS */
#define QUIET_MS	5000
#define SLOWEST_MS	1000	/* from one reading's begin to the next one's */
#define COST_SHARE	5	/* readings take at most one part in so many */
#define FIRST_MS	1000	/* for the list to come first, so that remotes have names */
#define NAMELESS_MS	(30 * 1000)	/* that counts wait for a list that names them */
#define WHOLE_MS	(30 * 1000)	/* elements expire without a packet to be counted */
#define TIDY_MS		(5 * 60 * 1000)
#define LOG_EVERY_MS	(60 * 1000)

void
sweep_send(struct enforcer *enforcer)
{
	struct ledger *ledger = enforcer->sweep.file.ledger;
	struct message message = { .type = MSG_COUNTS };
	struct msg_counts *counts = &message.u.counts;

	/* half the queue is for everything else that has to be said */
	while (channel_queued(enforcer->channel) < CHANNEL_QUEUE_MAX / 2) {
		memset(counts, 0, sizeof(*counts));
		counts->n = ledger_unsent(ledger, counts->counts, CHANNEL_COUNTS);
		if (counts->n == 0 || channel_send(enforcer->channel, &message, -1) != 0)
			return;
		ledger_sent(ledger, counts->n);
	}
}

static uint8_t
verdict_of(const struct enforcer *enforcer, const struct enforce_seen *seen, uint8_t action)
{
	if (seen->protect)
		return VERDICT_PROTECTED;
	if (seen->allow)
		return VERDICT_ALLOWED;
	if (enforcer->sweep.mode != ENFORCE_DROP || action == LIST_WATCH)
		return VERDICT_WATCHED;
	/* only senders on this side are told, a remote one is left to wait */
	return action == LIST_REJECT && seen->dir == DIR_OUT ? VERDICT_REJECTED :
	    VERDICT_DROPPED;
}

/*
 * Off the lists a remote keeps what was known of it; of a stranger nothing is
 * claimed.  Before the first list has come strangers wait: they are not told
 * as what they are not.  false: this one does.
 */
static bool
label_of(const struct enforcer *enforcer, const struct ledger_reading *reading,
    struct ledger_label *label)
{
	if (lists_label(enforcer, &reading->remote, label) ||
	    ledger_known(enforcer->sweep.file.ledger, reading, label))
		return true;
	if (enforcer->now.list == NULL && !enforcer->sweep.closing &&
	    loop_now_ms() < enforcer->sweep.started_ms + NAMELESS_MS)
		return false;
	memset(label, 0, sizeof(*label));
	label->entry.first = label->entry.last = reading->remote;
	label->action = LIST_WATCH;
	return true;
}

static void
take_seen(const struct enforce_seen *seen, void *arg)
{
	struct enforcer *enforcer = arg;
	struct sweep *sweep = &enforcer->sweep;
	struct ledger *ledger = sweep->file.ledger;
	struct ledger_reading reading;
	unsigned int skipped;

	memset(&reading, 0, sizeof(reading));
	reading.remote = seen->remote;
	reading.dir = seen->endpoint ? seen->dir | LEDGER_ENDPOINT : seen->dir;
	reading.instance = seen->instance;
	reading.packets = seen->packets;
	reading.bytes = seen->bytes;
	if (seen->left_ms != 0) {
		reading.expires_ms = sweep->last.begun_ms + (int64_t)seen->left_ms;
		reading.since_ms = sweep->since_ms;
	}
	if (!ledger_changed(ledger, &reading))
		return;
	if (!label_of(enforcer, &reading, &reading.label)) {
		sweep->misfits++;
		return;
	}
	reading.verdict = verdict_of(enforcer, seen, reading.label.action);
	sweep->changes++;
	if (ledger_book(ledger, &reading, sweep->wall_ms))
		return;
	sweep->misfits++;
	if (log_allowed(&sweep->refused, loop_now_ms(), LOG_EVERY_MS, &skipped))
		log_warn("ledger full skipped=%u", skipped);
}

static void
note_overflow(struct sweep *sweep, const struct enforce_stat *stat)
{
	struct overflow *overflow = &sweep->overflow;

	overflow->untold = ledger_overflow(sweep->file.ledger, stat->table_epoch,
	    stat->seen_overflow);
	if (overflow->table_epoch != stat->table_epoch || stat->seen_overflow < overflow->last) {
		overflow->table_epoch = stat->table_epoch;
		overflow->last = 0;
	}
	if (stat->seen_overflow == overflow->last)
		return;
	overflow->total += stat->seen_overflow - overflow->last;
	overflow->last = stat->seen_overflow;
	overflow->grown_ms = loop_now_ms();
}

/* At once, and then at most once an update interval for all that came since. */
static void
tell_overflow(struct enforcer *enforcer, int64_t now)
{
	struct overflow *overflow = &enforcer->sweep.overflow;
	struct event event = { .name = EVENT_REPORTS_LOST };

	if (overflow->untold == 0 || (overflow->told_ms != 0 &&
	    now < overflow->told_ms + enforcer->conf->agent.update_interval_ms))
		return;
	snprintf(event.reason, sizeof(event.reason), "the seen sets were full: %" PRIu64
	    " packets of listed remotes are told of no remote", overflow->untold);
	enforcer_event(enforcer, &event);
	ledger_overflow_told(enforcer->sweep.file.ledger);
	overflow->untold = 0;
	overflow->told_ms = now;
}

/*
 * Is there nothing that the last reading did not see?  A packet is counted to
 * its remote first and to the table then, and the table was asked first: what
 * came in between shows as a difference now.
 */
static bool
nothing_new(struct sweep *sweep, const struct enforce_stat *stat)
{
	const struct last_reading before = sweep->last;

	sweep->last.whole = false;
	if (sweep->last.table_epoch != stat->table_epoch)
		sweep->last.wide = false;
	sweep->last.table_epoch = stat->table_epoch;
	sweep->last.packets = stat->drops_packets + stat->watched_packets +
	    stat->protected_packets + stat->allowed_packets;
	sweep->last.begun_ms = loop_now_ms();
	if (!before.whole || before.table_epoch != sweep->last.table_epoch ||
	    before.packets != sweep->last.packets ||
	    sweep->last.begun_ms >= before.begun_ms + WHOLE_MS)
		return false;
	sweep->last = before;
	return true;
}

/* 0 or -errno; nothing to read is fine. */
static int
read_counters(struct enforcer *enforcer, struct enforce_error *err)
{
	struct sweep *sweep = &enforcer->sweep;
	struct enforce_stat stat;
	int64_t begun_ms = loop_now_ms();
	uint32_t missing;
	bool wide;
	int error;

	sweep->changes = sweep->misfits = 0;
	if (enforcer->enforce == NULL)
		return 0;
	error = enforce_stat(enforcer->enforce, &stat, err);
	if (error != 0 || !stat.table || stat.table_epoch == 0)
		return error;
	note_overflow(sweep, &stat);
	if (nothing_new(sweep, &stat)) {
		sweep->since_ms = begun_ms;
		return 0;
	}
	sweep->mode = stat.mode;
	sweep->wall_ms = loop_wall_ms();
	ledger_begin(sweep->file.ledger, stat.table_epoch);
	error = enforce_read_seen(enforcer->enforce, take_seen, enforcer, err);
	wide = stat.flooded_packets != sweep->last.flooded || !sweep->last.wide;
	if (error == 0 && wide)
		error = enforce_read_wide(enforcer->enforce, take_seen, enforcer, err);
	if (error != 0)
		return error;
	sweep->labelled = sweep->labelled || enforcer->now.list != NULL;
	sweep->last.wide = sweep->misfits == 0;
	sweep->last.flooded = stat.flooded_packets;
	missing = ledger_end(sweep->file.ledger, wide);
	sweep->since_ms = sweep->misfits == 0 ? begun_ms : 0;
	sweep->last.whole = missing == 0 && sweep->misfits == 0;
	return 0;
}

void
sweep_retired(const struct enforce_seen *seen, void *arg)
{
	struct enforcer *enforcer = arg;

	/* read before: the table is the one that the ledger has begun with */
	enforcer->sweep.wall_ms = loop_wall_ms();
	enforcer->sweep.last.wide = false;
	take_seen(seen, enforcer);
}

void
sweep_now(struct enforcer *enforcer)
{
	struct sweep *sweep = &enforcer->sweep;
	struct enforce_error err = { "" };
	int64_t now = loop_now_ms();
	unsigned int skipped;
	int error;

	error = read_counters(enforcer, &err);
	/* gone between two calls, or changed under the reading: the next one will tell */
	if (error != 0 && error != -ENOENT && error != -EINTR && error != -EAGAIN &&
	    log_allowed(&sweep->failed, now, LOG_EVERY_MS, &skipped))
		log_warn("counters not read error=\"%s\" skipped=%u", err.text, skipped);
	tell_overflow(enforcer, now);
	if (sweep->changes > 0)
		sweep->changed_ms = now;
	if (now >= sweep->tidied_ms + TIDY_MS) {
		ledger_tidy(sweep->file.ledger, loop_wall_ms());
		sweep->tidied_ms = now;
	}
	sweep_send(enforcer);
}

void
sweep_close(struct enforcer *enforcer)
{
	enforcer->sweep.closing = true;
	sweep_now(enforcer);
	enforcer->sweep.closing = false;
	ledger_closed(enforcer->sweep.file.ledger);
}

/* Until the next reading, after one that took so long. */
static int64_t
pause_after(const struct sweep *sweep, int64_t now, int64_t took_ms)
{
	int64_t pause = now < sweep->changed_ms + QUIET_MS ? BUSY_MS : IDLE_MS;

	if (pause < took_ms * (COST_SHARE - 1))
		pause = took_ms * (COST_SHARE - 1);
	if (pause > SLOWEST_MS - took_ms)
		pause = SLOWEST_MS - took_ms;
	return pause < BUSY_MS ? BUSY_MS : pause;
}

static void
on_time(void *arg)
{
	struct enforcer *enforcer = arg;
	int64_t begun = loop_now_ms(), now;

	sweep_now(enforcer);
	guard_resolvers(enforcer);
	now = loop_now_ms();
	loop_timer_start(enforcer->loop, enforcer->sweep.timer,
	    pause_after(&enforcer->sweep, now, now - begun));
}

int
sweep_start(struct enforcer *enforcer)
{
	struct sweep *sweep = &enforcer->sweep;
	int error;

	error = ledger_file_open(&sweep->file, enforcer->conf->agent.state_dir);
	if (error != 0)
		return error;
	sweep->timer = loop_timer_new(enforcer->loop, on_time, enforcer);
	if (sweep->timer == NULL)
		return -ENOMEM;
	sweep->changed_ms = -QUIET_MS;
	sweep->started_ms = loop_now_ms();
	sweep->tidied_ms = loop_now_ms();
	loop_timer_start(enforcer->loop, sweep->timer, FIRST_MS);
	return 0;
}

void
sweep_stop(struct enforcer *enforcer)
{
	loop_timer_free(enforcer->loop, enforcer->sweep.timer);
	ledger_file_close(&enforcer->sweep.file);
}
