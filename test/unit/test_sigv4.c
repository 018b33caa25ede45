/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Signature Version 4: AWS's documented example, encoding, bounds, what is wiped. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aws/sigv4.h"

static const struct aws_keys keys = {
	.id = "AKIDEXAMPLE",
	.secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};

/* "Signature Version 4 signing process", the IAM ListUsers example of AWS's documentation */
static void
test_documented_example(void **state)
{
	static const struct sigv4_header headers[] = {
		{ "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" },
		{ "Host", "iam.amazonaws.com" },
	};
	const struct sigv4_request request = {
		.method = "GET",
		.path = "",
		.query = "Version=2010-05-08&Action=ListUsers",
		.headers = headers,
		.nheaders = 2,
		.region = "us-east-1",
		.service = "iam",
		.keys = &keys,
		.time_s = 1440938160,
		.flags = SIGV4_GENERAL,
	};
	struct sigv4 to;

	assert_int_equal(sigv4_sign(&request, &to), 0);
	assert_string_equal(to.date, "20150830T123600Z");
	assert_string_equal(to.signature,
	    "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
	assert_string_equal(to.authorization, "AWS4-HMAC-SHA256 "
	    "Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
	    "SignedHeaders=content-type;host;x-amz-date, "
	    "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
	assert_null(strstr(to.string_to_sign, keys.secret));
	assert_null(strstr(to.canonical, keys.secret));
	sigv4_free(&to);
	assert_null(to.canonical);
}

static void
test_encode(void **state)
{
	static const char text[] = "a/b~c d%\xc3\xa4+\0z";
	char *path = sigv4_encode(text, sizeof(text) - 1, "/");
	char *value = sigv4_encode(text, sizeof(text) - 1, "");

	assert_string_equal(path, "a/b~c%20d%25%C3%A4%2B%00z");
	assert_string_equal(value, "a%2Fb~c%20d%25%C3%A4%2B%00z");
	assert_int_equal(sigv4_decode(value), sizeof(text) - 1);
	assert_memory_equal(value, text, sizeof(text));
	free(path);
	free(value);
}

static void
test_decode_keeps_what_is_no_escape(void **state)
{
	char text[] = "%%41%4%zz%2b%";

	assert_int_equal(sigv4_decode(text), strlen("%A%4%zz+%"));
	assert_string_equal(text, "%A%4%zz+%");
}

static void
test_nothing_is_left_of_keys(void **state)
{
	struct aws_keys gone = keys;
	static const struct aws_keys nothing;

	aws_keys_wipe(&gone);
	assert_memory_equal(&gone, &nothing, sizeof(gone));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documented_example),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_decode_keeps_what_is_no_escape),
		cmocka_unit_test(test_nothing_is_left_of_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
