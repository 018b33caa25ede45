/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "aws/signed.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#define BUCKET_LETTERS	"abcdefghijklmnopqrstuvwxyz0123456789.-"

/* Where a request goes. */
struct place {
	char host[AWS_HOST_MAX];	/* for URL and Host: no default port */
	char *path;			/* with the endpoint's own before it */
};

static int __attribute__((format(printf, 2, 3)))
add_header(struct signed_request *out, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&out->headers[out->nheaders], fmt, args);
	va_end(args);
	if (n < 0) {
		out->headers[out->nheaders] = NULL;
		return -ENOMEM;
	}
	out->nheaders++;
	return 0;
}

static bool
is_bucket(const char *bucket)
{
	size_t len = strlen(bucket);

	return len >= 3 && len <= 63 && strspn(bucket, BUCKET_LETTERS) == len;
}

/* A dot in the name breaks TLS's wildcard, and other servers know no names before their own. */
static bool
goes_into_host(const struct aws_request *request, const struct aws_endpoint *endpoint)
{
	return request->bucket != NULL && !endpoint->custom &&
	    strchr(request->bucket, '.') == NULL;
}

static void
drop_port(char *host, const char *port)
{
	size_t len = strlen(host), n = strlen(port);

	if (len > n && strcmp(host + len - n, port) == 0)
		host[len - n] = '\0';
}

static int
find_place(struct place *place, const struct aws_request *request,
    const struct aws_endpoint *endpoint)
{
	bool in_host = goes_into_host(request, endpoint);
	const char *in_path = request->bucket != NULL && !in_host ? request->bucket : NULL;
	int n;

	place->path = NULL;
	if (request->bucket != NULL && !is_bucket(request->bucket))
		return -EINVAL;
	n = snprintf(place->host, sizeof(place->host), "%s%s%s",
	    in_host ? request->bucket : "", in_host ? "." : "", endpoint->host);
	if (n < 0 || (size_t)n >= sizeof(place->host))
		return -EINVAL;
	drop_port(place->host, endpoint->http ? ":80" : ":443");
	if (asprintf(&place->path, "%s%s%s%s", endpoint->path, in_path != NULL ? "/" : "",
	    in_path != NULL ? in_path : "", request->path) < 0) {
		place->path = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* A line end would be another header. */
static bool
is_line(const char *text)
{
	for (; *text >= ' ' && *text != 0x7f; text++)
		continue;
	return *text == '\0';
}

/* The signature, over exactly what is sent. */
static int
sign(struct sigv4 *to, const struct aws_request *request, const struct aws_endpoint *endpoint,
    const struct aws_keys *keys, const struct place *place, int64_t time_s)
{
	struct sigv4_header headers[AWS_CALL_HEADERS_MAX + 1];
	const struct sigv4_request about = {
		.method = request->method,
		.path = place->path,
		.query = request->query,
		.headers = headers,
		.nheaders = request->nheaders + 1,
		.body = request->body,
		.body_size = request->body_size,
		.region = endpoint->region,
		.service = endpoint->signing_name,
		.keys = keys,
		.time_s = time_s,
		.flags = request->service == AWS_S3 ? SIGV4_S3 : SIGV4_GENERAL,
	};
	size_t i;

	for (i = 0; i < request->nheaders; i++) {
		if (!is_line(request->headers[i].value))
			return -EINVAL;
		headers[i] = request->headers[i];
	}
	headers[i].name = "host";
	headers[i].value = place->host;
	return sigv4_sign(&about, to);
}

static int
make_headers(struct signed_request *out, const struct aws_request *request,
    const struct sigv4 *signature, const struct aws_keys *keys, const char *host)
{
	int error = add_header(out, "Host: %s", host);
	size_t i;

	for (i = 0; i < request->nheaders && error == 0; i++)
		error = add_header(out, "%s: %s", request->headers[i].name,
		    request->headers[i].value);
	if (error == 0)
		error = add_header(out, "X-Amz-Date: %s", signature->date);
	if (error == 0 && keys->token[0] != '\0')
		error = add_header(out, "X-Amz-Security-Token: %s", keys->token);
	if (error == 0 && request->service == AWS_S3)
		error = add_header(out, "X-Amz-Content-Sha256: %s", signature->payload_hash);
	if (error == 0)
		error = add_header(out, "Authorization: %s", signature->authorization);
	return error;
}

/* What a URL cannot carry would not arrive as it was signed. */
static bool
is_encoded(const char *text)
{
	for (; *text > ' ' && *text <= '~' && *text != '#'; text++)
		continue;
	return *text == '\0';
}

int
signed_make(struct signed_request *out, const struct aws_request *request,
    const struct aws_endpoint *endpoint, const struct aws_keys *keys, int64_t time_s)
{
	struct sigv4 signature = { .date = "" };
	struct place place;
	int error;

	memset(out, 0, sizeof(*out));
	error = find_place(&place, request, endpoint);
	if (error == 0 && (!is_encoded(place.path) || strchr(place.path, '?') != NULL ||
	    (request->query != NULL && !is_encoded(request->query))))
		error = -EINVAL;
	if (error == 0)
		error = sign(&signature, request, endpoint, keys, &place, time_s);
	if (error == 0)
		error = make_headers(out, request, &signature, keys, place.host);
	if (error == 0 && asprintf(&out->url, "%s://%s%s%s%s", endpoint->http ? "http" : "https",
	    place.host, place.path, request->query != NULL ? "?" : "",
	    request->query != NULL ? request->query : "") < 0) {
		out->url = NULL;
		error = -ENOMEM;
	}
	sigv4_free(&signature);
	free(place.path);
	return error;
}

void
signed_free(struct signed_request *out)
{
	size_t i;

	for (i = 0; i < out->nheaders; i++) {
		/* one of them is the session token */
		OPENSSL_cleanse(out->headers[i], strlen(out->headers[i]));
		free(out->headers[i]);
	}
	free(out->url);
	memset(out, 0, sizeof(*out));
}
