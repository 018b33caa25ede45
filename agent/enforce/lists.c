/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which list the kernel is to hold, and the one before for what was counted under it. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "core/key.h"
#include "core/scope.h"
#include "enforce/enforcer.h"

#define BEFORE_KEPT_MS	(60 * 1000)	/* several readings of the counters */

static void
forget_before(void *arg)
{
	struct enforcer *enforcer = arg;

	list_free(enforcer->before.list);
	enforcer->before.list = NULL;
}

/* Excluded spans and ranges both ascend: one walk over the two. */
struct scope_walk {
	const struct span *spans;
	size_t n, at;
};

static bool
outside(struct scope_walk *walk, struct key first, struct key last)
{
	while (walk->at < walk->n && key_less(walk->spans[walk->at].last, first))
		walk->at++;
	return walk->at == walk->n || key_less(last, walk->spans[walk->at].first);
}

/* The parent has subtracted what scope excludes; nothing of it may come back on the way. */
static bool
scope_holds(enum list_scope scope, const struct list *list, struct list_hit *wrong)
{
	const struct list_range4 *ranges4 = list_ranges4(list);
	const struct list_range6 *ranges6 = list_ranges6(list);
	struct scope_walk walk = { NULL, 0, 0 };
	size_t i;

	walk.spans = scope_excluded(scope, ADDR_V4, &walk.n);
	for (i = 0; i < list_nranges4(list); i++) {
		if (!outside(&walk, key_of4(ranges4[i].first), key_of4(ranges4[i].last))) {
			list_hit4(list, i, wrong);
			return false;
		}
	}
	walk.at = 0;
	walk.spans = scope_excluded(scope, ADDR_V6, &walk.n);
	for (i = 0; i < list_nranges6(list); i++) {
		if (!outside(&walk, key_of6(ranges6[i].first), key_of6(ranges6[i].last))) {
			list_hit6(list, i, wrong);
			return false;
		}
	}
	return true;
}

/* The image, if it is what the message says and the config allows.  0 or -errno. */
static int
open_list(struct enforcer *enforcer, const uint8_t *hash, int fd, struct list **list,
    struct list_error *err)
{
	char text[RANGE_TEXT_MAX];
	struct list_hit wrong;
	int error;

	error = list_open(list, fd, true, err);
	if (error != 0)
		return error;
	if (memcmp(list_hash(*list), hash, LIST_HASH_LEN) != 0) {
		snprintf(err->text, sizeof(err->text), "the list is not the one announced");
		error = -EBADMSG;
	} else if (!scope_holds(enforcer->conf->agent.scope, *list, &wrong)) {
		snprintf(err->text, sizeof(err->text),
		    "scope = public allows only public addresses, the list holds %s",
		    range_text(&wrong.range, text));
		error = -EINVAL;
	}
	if (error != 0) {
		list_free(*list);
		*list = NULL;
	}
	return error;
}

void
lists_tell(struct enforcer *enforcer, int error, int64_t took_ms, const char *reason)
{
	struct message message = { .type = MSG_APPLIED };

	message.u.applied.generation = enforcer->now.generation;
	message.u.applied.error = error;
	message.u.applied.took_ms = (uint32_t)took_ms;
	snprintf(message.u.applied.reason, sizeof(message.u.applied.reason), "%.250s", reason);
	enforcer_send(enforcer, &message);
}

static bool
label_now(const struct addr *addr, struct ledger_label *label, void *arg)
{
	return lists_label(arg, addr, label);
}

/* Why the list waits, NULL: it need not. */
static const char *
what_holds(const struct enforcer *enforcer)
{
	struct enforce_stat stat;

	if (enforcer->purged)
		return "held: the table was purged";
	if (enforcer->mode == ENFORCE_OFF)
		return "held: mode is off";
	/* a dormant table takes the list and stays dormant; a new one would not be */
	if (enforcer->panic && (enforcer->enforce == NULL ||
	    enforce_stat(enforcer->enforce, &stat, NULL) != 0 || !stat.table))
		return "held: panic";
	return NULL;
}

