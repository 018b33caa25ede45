/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Signs the cases of AWS's published signing test suite:
 *   sigv4-vectors DIR   each folder below DIR that holds a context.json or request.txt
 *   sigv4-vectors -     each line of standard input, a JSON object (see read_line_case)
 * and prints for each the case's name, the SHA-256 of its canonical request
 * and of its string to sign, and its signature; dashes for a case that cannot
 * be read or signed.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "aws/sigv4.h"

#define FILE_MAX	(1u << 20)
#define DEPTH_MAX	8

struct vector {
	char *text;			/* request.txt, cut into pieces */
	cJSON *context;
	struct aws_keys keys;
	struct sigv4_header headers[SIGV4_HEADERS_MAX];
	struct sigv4_request request;
};

static void
vector_free(struct vector *vector)
{
	free(vector->text);
	cJSON_Delete(vector->context);
	aws_keys_wipe(&vector->keys);
}

static char *
read_file(const char *folder, const char *name)
{
	char path[4096], *text = NULL;
	size_t n = 0;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	in = fopen(path, "r");
	if (in == NULL)
		return NULL;
	text = malloc(FILE_MAX + 1);
	if (text != NULL)
		n = fread(text, 1, FILE_MAX, in);
	if (text != NULL && (ferror(in) || n == FILE_MAX || memchr(text, '\0', n) != NULL)) {
		free(text);
		text = NULL;
	}
	if (text != NULL)
		text[n] = '\0';
	fclose(in);
	return text;
}

/* The suite's files may have passed through a system with other line ends, and a byte order mark. */
static void
drop_returns(char *text)
{
	char *to = text;

	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	for (; *text != '\0'; text++) {
		if (*text != '\r')
			*to++ = *text;
	}
	*to = '\0';
}

