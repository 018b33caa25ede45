/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "threatlistd/enforce.h"
#include "threatlistd/log.h"
#include "armed.h"
#include "blind.h"
#include "change.h"
#include "engine.h"
#include "frame.h"
#include "protect.h"
#include "readback.h"
#include "watch.h"

void
engine_forget(struct enforce *enforce)
{
	unsigned int set;

	for (set = 0; set < SET_TURNS; set++) {
		struct turn *turn = &enforce->sets[set];

		keys_fini(&turn->keys);
		turn->present = turn->known = false;
		turn->turn = 0;
		turn->size = 0;
	}
	enforce->top[FAMILY_V4] = enforce->top[FAMILY_V6] = TOP_UNKNOWN;
	enforce->table = enforce->fixtures = enforce->turns_sure = enforce->rules = false;
	enforce->armed = false;
	enforce->handle = 0;
	isolate_forget(&enforce->isolation);
}

/* A table without rules was broken off in the making: exceptions may be missing in it. */
static int
look_at_allow(struct enforce *enforce)
{
	struct rules_state rules;
	int error = readback_rules(enforce->kernel, &rules);

	if (error != 0)
		return error;
	memset(enforce->allow_left, 0, sizeof(enforce->allow_left));
	if (rules.n == 0 && rules.isolate_mark == 0)
		error = engine_join_allow(enforce);
	return error != 0 ? error : engine_read_allow(enforce);
}

int
engine_look(struct enforce *enforce, struct enforce_error *err)
{
	struct table_state state;
	int error;

	error = readback_table(enforce->kernel, &state);
	if (error != 0)
		return enforce_fail(err, error, "looking for the table", NULL);
	if (enforce->table && (!state.exists || state.handle != enforce->handle)) {
		/* of a table that is no longer ours an event tells nothing, if there is one at all */
		watch_gone(enforce);
		engine_forget(enforce);
	}
	if (!state.exists)
		return 0;
	if (enforce->table) {
		watch_dormant(enforce, state.dormant);
	} else {
		enforce->table = true;
		/* who comes to a table takes it as it is; one that came meanwhile is news */
		if (enforce->watch != NULL)
			watch_dormant(enforce, state.dormant);
		else
			enforce->dormant = state.dormant;
		enforce->handle = state.handle;
		error = look_at_allow(enforce);
		if (error != 0) {
			/* what its exceptions are has to be known before it is ours */
			engine_forget(enforce);
			return enforce_fail(err, error, "reading allow4 and allow6", NULL);
		}
	}
	return 0;
}

void
engine_plan(const struct enforce *enforce, struct rule_plan *plan)
{
	unsigned int set;

	memset(plan, 0, sizeof(*plan));
	plan->mode = enforce->mode;
	plan->until_ms = enforce->until_ms;
	plan->log = enforce->log;
	plan->nflog_group = enforce->nflog_group;
	for (set = 0; set < SET_TURNS; set++) {
		const struct turn *turn = &enforce->sets[set];

		plan->set[set] = turn->present ? set_info(set)->names[turn->turn] : NULL;
	}
	memcpy(plan->top, enforce->top, sizeof(plan->top));
}

/*
 * Log statements need nfnetlink_log: a kernel without it refuses whole rules,
 * and a list is enforced without them just as well.
 */
static void
probe_log(struct enforce *enforce)
{
	struct enforce_error reason = { "" };
	struct batch batch;

	batch_init(&batch);
	table_log_probe(&batch, enforce->table, enforce->nflog_group);
	if (kernel_validate(enforce->kernel, &batch, "log statements", &reason) != 0) {
		enforce->log = false;
		log_warn("enforcing without log statements: error=\"%s\"", reason.text);
	}
	batch_fini(&batch);
}

