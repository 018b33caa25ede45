/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An object of S3, asked for only if it changed.  The region's own endpoint is
 * asked first; where the bucket turns out to be elsewhere, that one.
 */
#ifndef AWS_S3_H
#define AWS_S3_H

#include "aws/call.h"
#include "core/s3_location.h"

#define S3_REASON_MAX	512

struct s3_get {
	const struct s3_location *location;
	const char *region;		/* NULL: the location's, else the site's */
	const char *known_region;	/* where it was the last time, asked first; NULL or empty */
	const char *expected_owner;	/* 12 digits; NULL: whose bucket it is does not matter */
	const char *etag, *last_modified;	/* NULL or empty: whole in any case */
	const char *ca_file;
	uint64_t max_bytes;		/* as received and after inflation */
	long total_timeout_ms;
	const char *account;		/* this host's; NULL or empty: unknown */
	bool shared;			/* the list is another account's as a rule: say what it must allow */
};

/*
 * AWS_OK: answer->http.body is the object.  AWS_UNCHANGED: as the validators
 * said.  Else reason tells an operator what to do.  aws_answer_free in every
 * case.
 */
enum aws_outcome s3_get(struct aws *aws, const struct aws_transport *via, const struct s3_get *get,
    struct aws_answer *answer, char reason[static S3_REASON_MAX]);

#endif
