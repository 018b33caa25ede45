/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Findings to Security Hub: BatchImportFindings, whose failures come inside HTTP 200. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "report/sink_aws.h"

#define BATCH_MAX	100
#define BATCH_BYTES	(6u << 20)
#define FRAME_BYTES	1024		/* of those for all but the findings */
#define HEAD		"{\"Findings\":["
#define TAIL		"]}"

struct hub {
	struct sink_aws way;
};

static char *
make_request(const struct spool_body *bodies, unsigned int n, size_t *size)
{
	unsigned int i;
	char *body, *at;

	*size = strlen(HEAD) + strlen(TAIL);
	for (i = 0; i < n; i++)
		*size += bodies[i].size + 1;
	body = malloc(*size + 1);
	if (body == NULL)
		return NULL;
	at = stpcpy(body, HEAD);
	for (i = 0; i < n; i++) {
		if (i > 0)
			*at++ = ',';
		memcpy(at, bodies[i].text, bodies[i].size);
		at += bodies[i].size;
	}
	at = stpcpy(at, TAIL);
	*size = (size_t)(at - body);
	return body;
}

/* The failure of the finding in body; NULL: it is not among them. */
static const cJSON *
find_failure(const cJSON *failures, const struct spool_body *body)
{
	cJSON *finding = cJSON_ParseWithLength(body->text, body->size);
	const char *id = sink_aws_text(finding, "Id");
	const cJSON *one, *found = NULL;

	cJSON_ArrayForEach(one, failures) {
		if (found == NULL && strcmp(sink_aws_text(one, "Id"), id) == 0)
			found = one;
	}
	cJSON_Delete(finding);
	return found;
}

static bool
add_failure(const cJSON *failure, uint64_t sequence, struct sink_result *result)
{
	const char *code = sink_aws_text(failure, "ErrorCode");
	char error[192];

	snprintf(error, sizeof(error), "securityhub: %.64s: %.110s",
	    *code != '\0' ? code : "failed", sink_aws_text(failure, "ErrorMessage"));
	if (strncmp(code, "InvalidAccess", 13) == 0)
		result->retry_after_ms = SINK_AWS_OFF_MS;
	return sink_result_part(result, sequence, strncmp(code, "InvalidInput", 12) == 0 ?
	    OUTCOME_REFUSED : OUTCOME_AGAIN, error);
}

/* False: the answer does not account for all findings, or there is no memory. */
static bool
read_failures(const cJSON *said, const struct spool_body *bodies, unsigned int n,
    struct sink_result *result)
{
	const cJSON *failures = cJSON_GetObjectItemCaseSensitive(said, "FailedFindings");
	double failed = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(said, "FailedCount"));
	double accepted = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(said,
	    "SuccessCount"));
	unsigned int i;

	if (!(failed >= 0) || !(accepted >= 0) || failed + accepted != n)
		return false;
	for (i = 0; i < n && failed > 0; i++) {
		const cJSON *failure = find_failure(failures, &bodies[i]);

		if (failure != NULL && !add_failure(failure, bodies[i].sequence, result))
			return false;
	}
	if (result->nparts != failed)
		return false;
	sink_aws_end(result);
	return true;
}

static void
import(struct hub *hub, const char *body, size_t size, const struct spool_body *bodies,
    unsigned int n, struct sink_result *result)
{
	static const struct sigv4_header headers[] = { { "Content-Type", "application/json" } };
	struct aws_request request = {
		.service = AWS_SECURITYHUB, .method = "POST", .path = "/findings/import",
		.headers = headers, .nheaders = 1, .body = body, .body_size = size,
	};
	struct aws_answer answer;
	cJSON *said = NULL;

	if (sink_aws_call(&hub->way, &request, &answer, result)) {
		said = cJSON_ParseWithLength(answer.http.body, answer.http.body_size);
		if (!read_failures(said, bodies, n, result))
			sink_aws_again(result, "securityhub: the answer does not say what became "
			    "of each of %u findings", n);
	}
	cJSON_Delete(said);
	aws_answer_free(&answer);
}

static void
securityhub_deliver(void *state, const struct spool_body *bodies, unsigned int n,
    struct sink_result *result)
{
	size_t size;
	char *body = make_request(bodies, n, &size);

	if (body != NULL)
		import(state, body, size, bodies, n, result);
	else
		sink_aws_again(result, "out of memory");
	free(body);
}

static void
securityhub_close(void *state)
{
	struct hub *hub = state;

	sink_aws_close(&hub->way);
	free(hub);
}

static void *
securityhub_open(const struct sink_setting *setting)
{
	struct hub *hub = calloc(1, sizeof(*hub));

	if (hub == NULL)
		return NULL;
	if (sink_aws_open(&hub->way, setting))
		return hub;
	securityhub_close(hub);
	return NULL;
}

const struct sink_kind sink_securityhub = {
	.batch = BATCH_MAX, .batch_bytes = BATCH_BYTES - FRAME_BYTES, .gaps = true, .owned = true,
	.open = securityhub_open, .deliver = securityhub_deliver, .close = securityhub_close,
};
