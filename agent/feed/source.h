/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the bytes of a list come from: one function a type of source. */
#ifndef FEED_SOURCE_H
#define FEED_SOURCE_H

#include "aws/call.h"
#include "runtime/channel.h"
#include "runtime/conf.h"
#include "runtime/http.h"

struct source_ask {
	const struct conf *conf;
	const struct conf_source *source;
	const struct msg_fetch *last;	/* validators of the list in force, if have_hash */
	struct http *http;
	struct aws *aws;		/* for sources at AWS */
	const struct aws_transport *via;
	const char *account;		/* this host's; empty: unknown */
};

enum source_outcome {
	SOURCE_READ,		/* data is the whole list */
	SOURCE_SAME,		/* as the validators said */
	SOURCE_FAILED,		/* reason says why */
};

struct source_text {
	void *data;		/* malloc'd */
	size_t size;
	char etag[ETAG_MAX];	/* empty: none */
	char last_modified[64];
	char content_type[64];	/* empty: not said */
	char region[FETCH_REGION_MAX];	/* at S3: of the bucket; empty: not known */
	uint32_t retry_after_s;
	bool gone;		/* not there or refused, at S3 */
	char reason[FETCH_REASON_MAX];
};

/* *text is all zero before; the caller frees data in every case. */
enum source_outcome source_file_read(const struct source_ask *ask, struct source_text *text);
enum source_outcome source_https_read(const struct source_ask *ask, struct source_text *text);
enum source_outcome source_s3_read(const struct source_ask *ask, struct source_text *text);
/* Not a list: asks GuardDuty, and answers the parent itself. */
void source_guardduty_discover(const struct source_ask *ask, struct channel *channel);

/* Fills reason; always SOURCE_FAILED. */
enum source_outcome source_failed(struct source_text *text, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
