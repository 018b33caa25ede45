/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What others do to the table and to the host's addresses, and what is done about it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "enforce/enforcer.h"
#include "runtime/exceptions.h"

#define BACKOFF_MIN_MS	200
#define BACKOFF_MAX_MS	(30 * 1000)
#define AGAIN_MS	1000	/* damaged again within this: someone does it in a loop */
#define DAMPED_MS	200	/* then it waits so long */
#define SETTLE_MS	100	/* addresses and routes come in swarms */
#define BLIND_SETTLE_MS	1000	/* links of containers come and go all the time */
#define PROTECT_RETRY_MS	5000

static void
raise_change(struct enforcer *enforcer, enum event_name name,
    const struct enforce_change_info *info, const char *reason)
{
	struct event event = { .name = (uint8_t)name, .pid = info->pid };

	snprintf(event.program, sizeof(event.program), "%.31s", info->program);
	snprintf(event.reason, sizeof(event.reason), "%.250s", reason);
	enforcer_event(enforcer, &event);
}

void
guard_failed(struct enforcer *enforcer, const char *reason)
{
	struct guard *guard = &enforcer->guard;

	guard->backoff_ms = guard->backoff_ms == 0 ? BACKOFF_MIN_MS : guard->backoff_ms * 2;
	if (guard->backoff_ms > BACKOFF_MAX_MS)
		guard->backoff_ms = BACKOFF_MAX_MS;
	snprintf(guard->trouble, sizeof(guard->trouble), "the list is not in force: %.170s",
	    reason);
	log_error("list not in force error=\"%s\" retry_ms=%lld", reason,
	    (long long)guard->backoff_ms);
	if (guard->restore != NULL)
		loop_timer_start(enforcer->loop, guard->restore, guard->backoff_ms);
}

void
guard_settled(struct enforcer *enforcer)
{
	struct guard *guard = &enforcer->guard;
	char reason[200];

	guard->backoff_ms = 0;
	guard->trouble[0] = '\0';
	if (guard->restore != NULL)
		loop_timer_stop(guard->restore);
	if (guard->damage.changes != 0 && enforcer->in_force) {
		guard->restored_ms = loop_now_ms();
		snprintf(reason, sizeof(reason),
		    "%.63s was removed or changed, restored after %lld ms", guard->damage.what,
		    (long long)(guard->restored_ms - guard->damaged_ms));
		log_warn("table restored what=\"%s\" pid=%u program=\"%s\" took_ms=%lld",
		    guard->damage.what, guard->damage.pid, guard->damage.program,
		    (long long)(guard->restored_ms - guard->damaged_ms));
		raise_change(enforcer, EVENT_TABLE_RESTORED, &guard->damage, reason);
	}
	memset(&guard->damage, 0, sizeof(guard->damage));
}

static void
restore(void *arg)
{
	struct enforcer *enforcer = arg;
	struct enforce_error err = { "" };

	isolation_renew(enforcer);
	if (enforcer->now.list != NULL && !enforcer->in_force)
		lists_apply(enforcer, &err);
}

/* Apart from the list, which may be in force or have a longer time to wait. */
static void
isolate(void *arg)
{
	isolation_renew(arg);
}

void
guard_damaged(struct enforcer *enforcer, const struct enforce_change_info *info)
{
	struct guard *guard = &enforcer->guard;
	int64_t now = loop_now_ms();

	/* not ours to have, or already being put back */
	if (!enforcer->in_force)
		return;
	enforcer->in_force = false;
	if (enforcer->panic) {
		log_notice("table damaged in panic what=\"%s\"", info->what);
		return;
	}
	guard->damage = *info;
	guard->damaged_ms = now;
	if (guard->restored_ms != 0 && now < guard->restored_ms + AGAIN_MS)
		loop_timer_start(enforcer->loop, guard->restore, DAMPED_MS);
	else
		restore(enforcer);
}

