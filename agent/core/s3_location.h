/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where an object of S3 is, out of the forms that GuardDuty and people write:
 * s3://BUCKET/KEY, and every http(s) URL of S3 with the bucket in the path or
 * in the host.  The host is only a name: nothing is ever fetched from it.
 */
#ifndef CORE_S3_LOCATION_H
#define CORE_S3_LOCATION_H

#include <stdbool.h>
#include <stddef.h>

#define S3_BUCKET_MAX	64	/* 3…63 bytes and a NUL */
#define S3_KEY_MAX	1025	/* 1…1024 bytes and a NUL */
#define S3_PATH_MAX	(3 * S3_KEY_MAX + 1)
#define S3_REGION_MAX	64

struct s3_location {
	char bucket[S3_BUCKET_MAX];
	char key[S3_KEY_MAX];		/* as the bucket has it: not encoded */
	char region[S3_REGION_MAX];	/* of the host; empty: it names none */
};

/* NULL and *location, or what is wrong with the text (constant). */
const char *s3_location_parse(struct s3_location *location, const char *text);

/* "/" and the key, percent-encoded once, as it is sent and signed. */
void s3_location_path(const struct s3_location *location, char path[static S3_PATH_MAX]);

#endif
