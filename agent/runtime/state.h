/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an operator has ordered and what must outlive every process: STATE_DIR/
 * state, a few "key = value" lines, written by temp file, fsync and rename.
 */
#ifndef RUNTIME_STATE_H
#define RUNTIME_STATE_H

#include <stdbool.h>
#include <stdint.h>

#define STATE_BOOT_MAX	40	/* bytes of a boot id, random(4), with its NUL */

struct state {
	bool has_mode;		/* an operator's "enforce" stands against the config */
	uint8_t mode;		/* enum enforce_mode */
	uint8_t conf_mode;	/* what the config said then: a changed config wins again */
	bool panic;		/* everything lifted until resume */
	bool purged;		/* no table until resume or enforce */

	/* mode is drop and falls back to watch then, unless somebody confirms */
	int64_t confirm_until_ms;	/* loop_now_ms of the boot named below; 0: nothing waits */
	int64_t confirm_wall_ms;	/* the same since 1970, for people */
	uint32_t confirm_s;		/* what was asked for, seconds */
	char confirm_boot[STATE_BOOT_MAX];
	bool confirm_ended;		/* by threatlistd --table expire */
};

/* Nothing waits for a confirmation any more. */
void state_forget_confirm(struct state *state);

/* The kernel's random id of this boot; "" when it cannot be read. */
void state_boot_id(char boot[static STATE_BOOT_MAX]);

/* A missing file is the zero state.  -EINVAL: damaged; *state is then zero. */
int state_load(struct state *state, const char *state_dir);
int state_store(const struct state *state, const char *state_dir);

#endif
