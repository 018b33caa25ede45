/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A list behind a URL, asked for only if it changed. */
#include "feed/source.h"

#include <stdio.h>
#include <string.h>

#define TOTAL_TIMEOUT_MS	120000	/* 35 MB at 2.4 Mbit/s */
#define CONNECT_TIMEOUT_MS	5000

#define HEADERS		4
#define HEADER_MAX	(ETAG_MAX + 32)

/* What a status means to someone who runs this. */
static const char *
hint(long status)
{
	switch (status) {
	case 301: case 302: case 303: case 307: case 308:
		return " (a redirect without a location)";
	case 304:
		return " (not modified, which was not asked)";
	case 401: case 403:
		return " (access denied)";
	case 404: case 410:
		return " (there is no list at this URL)";
	case 407:
		return " (the proxy wants a login)";
	case 429: case 503:
		return " (too many requests, or not available now)";
	default:
		return status >= 500 ? " (an error of the server)" : "";
	}
}

/* A value that could end a header line is none of ours. */
static bool
fits_header(const char *value)
{
	const char *at;

	for (at = value; *at != '\0'; at++) {
		if (*at < ' ' || *at > '~')
			return false;
	}
	return at != value;
}

static void
make_headers(const struct msg_fetch *last, char texts[HEADERS][HEADER_MAX],
    const char *headers[HEADERS + 1])
{
	size_t n = 0;

	snprintf(texts[n++], HEADER_MAX, "Accept: text/plain, text/*;q=0.9, */*;q=0.5");
	if (last->have_hash && fits_header(last->etag))
		snprintf(texts[n++], HEADER_MAX, "If-None-Match: %s", last->etag);
	if (last->have_hash && fits_header(last->last_modified))
		snprintf(texts[n++], HEADER_MAX, "If-Modified-Since: %s", last->last_modified);
	headers[n] = NULL;
	while (n-- > 0)
		headers[n] = texts[n];
}

static enum source_outcome
judge(const struct source_ask *ask, struct http_answer *answer, struct source_text *text)
{
	text->retry_after_s = answer->retry_after_s;
	snprintf(text->etag, sizeof(text->etag), "%s", answer->etag);
	snprintf(text->last_modified, sizeof(text->last_modified), "%s", answer->last_modified);
	snprintf(text->content_type, sizeof(text->content_type), "%s", answer->content_type);
	if (answer->status == 304 && ask->last->have_hash) {
		/* a 304 may leave out what has not changed (RFC 9110 §15.4.5) */
		if (text->etag[0] == '\0')
			memcpy(text->etag, ask->last->etag, sizeof(text->etag));
		if (text->last_modified[0] == '\0')
			memcpy(text->last_modified, ask->last->last_modified,
			    sizeof(text->last_modified));
		return SOURCE_SAME;
	}
	if (answer->status != 200)
		return source_failed(text, "the server answered %ld%s", answer->status,
		    hint(answer->status));
	text->data = answer->body;
	text->size = answer->body_size;
	answer->body = NULL;
	return SOURCE_READ;
}

enum source_outcome
source_https_read(const struct source_ask *ask, struct source_text *text)
{
	char texts[HEADERS][HEADER_MAX];
	const char *headers[HEADERS + 1];
	const struct http_request request = {
		.method = "GET",
		.url = ask->source->location,
		.headers = headers,
		.max_bytes = ask->source->max_bytes,
		.connect_timeout_ms = CONNECT_TIMEOUT_MS,
		.total_timeout_ms = TOTAL_TIMEOUT_MS,
		.follow_https = true,
		.inflate = true,
		.ca_file = ask->source->ca_file,
		.proxy = ask->conf->agent.proxy,
	};
	struct http_answer answer;
	enum source_outcome outcome;

	make_headers(ask->last, texts, headers);
	if (http_do(ask->http, &request, &answer) != 0)
		outcome = source_failed(text, "%s", answer.error);
	else
		outcome = judge(ask, &answer, text);
	http_answer_free(&answer);
	return outcome;
}
