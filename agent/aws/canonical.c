/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "aws/canonical.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEX_UPPER	"0123456789ABCDEF"
#define UNRESERVED	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
/* RFC 9110 §5.6.2 */
#define TOKEN		"!#$%&'*+-.^_`|~0123456789" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* What proxies and HTTP libraries add or change on the way; authorization is the result. */
static const char *const never_signed[] = {
	"authorization", "connection", "expect", "keep-alive", "proxy-authenticate",
	"proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
	"x-amzn-trace-id",
};

/* A parameter, encoded; in one block with its text. */
struct parameter {
	char *name, *value;
};

char *
sigv4_encode(const char *text, size_t size, const char *keep)
{
	char *out = malloc(3 * size + 1);
	size_t i, n = 0;
	unsigned char c;

	if (out == NULL)
		return NULL;
	for (i = 0; i < size; i++) {
		c = (unsigned char)text[i];
		if (c != '\0' && (strchr(UNRESERVED, c) != NULL || strchr(keep, c) != NULL)) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '%';
		out[n++] = HEX_UPPER[c >> 4];
		out[n++] = HEX_UPPER[c & 15];
	}
	out[n] = '\0';
	return out;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

size_t
sigv4_decode(char *text)
{
	size_t from = 0, to = 0;
	int high, low;

	while (text[from] != '\0') {
		high = text[from] == '%' ? hex_value(text[from + 1]) : -1;
		low = high >= 0 ? hex_value(text[from + 2]) : -1;
		if (low >= 0) {
			text[to++] = (char)(high << 4 | low);
			from += 3;
		} else {
			text[to++] = text[from++];
		}
	}
	text[to] = '\0';
	return to;
}

/* In place, on a path that begins with '/': RFC 3986 §5.2.4, and no empty segments. */
static void
normalise(char *path)
{
	const char *from = path;
	size_t len, to = 0;
	bool slash_at_end = path[strlen(path) - 1] == '/';

	while (*from != '\0') {
		from += strspn(from, "/");
		len = strcspn(from, "/");
		if (len == 2 && strncmp(from, "..", 2) == 0) {
			while (to > 0 && path[--to] != '/')
				continue;
		} else if (len > 0 && !(len == 1 && *from == '.')) {
			path[to++] = '/';
			memmove(path + to, from, len);
			to += len;
		}
		from += len;
	}
	if (to == 0 || slash_at_end)
		path[to++] = '/';
	path[to] = '\0';
}

/* Nothing that a request line cannot carry. */
static bool
is_sendable(const char *path)
{
	for (; *path > ' ' && *path <= '~'; path++)
		continue;
	return *path == '\0';
}

int
canonical_path(FILE *out, const char *path, unsigned int flags)
{
	char *copy, *encoded;

	if (path[0] == '\0')
		path = "/";
	if (path[0] != '/' || strlen(path) > SIGV4_TEXT_MAX ||
	    (!(flags & SIGV4_ENCODE_PATH) && !is_sendable(path)))
		return -EINVAL;
	copy = strdup(path);
	if (copy == NULL)
		return -ENOMEM;
	if (flags & SIGV4_NORMALISE_PATH)
		normalise(copy);
	if (flags & SIGV4_ENCODE_PATH) {
		encoded = sigv4_encode(copy, strlen(copy), "/");
		free(copy);
		copy = encoded;
		if (copy == NULL)
			return -ENOMEM;
	}
	fputs(copy, out);
	free(copy);
	return 0;
}

static int
compare_parameters(const void *a, const void *b)
{
	const struct parameter *left = a, *right = b;
	int order = strcmp(left->name, right->name);

	return order != 0 ? order : strcmp(left->value, right->value);
}

/* Takes one escape layer off and puts the canonical one on. */
static char *
encode_again(const char *text, size_t len)
{
	char *copy = strndup(text, len), *encoded = NULL;
	size_t size;

	if (copy != NULL) {
		size = sigv4_decode(copy);
		encoded = sigv4_encode(copy, size, "");
	}
	free(copy);
	return encoded;
}

static int
split_query(const char *query, struct parameter *parameters, size_t *n)
{
	size_t len, name;

	for (; *query != '\0'; query += len, query += *query == '&') {
		len = strcspn(query, "&");
		if (len == 0)
			continue;
		if (*n == SIGV4_PARAMETERS_MAX)
			return -EINVAL;
		name = strcspn(query, "=&");
		parameters[*n].name = encode_again(query, name);
		name += name < len;
		parameters[*n].value = encode_again(query + name, len - name);
		(*n)++;
		if (parameters[*n - 1].name == NULL || parameters[*n - 1].value == NULL)
			return -ENOMEM;
	}
	return 0;
}

int
canonical_query(FILE *out, const char *query)
{
	struct parameter parameters[SIGV4_PARAMETERS_MAX];
	size_t i, n = 0;
	int error;

	if (strlen(query) > SIGV4_TEXT_MAX)
		return -EINVAL;
	error = split_query(query, parameters, &n);
	if (error == 0) {
		qsort(parameters, n, sizeof(parameters[0]), compare_parameters);
		for (i = 0; i < n; i++)
			fprintf(out, "%s%s=%s", i > 0 ? "&" : "", parameters[i].name,
			    parameters[i].value);
	}
	for (i = 0; i < n; i++) {
		free(parameters[i].name);
		free(parameters[i].value);
	}
	return error;
}

static bool
is_never_signed(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(never_signed) / sizeof(never_signed[0]); i++) {
		if (strcmp(name, never_signed[i]) == 0)
			return true;
	}
	return false;
}

