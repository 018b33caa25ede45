/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "change.h"
#include "elements.h"
#include "frame.h"
#include "readback.h"
#include "settle.h"
#include "switches.h"

#define SWITCH_RETRIES		100	/* other programs' transactions in between */
#define MARK_RETRIES		10	/* the same, between writing rules and reading them */
#define SHRINK_FACTOR		8u	/* a hash so many times too large is made anew */
#define MESSAGE_HEAD		256u	/* more than stands before the elements of one */
#define SAMPLES			8u	/* members looked up before the rules refer to a new set */

enum action {
	ACTION_KEEP,
	ACTION_EDIT,		/* a hash that stays */
	ACTION_MAKE,		/* a new set under the other name */
	ACTION_REMOVE,		/* no longer needed */
};

struct edit {
	enum action action;
	bool switched;		/* the rules are to use the new state of it */
	uint8_t turn;		/* of the set to make */
	uint32_t size;
	bool lingers;		/* what goes is in a new set too, until the rules are switched */
};

struct change {
	struct enforce *enforce;
	struct split *target;
	struct enforce_error *err;
	struct edit edits[SET_TURNS];
	bool switching;		/* the rules change */
	bool had[SET_TURNS][2];	/* the sets in use before */
	uint32_t generation;	/* nftables' own, when all was looked at … */
	uint32_t commits;	/* … and our count of transactions then */
	struct batch batch;
};

static bool
is_listed(unsigned int set)
{
	return set < set_of(CLASS_WATCH, SHAPE_HOSTS, 0) || set >= SET_TOP(0);
}

/* Hosts of watch and reject: what they say of a host must be there before it is listed. */
static bool
is_action_hosts(unsigned int set)
{
	return !is_listed(set) && !set_protects(set) && !set_info(set)->ranges;
}

/* The hosts of a table are there even when empty: an admin looks for them. */
bool
change_wants(unsigned int set, const struct difference *difference)
{
	return difference->n > 0 || set == set_of(CLASS_LISTED, SHAPE_HOSTS, FAMILY_V4) ||
	    set == set_of(CLASS_LISTED, SHAPE_HOSTS, FAMILY_V6);
}

static int
commit_at(struct change *change, uint32_t generation, const char *what)
{
	struct enforce *enforce = change->enforce;
	int error;

	error = kernel_commit(enforce->kernel, &change->batch, generation, what, change->err);
	batch_reset(&change->batch);
	return error;
}

static int
commit(struct change *change, const char *what)
{
	return commit_at(change, 0, what);
}

static void
mark_generation(struct change *change)
{
	change->commits = kernel_commits(change->enforce->kernel);
	change->generation = kernel_generation(change->enforce->kernel);
}

/* What nftables' generation is if nobody but us committed anything since it was marked. */
static uint32_t
expected_generation(const struct change *change)
{
	return change->generation + kernel_commits(change->enforce->kernel) - change->commits;
}

/* --- before: the table ------------------------------------------------------------------ */

static int
make_table(struct change *change)
{
	struct enforce *enforce = change->enforce;
	int error;

	if (enforce->table && enforce->fixtures)
		return 0;
	error = frame_put(enforce, &change->batch, change->err);
	if (error == 0)
		error = commit(change, "making the table");
	return error != 0 ? error : frame_made(enforce, change->err);
}

/* --- the plan ------------------------------------------------------------------------- */

/* Can the hash be edited in place?  *budget are the bytes left for edits. */
static bool
can_edit(const struct turn *turn, unsigned int set, const struct difference *difference,
    size_t *budget)
{
	size_t bytes = elements_size(&difference->come, difference->come.n + difference->gone.n);

	if (set_info(set)->ranges || turn->size / SHRINK_FACTOR > set_size_for(difference->n) ||
	    turn->keys.n + difference->come.n > turn->size || bytes > *budget)
		return false;
	*budget -= bytes;
	return true;
}

/* Is it known what the set holds, and will the rules ask it for the same? */
static bool
is_editable(const struct change *change, unsigned int set)
{
	const struct turn *turn = &change->enforce->sets[set];

	if (!turn->present || !turn->known)
		return false;
	return !set_is_top(set) ||
	    change->enforce->top[set - SET_TOP(0)] == change->target->top[set - SET_TOP(0)];
}

