/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Findings to an HTTP collector, contract §5. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "runtime/http.h"
#include "report/sink.h"

#define CONNECT_TIMEOUT_MS	5000
#define TOTAL_TIMEOUT_MS	30000
#define ANSWER_BYTES_MAX	(64u << 10)	/* of an answer that nobody reads */
#define SECRET_FILE_MAX		(16u << 10)	/* bytes of a token or header file */
#define HEADERS_OURS		5
#define HEADERS_MAX		64		/* lines of header_file */

struct collector {
	const struct conf_sink *conf;
	const char *ca_file, *proxy;
	char *host_header, *spool_header;
	bool loopback, secure;
	struct http *http;
};

/* The headers of one request, NULL-terminated; all malloc'd. */
struct headers {
	char *line[HEADERS_OURS + HEADERS_MAX + 1];
	unsigned int n;
};

static void __attribute__((format(printf, 2, 3)))
again(struct sink_result *result, const char *fmt, ...)
{
	va_list args;

	result->outcome = OUTCOME_AGAIN;
	va_start(args, fmt);
	vsnprintf(result->error, sizeof(result->error), fmt, args);
	va_end(args);
}

/* No header line may be more than one. */
static char *
header_line(const char *name, const char *value)
{
	char *line, *at;

	if (asprintf(&line, "%s: %s", name, value) < 0)
		return NULL;
	for (at = line; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
	return line;
}

static bool
add_header(struct headers *headers, char *line)
{
	if (line == NULL || headers->n + 1 >= sizeof(headers->line) / sizeof(headers->line[0])) {
		free(line);
		return false;
	}
	headers->line[headers->n++] = line;
	headers->line[headers->n] = NULL;
	return true;
}

static void
free_headers(struct headers *headers)
{
	while (headers->n > 0) {
		char *line = headers->line[--headers->n];

		explicit_bzero(line, strlen(line));
		free(line);
	}
}

/* The text of a small file; false with *result filled. */
static bool
read_file(const char *path, char text[static SECRET_FILE_MAX], struct sink_result *result)
{
	ssize_t n = -1;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		n = read(fd, text, SECRET_FILE_MAX);
	if (n < 0)
		again(result, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (n == (ssize_t)SECRET_FILE_MAX) {
		again(result, "%s: up to %u bytes are read, it has more", path,
		    SECRET_FILE_MAX - 1);
		n = -1;
	}
	if (n < 0)
		return false;
	text[n] = '\0';
	return true;
}

/* The file behind token_file or token_credential; false: neither, or *result says why. */
static bool
token_path(const struct conf_sink *conf, char path[static 4096], struct sink_result *result)
{
	const char *dir;

	if (conf->token_file != NULL) {
		snprintf(path, 4096, "%s", conf->token_file);
		return true;
	}
	dir = getenv("CREDENTIALS_DIRECTORY");
	if (dir == NULL) {
		again(result, "token_credential %s: there is no CREDENTIALS_DIRECTORY "
		    "(LoadCredential= of systemd)", conf->token_credential);
		return false;
	}
	snprintf(path, 4096, "%s/%s", dir, conf->token_credential);
	return true;
}

/*
 * Read at each try: tokens are rotated under a running agent.  The config lets
 * no token go elsewhere in the clear; here that is made certain.
 */
static bool
add_token(struct collector *collector, struct headers *headers, struct sink_result *result)
{
	const struct conf_sink *conf = collector->conf;
	char text[SECRET_FILE_MAX], path[4096], *value;
	bool added;

	if (conf->token_file == NULL && conf->token_credential == NULL)
		return true;
	if (!collector->secure && !collector->loopback) {
		again(result, "a token goes over https only (or to loopback), the URL is %.150s",
		    conf->url);
		return false;
	}
	if (!token_path(conf, path, result) || !read_file(path, text, result))
		return false;
	value = text + strspn(text, " \t\r\n");
	value[strcspn(value, "\r\n")] = '\0';
	if (*value == '\0') {
		again(result, "%s: the token is empty", path);
		return false;
	}
	memmove(text, value, strlen(value) + 1);
	value = NULL;
	if (asprintf(&value, "Bearer %s", text) < 0)
		value = NULL;
	explicit_bzero(text, sizeof(text));
	added = value != NULL && add_header(headers, header_line("Authorization", value));
	if (value != NULL)
		explicit_bzero(value, strlen(value));
	free(value);
	if (!added)
		again(result, "out of memory");
	return added;
}

/* "Name: value" lines; empty ones and those that begin with # are skipped. */
static bool
add_header_file(struct collector *collector, struct headers *headers, struct sink_result *result)
{
	const char *path = collector->conf->header_file;
	char text[SECRET_FILE_MAX], *line, *rest, *colon;
	unsigned int number = 0;
	bool fine = true;

	if (path == NULL)
		return true;
	if (!read_file(path, text, result))
		return false;
	rest = text;
	while (fine && (line = strsep(&rest, "\n")) != NULL) {
		number++;
		line[strcspn(line, "\r")] = '\0';
		if (*line == '\0' || *line == '#')
			continue;
		colon = strchr(line, ':');
		fine = colon != NULL && colon != line && strcspn(line, " \t") >
		    (size_t)(colon - line);
		if (!fine) {
			again(result, "%s:%u: a header is \"Name: value\"", path, number);
			break;
		}
		*colon = '\0';
		fine = add_header(headers, header_line(line, colon + 1 + strspn(colon + 1, " \t")));
		if (!fine)
			again(result, "%s: up to %d headers are taken", path, HEADERS_MAX);
	}
	explicit_bzero(text, sizeof(text));
	return fine;
}

static bool
make_headers(struct collector *collector, const struct spool_body *bodies, unsigned int n,
    struct headers *headers, struct sink_result *result)
{
	char sequence[64];

	snprintf(sequence, sizeof(sequence), "%" PRIu64 "-%" PRIu64, bodies[0].sequence,
	    bodies[n - 1].sequence);
	if (!add_header(headers, header_line("Content-Type", "application/json")) ||
	    !add_header(headers, strdup(collector->host_header)) ||
	    !add_header(headers, strdup(collector->spool_header)) ||
	    (bodies[0].sequence != 0 &&
	    !add_header(headers, header_line("X-Threatlistd-Sequence", sequence)))) {
		again(result, "out of memory");
		return false;
	}
	return add_token(collector, headers, result) &&
	    add_header_file(collector, headers, result);
}

/* A JSON array of the bodies, malloc'd. */
static char *
make_body(const struct spool_body *bodies, unsigned int n, size_t *size)
{
	unsigned int i;
	char *body, *at;

	*size = 1;
	for (i = 0; i < n; i++)
		*size += bodies[i].size + 1;
	body = at = malloc(*size + 1);
	if (body == NULL)
		return NULL;
	for (i = 0; i < n; i++) {
		*at++ = i == 0 ? '[' : ',';
		memcpy(at, bodies[i].text, bodies[i].size);
		at += bodies[i].size;
	}
	*at++ = ']';
	*at = '\0';
	return body;
}

static bool
is_try_again(long status)
{
	return status == 408 || status == 425 || status == 429 || status >= 500;
}

static void
judge(int error, const struct http_answer *answer, struct sink_result *result)
{
	long status = answer->status;

	/* an accepted batch stays accepted, however much was said about it */
	if (status >= 200 && status < 300 && (error == 0 || error == -EFBIG)) {
		result->outcome = OUTCOME_ACCEPTED;
		return;
	}
	if ((error != 0 && error != -EFBIG) || status < 200) {
		again(result, "%s", answer->error[0] != '\0' ? answer->error : strerror(-error));
		return;
	}
	result->outcome = is_try_again(status) ? OUTCOME_AGAIN :
	    status == 413 ? OUTCOME_TOO_LARGE : OUTCOME_REFUSED;
	if (result->outcome == OUTCOME_AGAIN)
		result->retry_after_ms = (int64_t)answer->retry_after_s * 1000;
	snprintf(result->error, sizeof(result->error), "HTTP status %ld%s%.150s", status,
	    answer->location[0] != '\0' ? ", redirects are not followed: " : "",
	    answer->location);
}

static void
post(struct collector *collector, const struct spool_body *bodies, unsigned int n,
    const struct headers *headers, struct sink_result *result)
{
	const struct conf_sink *conf = collector->conf;
	struct http_answer answer = { .status = 0 };
	struct http_request request = {
		.method = "POST", .url = conf->url,
		.headers = (const char *const *)headers->line,
		.max_bytes = ANSWER_BYTES_MAX,
		.connect_timeout_ms = CONNECT_TIMEOUT_MS, .total_timeout_ms = TOTAL_TIMEOUT_MS,
		.allow_http = true,
		.ca_file = collector->ca_file, .cert_file = conf->cert_file,
		.key_file = conf->key_file, .proxy = collector->proxy,
	};
	char *body;

	body = make_body(bodies, n, &request.body_size);
	if (body == NULL) {
		again(result, "out of memory");
		return;
	}
	request.body = body;
	judge(http_do(collector->http, &request, &answer), &answer, result);
	http_answer_free(&answer);
	free(body);
}

static void
http_deliver(void *state, const struct spool_body *bodies, unsigned int n,
    struct sink_result *result)
{
	struct collector *collector = state;
	struct headers headers = { .n = 0 };

	if (make_headers(collector, bodies, n, &headers, result))
		post(collector, bodies, n, &headers, result);
	free_headers(&headers);
}

static void
http_close(void *state)
{
	struct collector *collector = state;

	http_free(collector->http);
	free(collector->host_header);
	free(collector->spool_header);
	free(collector);
}

static void *
http_open(const struct sink_setting *setting)
{
	const struct conf_sink *conf = setting->conf;
	struct collector *collector = calloc(1, sizeof(*collector));

	if (collector == NULL)
		return NULL;
	collector->conf = conf;
	collector->secure = strncasecmp(conf->url, "https:", 6) == 0;
	collector->loopback = conf_url_is_loopback(conf->url);
	collector->ca_file = conf->ca_file != NULL ? conf->ca_file : setting->ca_file;
	collector->proxy = conf->proxy != NULL ? conf->proxy : setting->proxy;
	/* what may go to loopback only must not go through a proxy elsewhere */
	if (collector->loopback)
		collector->proxy = "none";
	collector->host_header = header_line("X-Threatlistd-Host", setting->host_id);
	collector->spool_header = header_line("X-Threatlistd-Spool", setting->spool_id);
	collector->http = http_new();
	if (collector->http != NULL && setting->announcer != NULL)
		http_on_connect(collector->http, announcer_tell, setting->announcer);
	if (collector->host_header == NULL || collector->spool_header == NULL ||
	    collector->http == NULL) {
		http_close(collector);
		return NULL;
	}
	return collector;
}

const struct sink_kind sink_http = {
	.batch_bytes = SINK_BATCH_BYTES - SINK_BATCH_FRAME,
	.open = http_open, .deliver = http_deliver, .close = http_close,
};