int
canonical_header_add(struct canonical_headers *headers, const char *name, const char *value)
{
	struct canonical_header *header = &headers->header[headers->n];
	size_t i, len = strlen(name);

	if (headers->n == SIGV4_HEADERS_MAX || len == 0 || len >= sizeof(header->name) ||
	    strspn(name, TOKEN) != len || strlen(value) > SIGV4_TEXT_MAX)
		return -EINVAL;
	for (i = 0; i <= len; i++)
		header->name[i] = name[i] >= 'A' && name[i] <= 'Z' ?
		    (char)(name[i] - 'A' + 'a') : name[i];
	header->value = value;
	header->order = headers->n;
	if (!is_never_signed(header->name))
		headers->n++;
	return 0;
}

/* By name alone (x-amz-date before x-amz-date-x); qsort(3) is not stable, so by order too. */
static int
compare_headers(const void *a, const void *b)
{
	const struct canonical_header *left = a, *right = b;
	int order = strcmp(left->name, right->name);

	return order != 0 ? order : left->order < right->order ? -1 : left->order > right->order;
}

void
canonical_headers_sort(struct canonical_headers *headers)
{
	qsort(headers->header, headers->n, sizeof(headers->header[0]), compare_headers);
}

/* Trimmed; every run of blanks and line folds is one blank. */
static void
print_value(FILE *out, const char *value)
{
	static const char blanks[] = " \t\r\n";
	size_t len;
	bool first = true;

	for (value += strspn(value, blanks); *value != '\0'; value += strspn(value, blanks)) {
		len = strcspn(value, blanks);
		fprintf(out, "%s%.*s", first ? "" : " ", (int)len, value);
		value += len;
		first = false;
	}
}

static bool
is_repeated(const struct canonical_headers *headers, size_t i)
{
	return i > 0 && strcmp(headers->header[i].name, headers->header[i - 1].name) == 0;
}

void
canonical_headers_print(FILE *out, const struct canonical_headers *headers)
{
	size_t i;

	for (i = 0; i < headers->n; i++) {
		if (is_repeated(headers, i))
			fputc(',', out);
		else
			fprintf(out, "%s%s:", i > 0 ? "\n" : "", headers->header[i].name);
		print_value(out, headers->header[i].value);
	}
	fputc('\n', out);
}

void
canonical_names_print(FILE *out, const struct canonical_headers *headers)
{
	size_t i;

	for (i = 0; i < headers->n; i++) {
		if (!is_repeated(headers, i))
			fprintf(out, "%s%s", i > 0 ? ";" : "", headers->header[i].name);
	}
}
