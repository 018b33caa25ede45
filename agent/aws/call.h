/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One signed call of an AWS service.  A struct aws holds what all calls of a
 * process share: region, credentials, the clocks' difference, which services
 * could not be reached.  Threads may share it; each brings a transport of its
 * own for its calls.
 */
#ifndef AWS_CALL_H
#define AWS_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "aws/refusal.h"
#include "aws/sigv4.h"
#include "aws/transport.h"

#define AWS_CALL_HEADERS_MAX	24	/* of a caller's own */
#define AWS_CALL_TEXT_MAX	512

struct aws;

/*
 * own is the way to IMDS and the container endpoint, used by one thread at a
 * time; wishes and what they point at are borrowed, sysfs is "/sys".  Asks
 * nobody yet.  NULL: no memory.
 */
struct aws *aws_new(const struct aws_transport *own, const struct aws_wishes *wishes,
    const char *sysfs);
void aws_free(struct aws *aws);

/* Of struct credentials: what another process was handed out, and who wants to know of new ones. */
void aws_seed(struct aws *aws, const struct msg_keys *keys);
/* taken is called in the thread whose call needed them, and must not call back. */
void aws_on_keys(struct aws *aws, credentials_taken_fn *taken, void *arg);
/* Keys come from another process alone, which has aws_give_keys; give is called as taken is. */
void aws_keys_from(struct aws *aws, credentials_give_fn *give, void *arg);
int aws_give_keys(struct aws *aws, const char *refused, struct msg_keys *keys,
    char reason[static CREDENTIALS_REASON_MAX]);

/* Region and partition, for ARNs.  0, or -errno and why (asked again after a minute). */
int aws_site(struct aws *aws, struct aws_site *site, char reason[static IMDS_REASON_MAX]);

/* Whose keys the calls are signed with; no secrets.  0, or -errno and why. */
struct aws_identity {
	enum credentials_origin origin;
	char key_id[AWS_KEY_ID_MAX];
	char role[CREDENTIALS_ROLE_MAX];	/* the instance's; else empty */
	int64_t expires_ms;			/* 0: never */
	char trouble[CREDENTIALS_REASON_MAX];	/* newer keys cannot be had; empty: nothing */
};
int aws_identity(struct aws *aws, struct aws_identity *identity,
    char reason[static CREDENTIALS_REASON_MAX]);

struct aws_request {
	enum aws_service service;
	const char *region;		/* NULL: the site's */
	const char *method;
	const char *bucket;		/* S3 only: in the host or the path, as it must be */
	const char *path;		/* percent-encoded, begins with '/' */
	const char *query;		/* percent-encoded, no '?'; NULL: none */
	const struct sigv4_header *headers;	/* Content-Type and the like; all are signed */
	size_t nheaders;
	const void *body;
	size_t body_size;
	uint64_t max_bytes;		/* of the answer */
	long total_timeout_ms;		/* 0: 30 s */
	bool inflate;			/* accept gzip */
	const char *ca_file;		/* NULL: the site's */
};

enum aws_outcome {
	AWS_OK,			/* 2xx: http holds the body */
	AWS_UNCHANGED,		/* 304 */
	AWS_ELSEWHERE,		/* S3: the bucket is in refusal.region */
	AWS_ABSENT,		/* 404 */
	AWS_DENIED,		/* 401, 403: permissions */
	AWS_REFUSED,		/* another 4xx or 3xx: the same request will not do */
	AWS_TOO_LARGE,		/* more than max_bytes */
	AWS_THROTTLED,		/* later, and less */
	AWS_LATER,		/* 5xx, or not reached */
	AWS_NO_CREDENTIALS,	/* or no region: nothing was sent */
};

struct aws_answer {
	struct http_answer http;	/* body, etag, …; retry_after_s with THROTTLED and LATER */
	struct aws_refusal refusal;
	unsigned int unreached;		/* calls of this service in a row that nobody answered */
	char request_id[128];
	char region[AWS_REGION_MAX];	/* that was asked; empty: nobody was */
	char text[AWS_CALL_TEXT_MAX];	/* one line that says what is wrong; empty when nothing is */
};

/*
 * Sends it, once more each with newer credentials if these have expired and
 * with the service's time if the clocks differ.  aws_answer_free in every case.
 */
enum aws_outcome aws_call(struct aws *aws, const struct aws_transport *via,
    const struct aws_request *request, struct aws_answer *answer);
/*
 * The same for a process that lives for one refresh: where nobody answers, it
 * asks a second time, so that the text can tell a missing endpoint from a hiccup.
 */
enum aws_outcome aws_call_insist(struct aws *aws, const struct aws_transport *via,
    const struct aws_request *request, struct aws_answer *answer);
void aws_answer_free(struct aws_answer *answer);

#endif
