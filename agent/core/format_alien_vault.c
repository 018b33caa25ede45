/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * AlienVault's reputation.data: ADDRESS#reliability#risk#type#country#city#lat,lon#x,
 * without a header.  A # separates fields here, so only a line that begins with
 * one is a comment.
 */
#include "core/format_read.h"

#include <string.h>

static int
read_line(struct entries *entries, struct format_report *report, const char *text, size_t len,
    bool open)
{
	uint32_t line = (uint32_t)report->lines;
	const char *hash = memchr(text, '#', len), *entry = text;
	const char *end = hash == NULL ? text + len : hash;
	size_t n = format_token(&entry, (size_t)(end - text));

	if (n == 0)
		return 0;
	if (len > FORMAT_LINE_MAX) {
		format_reject(report, line, "line longer than 4096 bytes", entry, n);
		return 0;
	}
	if (open && hash == NULL) {
		format_reject(report, line, "cut off before the first #", entry, n);
		return 0;
	}
	if (format_is_half_range(entry, n, (size_t)(end - entry))) {
		format_reject(report, line, format_half_range, entry, (size_t)(end - entry));
		return 0;
	}
	return format_take(entries, report, line, entry, n);
}

int
format_read_alien_vault(struct entries *entries, const char *data, size_t size,
    struct format_report *report)
{
	struct format_lines lines = { data, size, 0, 0 };
	const char *text;
	size_t len;
	bool open;
	int error = 0;

	while (error == 0 && format_next_line(&lines, &text, &len, &open)) {
		report->lines++;
		error = read_line(entries, report, text, len, open);
	}
	return error;
}
