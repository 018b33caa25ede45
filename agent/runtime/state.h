/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an operator has ordered and what must outlive every process: STATE_DIR/
 * state, a few "key = value" lines, written by temp file, fsync and rename.
 */
#ifndef RUNTIME_STATE_H
#define RUNTIME_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "threatlistd/addr.h"

#define DEADLINE_TEXT_MAX	64	/* bytes, with the NUL */
#define DEADLINE_FOLLOW_MS	50	/* its timer here, after the kernel's own clock, which counts in ticks */
#define STATE_ORDERS_MAX	8	/* untold ones; of more the oldest goes */
#define STATE_BOOT_MAX	40	/* bytes of a boot id, random(4), with its NUL */

/* Something ends by itself then, unless somebody confirms it. */
struct deadline {
	int64_t until_ms;	/* loop_now_ms of the boot named below; 0: nothing waits */
	int64_t wall_ms;	/* the same since 1970, for people */
	uint32_t s;		/* what was asked for, seconds */
	char boot[STATE_BOOT_MAX];
	bool ended;		/* by threatlistd --table expire */
};

/* Carried out while no agent ran (table.c): to be told of by the next one. */
struct state_order {
	char word[16];		/* see agent/untold.c */
	int64_t wall_ms;
};

struct state {
	bool has_mode;		/* false: no agent has run with this state yet */
	uint8_t mode;		/* enum enforce_mode: an operator's "enforce", or the config's */
	uint8_t conf_mode;	/* what the config said then: a changed config wins again */
	bool panic;		/* everything lifted until resume */
	bool purged;		/* no table until resume or enforce */

	struct deadline confirm;	/* mode is drop and falls back to watch */

	bool isolate;		/* all is cut off but what the host is run by */
	struct deadline isolate_end;	/* not any more */
	struct addr isolate_session;	/* of who asked for it; family 0: none */
	uint16_t isolate_port;		/* of ours, that the session is to */

	struct state_order orders[STATE_ORDERS_MAX];	/* oldest first */
	unsigned int norders;
};

/* drop, watch or off; "unknown" beyond them. */
const char *mode_name(uint8_t mode);

/* Begins at now_ms (loop_now_ms) and wall_ms; 0 seconds: nothing waits. */
void deadline_begin(struct deadline *deadline, uint32_t seconds, int64_t now_ms, int64_t wall_ms);
/* Nothing waits for a confirmation any more. */
void deadline_forget(struct deadline *deadline);
/* Is there time left, in this boot? */
bool deadline_runs(const struct deadline *deadline, int64_t now_ms);
/* Of one that does not run: "not confirmed within 60 s", and what else ends one. */
void deadline_end_text(const struct deadline *deadline, char text[static DEADLINE_TEXT_MAX]);
/* The host is isolated no more. */
void state_forget_isolation(struct state *state);

/* It was carried out, and nobody has told of it. */
void state_note_order(struct state *state, const char *word, int64_t wall_ms);

/* The kernel's random id of this boot; "" when it cannot be read. */
void state_boot_id(char boot[static STATE_BOOT_MAX]);

/* A missing file is the zero state.  -EINVAL: damaged; *state is then zero. */
int state_load(struct state *state, const char *state_dir);
int state_store(const struct state *state, const char *state_dir);

#endif
