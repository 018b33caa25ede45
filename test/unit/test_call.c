/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Signed calls over a network of canned answers: where they go, what becomes of refusals. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "aws/call.h"
#include "aws/environment.h"
#include "threatlistd/log.h"
#include "fake_aws.h"

#define IMDS		"http://169.254.169.254/latest/"
#define ROLES		IMDS "meta-data/iam/security-credentials/"
#define GUARDDUTY	"https://guardduty.eu-west-1.amazonaws.com/"
#define KEYS(id)	"{\"Code\":\"Success\",\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"s\"," \
	"\"Token\":\"token-" id "\",\"Expiration\":\"2023-11-15T04:13:20Z\"}"
#define DAY_S		INT64_C(86400)

struct world {
	struct fake_aws fake;
	struct aws_transport via;
	struct aws_wishes wishes;
	struct aws *aws;
	struct aws_answer answer;
};

static int
set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	fake_clear_environment();
	world->fake.now_ms = FAKE_START_MS;
	world->via = fake_transport(&world->fake);
	setenv("AWS_ACCESS_KEY_ID", "AKIAENV", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "verysecret", 1);
	setenv("AWS_REGION", "eu-west-1", 1);
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *world = *state;

	aws_answer_free(&world->answer);
	aws_free(world->aws);
	free(world);
	return 0;
}

static enum aws_outcome
call(struct world *world, const struct aws_request *request)
{
	if (world->aws == NULL)
		world->aws = aws_new(&world->via, &world->wishes, "/nonexistent");
	assert_non_null(world->aws);
	aws_answer_free(&world->answer);
	return aws_call(world->aws, &world->via, request, &world->answer);
}

static const struct aws_request list_detectors = {
	.service = AWS_GUARDDUTY,
	.method = "GET",
	.path = "/detector",
	.query = "maxResults=50",
	.max_bytes = 65536,
};

static enum aws_outcome
call_list(struct world *world)
{
	return call(world, &list_detectors);
}

static void
test_what_is_sent(void **state)
{
	struct world *world = *state;
	const struct fake_asked *asked;

	world->fake.routes[0] = (struct fake_route){ .method = "GET", .url = GUARDDUTY,
	    .body = "{\"detectorIds\":[]}" };
	assert_int_equal(call_list(world), AWS_OK);
	assert_string_equal(world->answer.http.body, "{\"detectorIds\":[]}");
	assert_string_equal(world->answer.text, "");
	asked = fake_last(&world->fake);
	assert_string_equal(asked->url, GUARDDUTY "detector?maxResults=50");
	assert_non_null(strstr(asked->headers, "Host: guardduty.eu-west-1.amazonaws.com\n"));
	assert_non_null(strstr(asked->headers, "X-Amz-Date: 20231114T221320Z\n"));
	assert_non_null(strstr(asked->headers, "Authorization: AWS4-HMAC-SHA256 Credential="
	    "AKIAENV/20231114/eu-west-1/guardduty/aws4_request, SignedHeaders=host;x-amz-date, "));
	assert_null(strstr(asked->headers, "verysecret"));
	assert_null(strstr(asked->headers, "Token"));
	assert_false(asked->allow_http);
	assert_false(asked->follow);
	assert_string_equal(asked->proxy, "");
}

/* The same request, signed for another place. */
static void
expect_url(struct world *world, const char *region, const char *bucket, const char *url)
{
	struct aws_request request = {
		.service = AWS_S3,
		.region = region,
		.method = "GET",
		.bucket = bucket,
		.path = "/a%20key",
		.max_bytes = 1000,
	};

	call(world, &request);
	assert_string_equal(fake_last(&world->fake)->url, url);
}