static const char *
text_of(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static bool
is_true(const cJSON *object, const char *name)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static bool
copy_text(char *to, size_t size, const char *text)
{
	if (text == NULL || strlen(text) >= size)
		return false;
	memcpy(to, text, strlen(text) + 1);
	return true;
}

static bool
read_keys(struct aws_keys *keys, const cJSON *context)
{
	const cJSON *from = cJSON_GetObjectItemCaseSensitive(context, "credentials");
	const char *token = text_of(from, "token");

	return copy_text(keys->id, sizeof(keys->id), text_of(from, "access_key_id")) &&
	    copy_text(keys->secret, sizeof(keys->secret), text_of(from, "secret_access_key")) &&
	    copy_text(keys->token, sizeof(keys->token), token != NULL ? token : "");
}

/* 2015-08-30T12:36:00Z, 20150830T123600Z */
static bool
read_time(int64_t *time_s, const char *text)
{
	struct tm tm = { 0 };
	const char *end = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	if (end == NULL && text != NULL)
		end = strptime(text, "%Y%m%dT%H%M%S", &tm);
	if (end != NULL && *end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	if (end == NULL || (strcmp(end, "Z") != 0 && strcmp(end, "+00:00") != 0))
		return false;
	*time_s = (int64_t)timegm(&tm);
	return true;
}

static bool
read_context(struct vector *vector)
{
	struct sigv4_request *request = &vector->request;
	const cJSON *context = vector->context;
	const char *payload = text_of(context, "signed_body_value");

	request->region = text_of(context, "region");
	request->service = text_of(context, "service");
	request->keys = &vector->keys;
	request->flags = SIGV4_ENCODE_PATH;
	if (is_true(context, "normalize"))
		request->flags |= SIGV4_NORMALISE_PATH;
	if (is_true(context, "sign_body"))
		request->flags |= SIGV4_SIGN_PAYLOAD;
	else
		request->body_size = 0;	/* the suite then signs an empty one */
	if (is_true(context, "omit_session_token"))
		request->flags |= SIGV4_OMIT_TOKEN;
	if (payload != NULL && payload[0] != '\0')
		request->payload_hash = payload;
	return request->region != NULL && request->service != NULL &&
	    read_keys(&vector->keys, context) &&
	    read_time(&request->time_s, text_of(context, "timestamp"));
}

/* Cuts a line off, without its end; NULL at the end of the text. */
static char *
cut_line(char **text)
{
	char *line = *text, *end;

	if (line == NULL || *line == '\0')
		return NULL;
	end = strchr(line, '\n');
	*text = end != NULL ? end + 1 : line + strlen(line);
	if (end != NULL)
		*end = '\0';
	return line;
}

/*
 * Targets are raw; some copies of the suite have what a URL cannot carry, blanks
 * and UTF-8, encoded already.  Any other escape is part of the path, to be
 * encoded as it stands: %3D is signed as %253D.
 */
static bool
make_raw(char *path)
{
	char escape[4] = "", *to = path, *from;

	for (from = path; *from != '\0'; from++, to++) {
		*to = *from;
		if (*from != '%' || strspn(from + 1, "0123456789ABCDEFabcdef") < 2)
			continue;
		memcpy(escape, from, 3);
		if (sigv4_decode(escape) != 1 || escape[0] == '\0')
			return false;
		if (escape[0] > ' ' && escape[0] <= '~')
			continue;
		*to = escape[0];
		from += 2;
	}
	*to = '\0';
	return true;
}

/* METHOD target HTTP/1.1, where the target may hold blanks. */
static bool
read_target(struct vector *vector, char *line)
{
	char *target, *end = NULL, *at, *query;

	if (line == NULL)
		return false;
	target = strchr(line, ' ');
	if (target == NULL)
		return false;
	*target++ = '\0';
	for (at = target; (at = strcasestr(at, " HTTP/")) != NULL; at++)
		end = at;
	if (end == NULL)
		return false;
	*end = '\0';
	query = strchr(target, '?');
	if (query != NULL)
		*query++ = '\0';
	/* the signed form is the encoded target: the rule encodes it, once */
	if (!make_raw(target))
		return false;
	vector->request.method = line;
	vector->request.path = target;
	vector->request.query = query;
	return true;
}

static bool
read_headers(struct vector *vector, char **rest)
{
	char *line, *colon;
	size_t n = 0;

	while ((line = cut_line(rest)) != NULL && line[0] != '\0') {
		if (line[0] == ' ' || line[0] == '\t') {
			if (n == 0)
				return false;
			line[-1] = '\n';	/* parted by cut_line */
			continue;
		}
		colon = strchr(line, ':');
		if (colon == NULL || n == SIGV4_HEADERS_MAX)
			return false;
		*colon = '\0';
		vector->headers[n].name = line;
		vector->headers[n++].value = colon + 1;
	}
	vector->request.headers = vector->headers;
	vector->request.nheaders = n;
	return true;
}

/* What follows the empty line, as long as Content-Length says. */
static void
read_body(struct vector *vector, const char *rest)
{
	struct sigv4_request *request = &vector->request;
	unsigned long long length;
	size_t i;

	request->body = rest;
	request->body_size = strlen(rest);
	for (i = 0; i < request->nheaders; i++) {
		if (strcasecmp(vector->headers[i].name, "content-length") != 0)
			continue;
		length = strtoull(vector->headers[i].value, NULL, 10);
		if (length < request->body_size)
			request->body_size = (size_t)length;
	}
}

/* The signer adds these itself. */
static void
drop_added(struct vector *vector)
{
	size_t i, n = 0;

	for (i = 0; i < vector->request.nheaders; i++) {
		if (strcasecmp(vector->headers[i].name, "x-amz-date") == 0 ||
		    (strcasecmp(vector->headers[i].name, "x-amz-security-token") == 0 &&
		    vector->keys.token[0] != '\0'))
			continue;
		vector->headers[n++] = vector->headers[i];
	}
	vector->request.nheaders = n;
}

static bool
read_case(struct vector *vector, const char *folder)
{
	char *json = read_file(folder, "context.json"), *rest;

	vector->text = rest = read_file(folder, "request.txt");
	if (rest != NULL)
		drop_returns(rest);
	vector->context = json != NULL ? cJSON_Parse(json) : NULL;
	free(json);
	if (vector->text == NULL || vector->context == NULL ||
	    !read_target(vector, cut_line(&rest)) || !read_headers(vector, &rest))
		return false;
	read_body(vector, rest);
	if (!read_context(vector))
		return false;
	drop_added(vector);
	return true;
}

/*
 * {"name", "method", "path", "query", "headers": [[name, value]…], "body",
 * "region", "service", "time", "s3", "credentials": as in context.json}: path
 * and query as sent.
 */
static bool
read_line_case(struct vector *vector, const char *line)
{
	struct sigv4_request *request = &vector->request;
	const cJSON *pair, *from;
	size_t n = 0;

	from = vector->context = cJSON_Parse(line);
	request->method = text_of(from, "method");
	request->path = text_of(from, "path");
	request->query = text_of(from, "query");
	request->body = text_of(from, "body");
	request->region = text_of(from, "region");
	request->service = text_of(from, "service");
	request->keys = &vector->keys;
	request->flags = is_true(from, "s3") ? SIGV4_S3 : SIGV4_GENERAL;
	request->time_s =
	    (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(from, "time"));
	cJSON_ArrayForEach(pair, cJSON_GetObjectItemCaseSensitive(from, "headers")) {
		if (n == SIGV4_HEADERS_MAX)
			return false;
		vector->headers[n].name = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 0));
		vector->headers[n].value = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 1));
		if (vector->headers[n].name == NULL || vector->headers[n].value == NULL)
			return false;
		n++;
	}
	request->headers = vector->headers;
	request->nheaders = n;
	if (request->body != NULL)
		request->body_size = strlen(request->body);
	return request->method != NULL && request->path != NULL && request->region != NULL &&
	    request->service != NULL && read_keys(&vector->keys, from);
}