static void
panic_by_hand(struct enforcer *enforcer, const struct enforce_change_info *info, bool panic)
{
	struct enforce_error err = { "" };

	enforcer->panic = panic;
	/* one that was lifted does not come back with the rest */
	if (panic) {
		memset(&enforcer->isolation, 0, sizeof(enforcer->isolation));
		if (isolation_align(enforcer, &err) != 0)
			log_warn("isolation not tidied up error=\"%s\"", err.text);
	}
	log_notice("%s by hand pid=%u program=\"%s\"", panic ? "panic" : "resume", info->pid,
	    info->program);
	raise_change(enforcer, panic ? EVENT_PANIC : EVENT_RESUME, info, "by hand");
	/* what was damaged in the meantime */
	if (!panic)
		restore(enforcer);
}

/* There may have been both; what holds is the last of them, or an order that was given since. */
static void
follow_dormant(struct enforcer *enforcer, const struct enforce_change_info *info)
{
	if ((info->changes & (ENFORCE_CHANGE_PANIC | ENFORCE_CHANGE_RESUME)) == 0)
		return;
	if ((info->changes & ENFORCE_CHANGE_PANIC) != 0 && !enforcer->panic)
		panic_by_hand(enforcer, info, true);
	if (enforcer->panic && !info->dormant)
		panic_by_hand(enforcer, info, false);
}

/* Events were lost or could not be read: what is there now has to tell. */
static void
look(struct enforcer *enforcer, int error)
{
	struct enforce_change_info info = { .what = "table" };
	struct enforce_stat stat;

	log_warn("events of the kernel lost error=\"%s\"", strerror(-error));
	if (enforce_stat(enforcer->enforce, &stat, NULL) != 0)
		return;
	if (!stat.table)
		guard_damaged(enforcer, &info);
	else if (stat.dormant != enforcer->panic)
		panic_by_hand(enforcer, &info, stat.dormant);
}

static void
on_event(int fd, uint32_t events, void *arg)
{
	struct enforcer *enforcer = arg;
	struct enforce_change_info info;
	int error;

	memset(&info, 0, sizeof(info));
	error = enforce_watch(enforcer->enforce, &info);
	if (error != 0) {
		look(enforcer, error);
		return;
	}
	follow_dormant(enforcer, &info);
	if ((info.changes & ENFORCE_CHANGE_ALLOW) != 0)
		exceptions_keep(enforcer->enforce, enforcer->conf->agent.state_dir);
	if ((info.changes & ENFORCE_CHANGE_DISARMED) != 0)
		orders_disarmed(enforcer, &info);
	if ((info.changes & ENFORCE_CHANGE_RELEASED) != 0)
		isolation_released(enforcer, &info);
	/* before the list, which may take long */
	if ((info.changes & (ENFORCE_CHANGE_DAMAGED | ENFORCE_CHANGE_ISOLATION)) != 0)
		isolation_restore(enforcer, &info, (info.changes & ENFORCE_CHANGE_DAMAGED) != 0 &&
		    enforcer->in_force);
	if ((info.changes & ENFORCE_CHANGE_ADDRESSES) != 0 &&
	    !loop_timer_running(enforcer->guard.protect))
		loop_timer_start(enforcer->loop, enforcer->guard.protect, SETTLE_MS);
	if ((info.changes & ENFORCE_CHANGE_BLIND) != 0 && info.pid != 0)
		enforcer->guard.blinding = info;
	if ((info.changes & ENFORCE_CHANGE_BLIND) != 0 &&
	    !loop_timer_running(enforcer->guard.blind))
		loop_timer_start(enforcer->loop, enforcer->guard.blind, BLIND_SETTLE_MS);
	if ((info.changes & ENFORCE_CHANGE_DAMAGED) != 0)
		guard_damaged(enforcer, &info);
}