static int
copy_conf(struct enforce *enforce, const struct enforce_conf *conf)
{
	unsigned int set;
	int error;

	enforce->mode = conf->mode;
	enforce->log = conf->log;
	enforce->nflog_group = conf->nflog_group;
	enforce->retired = conf->retired;
	enforce->retired_arg = conf->retired_arg;
	for (set = 0; set < SET_TURNS; set++)
		keys_init(&enforce->sets[set].keys, set_info(set)->key_size,
		    set_info(set)->ranges);
	allow_init(&enforce->allow[FAMILY_V4], 4);
	allow_init(&enforce->allow[FAMILY_V6], 16);
	error = engine_keep_allow(enforce, conf->allow, conf->nallow);
	if (error != 0)
		return error;
	if (conf->nadmin == 0)
		return 0;
	enforce->admin = malloc(conf->nadmin * sizeof(*enforce->admin));
	if (enforce->admin == NULL)
		return -ENOMEM;
	memcpy(enforce->admin, conf->admin, conf->nadmin * sizeof(*enforce->admin));
	enforce->nadmin = conf->nadmin;
	return 0;
}

int
enforce_open(struct enforce **out, const struct enforce_conf *conf, struct enforce_error *err)
{
	struct enforce *enforce = calloc(1, sizeof(*enforce));
	int error;

	if (enforce == NULL || copy_conf(enforce, conf) != 0)
		error = enforce_fail(err, -ENOMEM, "opening nftables", NULL);
	else
		error = kernel_open(&enforce->kernel, err);
	if (error == 0)
		error = engine_look(enforce, err);
	if (error == 0)
		error = watch_open(&enforce->watch, err);
	if (error != 0) {
		enforce_free(enforce);
		return error;
	}
	if (enforce->log)
		probe_log(enforce);
	enforce->generation = kernel_generation(enforce->kernel);
	enforce->resolvers_mark = protect_resolvers_mark();
	*out = enforce;
	return 0;
}

void
enforce_free(struct enforce *enforce)
{
	if (enforce == NULL)
		return;
	enforce_verify_end(enforce);
	engine_forget(enforce);
	allow_fini(&enforce->allow[FAMILY_V4]);
	allow_fini(&enforce->allow[FAMILY_V6]);
	watch_free(enforce->watch);
	kernel_free(enforce->kernel);
	free(enforce->admin);
	free(enforce);
}

int
engine_gather_protect(const struct enforce *enforce, struct split *split,
    struct enforce_error *err)
{
	struct protect protect = { .ranges = NULL };
	struct enforce_error reason = { "" };
	size_t i;
	int error = 0;

	/* part of it is better than none, and far better than no list in force */
	if (protect_gather(&protect, &reason) != 0)
		log_warn("protected addresses are incomplete: error=\"%s\"", reason.text);
	for (i = 0; i < enforce->nadmin && error == 0; i++)
		error = protect_add(&protect, &enforce->admin[i]);
	if (error == 0)
		error = split_protect(split, protect.ranges, protect.n);
	protect_fini(&protect);
	return error == 0 ? 0 : enforce_fail(err, error, "protected addresses", NULL);
}

/*
 * What was believed of the table proved wrong: look, and take nothing for granted.
 * Without a list its sets cannot be put right, and who has it is told; if nobody but
 * us changed anything they are as they were.
 */
static int
doubt(struct enforce *enforce, bool with_list, struct enforce_error *err)
{
	unsigned int set;

	if (!with_list && watch_undisturbed(enforce))
		return 0;
	if (!with_list)
		watch_doubt(enforce);
	for (set = 0; set < SET_TURNS; set++)
		enforce->sets[set].known = false;
	enforce->fixtures = enforce->turns_sure = enforce->rules = false;
	return engine_look(enforce, err);
}

/* One try; without a list only the protected addresses. */
static int
change_once(struct enforce *enforce, const struct list *list, struct enforce_error *err)
{
	struct split split;
	unsigned int set;
	int error = 0;

	/* where nobody is cut off, nobody needs protection */
	if (list == NULL && !enforce->table)
		return 0;
	split_init(&split);
	for (set = 0; set < SET_TURNS; set++)
		split.sets[set].old = &enforce->sets[set].keys;
	if (list != NULL) {
		error = split_list(&split, list);
		if (error != 0)
			enforce_fail(err, error, "splitting the list", NULL);
	}
	if (error == 0)
		error = engine_gather_protect(enforce, &split, err);
	if (error == 0)
		error = list != NULL ? change_sets(enforce, &split, 0, SET_TURNS, err) :
		    change_sets(enforce, &split, set_of(CLASS_PROTECT, SHAPE_HOSTS, 0),
			SET_TOP(0), err);
	split_fini(&split);
	return error;
}