int
lists_apply(struct enforcer *enforcer, struct enforce_error *err)
{
	const char *holds = what_holds(enforcer);
	int64_t begun = loop_now_ms();
	int error;

	if (holds != NULL) {
		lists_tell(enforcer, 0, 0, holds);
		guard_settled(enforcer);
		return 0;
	}
	error = enforcer_engine(enforcer, err);
	/* what an earlier run's sets hold must be read while they are there */
	if (error == 0 && !enforcer->sweep.labelled)
		sweep_now(enforcer);
	if (error == 0)
		error = enforce_apply(enforcer->enforce, enforcer->now.list, err);
	enforcer->in_force = error == 0;
	lists_tell(enforcer, error, loop_now_ms() - begun, error == 0 ? "" : err->text);
	if (error != 0) {
		guard_failed(enforcer, err->text);
		return error;
	}
	log_info("list in force generation=%llu took_ms=%lld",
	    (unsigned long long)enforcer->now.generation, (long long)(loop_now_ms() - begun));
	enforcer->last_change_ms = loop_wall_ms();
	loop_timer_start(enforcer->loop, enforcer->forget_before, BEFORE_KEPT_MS);
	malloc_trim(0);		/* the work of an apply goes back */
	ledger_relabel(enforcer->sweep.file.ledger, label_now, enforcer);
	guard_settled(enforcer);
	return 0;
}

void
lists_take(struct enforcer *enforcer, const struct msg_list *message, int fd)
{
	struct known_list new = { .generation = message->generation };
	struct enforce_error err = { "" };
	struct list_error list_err = { "" };
	int error;

	if (enforcer->forget_before == NULL)
		enforcer->forget_before = loop_timer_new(enforcer->loop, forget_before, enforcer);
	error = enforcer->forget_before == NULL ? -ENOMEM :
	    open_list(enforcer, message->hash, fd, &new.list, &list_err);
	if (error != 0) {
		struct message answer = { .type = MSG_APPLIED };

		log_error("list refused generation=%llu error=\"%s\"",
		    (unsigned long long)message->generation, list_err.text);
		answer.u.applied.generation = message->generation;
		answer.u.applied.error = error;
		snprintf(answer.u.applied.reason, sizeof(answer.u.applied.reason), "%s",
		    list_err.text);
		enforcer_send(enforcer, &answer);
		return;
	}
	/* what was counted until now is booked under the list that it was counted under */
	if (enforcer->now.list != NULL)
		sweep_now(enforcer);
	/* until this one is in force the kernel holds the one before */
	loop_timer_stop(enforcer->forget_before);
	if (enforcer->in_force || enforcer->before.list == NULL) {
		list_free(enforcer->before.list);
		enforcer->before = enforcer->now;
	} else {
		list_free(enforcer->now.list);
	}
	enforcer->now = new;
	enforcer->in_force = false;
	lists_apply(enforcer, &err);
}

void
lists_plan(struct enforcer *enforcer, const struct msg_plan *plan, int fd)
{
	struct message message = { .type = MSG_PLANNED };
	struct msg_planned *planned = &message.u.planned;
	struct enforce_error err = { "" };
	struct list_error list_err = { "" };
	struct list *list = NULL;

	planned->token = plan->token;
	planned->error = open_list(enforcer, plan->hash, fd, &list, &list_err);
	if (planned->error != 0)
		snprintf(err.text, sizeof(err.text), "the list is refused: %.250s", list_err.text);
	else
		planned->error = enforcer_engine(enforcer, &err);
	if (planned->error == 0)
		planned->error = enforce_plan(enforcer->enforce, list, &planned->plan, &err);
	list_free(list);
	if (planned->error != 0)
		snprintf(planned->reason, sizeof(planned->reason), "%.250s", err.text);
	malloc_trim(0);
	enforcer_send(enforcer, &message);
}

static bool
label_from(const struct known_list *known, const struct addr *addr, struct ledger_label *label)
{
	struct list_hit hit;

	if (known->list == NULL || !list_find(known->list, addr, &hit))
		return false;
	label->entry = hit.entry;
	label->lists = hit.lists;
	label->action = hit.action;
	label->generation = known->generation;
	return true;
}

bool
lists_label(const struct enforcer *enforcer, const struct addr *addr, struct ledger_label *label)
{
	return label_from(&enforcer->now, addr, label) ||
	    label_from(&enforcer->before, addr, label);
}

void
lists_free(struct enforcer *enforcer)
{
	list_free(enforcer->now.list);
	list_free(enforcer->before.list);
	loop_timer_free(enforcer->loop, enforcer->forget_before);
}
