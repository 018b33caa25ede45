/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One pass over a row copies its fields.  A quote that is never closed would
 * swallow the rest of the file: the row's bound stops it, and reading goes on in
 * the line after the one it began in, so each byte is looked at twice at most.
 */
#include "core/csv.h"

#include <string.h>

#include "core/format_read.h"

void
csv_init(struct csv *csv, const char *data, size_t size)
{
	memset(csv, 0, sizeof(*csv));
	csv->data = data;
	csv->size = size;
}

static bool
is_line_end(char c)
{
	return c == '\n' || c == '\r';
}

/* Moves behind the line end at *at, if there is one. */
static void
pass_line_end(const struct csv *csv, size_t *at)
{
	if (*at == csv->size)
		return;
	if (csv->data[*at] == '\r' && *at + 1 < csv->size && csv->data[*at + 1] == '\n')
		(*at)++;
	(*at)++;
}

static size_t
end_of_line(const struct csv *csv, size_t at)
{
	while (at < csv->size && !is_line_end(csv->data[at]))
		at++;
	return at;
}

/* A row that is being read: the next byte, and what of text is used. */
struct cursor {
	size_t at, stop, used;
	uint32_t lines;		/* that ended within quotes */
};

/* The inside of quotes; false: the closing one did not come before cursor->stop. */
static bool
read_quoted(struct csv *csv, struct cursor *cursor)
{
	char c;

	for (cursor->at++; cursor->at < cursor->stop; cursor->at++) {
		c = csv->data[cursor->at];
		if (c == '"') {
			if (cursor->at + 1 == csv->size || csv->data[cursor->at + 1] != '"') {
				cursor->at++;
				return true;
			}
			cursor->at++;
		} else if (c == '\n' || (c == '\r' && (cursor->at + 1 == csv->size ||
		    csv->data[cursor->at + 1] != '\n'))) {
			cursor->lines++;
		}
		csv->text[cursor->used++] = c;
	}
	return false;
}

/* One field up to its comma, line end or cursor->stop. */
static bool
read_field(struct csv *csv, struct cursor *cursor)
{
	size_t start = cursor->used, end;
	char c;

	while (cursor->at < cursor->stop && format_is_blank(csv->data[cursor->at]))
		cursor->at++;
	if (cursor->at < cursor->stop && csv->data[cursor->at] == '"' &&
	    !read_quoted(csv, cursor))
		return false;
	for (; cursor->at < cursor->stop; cursor->at++) {
		c = csv->data[cursor->at];
		if (c == ',' || is_line_end(c))
			break;
		csv->text[cursor->used++] = c;
	}
	for (end = cursor->used; end > start && format_is_blank(csv->text[end - 1]); end--)
		;
	if (csv->nfields < CSV_FIELDS_MAX) {
		csv->fields[csv->nfields].at = (uint32_t)start;
		csv->fields[csv->nfields].len = (uint32_t)(end - start);
	}
	csv->nfields++;
	return true;
}

static bool
read_fields(struct csv *csv, struct cursor *cursor)
{
	csv->nfields = 0;
	for (;;) {
		if (!read_field(csv, cursor))
			return false;
		if (cursor->at == csv->size || is_line_end(csv->data[cursor->at]))
			return true;
		if (cursor->at == cursor->stop)
			return false;
		cursor->at++;	/* the comma */
	}
}

/* To the next line with something in it; false: there is none. */
static bool
find_row(struct csv *csv)
{
	while (csv->at < csv->size) {
		csv->lines++;
		csv->line = csv->lines;
		csv->begin = csv->data + csv->at;
		while (csv->at < csv->size && format_is_blank(csv->data[csv->at]))
			csv->at++;
		if (csv->at == csv->size)
			break;
		if (csv->data[csv->at] == '#' || csv->data[csv->at] == ';')
			csv->at = end_of_line(csv, csv->at);
		else if (!is_line_end(csv->data[csv->at]))
			return true;
		pass_line_end(csv, &csv->at);
	}
	return false;
}

enum csv_outcome
csv_next(struct csv *csv)
{
	struct cursor cursor = { 0, csv->size, 0, 0 };

	if (!find_row(csv))
		return CSV_END;
	cursor.at = csv->at;
	if (csv->size - csv->at > CSV_ROW_MAX)
		cursor.stop = csv->at + CSV_ROW_MAX;
	if (!read_fields(csv, &cursor)) {
		csv->wrong = cursor.stop == csv->size ? "a quote that is never closed" :
		    "row longer than 65536 bytes, or a quote that is never closed";
		csv->at = end_of_line(csv, csv->at);
		csv->begin_len = (size_t)(csv->data + csv->at - csv->begin);
		pass_line_end(csv, &csv->at);
		return CSV_BAD;
	}
	csv->lines += cursor.lines;
	csv->at = cursor.at;
	csv->open = csv->at == csv->size;
	csv->begin_len = (size_t)(csv->data + csv->at - csv->begin);
	pass_line_end(csv, &csv->at);
	return CSV_ROW;
}

const char *
csv_field(const struct csv *csv, size_t i, size_t *len)
{
	if (i >= csv->nfields || i >= CSV_FIELDS_MAX) {
		*len = 0;
		return "";
	}
	*len = csv->fields[i].len;
	return csv->text + csv->fields[i].at;
}

bool
csv_is_named(const struct csv *csv, size_t i, const char *name)
{
	size_t len, at;
	const char *text = csv_field(csv, i, &len);
	char c;

	for (at = 0; at < len; at++) {
		if (format_is_blank(text[at]))
			continue;
		c = text[at] >= 'A' && text[at] <= 'Z' ? (char)(text[at] - 'A' + 'a') : text[at];
		if (c != *name || c == '\0')
			return false;
		name++;
	}
	return *name == '\0';
}

int
csv_find(const struct csv *csv, const char *name)
{
	size_t i;

	for (i = 0; i < csv->nfields && i < CSV_FIELDS_MAX; i++) {
		if (csv_is_named(csv, i, name))
			return (int)i;
	}
	return -1;
}