static int
plan_set(struct change *change, unsigned int set, size_t *budget)
{
	struct turn *turn = &change->enforce->sets[set];
	const struct difference *difference = &change->target->sets[set];
	struct edit *edit = &change->edits[set];

	if (!change_wants(set, difference)) {
		edit->action = turn->present ? ACTION_REMOVE : ACTION_KEEP;
	} else if (is_editable(change, set) && difference_none(difference)) {
		edit->action = ACTION_KEEP;
	} else if (is_editable(change, set) && can_edit(turn, set, difference, budget)) {
		edit->action = ACTION_EDIT;
	} else {
		edit->action = ACTION_MAKE;
		edit->turn = turn->present ? !turn->turn : 0;
		/* kept a while: what the rules may still find by the lists' old state */
		edit->lingers = is_action_hosts(set) && turn->present && turn->known;
		edit->size = set_size_for(difference->n +
		    (edit->lingers ? difference->gone.n : 0));
	}
	if (edit->action == ACTION_MAKE || edit->action == ACTION_REMOVE)
		change->switching = true;
	/* so that nothing can fail when the kernel has changed */
	if (keys_reserve(&turn->keys, difference->n) != 0)
		return enforce_fail(change->err, -ENOMEM, "a copy of the members", NULL);
	return 0;
}

/* --- 1: new sets ---------------------------------------------------------------------- */

/* The engine's copy of the members takes the change; it is not what a set holds yet. */
static void
follow(struct change *change, unsigned int set)
{
	struct turn *turn = &change->enforce->sets[set];
	struct difference *difference = &change->target->sets[set];

	turn->known = false;
	if (turn->keys.n == 0)
		keys_move(&turn->keys, &difference->come);
	else
		keys_patch(&turn->keys, &difference->gone, &difference->come);
}

typedef void put_fn(struct batch *batch, const char *set, const struct keys *keys, size_t from,
    size_t to);

/*
 * Puts all of keys into the set, or takes them out of it.  Transactions are
 * filled to the brim, whatever set their elements are of: each costs some
 * milliseconds by itself.
 */
static int
put_members(struct change *change, put_fn *put, const char *name, const struct keys *keys)
{
	size_t most = kernel_batch_max(change->enforce->kernel);
	size_t from = 0, to, room;
	int error;

	/* some room for what stands around the elements of each message */
	most -= most / 64 + MESSAGE_HEAD;
	while (from < keys->n) {
		room = change->batch.used < most ?
		    (most - change->batch.used) / elements_size(keys, 1) : 0;
		to = keys->n - from > room ? from + room : keys->n;
		put(&change->batch, name, keys, from, to);
		from = to;
		if (from == keys->n)
			break;
		error = commit(change, name);
		if (error != 0)
			return error;
	}
	return 0;
}

static int
make_sets(struct change *change)
{
	unsigned int set;
	int error = 0;

	for (set = 0; set < SET_TURNS; set++) {
		if (change->edits[set].action == ACTION_MAKE)
			set_create(&change->batch, set, change->edits[set].turn,
			    change->edits[set].size);
	}
	for (set = 0; set < SET_TURNS && error == 0; set++) {
		const struct edit *edit = &change->edits[set];

		if (edit->action != ACTION_MAKE)
			continue;
		follow(change, set);
		error = put_members(change, elements_add, set_info(set)->names[edit->turn],
		    &change->enforce->sets[set].keys);
		if (error == 0 && edit->lingers)
			error = put_members(change, elements_add, set_info(set)->names[edit->turn],
			    &change->target->sets[set].gone);
	}
	return error == 0 ? commit(change, "making sets") : error;
}

/* --- 3: the switch -------------------------------------------------------------------- */

/* Is what the rules are to refer to still as we made it? */
static int
check_made(struct change *change)
{
	struct enforce *enforce = change->enforce;
	struct table_state state;
	unsigned int set;
	size_t i;
	int error;

	error = readback_table(enforce->kernel, &state);
	if (error == 0 && (!state.exists || state.handle != enforce->handle))
		error = -ENOENT;
	for (set = 0; set < SET_TURNS && error == 0; set++) {
		const struct keys *keys = &enforce->sets[set].keys;
		const struct edit *edit = &change->edits[set];

		if (edit->action != ACTION_MAKE)
			continue;
		for (i = 0; i < SAMPLES && i < keys->n; i++) {
			int has = readback_has(enforce->kernel,
			    set_info(set)->names[edit->turn],
			    keys_item(keys, i * (keys->n / SAMPLES) % keys->n),
			    keys->key_size);

			if (has <= 0)
				error = has < 0 ? has : -ENOENT;
		}
	}
	return error == 0 ? 0 : enforce_fail(change->err, error,
	    "someone took away what was just made", NULL);
}

