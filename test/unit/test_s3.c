/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An object of S3: at which host it is asked for, and where next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aws/s3.h"
#include "fake_aws.h"

#define WRONG_REGION	"<?xml version=\"1.0\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code>" \
	"<Message>the region 'us-west-2' is wrong</Message><Region>eu-central-1</Region></Error>"

static struct fake_aws fake;

static int
start(void **state)
{
	memset(&fake, 0, sizeof(fake));
	fake.now_ms = FAKE_START_MS;
	fake_clear_environment();
	setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE0000000", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 1);
	return 0;
}

static enum aws_outcome
get(const char *text, const char *region, const char *owner, char *reason)
{
	const struct aws_transport transport = fake_transport(&fake);
	const struct aws_wishes wishes = { .region = "us-west-2" };
	struct aws *aws = aws_new(&transport, &wishes, "/nonexistent");
	struct s3_location location;
	const struct s3_get about = {
		.location = &location, .region = region, .expected_owner = owner,
		.etag = "\"v1\"", .last_modified = "Mon, 01 Jan 2024 00:00:00 GMT",
		.max_bytes = 1024, .account = "123456789012",
	};
	struct aws_answer answer;
	enum aws_outcome outcome;

	assert_null(s3_location_parse(&location, text));
	assert_non_null(aws);
	outcome = s3_get(aws, &transport, &about, &answer, reason);
	aws_answer_free(&answer);
	aws_free(aws);
	return outcome;
}

static void
own_region_comes_before_the_global_endpoint(void **state)
{
	char reason[S3_REASON_MAX];

	fake.routes[0] = (struct fake_route){ .method = "GET",
	    .url = "https://guardduty-example.s3.us-west-2.amazonaws.com/a%20list.txt" };
	assert_int_equal(get("https://s3.amazonaws.com/guardduty-example/a%20list.txt", NULL, NULL,
	    reason), AWS_OK);
	assert_int_equal(fake.nasked, 1);
	assert_non_null(strstr(fake.asked[0].headers, "If-None-Match: \"v1\"\n"));
	assert_null(strstr(fake.asked[0].headers, "If-Modified-Since"));
	assert_null(strstr(fake.asked[0].headers, "Expected"));
	assert_non_null(strstr(fake.asked[0].headers, "/us-west-2/s3/aws4_request"));
}

static void
dots_go_into_the_path(void **state)
{
	char reason[S3_REASON_MAX];

	fake.routes[0] = (struct fake_route){ .method = "GET",
	    .url = "https://s3.us-west-2.amazonaws.com/my.bucket/k" };
	assert_int_equal(get("http://my.bucket.s3.amazonaws.com/k", NULL, "210987654321", reason),
	    AWS_OK);
	assert_non_null(strstr(fake.asked[0].headers,
	    "X-Amz-Expected-Bucket-Owner: 210987654321\n"));
	assert_non_null(strstr(fake.asked[0].headers, "x-amz-expected-bucket-owner"));
}

static void
named_regions_are_asked_first(void **state)
{
	char reason[S3_REASON_MAX];

	fake.routes[0] = (struct fake_route){ .method = "GET",
	    .url = "https://buck.s3.eu-west-3.amazonaws.com/k" };
	assert_int_equal(get("https://buck.s3.eu-west-3.amazonaws.com/k", NULL, NULL, reason),
	    AWS_OK);
	assert_int_equal(get("https://buck.s3.us-east-1.amazonaws.com/k", "eu-west-3", NULL, reason),
	    AWS_OK);
	assert_int_equal(fake.nasked, 2);
}

/* Where it was found the last time: no redirect each time, and one more if it moved. */
static void
known_region_is_asked_first(void **state)
{
	const struct aws_transport transport = fake_transport(&fake);
	const struct aws_wishes wishes = { .region = "us-west-2" };
	struct aws *aws = aws_new(&transport, &wishes, "/nonexistent");
	struct s3_location location;
	struct s3_get about = { .location = &location, .region = "us-west-1", .max_bytes = 9 };
	char reason[S3_REASON_MAX];
	struct aws_answer answer;

	assert_null(s3_location_parse(&location, "https://buck.s3.us-east-1.amazonaws.com/k"));
	about.known_region = "eu-central-1";
	fake.routes[0] = (struct fake_route){ .method = "GET",
	    .url = "https://buck.s3.eu-central-1.amazonaws.com/k" };
	assert_int_equal(s3_get(aws, &transport, &about, &answer, reason), AWS_OK);
	assert_string_equal(answer.region, "eu-central-1");
	aws_answer_free(&answer);
	assert_int_equal(fake.nasked, 1);
	fake.routes[0].status = 400;
	fake.routes[0].body = "<Error><Code>AuthorizationHeaderMalformed</Code>"
	    "<Message>no</Message><Region>eu-west-3</Region></Error>";
	fake.routes[1] = (struct fake_route){ .method = "GET",
	    .url = "https://buck.s3.eu-west-3.amazonaws.com/k" };
	assert_int_equal(s3_get(aws, &transport, &about, &answer, reason), AWS_OK);
	assert_string_equal(answer.region, "eu-west-3");
	aws_answer_free(&answer);
	assert_int_equal(fake.nasked, 3);
	aws_free(aws);
}