static void
test_buckets(void **state)
{
	struct world *world = *state;

	expect_url(world, NULL, "bucket", "https://bucket.s3.eu-west-1.amazonaws.com/a%20key");
	assert_non_null(strstr(fake_last(&world->fake)->headers,
	    "Host: bucket.s3.eu-west-1.amazonaws.com\n"));
	assert_non_null(strstr(fake_last(&world->fake)->headers, "X-Amz-Content-Sha256: e3b0c442"));
	assert_non_null(strstr(fake_last(&world->fake)->headers,
	    "SignedHeaders=host;x-amz-content-sha256;x-amz-date"));
	expect_url(world, NULL, "my.bucket", "https://s3.eu-west-1.amazonaws.com/my.bucket/a%20key");
	expect_url(world, "cn-north-1", "bucket",
	    "https://bucket.s3.cn-north-1.amazonaws.com.cn/a%20key");
	setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000/base/", 1);
	expect_url(world, "us-west-2", "bucket", "http://127.0.0.1:9000/base/bucket/a%20key");
	assert_non_null(strstr(fake_last(&world->fake)->headers, "Host: 127.0.0.1:9000\n"));
	assert_true(fake_last(&world->fake)->allow_http);
	assert_string_equal(fake_last(&world->fake)->proxy, "none");
	setenv("AWS_ENDPOINT_URL_S3", "https://store.example:443", 1);
	expect_url(world, NULL, "bucket", "https://store.example/bucket/a%20key");
	assert_non_null(strstr(fake_last(&world->fake)->headers, "Host: store.example\n"));
}

static void
test_what_cannot_be_sent(void **state)
{
	static const struct sigv4_header split[] = { { "X-A", "b\r\nX-Evil: 1" } };
	static const struct sigv4_header name[] = { { "X A", "b" } };
	struct world *world = *state;
	const struct aws_request wrong[] = {
		{ .service = AWS_S3, .method = "GET", .bucket = "Bucket", .path = "/k", .max_bytes = 1 },
		{ .service = AWS_S3, .method = "GET", .bucket = "b/", .path = "/k", .max_bytes = 1 },
		{ .service = AWS_SNS, .method = "GET", .path = "/a b", .max_bytes = 1 },
		{ .service = AWS_SNS, .method = "GET", .path = "/a?b", .max_bytes = 1 },
		{ .service = AWS_SNS, .method = "GET", .path = "/a#b", .max_bytes = 1 },
		{ .service = AWS_SNS, .method = "GET", .path = "/\r\n", .max_bytes = 1 },
		{ .service = AWS_SNS, .method = "GET", .path = "/", .query = "a=b c", .max_bytes = 1 },
		{ .service = AWS_SNS, .method = "GET", .path = "/", .headers = split, .nheaders = 1,
		    .max_bytes = 1 },
		{ .service = AWS_SNS, .method = "GET", .path = "/", .headers = name, .nheaders = 1,
		    .max_bytes = 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(call(world, &wrong[i]), AWS_REFUSED);
		assert_non_null(strstr(world->answer.text, "cannot be signed"));
	}
	assert_int_equal(world->fake.nasked, 0);
}

static void
test_outcomes(void **state)
{
	static const struct {
		long status;
		const char *type, *body;
		enum aws_outcome outcome;
		const char *text;	/* a part of it */
	} cases[] = {
		{ 304, NULL, "", AWS_UNCHANGED, "" },
		{ 400, "BadRequestException:http://internal/", "{\"message\":\"no such detector\"}",
		    AWS_REFUSED, "guardduty eu-west-1: answered 400 BadRequestException: no such" },
		{ 403, NULL, "{\"__type\":\"com.amazon#AccessDeniedException\",\"Message\":\"no\"}",
		    AWS_DENIED, "403 AccessDeniedException: no" },
		{ 401, "InvalidAccessException", "{}", AWS_DENIED, "InvalidAccessException" },
		{ 403, "UnrecognizedClientException", "{}", AWS_DENIED, "UnrecognizedClient" },
		{ 400, "ExpiredTokenException", "{}", AWS_DENIED, "ExpiredToken" },
		{ 404, NULL, "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>",
		    AWS_ABSENT, "404 NoSuchKey: gone" },
		{ 429, NULL, "{}", AWS_THROTTLED, "answered 429" },
		{ 400, "ThrottlingException", "{}", AWS_THROTTLED, "ThrottlingException" },
		{ 503, NULL, "<Error><Code>SlowDown</Code></Error>", AWS_THROTTLED, "SlowDown" },
		{ 500, "InternalServerErrorException", "", AWS_LATER, "answered 500 Internal" },
		{ 503, NULL, "<html>busy", AWS_LATER, "answered 503" },
		{ 302, NULL, "", AWS_REFUSED, "answered 302" },
	};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world->fake.routes[0] = (struct fake_route){ .method = "GET", .url = GUARDDUTY,
		    .status = cases[i].status, .body = cases[i].body,
		    .wanted = { cases[i].type, NULL, "req-1" }, .retry_after_s = 7 };
		assert_int_equal(call_list(world), cases[i].outcome);
		assert_non_null(strstr(world->answer.text, cases[i].text));
		assert_int_equal(world->answer.http.retry_after_s, 7);
		if (i > 0)
			assert_non_null(strstr(world->answer.text, "(request req-1)"));
	}
	/* none of them was sent twice */
	assert_int_equal(world->fake.nasked, i);
}