static int
change(struct enforce *enforce, const struct list *list, struct enforce_error *err)
{
	struct enforce_error reason = { "" };
	int error;

	watch_pause(enforce);
	error = engine_look(enforce, err);
	if (error == 0)
		error = change_once(enforce, list, &reason);
	/* others may have changed the table under our hands: once more, from the ground */
	if (error != 0 && error != -EPERM && error != -ENOMEM && doubt(enforce, list != NULL, err) == 0) {
		log_warn("changing the table from the ground: error=\"%s\"", reason.text);
		error = change_once(enforce, list, &reason);
	}
	/* something by a name of ours is of another kind: it only goes with its table */
	if ((error == -EEXIST || error == -EOPNOTSUPP) && list != NULL && frame_anew(enforce, NULL) == 0) {
		log_warn("making the table anew: error=\"%s\"", reason.text);
		error = change_once(enforce, list, &reason);
	}
	if (error != 0 && reason.text[0] != '\0' && err != NULL)
		*err = reason;
	watch_resume(enforce);
	return error;
}

int
enforce_apply(struct enforce *enforce, const struct list *list, struct enforce_error *err)
{
	return enforce->mode == ENFORCE_OFF ? 0 : change(enforce, list, err);
}

int
enforce_protect(struct enforce *enforce, struct enforce_error *err)
{
	struct rules_state rules;

	if (enforce->mode == ENFORCE_OFF || !enforce->table)
		return 0;
	/* sets that no rule asks yet are a list's on its way, which brings its own */
	if (!enforce->rules && (readback_rules(enforce->kernel, &rules) != 0 || rules.n == 0))
		return 0;
	return change(enforce, NULL, err);
}

bool
enforce_resolvers_changed(struct enforce *enforce)
{
	uint64_t before = enforce->resolvers_mark;

	enforce->resolvers_mark = protect_resolvers_mark();
	return enforce->resolvers_mark != before;
}

/* One small transaction of ours, unseen by the watcher. */
static int
commit_alone(struct enforce *enforce, struct batch *batch, const char *what,
    struct enforce_error *err)
{
	int error;

	watch_pause(enforce);
	error = kernel_commit(enforce->kernel, batch, 0, what, err);
	watch_resume(enforce);
	batch_fini(batch);
	return error;
}

/* In one small transaction, or by all rules if they may not be the ones that we know. */
static int
commit_verdict(struct enforce *enforce, const struct rule_plan *plan, struct enforce_error *err)
{
	struct rules_state state;
	struct batch batch;
	int error;

	batch_init(&batch);
	fixtures_create(&batch);
	table_verdict(&batch, plan);
	watch_pause(enforce);
	error = commit_alone(enforce, &batch, "changing the mode", err);
	if (error == 0 && enforce->rules) {
		enforce->rules_mark = readback_rules(enforce->kernel, &state) == 0 ? state.mark : 0;
		/* if that fails, the look that follows finds what is wrong */
		if (!watch_undisturbed(enforce) && change_rules(enforce, plan, NULL) != 0)
			enforce->rules_mark = 0;
	}
	watch_resume(enforce);
	return error;
}

static int
try_verdict(struct enforce *enforce, uint8_t mode, int64_t until_ms, struct enforce_error *err)
{
	struct rule_plan plan;

	engine_plan(enforce, &plan);
	plan.mode = mode;
	plan.until_ms = until_ms;
	return commit_verdict(enforce, &plan, err);
}

