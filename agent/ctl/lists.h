/* SPDX-License-Identifier: GPL-3.0-or-later */
/* List files named on a command line, read and united: check, parse, replay. */
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
	enum list_format format;	/* of all files */
	bool keep_entries;		/* for compile_lines */
	bool skip_unusable;		/* go on without threat lists that have no entry */
};

/*
 * Takes one of the options 'l' (list), 't' (trusted), 's' (scope), 'f' (format).
 * False: it is none of them.  *rc is set to an exit code when its value is wrong (said on stderr).
 */
bool ctl_list_option(struct ctl_list_options *options, int option, const char *value, int *rc);

struct ctl_lists {
	size_t n;
	struct list *sources[LIST_SOURCES_MAX];	/* one a file; NULL: skipped */
	struct format_report reports[LIST_SOURCES_MAX];
	struct entries *entries[LIST_SOURCES_MAX];	/* if kept */
	struct compile_notes notes;
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