static void
test_bucket_elsewhere(void **state)
{
	const struct aws_request request = { .service = AWS_S3, .method = "GET", .bucket = "bucket",
	    .path = "/k", .max_bytes = 1000 };
	struct world *world = *state;

	world->fake.routes[0] = (struct fake_route){ .method = "GET", .url = "https://bucket.s3",
	    .status = 301, .wanted = { NULL, "us-west-2" }, .times = 1 };
	world->fake.routes[1] = (struct fake_route){ .method = "GET", .url = "https://bucket.s3",
	    .status = 400, .body = "<?xml version=\"1.0\"?><Error><Code>AuthorizationHeaderMalformed"
	    "</Code><Region>ap-south-1</Region></Error>", .times = 1 };
	world->fake.routes[2] = (struct fake_route){ .method = "GET", .url = "https://bucket.s3",
	    .status = 403, .wanted = { NULL, "eu-west-1" }, .times = 1 };
	world->fake.routes[3] = (struct fake_route){ .method = "GET", .url = "https://bucket.s3",
	    .status = 301, .wanted = { NULL, "evil.example/" } };
	assert_int_equal(call(world, &request), AWS_ELSEWHERE);
	assert_string_equal(world->answer.refusal.region, "us-west-2");
	assert_int_equal(call(world, &request), AWS_ELSEWHERE);
	assert_string_equal(world->answer.refusal.region, "ap-south-1");
	assert_int_equal(call(world, &request), AWS_DENIED);
	assert_int_equal(call(world, &request), AWS_REFUSED);
	assert_string_equal(world->answer.refusal.region, "");
}

static void
test_expired_keys_are_renewed_once(void **state)
{
	struct world *world = *state;

	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254", 1);
	world->fake.routes[0] = (struct fake_route){ .method = "PUT", .url = IMDS, .body = "T" };
	world->fake.routes[1] = (struct fake_route){ .method = "GET", .url = ROLES "role",
	    .body = KEYS("ASIAONE") };
	world->fake.routes[2] = (struct fake_route){ .method = "GET", .url = ROLES, .body = "role" };
	world->fake.routes[3] = (struct fake_route){ .method = "GET", .url = GUARDDUTY };
	assert_int_equal(call_list(world), AWS_OK);
	assert_non_null(strstr(fake_last(&world->fake)->headers,
	    "X-Amz-Security-Token: token-ASIAONE\n"));
	assert_non_null(strstr(fake_last(&world->fake)->headers,
	    "SignedHeaders=host;x-amz-date;x-amz-security-token"));
	/* then they are rotated */
	world->fake.routes[1].body = KEYS("ASIATWO");
	world->fake.routes[3] = (struct fake_route){ .method = "GET", .url = GUARDDUTY,
	    .status = 403, .wanted = { "ExpiredTokenException" }, .times = 1 };
	world->fake.routes[4] = (struct fake_route){ .method = "GET", .url = GUARDDUTY };
	memset(world->fake.served, 0, sizeof(world->fake.served));
	world->fake.now_ms += 60000;
	assert_int_equal(call_list(world), AWS_OK);
	assert_non_null(strstr(fake_last(&world->fake)->headers, "Credential=ASIATWO/"));
	/* and if that does not help, it is said, after one more attempt at most */
	world->fake.routes[1].body = KEYS("ASIATHREE");
	world->fake.routes[3].times = 0;
	world->fake.now_ms += 60000;
	world->fake.nasked = 0;
	assert_int_equal(call_list(world), AWS_DENIED);
	assert_int_equal(world->fake.nasked, 4);
}

