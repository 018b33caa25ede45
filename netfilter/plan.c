/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a list would change, counted against what the sets hold, and whether
 * the kernel would take it: it is handed everything in transactions that have
 * no end.  The kernel makes all of it, validates it, and takes it back.  Sets
 * have names of their own here, so that nothing meets what is in use.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "change.h"
#include "elements.h"

#define PLAN_NAME_MAX	16u

struct plan {
	struct enforce *enforce;
	struct split whole;		/* the sets' new members, all of them */
	struct rule_plan rules;
	char names[SET_TURNS][PLAN_NAME_MAX];
	struct batch batch;
	struct enforce_error *err;	/* the kernel's reason */
};

/* Without a table each transaction makes one. */
static void
begin(struct plan *plan)
{
	batch_reset(&plan->batch);
	if (!plan->enforce->table)
		table_create(&plan->batch, plan->enforce->dormant, 0);
}

static int
judge(struct plan *plan, const char *what)
{
	return kernel_validate(plan->enforce->kernel, &plan->batch, what, plan->err);
}

static uint32_t
size_of(const struct keys *keys)
{
	return set_size_for(keys->n);
}

/* A new set with all its members, in as many transactions as they need. */
static int
judge_set(struct plan *plan, unsigned int set)
{
	const struct keys *keys = &plan->whole.sets[set].come;
	size_t from = 0, to, most;
	int error = 0;

	most = kernel_batch_max(plan->enforce->kernel) / elements_size(keys, 1);
	most -= most / 64 + 1;
	while (from < keys->n && error == 0) {
		to = keys->n - from > most ? from + most : keys->n;
		begin(plan);
		set_create_as(&plan->batch, set, plan->names[set], size_of(keys));
		elements_add(&plan->batch, plan->names[set], keys, from, to);
		error = judge(plan, set_info(set)->names[0]);
		from = to;
	}
	return error;
}

static int
judge_rules(struct plan *plan)
{
	unsigned int set, family;

	begin(plan);
	table_counters(&plan->batch);
	fixtures_create(&plan->batch);
	for (family = 0; !plan->enforce->table && family < FAMILY_END; family++)
		allow_put(&plan->batch, fixture_name(FIXTURE_ALLOW4 + family),
		    &plan->enforce->allow[family], 0,
		    kernel_batch_max(plan->enforce->kernel) / ALLOW_SHARE);
	for (set = 0; set < SET_TURNS; set++) {
		if (plan->rules.set[set] != NULL)
			set_create_as(&plan->batch, set, plan->names[set],
			    size_of(&plan->whole.sets[set].come));
	}
	table_rules(&plan->batch, &plan->rules);
	return judge(plan, "table and rules");
}

static void
lay_out(struct plan *plan)
{
	unsigned int set;

	engine_plan(plan->enforce, &plan->rules);
	/* mode off has no rules: what drop would be is judged */
	if (plan->rules.mode == ENFORCE_OFF)
		plan->rules.mode = ENFORCE_DROP;
	for (set = 0; set < SET_TURNS; set++) {
		snprintf(plan->names[set], sizeof(plan->names[set]), "plan_%u", set);
		plan->rules.set[set] = change_wants(set, &plan->whole.sets[set]) ?
		    plan->names[set] : NULL;
	}
}

static int
judge_all(struct plan *plan)
{
	unsigned int set;
	int error;

	lay_out(plan);
	error = judge_rules(plan);
	for (set = 0; set < SET_TURNS && error == 0; set++)
		error = judge_set(plan, set);
	return error;
}

static void
count(const struct enforce *enforce, const struct split *split, struct enforce_plan *out)
{
	unsigned int set;

	for (set = 0; set < SET_TURNS; set++) {
		const struct difference *difference = &split->sets[set];
		const struct turn *turn = &enforce->sets[set];
		struct enforce_plan_set *entry = &out->sets[out->nsets];

		if ((difference->n == 0 && difference->gone.n == 0) ||
		    out->nsets == ENFORCE_SETS_MAX)
			continue;
		snprintf(entry->name, sizeof(entry->name), "%s",
		    set_info(set)->names[turn->present ? turn->turn : 0]);
		entry->members = difference->n;
		entry->added = difference->come.n;
		entry->removed = difference->gone.n;
		entry->known = !turn->present || turn->known;
		out->nsets++;
	}
}

/* The members of every set, as a difference to what it holds, or to nothing. */
static int
split_all(struct enforce *enforce, const struct list *list, bool against, struct split *split,
    struct enforce_error *err)
{
	unsigned int set;
	int error;

	split_init(split);
	for (set = 0; against && set < SET_TURNS; set++)
		split->sets[set].old = &enforce->sets[set].keys;
	error = split_list(split, list);
	if (error != 0)
		return enforce_fail(err, error, "splitting the list", NULL);
	return engine_gather_protect(enforce, split, err);
}

int
enforce_plan(struct enforce *enforce, const struct list *list, struct enforce_plan *out,
    struct enforce_error *err)
{
	struct plan plan = { .enforce = enforce, .err = err };
	struct split split;
	int error;

	memset(out, 0, sizeof(*out));
	error = engine_look(enforce, err);
	if (error != 0)
		return error;
	out->table = enforce->table;
	error = split_all(enforce, list, true, &split, err);
	if (error == 0)
		count(enforce, &split, out);
	split_fini(&split);
	if (error != 0)
		return error;
	batch_init(&plan.batch);
	error = split_all(enforce, list, false, &plan.whole, err);
	if (error == 0) {
		out->refused = judge_all(&plan);
		if (out->refused != 0 && err != NULL)
			snprintf(out->reason, sizeof(out->reason), "%.250s", err->text);
	}
	split_fini(&plan.whole);
	batch_fini(&plan.batch);
	return error;
}
