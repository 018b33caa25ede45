/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tokens and keys that others on this host may read or change, and lists that they may change. */
#ifndef SECRETS_H
#define SECRETS_H

#include <sys/types.h>

#include "runtime/conf.h"

#define SECRETS_MAX	(CONF_SINKS_MAX * 4 + 2 + LIST_SOURCES_MAX)
#define SECRET_FIX_MAX	(2 * CONF_LINE_MAX + 64)	/* bytes: two commands with the path */

/*
 * One that anybody may read or write, or a list that anybody may write: what reads
 * it ("token_file of sink NAME"), its mode, and the commands that end that.  All of
 * it is the caller's to copy.
 */
struct secret {
	bool list;
	const char *path;
	char use[96];
	mode_t mode;			/* permission bits */
	char fix[SECRET_FIX_MAX];
};

typedef void secret_fn(const struct secret *secret, void *arg);

/*
 * Calls found for each file that the config or the environment names.  One in a
 * directory that is closed to others is no concern, one that is not there or
 * cannot be seen from here is its reader's.
 */
void secrets_look(const struct conf *conf, secret_fn *found, void *arg);

/* Says so in the log. */
void secrets_log(const struct conf *conf);

#endif