static void
refuse_by_clock(struct world *world, int64_t service_s)
{
	world->fake.routes[0] = (struct fake_route){ .method = "GET", .url = GUARDDUTY,
	    .status = 403, .wanted = { "InvalidSignatureException" }, .date_s = service_s,
	    .times = 1 };
	world->fake.routes[1] = (struct fake_route){ .method = "GET", .url = GUARDDUTY };
	memset(world->fake.served, 0, sizeof(world->fake.served));
	world->fake.nasked = 0;
}

static void
test_clock(void **state)
{
	struct world *world = *state;
	int64_t now_s = FAKE_START_MS / 1000;

	/* an hour behind the service */
	refuse_by_clock(world, now_s + 3600);
	assert_int_equal(call_list(world), AWS_OK);
	assert_non_null(strstr(fake_last(&world->fake)->headers, "X-Amz-Date: 20231114T231320Z\n"));
	/* remembered */
	world->fake.now_ms += 1000;
	assert_int_equal(call_list(world), AWS_OK);
	assert_non_null(strstr(fake_last(&world->fake)->headers, "X-Amz-Date: 20231114T231321Z\n"));
	assert_int_equal(world->fake.nasked, 3);
	/* somebody sets the clock right: corrected back */
	world->fake.now_ms = FAKE_START_MS + 3600 * 1000;
	refuse_by_clock(world, now_s + 3600);
	assert_int_equal(call_list(world), AWS_OK);
	assert_non_null(strstr(fake_last(&world->fake)->headers, "X-Amz-Date: 20231114T231320Z\n"));
}

static void
test_clock_bounds(void **state)
{
	struct world *world = *state;
	int64_t now_s = FAKE_START_MS / 1000;

	/* no clock's fault: not sent again */
	refuse_by_clock(world, now_s + 200);
	assert_int_equal(call_list(world), AWS_DENIED);
	refuse_by_clock(world, 0);
	assert_int_equal(call_list(world), AWS_DENIED);
	refuse_by_clock(world, now_s - DAY_S - 60);
	assert_int_equal(call_list(world), AWS_DENIED);
	assert_non_null(strstr(world->answer.text, "more than a day off"));
	assert_int_equal(world->fake.nasked, 1);
	refuse_by_clock(world, now_s - DAY_S + 60);
	assert_int_equal(call_list(world), AWS_OK);
}

static void
test_clock_is_not_taken_without_tls(void **state)
{
	struct world *world = *state;

	setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:80", 1);
	refuse_by_clock(world, FAKE_START_MS / 1000 + 3600);
	world->fake.routes[0].url = "http://127.0.0.1/";
	assert_int_equal(call_list(world), AWS_DENIED);
	assert_int_equal(world->fake.nasked, 1);
}

static void
test_missing_vpc_endpoint_is_named(void **state)
{
	struct world *world = *state;

	world->fake.routes[0] = (struct fake_route){ .method = "GET", .url = GUARDDUTY,
	    .error = -ETIMEDOUT };
	assert_int_equal(call_list(world), AWS_LATER);
	assert_null(strstr(world->answer.text, "com.amazonaws."));
	assert_int_equal(call_list(world), AWS_LATER);
	assert_non_null(strstr(world->answer.text,
	    "interface endpoint com.amazonaws.eu-west-1.guardduty"));
	/* once reached, counted anew */
	world->fake.routes[0].error = 0;
	assert_int_equal(call_list(world), AWS_OK);
	world->fake.routes[0].error = -ECONNREFUSED;
	assert_int_equal(call_list(world), AWS_LATER);
	assert_null(strstr(world->answer.text, "com.amazonaws."));
}

