/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages of SNS: what is asked, how many in an hour, and what is summed up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/hour.h"
#include "sink_desk.h"

#define URL	"https://sns.eu-west-1.amazonaws.com/"
#define FINE	"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"

static void
open_desk(struct desk *desk, unsigned int max, long status, const char *body)
{
	static char topic[] = "arn:aws:sns:eu-west-1:111122223333:alarms";
	const struct conf_sink conf = { .type = SINK_SNS, .topic = topic, .max_per_hour = max };

	desk_open(desk, &sink_sns, &conf);
	desk->fake.routes[0] = (struct fake_route){ "POST", URL, .status = status, .body = body };
}

static unsigned int
room(struct desk *desk, int64_t *wait_ms)
{
	return desk->kind->room(desk->state, wait_ms);
}

static void
test_request(void **state)
{
	struct desk desk;
	const char *body;

	open_desk(&desk, 12, 200, FINE);
	desk_deliver(&desk, 1, 1);
	assert_int_equal(desk.result.outcome, OUTCOME_ACCEPTED);
	/* the region is the topic's */
	assert_string_equal(fake_last(&desk.fake)->url, URL);
	body = fake_last(&desk.fake)->body;
	assert_ptr_equal(strstr(body, "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3A"
	    "eu-west-1%3A111122223333%3Aalarms&Subject=threatlistd%20low%3A%20t&Message=t%0A"), body);
	desk_close(&desk);
}

/* Twelve messages, then nothing for an hour, then one for all that waited. */
static void
test_hold_and_summary(void **state)
{
	struct desk desk;
	int64_t wait_ms;

	open_desk(&desk, 3, 200, FINE);
	assert_int_equal(room(&desk, &wait_ms), 3);
	desk_deliver(&desk, 1, 3);
	assert_int_equal(desk.result.outcome, OUTCOME_ACCEPTED);
	assert_int_equal(desk.fake.nasked, 3);
	desk.fake.now_ms += 60000;
	assert_int_equal(room(&desk, &wait_ms), 0);
	assert_int_equal(wait_ms, HOUR_MS - 60000);
	desk.fake.now_ms += wait_ms;
	assert_true(room(&desk, &wait_ms) > 100);
	desk_deliver(&desk, 4, 8);
	assert_int_equal(desk.result.outcome, OUTCOME_ACCEPTED);
	assert_int_equal(desk.fake.nasked, 4);
	assert_non_null(strstr(fake_last(&desk.fake)->body, "8%20more%20findings"));
	/* the summary was one of this hour's */
	assert_int_equal(room(&desk, &wait_ms), 2);
	desk_close(&desk);
}

/* The one finding that waited needs no summary. */
static void
test_one_that_waited(void **state)
{
	struct desk desk;
	int64_t wait_ms;

	open_desk(&desk, 1, 200, FINE);
	desk_deliver(&desk, 1, 1);
	assert_int_equal(room(&desk, &wait_ms), 0);
	desk.fake.now_ms += wait_ms;
	desk_deliver(&desk, 2, 1);
	assert_null(strstr(fake_last(&desk.fake)->body, "more%20findings"));
	desk_close(&desk);
}

/* A message that did not go out is none of the hour's, and stops the ones behind it. */
static void
test_failures(void **state)
{
	struct desk desk;
	int64_t wait_ms;

	open_desk(&desk, 5, 500, "");
	desk_deliver(&desk, 1, 3);
	assert_int_equal(desk.fake.nasked, 1);
	assert_int_equal(desk.result.nparts, 3);
	assert_int_equal(desk.result.parts[2].outcome, OUTCOME_AGAIN);
	assert_int_equal(room(&desk, &wait_ms), 5);
	desk_close(&desk);
	open_desk(&desk, 5, 400, "<ErrorResponse><Error><Code>InvalidParameter</Code></Error></ErrorResponse>");
	desk_deliver(&desk, 1, 2);
	assert_int_equal(desk.fake.nasked, 2);
	assert_int_equal(desk.result.nparts, 2);
	assert_int_equal(desk.result.parts[0].outcome, OUTCOME_REFUSED);
	desk_close(&desk);
	open_desk(&desk, 5, 404, "<ErrorResponse><Error><Code>NotFound</Code></Error></ErrorResponse>");
	desk_deliver(&desk, 1, 1);
	assert_int_equal(desk.result.parts[0].outcome, OUTCOME_AGAIN);
	desk_close(&desk);
	open_desk(&desk, 5, 200, "<html>");
	desk_deliver(&desk, 1, 1);
	assert_int_equal(desk.result.parts[0].outcome, OUTCOME_AGAIN);
	desk_close(&desk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_hold_and_summary),
		cmocka_unit_test(test_one_that_waited),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
