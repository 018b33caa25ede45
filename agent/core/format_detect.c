/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which format a list is in, by how it begins.  In doubt it is text, whose
 * reader says of each line what is wrong with it.
 */
#include "core/format_read.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/csv.h"

/* What is asked of a first row: more than an address and its two numbers have. */
#define NUMBER_MAX	10	/* digits */

static bool
is_white(char c)
{
	return format_is_blank(c) || c == '\n' || c == '\r';
}

static const char *
pass_white(const char *at, const char *end)
{
	while (at < end && is_white(*at))
		at++;
	return at;
}

static bool
begins(const char *at, const char *end, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(end - at) >= len && strncasecmp(at, word, len) == 0;
}

static bool
is_xml(const char *at, const char *end)
{
	/* UTF-16, told by its mark, is read as XML alone */
	if (end - at > 3 && (memcmp(at, "\xff\xfe<", 4) == 0 ||
	    memcmp(at, "\xfe\xff\0<", 4) == 0))
		return true;
	return at < end && *at == '<' && !begins(at, end, "<!doctype html") &&
	    !begins(at, end, "<html");
}

static bool
is_json(const char *at, const char *end)
{
	if (at < end && *at == '[') {
		at = pass_white(at + 1, end);
		return at < end && (*at == '{' || *at == ']');
	}
	return at < end && *at == '{';
}

static bool
is_number(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
	}
	return len > 0 && len <= NUMBER_MAX;
}

/* ADDRESS,NUMBER,NUMBER */
static bool
is_proof_point_row(const struct csv *csv)
{
	struct addr addr;
	const char *text;
	size_t len, i;

	text = csv_field(csv, 0, &len);
	if (addr_parse(&addr, text, len) != NULL)
		return false;
	for (i = 1; i < 3; i++) {
		text = csv_field(csv, i, &len);
		if (!is_number(text, len))
			return false;
	}
	return true;
}

/* ANYTHING#NUMBER#NUMBER# */
static bool
is_alien_vault_row(const char *text, size_t len)
{
	const char *hash = memchr(text, '#', len), *end = text + len;
	int i;

	if (hash == NULL || hash == text)
		return false;
	for (i = 0; i < 2; i++) {
		text = hash + 1;
		hash = memchr(text, '#', (size_t)(end - text));
		if (hash == NULL || !is_number(text, (size_t)(hash - text)))
			return false;
	}
	return true;
}

/* By the first line that is no comment. */
static enum list_format
detect_row(struct csv *csv)
{
	static const enum list_format named[] = { FORMAT_OTX_CSV, FORMAT_FIRE_EYE,
	    FORMAT_PROOF_POINT };
	size_t i;

	if (csv_next(csv) != CSV_ROW)
		return FORMAT_TXT;
	for (i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		if (csv->nfields > 1 && format_is_header(named[i], csv))
			return named[i];
	}
	if (is_proof_point_row(csv))
		return FORMAT_PROOF_POINT;
	if (is_alien_vault_row(csv->begin, csv->begin_len))
		return FORMAT_ALIEN_VAULT;
	return FORMAT_TXT;
}

enum list_format
format_detect(const char *data, size_t size)
{
	const char *end = data + size, *at = data;
	enum list_format format = FORMAT_TXT;
	struct csv *csv;

	if (begins(at, end, "\xef\xbb\xbf"))
		at += 3;
	at = pass_white(at, end);
	if (is_xml(at, end))
		return FORMAT_STIX;
	if (is_json(at, end))
		return FORMAT_STIX2;
	csv = malloc(sizeof(*csv));
	if (csv == NULL)
		return FORMAT_TXT;
	csv_init(csv, at, (size_t)(end - at));
	format = detect_row(csv);
	free(csv);
	return format;
}
