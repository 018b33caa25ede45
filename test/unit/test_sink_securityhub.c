/* SPDX-License-Identifier: GPL-3.0-or-later */
/* BatchImportFindings: what is asked, and what each answer means for each finding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sink_desk.h"

#define URL	"https://securityhub.eu-central-1.amazonaws.com/findings/import"

static void
ask(struct desk *desk, long status, const char *answer, unsigned int n)
{
	const struct conf_sink conf = { .type = SINK_SECURITYHUB };
	struct spool_body bodies[DESK_BODIES];
	char texts[DESK_BODIES][32];
	unsigned int i;

	desk_open(desk, &sink_securityhub, &conf);
	desk->fake.routes[0] = (struct fake_route){ "POST", URL, .status = status,
	    .body = answer };
	for (i = 0; i < n; i++) {
		bodies[i].sequence = 10 + 2 * i;
		bodies[i].text = texts[i];
		bodies[i].size = (size_t)snprintf(texts[i], sizeof(texts[i]), "{\"Id\":\"f%u\"}", i);
	}
	desk->kind->deliver(desk->state, bodies, n, &desk->result);
}

static void
test_request(void **state)
{
	struct desk desk;

	ask(&desk, 200, "{\"FailedCount\":0,\"SuccessCount\":2,\"FailedFindings\":[]}", 2);
	assert_int_equal(desk.result.outcome, OUTCOME_ACCEPTED);
	assert_string_equal(fake_last(&desk.fake)->url, URL);
	assert_string_equal(fake_last(&desk.fake)->body,
	    "{\"Findings\":[{\"Id\":\"f0\"},{\"Id\":\"f1\"}]}");
	assert_non_null(strstr(fake_last(&desk.fake)->headers, "Content-Type: application/json"));
	desk_close(&desk);
}

static void
test_parts(void **state)
{
	struct desk desk;

	ask(&desk, 200, "{\"FailedCount\":2,\"SuccessCount\":1,\"FailedFindings\":["
	    "{\"Id\":\"f2\",\"ErrorCode\":\"InternalError\",\"ErrorMessage\":\"later\"},"
	    "{\"Id\":\"f0\",\"ErrorCode\":\"InvalidInput\",\"ErrorMessage\":\"odd\"}]}", 3);
	assert_int_equal(desk.result.outcome, OUTCOME_PARTLY);
	assert_int_equal(desk.result.nparts, 2);
	assert_int_equal(desk.result.parts[0].sequence, 10);
	assert_int_equal(desk.result.parts[0].outcome, OUTCOME_REFUSED);
	assert_int_equal(desk.result.parts[1].sequence, 14);
	assert_int_equal(desk.result.parts[1].outcome, OUTCOME_AGAIN);
	assert_string_equal(desk.result.error, "securityhub: InternalError: later");
	assert_int_equal(desk.result.retry_after_ms, 0);
	desk_close(&desk);
}

/* Switched off for this product: there is time. */
static void
test_no_access(void **state)
{
	struct desk desk;

	ask(&desk, 200, "{\"FailedCount\":1,\"SuccessCount\":0,\"FailedFindings\":["
	    "{\"Id\":\"f0\",\"ErrorCode\":\"InvalidAccess\"}]}", 1);
	assert_int_equal(desk.result.parts[0].outcome, OUTCOME_AGAIN);
	assert_int_equal(desk.result.retry_after_ms, 900000);
	desk_close(&desk);
	ask(&desk, 401, "{\"Code\":\"InvalidAccessException\",\"Message\":\"off\"}", 1);
	assert_int_equal(desk.result.outcome, OUTCOME_AGAIN);
	assert_int_equal(desk.result.retry_after_ms, 900000);
	desk_close(&desk);
}

static void
test_odd_answers(void **state)
{
	static const char *const answers[] = {
		"", "{}", "[]", "{\"FailedCount\":0,\"SuccessCount\":1}",
		"{\"FailedCount\":1,\"SuccessCount\":1,\"FailedFindings\":[]}",
		"{\"FailedCount\":1,\"SuccessCount\":1,\"FailedFindings\":[{\"Id\":\"other\"}]}",
		"{\"FailedCount\":-1,\"SuccessCount\":3}", "{\"FailedCount\":\"0\",\"SuccessCount\":2}",
	};
	size_t i;

	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct desk desk;

		ask(&desk, 200, answers[i], 2);
		assert_int_equal(desk.result.outcome, OUTCOME_AGAIN);
		desk_close(&desk);
	}
}

static void
test_whole_refusals(void **state)
{
	struct desk desk;

	ask(&desk, 400, "{\"Code\":\"InvalidInputException\"}", 2);
	assert_int_equal(desk.result.outcome, OUTCOME_REFUSED);
	desk_close(&desk);
	ask(&desk, 429, "{\"Code\":\"LimitExceededException\"}", 2);
	assert_int_equal(desk.result.outcome, OUTCOME_AGAIN);
	desk_close(&desk);
	ask(&desk, 413, "", 2);
	assert_int_equal(desk.result.outcome, OUTCOME_TOO_LARGE);
	desk_close(&desk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_no_access),
		cmocka_unit_test(test_odd_answers),
		cmocka_unit_test(test_whole_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
