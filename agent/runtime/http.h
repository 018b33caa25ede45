/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * HTTP as far as this agent needs it, on libcurl: one request at a time, all
 * of it bounded.  http:// only where the caller says so.  HTTP/1.1, TLS 1.2 or
 * newer, the peer always verified.  A thread uses a struct http of its own.
 * The caller's process ignores SIGPIPE.
 */
#ifndef RUNTIME_HTTP_H
#define RUNTIME_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "threatlistd/addr.h"

#define HTTP_WANTED_MAX	4	/* headers of the answer a request may ask for */

struct http;		/* one reusable easy handle: connections are kept */

struct http_request {
	const char *method;		/* "GET", "POST", "PUT" */
	const char *url;
	const char *const *headers;	/* "Name: value", NULL-terminated; may be NULL */
	const void *body;
	size_t body_size;
	uint64_t max_bytes;		/* of the answer's body, as received and after inflation */
	long connect_timeout_ms, total_timeout_ms;	/* 0: 5 s, 30 s */
	bool allow_http;		/* plain http is fine (loopback, IMDS) */
	bool follow_https;		/* follow up to 5 redirects, to https only */
	bool inflate;			/* accept gzip */
	const char *ca_file;		/* PEM, the only authorities trusted; NULL: the system's */
	const char *cert_file, *key_file;	/* PEM; NULL: none; key NULL: in cert_file */
	const char *proxy;		/* NULL or "env", "none", URL */
	/* numeric address to connect to, whatever the URL's host resolves to; NULL: that */
	const char *connect_to;
	const char *const *wanted;	/* names, NULL-terminated; may be NULL */
};

struct http_answer {
	long status;			/* 0: none came */
	void *body;			/* malloc'd, NUL after the last byte */
	size_t body_size;
	char etag[256], last_modified[64];
	char content_type[64];
	char location[256];
	uint32_t retry_after_s;		/* 0: none; bounded to 3600 */
	int64_t date_s;			/* of the Date header; 0: none */
	char wanted[HTTP_WANTED_MAX][256];	/* in the request's order; empty: none came */
	bool connected;			/* the peer (or proxy) took the connection */
	char error[256];		/* why there is no (whole) answer */
};

struct http *http_new(void);	/* NULL: no memory */
void http_free(struct http *http);

/*
 * Called with each address before it is connected to (a proxy's where there is
 * one), in the thread of http_do; port in host byte order.  Connections are kept
 * for two minutes at most, so that nobody is used for long without a call.
 */
typedef void http_connect_fn(const struct addr *addr, uint16_t port, void *arg);
void http_on_connect(struct http *http, http_connect_fn *tell, void *arg);

/*
 * Does it.  0 with answer->status set and a whole body; -EFBIG above
 * max_bytes, -ETIMEDOUT, -ECONNREFUSED (any failure to connect), -EPROTO
 * (TLS, cut or malformed answer), -EPERM (a redirect or URL that is not
 * allowed), -ENOMEM.  answer->error is set then.  http_answer_free in every
 * case.
 */
int http_do(struct http *http, const struct http_request *request, struct http_answer *answer);
void http_answer_free(struct http_answer *answer);

#endif
