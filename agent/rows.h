/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rows of sources: first those of the config in its order, then the sets
 * that these have discovered.  They are laid out anew when either changes; what
 * is known of a source moves along.
 */
#ifndef AGENT_ROWS_H
#define AGENT_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "source.h"

struct agent;

struct rows {
	struct source *all;
	size_t n;
};

void rows_free(struct rows *rows);
struct source *rows_find(const struct rows *rows, const char *name);

/* By the agent's config of now.  0, or -ENOMEM and nothing has changed. */
int rows_lay_out(struct rows *rows, struct agent *agent);

/*
 * Puts what has been discovered in force; only while no answer of the feed is
 * on its way.  True: the rows were laid out anew.
 */
bool rows_take_discoveries(struct rows *rows, struct agent *agent);

#endif
