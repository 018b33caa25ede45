/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Findings as events on a bus of EventBridge: PutEvents, whose failures come inside HTTP 200. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "report/sink_aws.h"

#define ENTRIES_MAX	10		/* PutEvents */
#define TOTAL_BYTES	(256u << 10)	/* of all entries, as the service counts them */
#define BESIDE_BYTES	1024		/* of an entry for all but its detail, at most */
#define DETAIL_BYTES	(TOTAL_BYTES - ENTRIES_MAX * BESIDE_BYTES)
#define DETAIL_TYPE	"GuardDuty Finding"
#define HEARTBEAT_TYPE	"threatlistd Heartbeat"

struct bus {
	struct sink_aws way;
	const struct conf_sink *conf;
};

/* The instance's ARN, where there is an instance. */
static void
add_resource(struct json_page *page, cJSON *entry, const cJSON *finding)
{
	const cJSON *resource = cJSON_GetObjectItemCaseSensitive(finding, "resource");
	const char *id = sink_aws_text(cJSON_GetObjectItemCaseSensitive(resource, "instanceDetails"),
	    "instanceId");
	char arn[BESIDE_BYTES / 2];

	if (strncmp(id, "i-", 2) != 0 || strcmp(sink_aws_text(finding, "region"), "local") == 0)
		return;
	snprintf(arn, sizeof(arn), "arn:%s:ec2:%s:%s:instance/%s", sink_aws_text(finding, "partition"),
	    sink_aws_text(finding, "region"), sink_aws_text(finding, "accountId"), id);
	json_push_text(page, json_array(page, entry, "Resources"), arn);
}

static void
add_entry(struct json_page *page, cJSON *entries, const struct bus *bus,
    const struct spool_body *body)
{
	cJSON *entry = json_push_object(page, entries);
	cJSON *finding = cJSON_ParseWithLength(body->text, body->size);
	int64_t time_ms;

	json_text(page, entry, "Source", bus->conf->source);
	json_text(page, entry, "DetailType", body->sequence == 0 ? HEARTBEAT_TYPE : DETAIL_TYPE);
	json_text(page, entry, "Detail", body->text);
	if (time_read(sink_aws_text(finding, body->sequence == 0 ? "time" : "updatedAt"), &time_ms))
		json_integer(page, entry, "Time", (uint64_t)(time_ms / 1000));
	add_resource(page, entry, finding);
	json_text(page, entry, "EventBusName", bus->conf->bus);
	cJSON_Delete(finding);
}

/* malloc'd; NULL: no memory. */
static char *
make_request(const struct bus *bus, const struct spool_body *bodies, unsigned int n)
{
	struct json_page page;
	unsigned int i;
	cJSON *entries;

	json_begin(&page);
	entries = json_array(&page, page.root, "Entries");
	for (i = 0; i < n; i++)
		add_entry(&page, entries, bus, &bodies[i]);
	return json_end(&page);
}

/*
 * The codes that are about the entry itself.  The service calls those about permission and
 * account permanent, too, but there something is to be set right beside the entry, and what
 * waits is delivered then: as with a request that is denied as a whole.
 */
static bool
is_permanent(const char *code)
{
	static const char *const codes[] = {
		"InvalidArgument", "MalformedDetail", "RedactionFailure",
	};
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (strcmp(code, codes[i]) == 0)
			return true;
	}
	return false;
}

/* What became of each entry.  False: the answer cannot be told apart, or there is no memory. */
static bool
read_entries(const cJSON *answers, const struct spool_body *bodies, unsigned int n,
    struct sink_result *result)
{
	char error[192];
	unsigned int i;

	if (cJSON_GetArraySize(answers) != (int)n)
		return false;
	for (i = 0; i < n; i++) {
		const cJSON *one = cJSON_GetArrayItem(answers, (int)i);
		const char *code = sink_aws_text(one, "ErrorCode");

		if (*code == '\0' && *sink_aws_text(one, "EventId") != '\0')
			continue;
		snprintf(error, sizeof(error), "events: %.64s: %.110s",
		    *code != '\0' ? code : "neither EventId nor ErrorCode",
		    sink_aws_text(one, "ErrorMessage"));
		if (!sink_result_part(result, bodies[i].sequence,
		    is_permanent(code) ? OUTCOME_REFUSED : OUTCOME_AGAIN, error))
			return false;
	}
	sink_aws_end(result);
	return true;
}

static void
put(struct bus *bus, const char *body, const struct spool_body *bodies, unsigned int n,
    struct sink_result *result)
{
	static const struct sigv4_header headers[] = {
		{ "Content-Type", "application/x-amz-json-1.1" },
		{ "X-Amz-Target", "AWSEvents.PutEvents" },
	};
	struct aws_request request = {
		.service = AWS_EVENTS, .method = "POST", .path = "/",
		.headers = headers, .nheaders = sizeof(headers) / sizeof(headers[0]),
		.body = body, .body_size = strlen(body),
	};
	struct aws_answer answer;
	cJSON *said = NULL;

	if (sink_aws_call(&bus->way, &request, &answer, result)) {
		said = cJSON_ParseWithLength(answer.http.body, answer.http.body_size);
		if (!read_entries(cJSON_GetObjectItemCaseSensitive(said, "Entries"), bodies, n,
		    result))
			sink_aws_again(result, "events: the answer does not say what became of "
			    "each of %u entries", n);
	}
	cJSON_Delete(said);
	aws_answer_free(&answer);
}

static void
eventbridge_deliver(void *state, const struct spool_body *bodies, unsigned int n,
    struct sink_result *result)
{
	struct bus *bus = state;
	char *body;

	if (bodies[0].size > DETAIL_BYTES) {
		result->outcome = n > 1 ? OUTCOME_TOO_LARGE : OUTCOME_REFUSED;
		snprintf(result->error, sizeof(result->error), "events: a detail has up to %u "
		    "bytes, this one %zu", DETAIL_BYTES, bodies[0].size);
		return;
	}
	body = make_request(bus, bodies, n);
	if (body != NULL)
		put(bus, body, bodies, n, result);
	else
		sink_aws_again(result, "out of memory");
	free(body);
}

static void
eventbridge_close(void *state)
{
	struct bus *bus = state;

	sink_aws_close(&bus->way);
	free(bus);
}

static void *
eventbridge_open(const struct sink_setting *setting)
{
	struct bus *bus = calloc(1, sizeof(*bus));

	if (bus == NULL)
		return NULL;
	bus->conf = setting->conf;
	if (sink_aws_open(&bus->way, setting))
		return bus;
	eventbridge_close(bus);
	return NULL;
}

const struct sink_kind sink_eventbridge = {
	.batch = ENTRIES_MAX, .batch_bytes = DETAIL_BYTES, .gaps = true,
	.open = eventbridge_open, .deliver = eventbridge_deliver, .close = eventbridge_close,
};
