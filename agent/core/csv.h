/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows of comma-separated values (RFC 4180), bounded.  Blanks around fields and
 * before quotes are not part of them; lines that are empty or begin with # or ;
 * are passed over.  Lines end in LF, CR LF or CR; quoted fields may hold them.
 */
#ifndef CORE_CSV_H
#define CORE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_ROW_MAX	65536	/* bytes of a row */
#define CSV_FIELDS_MAX	256	/* fields kept of a row */

enum csv_outcome {
	CSV_END,
	CSV_ROW,
	CSV_BAD,	/* row too long or quote not closed: its first line is lost, no more */
};

struct csv {
	const char *data;
	size_t size, at;
	uint32_t lines;			/* begun so far */
	/* the row */
	uint32_t line;			/* where it begins */
	bool open;			/* the data ends within it, no line end follows */
	const char *wrong;		/* of a bad row: constant text */
	const char *begin;		/* its first line as it stands */
	size_t begin_len;
	size_t nfields;			/* as written; CSV_FIELDS_MAX are kept */
	struct {
		uint32_t at, len;	/* in text */
	} fields[CSV_FIELDS_MAX];
	char text[CSV_ROW_MAX];		/* of all fields, without quotes */
};

void csv_init(struct csv *csv, const char *data, size_t size);
enum csv_outcome csv_next(struct csv *csv);

/* A field of the row, of length 0 where the row has none. */
const char *csv_field(const struct csv *csv, size_t i, size_t *len);

/* Is the field this name (lower case, without blanks), case and blanks aside? */
bool csv_is_named(const struct csv *csv, size_t i, const char *name);

/* The first field of that name, or -1. */
int csv_find(const struct csv *csv, const char *name);

#endif
