/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "holders.h"
#include "readback.h"
#include "settle.h"
#include "switches.h"

struct settling {
	struct enforce *enforce;
	struct enforce_error *err;
	struct batch batch;
};

static int
commit(struct settling *settling, const char *what)
{
	int error = kernel_commit(settling->enforce->kernel, &settling->batch, 0, what, settling->err);

	batch_reset(&settling->batch);
	return error;
}

/* Of two sets that rules refer to, the one that our own do; both or none, the first. */
static int
settle_by_rules(struct settling *settling, unsigned int set)
{
	struct turn *turn = &settling->enforce->sets[set];
	size_t ours[2];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct holders holders;
		int error;

		holders_init(&holders);
		error = holders_find(settling->enforce->kernel, set_info(set)->names[i], &holders);
		ours[i] = holders.ours;
		holders_fini(&holders);
		if (error != 0)
			return enforce_fail(settling->err, error, "asking for rules", NULL);
	}
	turn->turn = ours[0] == 0 && ours[1] > 0;
	return 0;
}

/* Which of two sets the rules refer to: the one that cannot be deleted. */
static int
settle_turn(struct settling *settling, unsigned int set, bool there[static 2])
{
	struct turn *turn = &settling->enforce->sets[set];
	unsigned int i;
	int error = 0;

	for (i = 0; i < 2; i++) {
		set_delete(&settling->batch, set_info(set)->names[i]);
		error = commit(settling, set_info(set)->names[i]);
		if (error == 0 || error == -ENOENT) {
			there[i] = false;
			turn->turn = (uint8_t)!i;
			return 0;
		}
		if (error != -EBUSY)
			return error;
	}
	return settle_by_rules(settling, set);
}

/* Those that are there and not in use. */
static void
find_leftovers(const struct enforce *enforce, const struct set_state *state,
    bool going[SET_TURNS][2])
{
	unsigned int set, i;

	for (set = 0; set < SET_TURNS; set++) {
		const struct turn *turn = &enforce->sets[set];

		for (i = 0; i < 2; i++)
			going[set][i] = state->turns[set][i] &&
			    !(turn->present && turn->turn == i);
	}
}

static int
delete_leftovers(struct settling *settling, bool going[SET_TURNS][2])
{
	unsigned int set, i;

	for (set = 0; set < SET_TURNS; set++) {
		for (i = 0; i < 2; i++) {
			if (going[set][i])
				set_delete(&settling->batch, set_info(set)->names[i]);
		}
	}
	return commit(settling, "deleting what a failed change left");
}

int
settle_holders(struct enforce *enforce, bool going[SET_TURNS][2], struct enforce_error *err)
{
	struct holders holders;
	struct batch batch;
	unsigned int set, i;
	int error = 0;

	batch_init(&batch);
	holders_init(&holders);
	for (set = 0; set < SET_TURNS && error == 0; set++) {
		for (i = 0; i < 2 && error == 0; i++) {
			if (going[set][i])
				error = holders_find(enforce->kernel, set_info(set)->names[i], &holders);
		}
	}
	if (error == 0) {
		holders_delete(&batch, &holders);
		error = kernel_commit(enforce->kernel, &batch, 0, "deleting rules that ask old sets",
		    err);
	}
	holders_fini(&holders);
	batch_fini(&batch);
	return error;
}

/* Somebody's rules in our chains ask sets of both turns, as after nft -f of a saved table. */
static int
put_back_rules(struct settling *settling)
{
	struct rule_plan plan;

	switch_armed(settling->enforce);
	engine_plan(settling->enforce, &plan);
	table_rules(&settling->batch, &plan);
	settling->enforce->rules = false;
	return commit(settling, "putting the rules back");
}

static int
settle(struct settling *settling)
{
	struct enforce *enforce = settling->enforce;
	bool going[SET_TURNS][2];
	struct set_state state;
	unsigned int set;
	int error;

	error = readback_sets(enforce->kernel, &state);
	if (error != 0)
		return enforce_fail(settling->err, error, "reading the sets", NULL);
	for (set = 0; set < SET_TURNS; set++) {
		struct turn *turn = &enforce->sets[set];
		bool *there = state.turns[set];

		if (!enforce->turns_sure || (turn->present && !there[turn->turn])) {
			turn->known = false;
			if (set_is_top(set))
				enforce->top[set - SET_TOP(0)] = TOP_UNKNOWN;
			turn->present = there[0] || there[1];
			turn->turn = there[0] ? 0 : 1;
			error = there[0] && there[1] ? settle_turn(settling, set, there) : 0;
			if (error != 0)
				return error;
		}
	}
	find_leftovers(enforce, &state, going);
	error = delete_leftovers(settling, going);
	if (error == -EBUSY) {
		error = put_back_rules(settling);
		if (error == 0)
			error = delete_leftovers(settling, going);
	}
	if (error == -EBUSY) {
		error = settle_holders(enforce, going, settling->err);
		if (error == 0)
			error = delete_leftovers(settling, going);
	}
	if (error == 0)
		enforce->turns_sure = true;
	return error;
}

/* Rules that somebody else may have had his hands on are put anew: where to? */
static int
check_chains(struct enforce *enforce, struct enforce_error *err)
{
	int hooked = enforce->rules ? 0 : readback_hooked(enforce->kernel);

	if (hooked < 0)
		return enforce_fail(err, hooked, "asking for chains", NULL);
	return hooked == 0 ? 0 : enforce_fail(err, -EEXIST, "chains", "one of ours has a hook");
}

int
settle_turns(struct enforce *enforce, struct enforce_error *err)
{
	struct settling settling = { .enforce = enforce, .err = err };
	int error = check_chains(enforce, err);

	if (error != 0)
		return error;
	batch_init(&settling.batch);
	error = settle(&settling);
	batch_fini(&settling.batch);
	return error;
}
