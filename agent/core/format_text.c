/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Text lists: the first blank-separated token of a line is its entry, # and ;
 * start a comment anywhere.  Lines end in LF, CR LF or CR.
 */
#include "core/format_read.h"

#include <string.h>

/* Bytes of a line.  The longest entry, an IPv6 range, has under 100. */
#define TEXT_LINE_MAX	4096

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

static int
read_line(struct entries *entries, struct format_report *report, const char *text, size_t len)
{
	uint32_t line = (uint32_t)report->lines;
	size_t start = 0, end;

	while (start < len && is_blank(text[start]))
		start++;
	for (end = start; end < len && !is_blank(text[end]); end++) {
		if (text[end] == '#' || text[end] == ';')
			break;
	}
	if (end == start)
		return 0;
	if (len > TEXT_LINE_MAX) {
		format_reject(report, line, "line longer than 4096 bytes", text + start,
		    len - start);
		return 0;
	}
	return format_take(entries, report, line, text + start, end - start);
}

/* A text of 16-bit characters is nothing but NUL bytes to us: say so once. */
static bool
is_utf16(const char *data, size_t size)
{
	return size >= 2 && (memcmp(data, "\xff\xfe", 2) == 0 || memcmp(data, "\xfe\xff", 2) == 0);
}

/* Bytes from data up to the first c, or size. */
static size_t
length_to(const char *data, size_t size, char c)
{
	const char *found = memchr(data, c, size);

	return found == NULL ? size : (size_t)(found - data);
}

int
format_read_text(struct entries *entries, const char *data, size_t size,
    struct format_report *report)
{
	size_t at = 0, lf = 0, len;
	int error = 0;

	if (is_utf16(data, size)) {
		report->lines = 1;
		format_reject(report, 1, "UTF-16 text, only UTF-8 is read", data, 0);
		return 0;
	}
	if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
		at = 3;
	while (at < size && error == 0) {
		if (lf <= at)
			lf = at + length_to(data + at, size - at, '\n');
		len = length_to(data + at, lf - at, '\r');
		report->lines++;
		error = read_line(entries, report, data + at, len);
		at += len + 1;
		if (at == lf && at < size && data[at - 1] == '\r')
			at++;
	}
	return error;
}