static void
print_signed(const char *name, const struct vector *vector, bool readable)
{
	char canonical[SIGV4_HEX_MAX], string[SIGV4_HEX_MAX];
	struct sigv4 to = { 0 };

	if (readable && sigv4_sign(&vector->request, &to) == 0) {
		sigv4_sha256_hex(to.canonical, strlen(to.canonical), canonical);
		sigv4_sha256_hex(to.string_to_sign, strlen(to.string_to_sign), string);
		printf("%s\t%s\t%s\t%s\n", name, canonical, string, to.signature);
	} else {
		printf("%s\t-\t-\t-\n", name);
	}
	sigv4_free(&to);
}

static void
sign_folder(const char *folder, const char *name)
{
	struct vector vector = { 0 };
	bool readable = read_case(&vector, folder);

	print_signed(name, &vector, readable);
	vector_free(&vector);
}

static bool
is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool
is_case_file(const char *name)
{
	return strcmp(name, "context.json") == 0 || strcmp(name, "request.txt") == 0;
}

/* A folder with folders in it is walked; any other, and one with a case's files, is a case. */
static int
walk(const char *folder, const char *name, unsigned int depth)
{
	struct dirent **entries = NULL;
	char path[4096], below[4096];
	int i, n = scandir(folder, &entries, NULL, by_name);
	bool has_folders = false, has_files = false;

	if (n < 0)
		return -errno;
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		snprintf(below, sizeof(below), "%s%s%s", name, name[0] != '\0' ? "/" : "",
		    entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && depth < DEPTH_MAX && is_folder(path)) {
			walk(path, below, depth + 1);
			has_folders = true;
		}
		has_files = has_files || is_case_file(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	if (depth > 0 && (has_files || !has_folders))
		sign_folder(folder, name);
	return 0;
}

static void
sign_lines(FILE *in)
{
	struct vector vector;
	const char *name;
	char *line = NULL;
	size_t room = 0;
	bool readable;

	while (getline(&line, &room, in) > 0) {
		memset(&vector, 0, sizeof(vector));
		readable = read_line_case(&vector, line);
		name = text_of(vector.context, "name");
		print_signed(name != NULL ? name : "?", &vector, readable);
		vector_free(&vector);
	}
	free(line);
}

int
main(int argc, char **argv)
{
	int error;

	if (argc != 2) {
		fprintf(stderr, "usage: sigv4-vectors DIR | -\n");
		return 2;
	}
	if (strcmp(argv[1], "-") == 0) {
		sign_lines(stdin);
		return 0;
	}
	error = walk(argv[1], "", 0);
	if (error != 0)
		fprintf(stderr, "sigv4-vectors: %s: %s\n", argv[1], strerror(-error));
	return error != 0;
}
