/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/json_scan.h"

#include <string.h>

void
json_scan_init(struct json_scan *scan, const char *data, size_t size)
{
	memset(scan, 0, sizeof(*scan));
	scan->data = data;
	scan->size = size;
	scan->line = 1;
}

static bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Behind the backslash; the length of what follows it, 0: no escape, or cut off. */
static size_t
escape_length(const struct json_scan *scan, size_t at)
{
	size_t i;

	if (at == scan->size)
		return 0;
	if (scan->data[at] != 'u')
		return memchr("\"\\/bfnrt", scan->data[at], 8) != NULL;
	if (scan->size - at < 5)
		return 0;
	for (i = 1; i < 5; i++) {
		if (!is_hex(scan->data[at + i]))
			return 0;
	}
	return 5;
}

static enum json_token
read_string(struct json_scan *scan)
{
	size_t start = ++scan->at, n;
	unsigned char c;

	for (; scan->at < scan->size; scan->at++) {
		c = (unsigned char)scan->data[scan->at];
		if (c == '"') {
			scan->text = scan->data + start;
			scan->len = scan->at++ - start;
			return JSON_STRING;
		}
		if (c < ' ')
			return JSON_WRONG;
		if (c == '\\') {
			n = escape_length(scan, scan->at + 1);
			if (n == 0)
				return scan->size - scan->at < 6 ? JSON_END : JSON_WRONG;
			scan->at += n;
		}
	}
	return JSON_END;
}

static size_t
digits(const struct json_scan *scan, size_t at)
{
	size_t start = at;

	while (at < scan->size && scan->data[at] >= '0' && scan->data[at] <= '9')
		at++;
	return at - start;
}

static bool
is_at(const struct json_scan *scan, size_t at, const char *set)
{
	return at < scan->size && scan->data[at] != '\0' && strchr(set, scan->data[at]) != NULL;
}

static enum json_token
read_number(struct json_scan *scan)
{
	size_t at = scan->at + (scan->data[scan->at] == '-'), n;

	n = digits(scan, at);
	if (n == 0 || (n > 1 && scan->data[at] == '0'))
		goto wrong;
	at += n;
	if (is_at(scan, at, ".")) {
		n = digits(scan, ++at);
		if (n == 0)
			goto wrong;
		at += n;
	}
	if (is_at(scan, at, "eE")) {
		at++;
		at += is_at(scan, at, "+-");
		n = digits(scan, at);
		if (n == 0)
			goto wrong;
		at += n;
	}
	scan->at = at;
	return JSON_NUMBER;
wrong:
	return at == scan->size ? JSON_END : JSON_WRONG;
}

static enum json_token
read_word(struct json_scan *scan, const char *word, enum json_token token)
{
	size_t len = strlen(word), left = scan->size - scan->at;

	if (memcmp(scan->data + scan->at, word, left < len ? left : len) != 0)
		return JSON_WRONG;
	if (left < len)
		return JSON_END;
	scan->at += len;
	return token;
}

bool
json_scan_done(struct json_scan *scan)
{
	for (; is_at(scan, scan->at, " \t\r\n"); scan->at++)
		scan->line += scan->data[scan->at] == '\n';
	return scan->at == scan->size;
}

enum json_token
json_scan_next(struct json_scan *scan)
{
	if (json_scan_done(scan))
		return JSON_END;
	switch (scan->data[scan->at]) {
	case '{':
	case '}':
	case '[':
	case ']':
	case ':':
	case ',':
		return (enum json_token)scan->data[scan->at++];
	case '"':
		return read_string(scan);
	case 't':
		return read_word(scan, "true", JSON_TRUE);
	case 'f':
		return read_word(scan, "false", JSON_FALSE);
	case 'n':
		return read_word(scan, "null", JSON_NULL);
	default:
		if (is_at(scan, scan->at, "-0123456789"))
			return read_number(scan);
		return JSON_WRONG;
	}
}

bool
json_scan_is(const struct json_scan *scan, const char *text)
{
	return scan->len == strlen(text) && memcmp(scan->text, text, scan->len) == 0;
}

static unsigned int
hex_of(char c)
{
	return (unsigned int)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static char
of_code(const char hex[static 4])
{
	unsigned int code = hex_of(hex[0]) << 12 | hex_of(hex[1]) << 8 | hex_of(hex[2]) << 4 |
	    hex_of(hex[3]);

	return code < 0x80 ? (char)code : '?';
}

size_t
json_unescape(char *to, const char *text, size_t len)
{
	static const char from[] = "bfnrt", is[] = "\b\f\n\r\t";
	size_t i, n = 0;
	const char *found;

	for (i = 0; i < len; i++) {
		if (text[i] != '\\') {
			to[n++] = text[i];
			continue;
		}
		i++;
		if (text[i] == 'u') {
			to[n++] = of_code(text + i + 1);
			i += 4;
			continue;
		}
		found = memchr(from, text[i], sizeof(from) - 1);
		to[n++] = found == NULL ? text[i] : is[found - from];
	}
	return n;
}