/* The rules with every set that is marked in its new state, the others in the old one. */
static void
put_rules(struct change *change)
{
	struct rule_plan plan;
	unsigned int set;

	engine_plan(change->enforce, &plan);
	for (set = 0; set < SET_TURNS; set++) {
		const struct edit *edit = &change->edits[set];

		if (!edit->switched)
			continue;
		if (edit->action == ACTION_MAKE)
			plan.set[set] = set_info(set)->names[edit->turn];
		else if (edit->action == ACTION_REMOVE)
			plan.set[set] = NULL;
		if (set_is_top(set))
			plan.top[set - SET_TOP(0)] = change->target->top[set - SET_TOP(0)];
	}
	table_rules(&change->batch, &plan);
}

/* After a switch: the engine's own idea of what is in use follows. */
static void
take_over(struct change *change)
{
	struct enforce *enforce = change->enforce;
	unsigned int set;

	for (set = 0; set < SET_TURNS; set++) {
		struct turn *turn = &enforce->sets[set];
		struct edit *edit = &change->edits[set];

		if (!edit->switched)
			continue;
		if (edit->action == ACTION_MAKE) {
			/* the name in use before is deleted in the last step */
			turn->present = true;
			turn->turn = edit->turn;
			turn->size = edit->size;
		} else if (edit->action == ACTION_REMOVE) {
			turn->present = false;
		}
		if (set_is_top(set))
			enforce->top[set - SET_TOP(0)] = change->target->top[set - SET_TOP(0)];
		turn->known = false;
	}
}

/*
 * The mark of rules that were just committed; what the generation is if nobody
 * committed anything since.  false: somebody did, and may have changed them before
 * they were read.
 */
static bool
take_mark(struct enforce *enforce, uint32_t generation)
{
	struct rules_state state;

	enforce->rules_mark = readback_rules(enforce->kernel, &state) == 0 ? state.mark : 0;
	return kernel_generation(enforce->kernel) == generation;
}

/*
 * Commits the rules only if nobody else committed anything since all was
 * looked at; otherwise looks whether that concerned us and tries again.
 */
static int
switch_rules(struct change *change)
{
	unsigned int unmarked = 0;
	int error, gone, try;

	for (try = 0; try < SWITCH_RETRIES; try++) {
		switch_armed(change->enforce);
		put_rules(change);
		error = commit_at(change, expected_generation(change), "switching the rules");
		if (error == 0)
			change->enforce->armed = change->enforce->until_ms != 0;
		if (error == 0 && (take_mark(change->enforce, expected_generation(change)) ||
		    ++unmarked == MARK_RETRIES))
			break;
		if (error != 0 && error != -ERESTART)
			return error;
		mark_generation(change);
		gone = check_made(change);
		if (gone != 0)
			return gone;
	}
	if (error != 0)
		return error;
	take_over(change);
	change->enforce->rules = true;
	return 0;
}

int
change_rules(struct enforce *enforce, const struct rule_plan *plan, struct enforce_error *err)
{
	struct change change = { .enforce = enforce, .err = err };
	int error = -ERESTART, try;

	batch_init(&change.batch);
	for (try = 0; try < MARK_RETRIES; try++) {
		mark_generation(&change);
		fixtures_create(&change.batch);
		table_rules(&change.batch, plan);
		error = commit_at(&change, change.generation, "writing the rules");
		if (error == 0 && take_mark(enforce, expected_generation(&change)))
			break;
		if (error != 0 && error != -ERESTART)
			break;
	}
	batch_fini(&change.batch);
	return error;
}

/* --- 2 and 4: hashes that stay -------------------------------------------------------- */

static void
put_edits(struct change *change, bool listed, bool come, bool gone)
{
	unsigned int set;

	for (set = 0; set < SET_TURNS; set++) {
		const struct difference *difference = &change->target->sets[set];
		const struct edit *edit = &change->edits[set];
		const char *name;

		if (is_listed(set) != listed)
			continue;
		name = set_info(set)->names[change->enforce->sets[set].turn];
		if (come && edit->action == ACTION_EDIT)
			elements_add(&change->batch, name, &difference->come, 0,
			    difference->come.n);
		if (gone && edit->action == ACTION_EDIT)
			elements_delete(&change->batch, name, &difference->gone, 0,
			    difference->gone.n);
		if (edit->action == ACTION_EDIT)
			change->enforce->sets[set].known = false;
	}
}

static void
put_deletes(struct change *change)
{
	unsigned int set, turn;

	for (set = 0; set < SET_TURNS; set++) {
		const struct turn *now = &change->enforce->sets[set];

		for (turn = 0; turn < 2; turn++) {
			if (now->present && now->turn == turn)
				change->had[set][turn] = false;
			if (change->had[set][turn])
				set_delete(&change->batch, set_info(set)->names[turn]);
		}
	}
	engine_retire(change->enforce, (const bool (*)[2])change->had);
}

