/* SPDX-License-Identifier: GPL-3.0-or-later */
/* List files named on a command line, read and united: check, replay. */
#ifndef CTL_LISTS_H
#define CTL_LISTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/compile.h"

/* What --list, --trusted and --scope said. */
struct ctl_list_options {
	struct {
		const char *path;
		uint8_t role;		/* enum list_role */
	} files[LIST_SOURCES_MAX];
	size_t n;
	enum list_scope scope;
};

/*
 * Takes one of the options 'l' (list), 't' (trusted), 's' (scope).  False: it is
 * none of them.  *rc is set to an exit code when its value is wrong (said on stderr).
 */
bool ctl_list_option(struct ctl_list_options *options, int option, const char *value, int *rc);

struct ctl_lists {
	size_t n;
	struct list *sources[LIST_SOURCES_MAX];	/* one a file, named as on the command line */
	struct list *list;			/* the union in force */
	void *images[LIST_SOURCES_MAX + 1];	/* the memory behind them */
};

/* An exit code; what is wrong, and the first rejected lines, go to stderr.  Free in every case. */
int ctl_lists_read(struct ctl_lists *lists, const struct ctl_list_options *options);
void ctl_lists_free(struct ctl_lists *lists);

/* Is it on a threat list and taken off by a trusted one: which (*index), by what entry? */
bool ctl_lists_trusted(const struct ctl_lists *lists, const struct addr *addr,
    struct list_hit *hit, size_t *index);

#endif