/* until_ms: of ENFORCE_DROP, 0 for good. */
static int
set_verdict(struct enforce *enforce, uint8_t mode, int64_t until_ms, struct enforce_error *err)
{
	int error;

	watch_pause(enforce);
	error = engine_look(enforce, err);
	if (error == 0 && enforce->table)
		error = try_verdict(enforce, mode, until_ms, err);
	/* as in change(); an order does not wait for a list, which is told to be missing */
	if ((error == -EEXIST || error == -EOPNOTSUPP) && frame_anew(enforce, err) == 0) {
		log_warn("making the table anew: error=\"%s\"", err != NULL ? err->text : "");
		watch_doubt(enforce);
		error = try_verdict(enforce, mode, until_ms, err);
	}
	watch_resume(enforce);
	if (error == 0) {
		enforce->mode = mode;
		enforce->until_ms = until_ms;
		enforce->armed = enforce->table && until_ms != 0;
		watch_forget(enforce, ENFORCE_CHANGE_DISARMED);
	}
	return error;
}

int
enforce_set_mode(struct enforce *enforce, uint8_t mode, struct enforce_error *err)
{
	int error;

	if (mode != ENFORCE_OFF)
		return set_verdict(enforce, mode, 0, err);
	error = enforce_purge(enforce, err);
	if (error == 0) {
		enforce->mode = mode;
		enforce->until_ms = 0;
	}
	return error;
}

int
enforce_arm(struct enforce *enforce, int64_t until_ms, struct enforce_error *err)
{
	if (until_ms <= armed_now_ms())
		return set_verdict(enforce, ENFORCE_WATCH, 0, err);
	return set_verdict(enforce, ENFORCE_DROP, until_ms, err);
}

static int
too_late(struct enforce_error *err)
{
	if (err != NULL)
		snprintf(err->text, sizeof(err->text), "too late, it is watch already");
	return -ETIME;
}

int
enforce_confirm(struct enforce *enforce, struct enforce_error *err)
{
	int holds = 1, error;

	if (enforce->until_ms == 0)
		return too_late(err);
	error = engine_look(enforce, err);
	if (error != 0)
		return error;
	/* the kernel's own clock decides, unless it has no table yet */
	if (enforce->table && enforce->rules)
		holds = armed_holds(enforce->kernel, fixture_name(FIXTURE_ARMED));
	if (holds < 0)
		return enforce_fail(err, holds, "asking whether it is in time", NULL);
	if (holds == 0 || armed_now_ms() >= enforce->until_ms)
		return too_late(err);
	return set_verdict(enforce, ENFORCE_DROP, 0, err);
}

static int
set_dormant(struct enforce *enforce, bool dormant, struct enforce_error *err)
{
	struct batch batch;
	int error;

	error = engine_look(enforce, err);
	if (error == 0 && enforce->table) {
		batch_init(&batch);
		table_set_dormant(&batch, dormant);
		watch_pause(enforce);
		error = commit_alone(enforce, &batch, dormant ? "panic" : "resume", err);
		if (error == 0)
			enforce->dormant = dormant;
		watch_resume(enforce);
	} else if (error == 0) {
		enforce->dormant = dormant;
	}
	return error;
}

int
enforce_panic(struct enforce *enforce, struct enforce_error *err)
{
	return set_dormant(enforce, true, err);
}

int
enforce_resume(struct enforce *enforce, struct enforce_error *err)
{
	return set_dormant(enforce, false, err);
}

int
enforce_purge(struct enforce *enforce, struct enforce_error *err)
{
	struct batch batch;
	int error;

	/* the admin's exceptions are read once more: they come back with the next table */
	error = engine_look(enforce, err);
	if (error != 0 || !enforce->table)
		return error;
	error = engine_read_allow(enforce);
	if (error != 0)
		return enforce_fail(err, error, "reading allow4 and allow6", NULL);
	batch_init(&batch);
	table_delete(&batch);
	engine_forget(enforce);
	error = commit_alone(enforce, &batch, "deleting the table", err);
	return error == -ENOENT ? 0 : error;
}

int
enforce_blind(struct enforce *enforce, struct enforce_blind *blind, struct enforce_error *err)
{
	int error = blind_look(enforce->kernel, blind);

	return error == 0 ? 0 : enforce_fail(err, error, "asking for links and flowtables", NULL);
}

int
enforce_watch_fd(const struct enforce *enforce)
{
	return watch_fd(enforce->watch);
}

int
enforce_watch(struct enforce *enforce, struct enforce_change_info *info)
{
	return watch_read(enforce, info);
}