static void
protect(void *arg)
{
	struct enforcer *enforcer = arg;
	struct guard *guard = &enforcer->guard;
	struct enforce_error err = { "" };
	int error;

	isolation_renew(enforcer);
	/* a list that is put in force brings what is there then; one that cannot be leaves the old table */
	if (!enforcer->in_force && guard->backoff_ms == 0)
		return;
	error = enforce_protect(enforcer->enforce, &err);
	guard->protect_trouble[0] = '\0';
	if (error == 0)
		return;
	snprintf(guard->protect_trouble, sizeof(guard->protect_trouble),
	    "own addresses may be cut off: %.160s", err.text);
	log_error("protect sets not renewed error=\"%s\"", err.text);
	loop_timer_start(enforcer->loop, guard->protect, PROTECT_RETRY_MS);
}

void
guard_resolvers(struct enforcer *enforcer)
{
	if (enforcer->enforce == NULL || !enforce_resolvers_changed(enforcer->enforce))
		return;
	log_notice("resolvers changed");
	if (!loop_timer_running(enforcer->guard.protect))
		loop_timer_start(enforcer->loop, enforcer->guard.protect, SETTLE_MS);
}

static void
tell_way(struct enforcer *enforcer, unsigned int way, const char *text)
{
	const struct enforce_change_info *info = &enforcer->guard.blinding;
	struct event event = { .name = EVENT_BYPASS, .way = (uint8_t)way, .pid = info->pid };

	if (text[0] == '\0')
		event.name = EVENT_BYPASS_OVER;
	snprintf(event.program, sizeof(event.program), "%.31s", info->program);
	snprintf(event.reason, sizeof(event.reason), "%.250s", text);
	enforcer_event(enforcer, &event);
}

/*
 * Ways round the hooks are somebody's choice: the parent tells each once.  At the
 * first look it hears of all, since it may know what an enforcer before us found.
 */
static void
look_for_ways_round(void *arg)
{
	struct enforcer *enforcer = arg;
	struct guard *guard = &enforcer->guard;
	struct enforce_blind found;
	struct enforce_error err = { "" };
	unsigned int way;

	if (enforce_blind(enforcer->enforce, &found, &err) != 0) {
		log_notice("ways round the rules not looked for error=\"%s\"", err.text);
		return;
	}
	for (way = 0; way < ENFORCE_WAYS; way++) {
		if (!guard->looked || strcmp(found.ways[way], guard->found.ways[way]) != 0)
			tell_way(enforcer, way, found.ways[way]);
	}
	guard->found = found;
	guard->looked = true;
	memset(&guard->blinding, 0, sizeof(guard->blinding));
}

int
guard_start(struct enforcer *enforcer)
{
	struct guard *guard = &enforcer->guard;

	if (guard->restore == NULL)
		guard->restore = loop_timer_new(enforcer->loop, restore, enforcer);
	if (guard->isolate == NULL)
		guard->isolate = loop_timer_new(enforcer->loop, isolate, enforcer);
	if (guard->protect == NULL)
		guard->protect = loop_timer_new(enforcer->loop, protect, enforcer);
	if (guard->blind == NULL)
		guard->blind = loop_timer_new(enforcer->loop, look_for_ways_round, enforcer);
	if (guard->restore == NULL || guard->isolate == NULL || guard->protect == NULL || guard->blind == NULL)
		return -ENOMEM;
	loop_timer_start(enforcer->loop, guard->blind, 0);
	return loop_add_fd(enforcer->loop, enforce_watch_fd(enforcer->enforce), EPOLLIN,
	    on_event, enforcer);
}

void
guard_stop(struct enforcer *enforcer)
{
	if (enforcer->enforce != NULL)
		loop_del_fd(enforcer->loop, enforce_watch_fd(enforcer->enforce));
	loop_timer_free(enforcer->loop, enforcer->guard.restore);
	loop_timer_free(enforcer->loop, enforcer->guard.isolate);
	loop_timer_free(enforcer->loop, enforcer->guard.protect);
	loop_timer_free(enforcer->loop, enforcer->guard.blind);
}
