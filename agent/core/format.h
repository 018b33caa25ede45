/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the bytes of a list to its entries.  A bad line costs that line: it is
 * counted by reason and the first few are kept for the operator.
 */
#ifndef CORE_FORMAT_H
#define CORE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "threatlistd/addr.h"

enum list_format {
	FORMAT_AUTO = 0,
	FORMAT_TXT,
};

/* Entries as they were read, in order, per family.  Bounded by LIST_RANGES_MAX. */
struct entries;

struct entries *entries_new(void);	/* NULL: no memory */
void entries_free(struct entries *entries);
/* 0, -ENOMEM, -E2BIG at the bound. */
int entries_add(struct entries *entries, const struct range *range, uint32_t line);
size_t entries_count(const struct entries *entries);

#define FORMAT_REJECTS_KEPT	10
#define FORMAT_TEXT_KEPT	80

enum format_note {
	NOTE_HOST_BITS,		/* masked off */
	NOTE_MAPPED,		/* IPv4-mapped IPv6 */
	NOTE_NOT_PUBLIC,	/* entry touched by scope = public (counted at compile) */
	NOTE_TRUSTED,		/* entry touched by a trusted list (counted at compile) */
	NOTE_END
};
/* "hostBits", "mapped", "notPublic", "trusted" */
const char *format_note_text(enum format_note note);

struct format_reject {
	uint32_t line;
	const char *reason;		/* constant text */
	char text[FORMAT_TEXT_KEPT];	/* of the line, cut and made printable */
};

struct format_report {
	uint64_t bytes, lines, accepted, rejected;
	uint64_t notes[NOTE_END];
	unsigned int nrejects;
	struct format_reject rejects[FORMAT_REJECTS_KEPT];
};

/* "auto", "txt" …; -1: unknown. */
int format_by_name(const char *name);
const char *format_name(enum list_format format);

/*
 * Reads a whole list.  0 with *report filled, also when lines were rejected;
 * -ENODATA when nothing was acceptable, -E2BIG above LIST_RANGES_MAX entries,
 * -ENOMEM.  *report is filled in every case.
 */
int format_read(struct entries *entries, enum list_format format, const void *data, size_t size,
    struct format_report *report);

#endif