/* A sysfs that says EC2; gone again with remove_sysfs. */
static void
make_sysfs(char folder[static 32])
{
	static const char *const below[] = { "/devices", "/virtual", "/dmi", "/id" };
	char path[128];
	FILE *out;
	size_t i;

	snprintf(folder, 32, "/tmp/sysfs.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s", folder);
	for (i = 0; i < 4; i++) {
		strcat(path, below[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	strcat(path, "/board_asset_tag");
	out = fopen(path, "w");
	assert_non_null(out);
	fputs("i-0123456789abcdef0\n", out);
	fclose(out);
}

static void
remove_sysfs(const char *folder)
{
	char path[128], *slash;

	snprintf(path, sizeof(path), "%s/devices/virtual/dmi/id/board_asset_tag", folder);
	while (remove(path) == 0 && (slash = strrchr(path, '/')) > path + strlen("/tmp"))
		*slash = '\0';
}

static void
test_ipv6_alone_is_named(void **state)
{
	struct world *world = *state;
	char sysfs[32];

	unsetenv("AWS_REGION");
	make_sysfs(sysfs);
	world->aws = aws_new(&world->via, &world->wishes, sysfs);
	remove_sysfs(sysfs);
	world->fake.routes[0] = (struct fake_route){ .method = "PUT",
	    .url = "http://[fd00:ec2::254]/latest/api/token", .body = "T" };
	world->fake.routes[1] = (struct fake_route){ .method = "GET",
	    .url = "http://[fd00:ec2::254]/latest/meta-data/placement/region", .body = "eu-west-1" };
	call_list(world);
	assert_null(strstr(world->answer.text, "dualstack"));
	assert_int_equal(call_list(world), AWS_LATER);
	assert_non_null(strstr(world->answer.text, "IPv6 alone needs dualstack = yes in [agent]"));
	world->wishes.dualstack = true;
	aws_free(world->aws);
	world->aws = aws_new(&world->via, &world->wishes, "/nonexistent");
	setenv("AWS_REGION", "eu-west-1", 1);
	call_list(world);
	call_list(world);
	assert_null(strstr(world->answer.text, "IPv6"));
}

static void
test_without_region_or_credentials(void **state)
{
	struct world *world = *state;

	unsetenv("AWS_REGION");
	assert_int_equal(call_list(world), AWS_NO_CREDENTIALS);
	assert_non_null(strstr(world->answer.text, "no region"));
	setenv("AWS_REGION", "eu-west-1", 1);
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	/* not looked for again at once */
	assert_int_equal(call_list(world), AWS_NO_CREDENTIALS);
	assert_non_null(strstr(world->answer.text, "no region"));
	world->fake.now_ms += 120000;
	assert_int_equal(call_list(world), AWS_NO_CREDENTIALS);
	assert_non_null(strstr(world->answer.text, "no credentials"));
	assert_int_equal(world->fake.nasked, 0);
}

static void
test_region_of_imds(void **state)
{
	struct world *world = *state;
	struct aws_site site;
	char reason[IMDS_REASON_MAX];

	unsetenv("AWS_REGION");
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254", 1);
	world->fake.routes[0] = (struct fake_route){ .method = "PUT", .url = IMDS, .body = "T" };
	world->fake.routes[1] = (struct fake_route){ .method = "GET",
	    .url = IMDS "meta-data/placement/region", .body = "xx-new-1" };
	world->fake.routes[2] = (struct fake_route){ .method = "GET",
	    .url = IMDS "meta-data/services/partition", .body = "aws-new" };
	world->fake.routes[3] = (struct fake_route){ .method = "GET",
	    .url = IMDS "meta-data/services/domain", .body = "amazonaws.new" };
	call_list(world);
	assert_string_equal(fake_last(&world->fake)->url,
	    "https://guardduty.xx-new-1.amazonaws.new/detector?maxResults=50");
	assert_int_equal(aws_site(world->aws, &site, reason), 0);
	assert_string_equal(site.partition, "aws-new");
}

static void
test_identity(void **state)
{
	struct world *world = *state;
	struct aws_identity identity;
	char reason[CREDENTIALS_REASON_MAX];

	call_list(world);
	assert_int_equal(aws_identity(world->aws, &identity, reason), 0);
	assert_string_equal(identity.key_id, "AKIAENV");
	assert_int_equal(identity.origin, CREDENTIALS_ENVIRONMENT);
	assert_string_equal(identity.role, "");
}

/* What came, by name. */
static void
note(const char *name, const char *value, void *arg)
{
	char *to = arg;

	snprintf(to + strlen(to), 1024 - strlen(to), "%s=%s\n", name, value);
}

static void
test_environment_listed_without_secrets(void **state)
{
	char all[1024] = "";

	setenv("AWS_SESSION_TOKEN", "hidden", 1);
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/hidden", 1);
	setenv("AWS_ENDPOINT_URL_SNS", "https://user:hidden@sns.example", 1);
	setenv("AWS_ENDPOINT_URL_STS", "https://sts.example", 1);
	aws_environment_list(note, all);
	assert_null(strstr(all, "hidden"));
	assert_null(strstr(all, "verysecret"));
	assert_non_null(strstr(all, "AWS_SECRET_ACCESS_KEY=(set)\n"));
	assert_non_null(strstr(all, "AWS_REGION=eu-west-1\n"));
	assert_non_null(strstr(all, "AWS_ENDPOINT_URL_STS=https://sts.example\n"));
	assert_null(strstr(all, "AWS_PROFILE"));
}

static void
test_refusals_are_read_within_bounds(void **state)
{
	static const char doctype[] = "<!DOCTYPE e [<!ENTITY a \"boom\">]><Error><Code>&a;</Code></Error>";
	static const char deep[] = "<a><a><a><a><a><a><a><a><a><Code>x</Code></a></a></a></a></a></a>";
	static const char sns[] = "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">"
	    "<Error><Type>Sender</Type><Code>NotFound</Code><Message>Topic does\nnot \xc3\xa4 exist"
	    "</Message></Error><RequestId>r</RequestId></ErrorResponse>";
	static const char cut[] = "<Error><Code>AccessDenied</Code><Message>User: arn";
	struct aws_refusal refusal;
	char long_code[400] = "{\"code\":\"";

	aws_refusal_read(&refusal, NULL, doctype, sizeof(doctype) - 1);
	assert_string_equal(refusal.code, "");
	aws_refusal_read(&refusal, NULL, deep, sizeof(deep) - 1);
	assert_string_equal(refusal.code, "");
	aws_refusal_read(&refusal, "", sns, sizeof(sns) - 1);
	assert_string_equal(refusal.code, "NotFound");
	assert_string_equal(refusal.message, "Topic does not ?? exist");
	aws_refusal_read(&refusal, "", cut, sizeof(cut) - 1);
	assert_string_equal(refusal.code, "AccessDenied");
	assert_string_equal(refusal.message, "User: arn");
	memset(long_code + strlen(long_code), 'x', 300);
	memcpy(long_code + strlen(long_code), "\"}", 3);
	aws_refusal_read(&refusal, NULL, long_code, strlen(long_code));
	assert_int_equal(strlen(refusal.code), REFUSAL_CODE_MAX - 1);
	aws_refusal_read(&refusal, "a#Throttling:http://x#y", NULL, 0);
	assert_string_equal(refusal.code, "Throttling");
	assert_int_equal(aws_refusal_kind(&refusal), REFUSAL_THROTTLED);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_sent),
		TEST(test_buckets),
		TEST(test_what_cannot_be_sent),
		TEST(test_outcomes),
		TEST(test_bucket_elsewhere),
		TEST(test_expired_keys_are_renewed_once),
		TEST(test_clock),
		TEST(test_clock_bounds),
		TEST(test_clock_is_not_taken_without_tls),
		TEST(test_missing_vpc_endpoint_is_named),
		TEST(test_ipv6_alone_is_named),
		TEST(test_without_region_or_credentials),
		TEST(test_region_of_imds),
		TEST(test_identity),
		TEST(test_environment_listed_without_secrets),
		TEST(test_refusals_are_read_within_bounds),
	};

	log_init("test", LOG_STYLE_SILENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
