/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Text lists: the first blank-separated token of a line is its entry, # and ;
 * start a comment anywhere.  A range has no blanks: one with them is no entry, rather
 * than its first address alone.
 */
#include "core/format_read.h"

#include <string.h>

const char format_half_range[] = "a range is written A-B, without blanks";

bool
format_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

size_t
format_token(const char **text, size_t len)
{
	const char *end = *text + len, *at;

	while (*text < end && format_is_blank(**text))
		(*text)++;
	for (at = *text; at < end && !format_is_blank(*at); at++) {
		if (*at == '#' || *at == ';')
			break;
	}
	return (size_t)(at - *text);
}

bool
format_is_half_range(const char *text, size_t n, size_t len)
{
	static const char of_addresses[] = "0123456789abcdefABCDEF:.";
	const char *at = text + n, *end = text + len, *last;
	struct addr addr;

	while (at < end && format_is_blank(*at))
		at++;
	if (at == end || *at != '-')
		return false;
	for (at++; at < end && format_is_blank(*at); at++)
		continue;
	for (last = at; last < end && *last != '\0' && strchr(of_addresses, *last) != NULL; last++)
		continue;
	return last > at && addr_parse(&addr, at, (size_t)(last - at)) == NULL &&
	    addr_parse(&addr, text, n) == NULL;
}

/* Bytes from data up to the first c, or size. */
static size_t
length_to(const char *data, size_t size, char c)
{
	const char *found = memchr(data, c, size);

	return found == NULL ? size : (size_t)(found - data);
}

bool
format_next_line(struct format_lines *lines, const char **text, size_t *len, bool *open)
{
	size_t at = lines->at;

	if (at >= lines->size)
		return false;
	if (lines->lf <= at)
		lines->lf = at + length_to(lines->data + at, lines->size - at, '\n');
	*text = lines->data + at;
	*len = length_to(*text, lines->lf - at, '\r');
	at += *len;
	*open = at == lines->size;
	if (at < lines->lf && at + 1 == lines->lf && lines->lf < lines->size)
		at++;
	lines->at = at + 1;
	return true;
}

static int
read_line(struct entries *entries, struct format_report *report, const char *text, size_t len)
{
	uint32_t line = (uint32_t)report->lines;
	const char *end = text + len;
	size_t n = format_token(&text, len);

	if (n == 0)
		return 0;
	if (len > FORMAT_LINE_MAX) {
		format_reject(report, line, "line longer than 4096 bytes", text,
		    (size_t)(end - text));
		return 0;
	}
	len = (size_t)(end - text);
	if (format_is_half_range(text, n, len)) {
		format_reject(report, line, format_half_range, text, len);
		return 0;
	}
	return format_take(entries, report, line, text, n);
}

int
format_read_text(struct entries *entries, const char *data, size_t size,
    struct format_report *report)
{
	struct format_lines lines = { data, size, 0, 0 };
	const char *text;
	size_t len;
	bool open;
	int error = 0;

	while (error == 0 && format_next_line(&lines, &text, &len, &open)) {
		report->lines++;
		error = read_line(entries, report, text, len);
	}
	return error;
}
