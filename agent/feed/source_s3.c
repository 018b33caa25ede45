/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A list that is an object in S3. */
#include "feed/source.h"

#include <stdio.h>
#include <string.h>

#include "aws/s3.h"

_Static_assert(FETCH_REGION_MAX == AWS_REGION_MAX, "a region fits into its message");

#define TOTAL_TIMEOUT_MS	120000	/* 35 MB at 2.4 Mbit/s */

/* What a 304 leaves out has not changed (RFC 9110 §15.4.5). */
static void
take_validators(const struct source_ask *ask, const struct http_answer *http,
    struct source_text *text)
{
	bool same = http->status == 304;

	snprintf(text->etag, sizeof(text->etag), "%s",
	    same && http->etag[0] == '\0' ? ask->last->etag : http->etag);
	snprintf(text->last_modified, sizeof(text->last_modified), "%s",
	    same && http->last_modified[0] == '\0' ? ask->last->last_modified :
	    http->last_modified);
}

enum source_outcome
source_s3_read(const struct source_ask *ask, struct source_text *text)
{
	const struct conf_source *source = ask->source;
	struct s3_location location;
	const struct s3_get get = {
		.location = &location,
		.region = source->region,
		.known_region = ask->last->region,
		.expected_owner = source->expected_owner,
		.etag = ask->last->have_hash ? ask->last->etag : NULL,
		.last_modified = ask->last->have_hash ? ask->last->last_modified : NULL,
		.ca_file = source->ca_file,
		.max_bytes = source->max_bytes,
		.total_timeout_ms = TOTAL_TIMEOUT_MS,
		.account = ask->account,
		.shared = ask->last->has_set,
	};
	enum source_outcome outcome = SOURCE_FAILED;
	struct aws_answer answer;
	enum aws_outcome came;
	const char *wrong;
	char reason[S3_REASON_MAX];

	wrong = s3_location_parse(&location, source->location);
	if (wrong != NULL)
		return source_failed(text, "the location %s", wrong);
	came = s3_get(ask->aws, ask->via, &get, &answer, reason);
	text->gone = came == AWS_ABSENT || came == AWS_DENIED;
	text->retry_after_s = answer.http.retry_after_s;
	if (came == AWS_OK || came == AWS_UNCHANGED || text->gone)
		memcpy(text->region, answer.region, sizeof(text->region));
	if (came == AWS_UNCHANGED && !ask->last->have_hash) {
		outcome = source_failed(text, "S3 says it is not modified, which was not asked");
	} else if (came == AWS_OK || came == AWS_UNCHANGED) {
		take_validators(ask, &answer.http, text);
		text->data = answer.http.body;
		text->size = answer.http.body_size;
		answer.http.body = NULL;
		outcome = came == AWS_OK ? SOURCE_READ : SOURCE_SAME;
	} else {
		source_failed(text, "%s", reason);
	}
	aws_answer_free(&answer);
	return outcome;
}
