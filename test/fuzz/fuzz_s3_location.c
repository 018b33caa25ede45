/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Locations in S3: whatever is taken can be written as s3:// and reads back to itself. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/s3_location.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct s3_location location, back;
	char path[S3_PATH_MAX], again[S3_BUCKET_MAX + S3_KEY_MAX + 8], *text;

	text = strndup((const char *)data, size);
	assert(text != NULL);
	if (s3_location_parse(&location, text) == NULL) {
		s3_location_path(&location, path);
		assert(path[0] == '/' && strpbrk(path, " ?#") == NULL);
		snprintf(again, sizeof(again), "s3://%s/%s", location.bucket, location.key);
		assert(s3_location_parse(&back, again) == NULL);
		assert(strcmp(location.bucket, back.bucket) == 0);
		assert(strcmp(location.key, back.key) == 0);
	}
	free(text);
	return 0;
}