static void
redirects_are_followed_once_and_signed_anew(void **state)
{
	char reason[S3_REASON_MAX];

	fake.routes[0] = (struct fake_route){ .method = "GET", .status = 400, .body = WRONG_REGION,
	    .url = "https://buck.s3.us-west-2.amazonaws.com/k" };
	fake.routes[1] = (struct fake_route){ .method = "GET",
	    .url = "https://buck.s3.eu-central-1.amazonaws.com/k" };
	assert_int_equal(get("s3://buck/k", NULL, NULL, reason), AWS_OK);
	assert_int_equal(fake.nasked, 2);
	assert_non_null(strstr(fake.asked[1].headers, "/eu-central-1/s3/aws4_request"));
	/* each says the other: it ends */
	fake.routes[1].status = 301;
	fake.routes[1].wanted[1] = "us-west-2";
	assert_int_equal(get("s3://buck/k", NULL, NULL, reason), AWS_ELSEWHERE);
	assert_int_equal(fake.nasked, 4);
	assert_non_null(strstr(reason, "by two regions"));
}

static void
hints_stay_in_bounds(void **state)
{
	char text[1100] = "s3://buck/", reason[S3_REASON_MAX];

	memset(text + 10, 'k', 1024);
	fake.routes[0] = (struct fake_route){ .method = "GET", .status = 403, .url = "https://buck",
	    .body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>" };
	assert_int_equal(get(text, NULL, "210987654321", reason), AWS_DENIED);
	assert_non_null(strstr(reason, "kkk... (kms:Decrypt too"));
	assert_non_null(strstr(reason, "key AKIDEXAMPLE0000000 of account 123456789012"));
	assert_non_null(strstr(reason, "(403 AccessDenied)"));
}

static void
skew_and_keys_are_told_apart_from_permissions(void **state)
{
	char reason[S3_REASON_MAX];

	fake.routes[0] = (struct fake_route){ .method = "GET", .status = 403, .url = "https://buck",
	    .body = "<Error><Code>RequestTimeTooSkewed</Code><Message>skew</Message></Error>" };
	assert_int_equal(get("s3://buck/k", NULL, NULL, reason), AWS_DENIED);
	assert_non_null(strstr(reason, "this host's clock or its keys are wrong"));
	assert_null(strstr(reason, "s3:GetObject"));
	fake.routes[0].body = "<Error><Code>InvalidAccessKeyId</Code><Message>no</Message></Error>";
	assert_int_equal(get("s3://buck/k", NULL, NULL, reason), AWS_DENIED);
	assert_non_null(strstr(reason, "expired or unknown to AWS"));
}

static void
silence_names_the_endpoint_the_vpc_needs(void **state)
{
	char reason[S3_REASON_MAX];

	fake.routes[0] = (struct fake_route){ .method = "GET", .url = "https://buck",
	    .error = -ETIMEDOUT };
	assert_int_equal(get("s3://buck/k", NULL, NULL, reason), AWS_LATER);
	assert_int_equal(fake.nasked, 2);
	assert_non_null(strstr(reason, "gateway endpoint com.amazonaws.us-west-2.s3"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(own_region_comes_before_the_global_endpoint, start),
		cmocka_unit_test_setup(dots_go_into_the_path, start),
		cmocka_unit_test_setup(named_regions_are_asked_first, start),
		cmocka_unit_test_setup(known_region_is_asked_first, start),
		cmocka_unit_test_setup(redirects_are_followed_once_and_signed_anew, start),
		cmocka_unit_test_setup(hints_stay_in_bounds, start),
		cmocka_unit_test_setup(skew_and_keys_are_told_apart_from_permissions, start),
		cmocka_unit_test_setup(silence_names_the_endpoint_the_vpc_needs, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
