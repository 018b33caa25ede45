/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * AWS Signature Version 4 of one request, as text: no I/O, no clock.  The
 * signer adds x-amz-date, the session token and, by S3's rule, the payload's
 * hash; the caller sends those and authorization beside its own headers.
 */
#ifndef AWS_SIGV4_H
#define AWS_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/keys.h"

#define SIGV4_HEADERS_MAX	64
#define SIGV4_PARAMETERS_MAX	128	/* of a query */
#define SIGV4_TEXT_MAX		16384	/* bytes of a path, a query, a header's value */
#define SIGV4_NAME_MAX		128	/* bytes of a header's name, region, service */
#define SIGV4_DATE_MAX		17	/* 20150830T123600Z and a NUL */
#define SIGV4_HEX_MAX		65	/* a SHA-256 in hex and a NUL */

#define SIGV4_UNSIGNED_PAYLOAD	"UNSIGNED-PAYLOAD"

/* How a path becomes its canonical form, and what else is signed. */
enum sigv4_flag {
	SIGV4_NORMALISE_PATH = 1u << 0,	/* no dot segments, no empty ones */
	SIGV4_ENCODE_PATH = 1u << 1,	/* %20 as sent is signed as %2520 */
	SIGV4_SIGN_PAYLOAD = 1u << 2,	/* x-amz-content-sha256 is sent and signed */
	SIGV4_OMIT_TOKEN = 1u << 3,	/* the token is sent, but not signed */
};
/* The two rules of AWS: every service but S3, and S3. */
#define SIGV4_GENERAL	(SIGV4_NORMALISE_PATH | SIGV4_ENCODE_PATH)
#define SIGV4_S3	SIGV4_SIGN_PAYLOAD

struct sigv4_header {
	const char *name, *value;	/* a value may be folded */
};

struct sigv4_request {
	const char *method;
	const char *path;		/* as sent; "" stands for "/" */
	const char *query;		/* as sent, without the '?'; NULL: none */
	const struct sigv4_header *headers;	/* host among them */
	size_t nheaders;
	const void *body;
	size_t body_size;
	const char *payload_hash;	/* hex or SIGV4_UNSIGNED_PAYLOAD; NULL: of the body */
	const char *region, *service;
	const struct aws_keys *keys;
	int64_t time_s;			/* since 1970, UTC */
	unsigned int flags;		/* enum sigv4_flag */
};

struct sigv4 {
	char date[SIGV4_DATE_MAX];	/* x-amz-date */
	char payload_hash[SIGV4_HEX_MAX];	/* x-amz-content-sha256 */
	char signature[SIGV4_HEX_MAX];
	/* malloc'd */
	char *canonical;		/* the canonical request */
	char *string_to_sign;
	char *authorization;		/* the header's value */
};

/*
 * Every header given is signed, except those that a proxy or an HTTP library
 * may change on the way.  0, -EINVAL (a bound, a character that cannot be
 * sent, no host) or -ENOMEM.  sigv4_free in every case.
 */
int sigv4_sign(const struct sigv4_request *request, struct sigv4 *signed_request);
void sigv4_free(struct sigv4 *signed_request);

/* Percent-encodes all but A-Z a-z 0-9 - _ . ~ and the bytes of keep.  NULL: no memory. */
char *sigv4_encode(const char *text, size_t size, const char *keep);

/* Undoes it in place; a '%' that begins no escape stays.  The new length. */
size_t sigv4_decode(char *text);

void sigv4_sha256_hex(const void *data, size_t size, char hex[static SIGV4_HEX_MAX]);

#endif
