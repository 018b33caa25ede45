/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PutEvents: what is asked, and what each answer means for each body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sink_desk.h"

#define URL	"https://events.eu-central-1.amazonaws.com/"
#define FINE	"{\"EventId\":\"1\"}"

static struct conf_sink
conf(void)
{
	static char bus[] = "default", source[] = "custom.threatlistd";
	const struct conf_sink sink = { .type = SINK_EVENTBRIDGE, .bus = bus, .source = source };

	return sink;
}

static void
answer_with(struct desk *desk, long status, const char *body)
{
	const struct conf_sink sink = conf();

	desk_open(desk, &sink_eventbridge, &sink);
	desk->fake.routes[0] = (struct fake_route){ "POST", URL, .status = status, .body = body };
}

static void
test_request(void **state)
{
	struct desk desk;

	answer_with(&desk, 200, "{\"FailedEntryCount\":0,\"Entries\":[" FINE "]}");
	desk_deliver(&desk, 7, 1);
	assert_int_equal(desk.result.outcome, OUTCOME_ACCEPTED);
	assert_string_equal(fake_last(&desk.fake)->url, URL);
	assert_non_null(strstr(fake_last(&desk.fake)->headers, "X-Amz-Target: AWSEvents.PutEvents"));
	assert_string_equal(fake_last(&desk.fake)->body, "{\"Entries\":[{\"Source\":"
	    "\"custom.threatlistd\",\"DetailType\":\"GuardDuty Finding\",\"Detail\":"
	    "\"{\\\"id\\\":\\\"f7\\\",\\\"updatedAt\\\":\\\"2026-03-01T00:00:00.500Z\\\",\\\"title\\\":"
	    "\\\"t\\\"}\",\"Time\":1772323200,\"EventBusName\":\"default\"}]}");
	desk_close(&desk);
}

static void
test_parts(void **state)
{
	struct desk desk;

	answer_with(&desk, 200, "{\"FailedEntryCount\":3,\"Entries\":[" FINE ","
	    "{\"ErrorCode\":\"MalformedDetail\",\"ErrorMessage\":\"odd\"}," FINE ","
	    "{\"ErrorCode\":\"ThrottlingException\",\"ErrorMessage\":\"slow\"},"
	    "{\"ErrorCode\":\"SomethingNew\"}]}");
	desk_deliver(&desk, 10, 5);
	assert_int_equal(desk.result.outcome, OUTCOME_PARTLY);
	assert_int_equal(desk.result.nparts, 3);
	assert_int_equal(desk.result.parts[0].sequence, 11);
	assert_int_equal(desk.result.parts[0].outcome, OUTCOME_REFUSED);
	assert_string_equal(desk.result.parts[0].error, "events: MalformedDetail: odd");
	assert_int_equal(desk.result.parts[1].sequence, 13);
	assert_int_equal(desk.result.parts[1].outcome, OUTCOME_AGAIN);
	assert_int_equal(desk.result.parts[2].sequence, 14);
	assert_int_equal(desk.result.parts[2].outcome, OUTCOME_AGAIN);
	/* what holds the sink up is what it tells */
	assert_string_equal(desk.result.error, "events: ThrottlingException: slow");
	desk_close(&desk);
}

static void
test_permission_is_waited_for(void **state)
{
	static const char *const codes[] = {
		"AccessDeniedException", "NotAuthorizedForSourceException",
		"NotAuthorizedForDetailTypeException", "InvalidAccountIdException",
	};
	char body[256];
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct desk desk;

		snprintf(body, sizeof(body), "{\"FailedEntryCount\":1,\"Entries\":[" FINE
		    ",{\"ErrorCode\":\"%s\",\"ErrorMessage\":\"no\"}]}", codes[i]);
		answer_with(&desk, 200, body);
		desk_deliver(&desk, 1, 2);
		assert_int_equal(desk.result.nparts, 1);
		assert_int_equal(desk.result.parts[0].sequence, 2);
		assert_int_equal(desk.result.parts[0].outcome, OUTCOME_AGAIN);
		desk_close(&desk);
	}
}

/* An answer that does not account for each entry accounts for none. */
static void
test_odd_answers(void **state)
{
	static const char *const bodies[] = {
		"", "[]", "null", "{\"Entries\":{}}", "{\"Entries\":[" FINE "]}",
		"{\"Entries\":[" FINE "," FINE "," FINE "]}", "{\"FailedEntryCount\":0}",
	};
	size_t i;

	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct desk desk;

		answer_with(&desk, 200, bodies[i]);
		desk_deliver(&desk, 1, 2);
		assert_int_equal(desk.result.outcome, OUTCOME_AGAIN);
		assert_int_equal(desk.result.nparts, 0);
		desk_close(&desk);
	}
}

static void
test_whole_refusals(void **state)
{
	static const struct {
		long status;
		const char *body;
		enum sink_outcome outcome;
	} cases[] = {
		{ 400, "{\"__type\":\"ValidationException\"}", OUTCOME_REFUSED },
		{ 400, "{\"__type\":\"AccessDeniedException\"}", OUTCOME_AGAIN },
		{ 400, "{\"__type\":\"ResourceNotFoundException\"}", OUTCOME_AGAIN },
		{ 400, "{\"__type\":\"ThrottlingException\"}", OUTCOME_AGAIN },
		{ 403, "{\"__type\":\"AccessDeniedException\"}", OUTCOME_AGAIN },
		{ 413, "", OUTCOME_TOO_LARGE },
		{ 429, "", OUTCOME_AGAIN },
		{ 500, "", OUTCOME_AGAIN },
		{ 301, "", OUTCOME_AGAIN },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct desk desk;

		answer_with(&desk, cases[i].status, cases[i].body);
		desk_deliver(&desk, 1, 2);
		assert_int_equal(desk.result.outcome, cases[i].outcome);
		assert_true(desk.result.error[0] != '\0');
		desk_close(&desk);
	}
}

static void
test_retry_after(void **state)
{
	struct desk desk;

	answer_with(&desk, 503, "");
	desk.fake.routes[0].retry_after_s = 7;
	desk_deliver(&desk, 1, 1);
	assert_int_equal(desk.result.retry_after_ms, 7000);
	desk_close(&desk);
}

/* After two calls that nobody answers the line names what is missing. */
static void
test_hanging(void **state)
{
	struct desk desk;

	answer_with(&desk, 200, "");
	desk.fake.routes[0].error = -ETIMEDOUT;
	desk_deliver(&desk, 1, 1);
	desk_deliver(&desk, 1, 1);
	assert_int_equal(desk.result.outcome, OUTCOME_AGAIN);
	assert_non_null(strstr(desk.result.error, "com.amazonaws.eu-central-1.events"));
	desk_close(&desk);
}

/* One body that no request could hold is refused here, and not sent. */
static void
test_too_large(void **state)
{
	struct desk desk;
	struct spool_body body = { .sequence = 3, .size = 300000 };

	answer_with(&desk, 200, "");
	body.text = malloc(body.size + 1);
	assert_non_null(body.text);
	memset(body.text, ' ', body.size);
	body.text[body.size] = '\0';
	desk.kind->deliver(desk.state, &body, 1, &desk.result);
	assert_int_equal(desk.result.outcome, OUTCOME_REFUSED);
	assert_int_equal(desk.fake.nasked, 0);
	free(body.text);
	desk_close(&desk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_permission_is_waited_for),
		cmocka_unit_test(test_odd_answers),
		cmocka_unit_test(test_whole_refusals),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_hanging),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
