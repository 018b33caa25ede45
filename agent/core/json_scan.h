/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON (RFC 8259) read token by token where it lies: for documents too large to
 * hold as a tree, and with the line of everything.
 */
#ifndef CORE_JSON_SCAN_H
#define CORE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_token {
	JSON_OBJECT = '{',
	JSON_OBJECT_END = '}',
	JSON_ARRAY = '[',
	JSON_ARRAY_END = ']',
	JSON_COLON = ':',
	JSON_COMMA = ',',
	JSON_STRING = '"',
	JSON_NUMBER = '0',
	JSON_TRUE = 't',
	JSON_FALSE = 'f',
	JSON_NULL = 'n',
	JSON_END = 0,		/* of the data, also in the middle of a token */
	JSON_WRONG = -1,	/* no token begins so */
};

struct json_scan {
	const char *data;
	size_t size, at;
	uint32_t line;		/* of the last token */
	/* the last token: a string without its quotes, escapes still in it */
	const char *text;
	size_t len;
};

void json_scan_init(struct json_scan *scan, const char *data, size_t size);
enum json_token json_scan_next(struct json_scan *scan);

/* Is nothing but blanks left? */
bool json_scan_done(struct json_scan *scan);

/* Is the string exactly this?  One with escapes never is. */
bool json_scan_is(const struct json_scan *scan, const char *text);

/*
 * The string of a token without its escapes; to has room for len bytes.
 * Characters beyond ASCII that were escaped become '?'.  Returns the length.
 */
size_t json_unescape(char *to, const char *text, size_t len);

#endif
