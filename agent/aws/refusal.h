/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What AWS says when it refuses: the code and the message, out of a header,
 * JSON or XML.  Both are data to show and to sort by, never trusted text.
 */
#ifndef AWS_REFUSAL_H
#define AWS_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

#include "aws/endpoint.h"

#define REFUSAL_CODE_MAX	96
#define REFUSAL_MESSAGE_MAX	2048	/* a key has up to 1024, and what decided comes behind it */

/* All printable ASCII; empty: not said. */
struct aws_refusal {
	char code[REFUSAL_CODE_MAX];
	char message[REFUSAL_MESSAGE_MAX];
	char region[AWS_REGION_MAX];	/* where S3 says the bucket is */
};

/* type is the answer's x-amzn-ErrorType; empty or NULL: none came. */
void aws_refusal_read(struct aws_refusal *refusal, const char *type, const char *body, size_t size);

/* What a code means for the one who asked. */
enum refusal_kind {
	REFUSAL_OTHER,
	REFUSAL_THROTTLED,
	REFUSAL_KEYS,		/* expired or unknown: newer ones may do */
	REFUSAL_CLOCK,		/* perhaps: when the clocks differ */
};
enum refusal_kind aws_refusal_kind(const struct aws_refusal *refusal);

#endif