/* What judges hosts must be in the rules before what is judged, unless there are no rules yet. */
static int
switch_judges(struct change *change)
{
	unsigned int set;
	bool any = false;
	int error;

	for (set = 0; set < SET_TURNS; set++) {
		struct edit *edit = &change->edits[set];

		edit->switched = edit->action == ACTION_MAKE &&
		    (is_action_hosts(set) || set_protects(set));
		any |= edit->switched;
	}
	put_edits(change, false, true, false);
	error = commit(change, "adding what lists say of hosts");
	return error == 0 && any && change->enforce->rules ? switch_rules(change) : error;
}

static int
remove_listed(struct change *change)
{
	put_edits(change, true, false, true);
	put_deletes(change);
	if (!batch_empty(&change->batch))
		kernel_settle();
	return commit(change, "removing what left the list");
}

static int
change_by_switch(struct change *change)
{
	unsigned int set;
	int error;

	error = switch_judges(change);
	if (error != 0)
		return error;
	put_edits(change, true, true, false);
	error = commit(change, "adding hosts");
	if (error != 0)
		return error;
	for (set = 0; set < SET_TURNS; set++)
		change->edits[set].switched = change->edits[set].action != ACTION_KEEP;
	error = switch_rules(change);
	if (error != 0)
		return error;
	error = remove_listed(change);
	if (error != -EBUSY)
		return error;
	error = settle_holders(change->enforce, change->had, change->err);
	return error == 0 ? remove_listed(change) : error;
}

static int
change_in_place(struct change *change)
{
	put_edits(change, false, true, false);
	put_edits(change, true, true, true);
	return commit(change, "changing hosts");
}

/* What lists said of hosts that left them, in sets that stay and in new ones. */
static int
remove_judges(struct change *change)
{
	const struct enforce *enforce = change->enforce;
	unsigned int set;
	bool lingers = false;
	int error = 0;

	put_edits(change, false, false, true);
	for (set = 0; set < SET_TURNS; set++)
		lingers |= change->edits[set].lingers && change->target->sets[set].gone.n > 0;
	/* a packet on its way may have found a host and not yet what its list says */
	if (lingers || !batch_empty(&change->batch))
		kernel_settle();
	for (set = 0; set < SET_TURNS && error == 0; set++) {
		if (change->edits[set].lingers)
			error = put_members(change, elements_delete,
			    set_info(set)->names[enforce->sets[set].turn],
			    &change->target->sets[set].gone);
	}
	return error == 0 ? commit(change, "removing what lists said of hosts") : error;
}

/* --- the whole ------------------------------------------------------------------------ */

/* Everything went well: what was wanted is what the sets hold. */
static void
finish(struct change *change, unsigned int from, unsigned int to)
{
	unsigned int set;

	for (set = from; set < to; set++) {
		struct turn *turn = &change->enforce->sets[set];

		if (change->edits[set].action == ACTION_KEEP)
			continue;
		if (change->edits[set].action == ACTION_EDIT)
			follow(change, set);
		else if (change->edits[set].action == ACTION_REMOVE)
			keys_fini(&turn->keys);
		turn->known = turn->present;
	}
}

static int
run(struct change *change, unsigned int from, unsigned int to)
{
	struct enforce *enforce = change->enforce;
	size_t budget = kernel_batch_max(enforce->kernel) / 2;
	unsigned int set;
	int error;

	error = make_table(change);
	if (error == 0)
		error = settle_turns(enforce, change->err);
	for (set = from; set < to && error == 0; set++)
		error = plan_set(change, set, &budget);
	for (set = 0; set < SET_TURNS; set++) {
		if (enforce->sets[set].present)
			change->had[set][enforce->sets[set].turn] = true;
	}
	mark_generation(change);
	if (error == 0)
		error = make_sets(change);
	if (error != 0)
		return error;
	if (change->switching || !enforce->rules)
		error = change_by_switch(change);
	else
		error = change_in_place(change);
	if (error != 0)
		return error;
	error = remove_judges(change);
	if (error == 0)
		finish(change, from, to);
	return error;
}

int
change_sets(struct enforce *enforce, struct split *target, unsigned int from, unsigned int to,
    struct enforce_error *err)
{
	struct change change = { .enforce = enforce, .target = target, .err = err };
	int error;

	batch_init(&change.batch);
	error = run(&change, from, to);
	batch_fini(&change.batch);
	return error;
}
