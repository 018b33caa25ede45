/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an operator has ordered and what must outlive every process: STATE_DIR/
 * state, a few "key = value" lines, written by temp file, fsync and rename.
 */
#ifndef RUNTIME_STATE_H
#define RUNTIME_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct state {
	bool has_mode;		/* an operator's "enforce" stands against the config */
	uint8_t mode;		/* enum enforce_mode */
	uint8_t conf_mode;	/* what the config said then: a changed config wins again */
	bool panic;		/* everything lifted until resume */
	bool purged;		/* no table until resume or enforce */
};

/* A missing file is the zero state.  -EINVAL: damaged; *state is then zero. */
int state_load(struct state *state, const char *state_dir);
int state_store(const struct state *state, const char *state_dir);

#endif
