/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the engine knows of its table. */
#ifndef NETFILTER_ENGINE_H
#define NETFILTER_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "threatlistd/enforce.h"
#include "allow.h"
#include "endpoint.h"
#include "isolate.h"
#include "kernel.h"
#include "keys.h"
#include "sets.h"
#include "table.h"

struct watch;
struct verify;

/* One set that takes turns between two names. */
struct turn {
	bool present;		/* it is in the table, under the name of this turn */
	bool known;		/* keys are what the kernel's set holds, exactly */
	uint8_t turn;
	uint32_t size;		/* of a hash */
	struct keys keys;
};

struct enforce {
	struct kernel *kernel;
	struct watch *watch;
	struct verify *verify;	/* NULL: none is under way */
	uint8_t mode;		/* enum enforce_mode that is wanted */
	int64_t until_ms;	/* of armed_now_ms: ENFORCE_DROP ends then; 0: for good */
	bool log;		/* rules have log statements */
	uint16_t nflog_group;
	struct range *admin;
	size_t nadmin;
	enforce_seen_fn *retired;
	void *retired_arg;

	bool table;		/* there is one */
	bool dormant;		/* lifted; a new table is made dormant too */
	uint64_t handle;	/* the kernel's number of the table */
	bool fixtures;		/* counters, seen and allow sets are there */
	bool turns_sure;	/* which turn each set has was looked up */
	bool rules;		/* the rules are ours and whole */
	bool armed;		/* "armed" was filled, until until_ms */
	uint64_t rules_mark;	/* readback_rules of them */
	uint32_t generation;	/* after our last change */
	struct turn sets[SET_TURNS];
	enum top_scope top[FAMILY_END];	/* of the prefilters in use */
	struct allow allow[FAMILY_END];	/* the admin's exceptions as last seen, */
	size_t allow_left[FAMILY_END];	/* whose last ones a table in the making has not yet */
	struct endpoints endpoints;	/* as announced */
	struct isolation isolation;
	uint64_t resolvers_mark;	/* of protect.h, when it was looked at last */
};

/* Forgets the table and all that was in it, but not what is put into the next one. */
void engine_forget(struct enforce *enforce);

/* Looks again whether there is a table; forgets what belonged to another one. */
int engine_look(struct enforce *enforce, struct enforce_error *err);

/* Reads the admin's exceptions.  What cannot be kept is said in the log.  0 or -errno. */
int engine_read_allow(struct enforce *enforce);
/*
 * The table was begun by somebody, or broken off in the making: what it has of them
 * and what was kept are both the admin's, and what it has not is to follow.  0 or -errno.
 */
int engine_join_allow(struct enforce *enforce);
/* Takes over what was kept of them, in any order.  0 or -ENOMEM. */
int engine_keep_allow(struct enforce *enforce, const struct enforce_allow *all, size_t n);

/* Tells of the wide sets that are about to go, and that nothing counts into any more. */
void engine_retire(struct enforce *enforce, const bool (*going)[2]);

/* What the rules should be, with the turns as they are now. */
void engine_plan(const struct enforce *enforce, struct rule_plan *plan);

#endif
