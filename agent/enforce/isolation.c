/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "enforce/enforcer.h"

#define RETRY_MS	1000

void
isolation_take(struct enforcer *enforcer, const struct msg_mode *order)
{
	struct enforce_isolation *isolation = &enforcer->isolation;

	memset(isolation, 0, sizeof(*isolation));
	isolation->on = order->isolate != 0;
	isolation->until_ms = order->isolate_until_ms;
	isolation->session = order->isolate_session;
	isolation->session_port = order->isolate_port;
}

int
isolation_align(struct enforcer *enforcer, struct enforce_error *err)
{
	const struct enforce_isolation none = { .on = false };
	bool on = enforcer->isolation.on && !enforcer->panic;
	struct enforce_stat stat;
	int error;

	error = enforce_isolate(enforcer->enforce, on ? &enforcer->isolation : &none, err);
	/* the table was there for this alone */
	if (error == 0 && !on && !enforcer->panic &&
	    (enforcer->mode == ENFORCE_OFF || enforcer->purged) &&
	    enforce_stat(enforcer->enforce, &stat, NULL) == 0 && stat.table)
		error = enforce_purge(enforcer->enforce, err);
	return error;
}

void
isolation_failed(struct enforcer *enforcer, const char *reason)
{
	struct guard *guard = &enforcer->guard;

	snprintf(guard->isolate_trouble, sizeof(guard->isolate_trouble),
	    "the host is not isolated: %.160s", reason);
	log_error("isolation not renewed error=\"%s\"", reason);
	if (guard->isolate != NULL)
		loop_timer_start(enforcer->loop, guard->isolate, RETRY_MS);
}

void
isolation_renew(struct enforcer *enforcer)
{
	struct guard *guard = &enforcer->guard;
	struct enforce_error err = { "" };

	guard->isolate_trouble[0] = '\0';
	if (enforcer->isolation.on && !enforcer->panic && isolation_align(enforcer, &err) != 0)
		isolation_failed(enforcer, err.text);
}

void
isolation_restore(struct enforcer *enforcer, const struct enforce_change_info *info, bool told)
{
	struct event event = { .name = EVENT_TABLE_RESTORED, .pid = info->pid };

	if (!enforcer->isolation.on || enforcer->panic)
		return;
	isolation_renew(enforcer);
	if (told || enforcer->guard.isolate_trouble[0] != '\0')
		return;
	log_warn("isolation restored what=\"%s\" pid=%u program=\"%s\"", info->what, info->pid,
	    info->program);
	snprintf(event.program, sizeof(event.program), "%.31s", info->program);
	snprintf(event.reason, sizeof(event.reason), "%.63s was removed or changed, isolation "
	    "was restored", info->what);
	enforcer_event(enforcer, &event);
}

void
isolation_released(struct enforcer *enforcer, const struct enforce_change_info *info)
{
	struct event event = { .name = EVENT_ISOLATE, .pid = info->pid };
	struct enforce_error err = { "" };

	if (enforcer->isolation.until_ms == 0)
		return;
	memset(&enforcer->isolation, 0, sizeof(enforcer->isolation));
	if (isolation_align(enforcer, &err) != 0)
		log_warn("isolation not tidied up error=\"%s\"", err.text);
	log_notice("isolation ended by hand pid=%u program=\"%s\"", info->pid, info->program);
	snprintf(event.program, sizeof(event.program), "%.31s", info->program);
	snprintf(event.reason, sizeof(event.reason), "set isolate_armed was emptied by hand");
	enforcer_event(enforcer, &event);
}
