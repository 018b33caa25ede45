/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a source of type guardduty has discovered, as the parent keeps it: the
 * sets in force, and the answer that is coming in.  An answer takes effect when
 * the feed that brought it has ended, because rows of sources move then.
 */
#ifndef AGENT_DISCOVERY_H
#define AGENT_DISCOVERY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/threat_set.h"
#include "runtime/channel.h"
#include "runtime/conf.h"

struct discovery {
	struct set_table table;		/* in force */
	struct set_table incoming;	/* as far as it came */
	struct set_table next;		/* judged, if fresh */
	bool fresh;
	bool known;			/* asked once, now or in an earlier run */
	bool breach;			/* what comes in is not what it must be */
	size_t left_out;		/* sets for which there is no room among the sources */
	char note[FETCH_REASON_MAX];	/* for status; empty: nothing */
};

/* What an earlier run kept of it, or an empty one.  NULL: no memory. */
struct discovery *discovery_new(const char *state_dir, const char *name);

/* The table in force, for the next run; failure is said in the log. */
void discovery_keep(const struct discovery *discovery, const char *state_dir, const char *name);

/* The feed begins to ask. */
void discovery_begin(struct discovery *discovery);

/*
 * One message of the feed's.  False: more are to come.  True: that was the end;
 * *reason is NULL, or why not all of it could be read.  listed tells whether any
 * could; if not, what was in force stays.
 */
bool discovery_take(struct discovery *discovery, const struct msg_discovered *message,
    const char **reason, bool *listed);

/* A source for one set, with everything else as in from.  NULL: no memory. */
struct conf_source *set_conf_new(const struct conf_source *from, const struct threat_set *set);
void set_conf_free(struct conf_source *conf);

#endif
