/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One source as the parent knows it: what of it is in force, what a gate holds
 * back, when it is asked next.  Its list changes only here, and only after the
 * image has been checked, gated against the one in force, and found to be what
 * the config says.
 */
#ifndef AGENT_SOURCE_H
#define AGENT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/failing.h"
#include "core/pace.h"
#include "core/threat_set.h"
#include "runtime/channel.h"
#include "runtime/conf.h"

struct discovery;
struct events;

struct source {
	const struct conf_source *conf;	/* borrowed from the agent's config, or own */
	uint32_t conf_index;		/* of conf, or from, in the config */
	struct discovery *discovery;	/* owned; NULL: it is a list */
	/* of a set that was discovered; NULL otherwise */
	struct conf_source *own;	/* owned */
	const struct conf_source *from;	/* what discovered it, borrowed */
	struct threat_set set;
	const char *state_dir;		/* borrowed, too */
	struct events *events;
	bool has_list;			/* one is in force: in memory, or resting on disk */
	bool on_disk;			/* its last good file is there */
	struct list_source row;		/* what it says of itself */
	uint8_t hash[LIST_HASH_LEN];	/* list_hash of it */
	struct list *in_force;		/* owned; NULL: none, or resting: ask source_list */
	struct list *held;		/* owned; NULL: none */
	uint64_t held_added, held_removed;	/* ranges of it against what is in force */
	char etag[ETAG_MAX], last_modified[64];		/* of what was fetched last */
	char region[FETCH_REGION_MAX];		/* of its bucket; empty: not known */
	int64_t last_good_ms, last_try_ms;	/* wall clock, 0: never */
	struct failing failing;			/* since when it does, over restarts */
	bool failing_kept, failing_unkept;	/* there may be a file of it; writing or removing it failed */
	struct pace pace;			/* when it is asked next */
	bool fetching;
	bool again;			/* it was ordered while it was being fetched */
	uint64_t lines, rejected;		/* of what was read last */
	uint32_t ndomains;			/* domain names on disk with the list in force */
	struct names {
		char *text;			/* owned, NULL: none came */
		size_t size;
	} names, unkept;			/* of a list that is not in force yet; of the one that is, not on disk */
	char error[FETCH_REASON_MAX];		/* "" when fine */
};

/* The last good image of an earlier run, if there is a usable one. */
void source_load(struct source *source);

/* How long it failed in an earlier run. */
void source_load_failing(struct source *source);

/*
 * Takes over what is known of the same source under an older config.  What
 * changes how it is read asks for the whole list anew; until it is there, the
 * old one protects.  A changed role starts afresh.
 */
void source_inherit(struct source *source, struct source *from);

/* The domain names of a list that the feed is about to answer with; fd is borrowed. */
void source_take_domains(struct source *source, int fd);

/* The feed's answer; fd is borrowed.  True: another list is in force now. */
bool source_fetched(struct source *source, const struct msg_fetched *fetched, int fd);

/* No answer, or none that can be used.  It is asked again within most_ms. */
void source_fail(struct source *source, const char *reason, int64_t most_ms);

/* A good answer; the next one is wanted after period_ms, spread by percent. */
void source_succeed(struct source *source, int64_t period_ms, unsigned int percent);

/* A set that is no more: an event.  forget: its last good file goes. */
void source_gone(struct source *source, bool forget);

/* Puts the list that is held back in force.  -ENODATA: there is none. */
int source_accept(struct source *source);

/*
 * The list in force, read back from disk if it rests there; NULL: none, or (then
 * has_list is set, and it is said in the log) it cannot be read back.
 */
const struct list *source_list(struct source *source);

/* Lets the memory of the list in force go, if it can be read back from disk. */
void source_rest(struct source *source);

void source_free_lists(struct source *source);

#endif
