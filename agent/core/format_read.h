/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the readers of the single formats share with format.c. */
#ifndef CORE_FORMAT_READ_H
#define CORE_FORMAT_READ_H

#include "core/format.h"

/*
 * Takes one entry's text: adds it to entries and counts it, or counts it as
 * rejected (line is what is shown of it then).  0, -ENOMEM, -E2BIG.
 */
int format_take(struct entries *entries, struct format_report *report, uint32_t line,
    const char *text, size_t len);

/* Counts and, while there is room, keeps a rejected line. */
void format_reject(struct format_report *report, uint32_t line, const char *reason,
    const char *text, size_t len);

/* A domain name of the list: kept where that is wanted, not counted.  0, -ENOMEM. */
int format_take_domain(struct entries *entries, const char *text, size_t len);

/* The list is no list: why, and at which line.  Returns -EBADMSG. */
int format_refuse(struct format_report *report, uint32_t line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define FORMAT_LINE_MAX	4096	/* bytes; the longest entry, an IPv6 range, has under 100 */

/* Lines end in LF, CR LF or CR. */
struct format_lines {
	const char *data;
	size_t size, at, lf;
};

/* The next line; *open: it has no end, the data stops there.  False: there is none. */
bool format_next_line(struct format_lines *lines, const char **text, size_t *len, bool *open);

/* The first blank-separated token, which # and ; end, too: *text moves to it, its length. */
size_t format_token(const char **text, size_t len);

bool format_is_blank(char c);

/*
 * Is text[len], whose first token has n bytes, a range with blanks around its hyphen,
 * "A - B" or "A -B"?  What stands behind a token is not read: of such a line the first address
 * alone would be in force, and nobody told.
 */
bool format_is_half_range(const char *text, size_t n, size_t len);
extern const char format_half_range[];	/* why it is rejected */

/* Each reads data without a byte order mark.  0, -EBADMSG, -ENOMEM, -E2BIG. */

/* format_text.c: one entry a line. */
int format_read_text(struct entries *entries, const char *data, size_t size,
    struct format_report *report);
/* format_alien_vault.c: fields between #, the first one is the entry. */
int format_read_alien_vault(struct entries *entries, const char *data, size_t size,
    struct format_report *report);
/* format_csv.c: report->format says which. */
int format_read_csv(struct entries *entries, const char *data, size_t size,
    struct format_report *report);
/* format_stix.c */
int format_read_stix(struct entries *entries, const char *data, size_t size,
    struct format_report *report);
/* format_stix2.c */
int format_read_stix2(struct entries *entries, const char *data, size_t size,
    struct format_report *report);

struct csv;

/* Is the row the header of this CSV format? */
bool format_is_header(enum list_format format, const struct csv *csv);

#endif
