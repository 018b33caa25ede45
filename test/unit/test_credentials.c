/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Credentials: the order of places, what is an error, refreshing by a clock set by hand. */
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

#include "aws/credentials_source.h"
#include "threatlistd/log.h"
#include "credentials_world.h"

/* A file that is gone with its name. */
static void
write_file(char path[static 32], const char *text)
{
	int fd;

	snprintf(path, 32, "/tmp/credentials.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
test_environment_comes_first(void **state)
{
	struct world *world = *state;

	use_instance(world);
	setenv("AWS_ACCESS_KEY_ID", "AKIAENV", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "AKIAENV");
	assert_string_equal(world->keys->token, "");
	assert_int_equal(credentials_origin(world->credentials), CREDENTIALS_ENVIRONMENT);
	assert_int_equal(world->fake.nasked, 0);
}

static void
test_half_an_environment_is_an_error(void **state)
{
	struct world *world = *state;

	use_instance(world);
	setenv("AWS_ACCESS_KEY_ID", "AKIAENV", 1);
	assert_int_equal(get(world), -EINVAL);
	assert_non_null(strstr(world->reason, "AWS_SECRET_ACCESS_KEY"));
	assert_int_equal(world->fake.nasked, 0);
}

static void
test_web_identity_is_an_error_that_says_so(void **state)
{
	struct world *world = *state;

	use_instance(world);
	setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/token", 1);
	assert_int_equal(get(world), -EOPNOTSUPP);
	assert_non_null(strstr(world->reason, "AWS_WEB_IDENTITY_TOKEN_FILE"));
}

static void
test_file(void **state)
{
	struct world *world = *state;
	char path[32];

	use_instance(world);
	write_file(path, "# mine\n[default]\naws_access_key_id = AKIADEFAULT\r\n"
	    "aws_secret_access_key=sec:ret\ns3 =\n  aws_access_key_id = NESTED\n\n"
	    "[ other ]\nAWS_ACCESS_KEY_ID: AKIAOTHER\naws_secret_access_key: s=s\n"
	    "aws_session_token = t/+=\n");
	setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "AKIADEFAULT");
	assert_string_equal(world->keys->secret, "sec:ret");
	assert_int_equal(credentials_origin(world->credentials), CREDENTIALS_FILE);
	/* read again after a while, with what is asked for by then */
	setenv("AWS_PROFILE", "other", 1);
	world->fake.now_ms += 15 * MINUTE_MS;
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "AKIAOTHER");
	assert_string_equal(world->keys->secret, "s=s");
	assert_string_equal(world->keys->token, "t/+=");
	unlink(path);
}

static void
test_profiles_that_ask_for_more(void **state)
{
	static const char *const settings[] = {
		"role_arn = arn:aws:iam::1:role/r\nsource_profile = base",
		"credential_process = /bin/keys", "sso_session = s",
		"web_identity_token_file = /t",
		"aws_access_key_id = AKIA\naws_secret_access_key = s\nrole_arn = x",
	};
	struct world *world = *state;
	char path[32], text[256];
	size_t i;

	use_instance(world);
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		snprintf(text, sizeof(text), "[default]\n%s\n", settings[i]);
		write_file(path, text);
		setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
		assert_int_equal(get(world), -EOPNOTSUPP);
		assert_non_null(strstr(world->reason, "profile `default' asks for"));
		world->fake.now_ms += HOUR_MS;
		unlink(path);
	}
	assert_int_equal(world->fake.nasked, 0);
}

static void
test_a_file_that_is_wanted_must_serve(void **state)
{
	struct world *world = *state;
	char path[32];

	use_instance(world);
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
	assert_int_equal(get(world), -EINVAL);
	write_file(path, "[default]\naws_access_key_id = AKIA\n");
	setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
	world->fake.now_ms += HOUR_MS;
	assert_int_equal(get(world), -EINVAL);
	assert_non_null(strstr(world->reason, "aws_secret_access_key"));
	setenv("AWS_PROFILE", "absent", 1);
	world->fake.now_ms += HOUR_MS;
	assert_int_equal(get(world), -EINVAL);
	assert_non_null(strstr(world->reason, "`absent'"));
	unlink(path);
	/* the one of a home directory need not be there */
	unsetenv("AWS_PROFILE");
	unsetenv("AWS_SHARED_CREDENTIALS_FILE");
	setenv("HOME", "/nonexistent", 1);
	world->fake.now_ms += HOUR_MS;
	assert_int_equal(get(world), 0);
	assert_int_equal(credentials_origin(world->credentials), CREDENTIALS_INSTANCE);
}

static void
test_container(void **state)
{
	struct world *world = *state;
	char path[32];

	world->fake.routes[0] = (struct fake_route){ .method = "GET",
	    .url = "http://169.254.170.2/v2/x", .body = KEYS("ASIAC", "2023-11-15T04:13:20Z") };
	world->fake.routes[1] = (struct fake_route){ .method = "GET",
	    .url = "http://127.0.0.1:80/y", .body = KEYS("ASIAD", "2023-11-15T09:13:20Z") };
	setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x", 1);
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:80/y", 1);
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "ASIAC");
	assert_string_equal(fake_last(&world->fake)->connect_to, "169.254.170.2");
	assert_string_equal(fake_last(&world->fake)->proxy, "none");
	assert_string_equal(fake_last(&world->fake)->headers, "");
	assert_false(fake_last(&world->fake)->follow);
	unsetenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	write_file(path, "first\n");
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "not this", 1);
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, 1);
	world->fake.now_ms += 6 * HOUR_MS;
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "ASIAD");
	assert_string_equal(fake_last(&world->fake)->headers, "Authorization: first\n");
	assert_string_equal(fake_last(&world->fake)->connect_to, "127.0.0.1");
	unlink(path);
}

static void
test_container_hosts(void **state)
{
	static const struct {
		const char *url;
		bool allowed;
	} cases[] = {
		{ "https://anywhere.example/x", true },
		{ "http://127.9.9.9/x", true },
		{ "http://[::1]:8080/x", true },
		{ "http://169.254.170.23/v1", true },
		{ "http://[fd00:ec2::23]/v1", true },
		{ "http://169.254.169.254/x", false },
		{ "http://10.0.0.1/x", false },
		{ "http://[fd00:ec2::24]/x", false },
		{ "http://127.0.0.1@10.0.0.1/x", false },
		{ "http://127.0.0.1\\@10.0.0.1/x", false },
		{ "http:///x", false },
		{ "http://[::1", false },
		{ "ftp://127.0.0.1/x", false },
		{ "127.0.0.1/x", false },
	};
	struct world *world = *state;
	size_t i, asked;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", cases[i].url, 1);
		asked = world->fake.nasked;
		assert_int_not_equal(get(world), 0);
		assert_int_equal(world->fake.nasked - asked, cases[i].allowed ? 1 : 0);
		world->fake.now_ms += HOUR_MS;
	}
}

static void
test_container_token_that_cannot_be_sent(void **state)
{
	struct world *world = *state;

	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://x.example/", 1);
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nX-Evil: 1", 1);
	assert_int_equal(get(world), -EINVAL);
	assert_int_equal(world->fake.nasked, 0);
}

static void
test_container_refusals(void **state)
{
	static const struct fake_route answers[] = {
		{ .method = "GET", .url = "http", .status = 302, .times = 1 },
		{ .method = "GET", .url = "http", .status = 404, .times = 1 },
		{ .method = "GET", .url = "http", .error = -ETIMEDOUT, .times = 1 },
		{ .method = "GET", .url = "http", .body = "[]", .times = 1 },
		{ .method = "GET", .url = "http", .body = "{\"AccessKeyId\":\"A\"}", .times = 1 },
		{ .method = "GET", .url = "http", .body = KEYS("A B", "2023-11-15T09:13:20Z"),
		    .times = 1 },
		{ .method = "GET", .url = "http", .body = KEYS("A", "tomorrow"), .times = 1 },
	};
	struct world *world = *state;
	size_t i;

	memcpy(world->fake.routes, answers, sizeof(answers));
	setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x", 1);
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		assert_int_not_equal(get(world), 0);
		assert_int_equal(world->fake.nasked, i + 1);
		assert_null(strstr(world->reason, "secret-"));
		/* not asked again at once */
		assert_int_not_equal(get(world), 0);
		assert_int_equal(world->fake.nasked, i + 1);
		world->fake.now_ms += 2 * MINUTE_MS;
	}
}

static void
test_instance(void **state)
{
	struct world *world = *state;

	use_instance(world);
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "ASIAONE");
	assert_string_equal(world->keys->secret, "secret-ASIAONE");
	assert_string_equal(world->keys->token, "token-ASIAONE");
	assert_string_equal(credentials_role(world->credentials), "the-role");
	assert_int_equal(world->keys->expires_ms, FAKE_START_MS + 6 * HOUR_MS);
	assert_int_equal(world->fake.nasked, 3);
	assert_string_equal(world->fake.asked[0].method, "PUT");
	assert_string_equal(fake_last(&world->fake)->headers, "X-aws-ec2-metadata-token: TOKEN\n");
	assert_string_equal(fake_last(&world->fake)->proxy, "none");
}

static void
test_refreshed_15_minutes_before(void **state)
{
	struct world *world = *state;

	use_instance(world);
	assert_int_equal(get(world), 0);
	world->fake.now_ms = FAKE_START_MS + 6 * HOUR_MS - 15 * MINUTE_MS - 1;
	assert_int_equal(get(world), 0);
	assert_int_equal(world->fake.nasked, 3);
	world->fake.now_ms++;
	/* still the same ones: asked again each minute, with jitter */
	assert_int_equal(get(world), 0);
	assert_int_equal(world->fake.nasked, 5);
	world->fake.now_ms += 44999;
	assert_int_equal(get(world), 0);
	assert_int_equal(world->fake.nasked, 5);
	world->fake.routes[1].body = KEYS("ASIATWO", "2023-11-15T10:13:20Z");
	world->fake.now_ms += 30001;
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "ASIATWO");
	assert_string_equal(world->keys->secret, "secret-ASIATWO");
}

static void
test_last_ones_stay_when_the_service_is_gone(void **state)
{
	struct world *world = *state;
	size_t asked;

	use_instance(world);
	assert_int_equal(get(world), 0);
	memset(world->fake.routes, 0, sizeof(world->fake.routes));
	world->fake.now_ms += 24 * HOUR_MS;
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "ASIAONE");
	assert_string_not_equal(credentials_trouble(world->credentials), "");
	asked = world->fake.nasked;
	assert_int_equal(get(world), 0);
	assert_int_equal(world->fake.nasked, asked);
	use_instance(world);
	world->fake.routes[1].body = KEYS("ASIATWO", "2023-11-16T04:13:20Z");
	world->fake.now_ms += 2 * MINUTE_MS;
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "ASIATWO");
	assert_string_equal(credentials_trouble(world->credentials), "");
}

static void
test_rejected_keys_are_asked_for_again(void **state)
{
	struct world *world = *state;

	use_instance(world);
	assert_int_equal(get(world), 0);
	/* not in a storm */
	credentials_reject(world->credentials);
	assert_int_equal(get(world), 0);
	assert_int_equal(world->fake.nasked, 3);
	world->fake.now_ms += 10000;
	credentials_reject(world->credentials);
	assert_int_equal(get(world), 0);
	assert_int_equal(world->fake.nasked, 5);
}

static void
test_token_is_renewed_on_401(void **state)
{
	struct world *world = *state;

	use_instance(world);
	assert_int_equal(get(world), 0);
	/* the routes move by one: first comes a refusal of the old token */
	memmove(&world->fake.routes[1], &world->fake.routes[0], sizeof(instance_routes));
	memset(world->fake.served, 0, sizeof(world->fake.served));
	world->fake.routes[0] = (struct fake_route){ .method = "GET", .url = ROLES, .status = 401,
	    .times = 1 };
	world->fake.routes[1].body = "SECOND";
	world->fake.now_ms += 10000;
	credentials_reject(world->credentials);
	assert_int_equal(get(world), 0);
	assert_string_equal(fake_last(&world->fake)->headers, "X-aws-ec2-metadata-token: SECOND\n");
	/* the token's own end */
	world->fake.now_ms += 6 * HOUR_MS - MINUTE_MS;
	credentials_reject(world->credentials);
	assert_int_equal(get(world), 0);
	assert_string_equal(world->fake.asked[world->fake.nasked - 3].method, "PUT");
}

static void
test_version_1_is_never_used(void **state)
{
	static const int answers[] = { 404, 405, 403, 0 };
	struct world *world = *state;
	size_t i, j;

	use_instance(world);
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		world->fake.routes[0].status = answers[i];
		world->fake.routes[0].error = answers[i] == 0 ? -ETIMEDOUT : 0;
		assert_int_not_equal(get(world), 0);
		world->fake.now_ms += 2 * MINUTE_MS;
	}
	for (j = 0; j < world->fake.nasked; j++)
		assert_string_equal(world->fake.asked[j].method, "PUT");
}

static void
test_instance_refusals(void **state)
{
	struct world *world = *state;

	use_instance(world);
	world->fake.routes[1].body = "{\"Code\":\"AssumeRoleUnauthorizedAccess\","
	    "\"Message\":\"EC2 cannot assume the role\"}";
	assert_int_equal(get(world), -EACCES);
	assert_non_null(strstr(world->reason, "AssumeRoleUnauthorizedAccess: EC2 cannot assume"));
	world->fake.routes[2].status = 404;
	world->fake.now_ms += 2 * MINUTE_MS;
	assert_int_equal(get(world), -ENOENT);
	assert_non_null(strstr(world->reason, "no role"));
	world->fake.routes[2].status = 200;
	world->fake.routes[2].body = "../../user-data";
	world->fake.now_ms += 2 * MINUTE_MS;
	assert_int_equal(get(world), -EPROTO);
}

static void
test_metadata_environment(void **state)
{
	struct world *world = *state;
	struct aws_transport transport = fake_transport(&world->fake);
	struct imds *imds;
	char line[64], reason[IMDS_REASON_MAX];

	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6", 1);
	setenv("AWS_METADATA_SERVICE_TIMEOUT", "3", 1);
	setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "2", 1);
	imds = imds_new(&transport);
	assert_int_not_equal(imds_get_line(imds, "x", line, sizeof(line), reason), 0);
	imds_free(imds);
	assert_int_equal(world->fake.nasked, 2);
	assert_string_equal(fake_last(&world->fake)->url, "http://[fd00:ec2::254]/latest/api/token");
	assert_int_equal(fake_last(&world->fake)->connect_timeout_ms, 3000);
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:99/", 1);
	imds = imds_new(&transport);
	assert_int_not_equal(imds_get_line(imds, "x", line, sizeof(line), reason), 0);
	imds_free(imds);
	assert_string_equal(fake_last(&world->fake)->url, "http://127.0.0.1:99/latest/api/token");
}

/* A subnet with IPv6 alone: no way to 169.254.169.254. */
static void
test_metadata_over_ipv6_alone(void **state)
{
	struct world *world = *state;
	struct aws_transport transport = fake_transport(&world->fake);
	struct imds *imds = imds_new(&transport);
	char line[64], reason[IMDS_REASON_MAX];

	world->fake.routes[0] = (struct fake_route){ .method = "PUT", .url = IMDS "api/token",
	    .error = -ECONNREFUSED };
	assert_int_equal(imds_get_line(imds, "x", line, sizeof(line), reason), -ECONNREFUSED);
	assert_non_null(strstr(reason, "PUT of api/token"));
	assert_false(imds_is_v6(imds));
	world->fake.routes[1] = (struct fake_route){ .method = "PUT",
	    .url = "http://[fd00:ec2::254]/latest/api/token", .body = "TOKEN" };
	world->fake.routes[2] = (struct fake_route){ .method = "GET",
	    .url = "http://[fd00:ec2::254]/latest/x", .body = "one" };
	assert_int_equal(imds_get_line(imds, "x", line, sizeof(line), reason), 0);
	assert_string_equal(line, "one");
	assert_true(imds_is_v6(imds));
	/* one that refuses is none, and the other one is found when it is back */
	world->fake.routes[1].status = 403;
	world->fake.now_ms += 7 * HOUR_MS;
	assert_int_equal(imds_get_line(imds, "x", line, sizeof(line), reason), -ECONNREFUSED);
	world->fake.routes[0].error = 0;
	world->fake.routes[0].body = "TOKEN";
	world->fake.routes[2].url = IMDS "x";
	assert_int_equal(imds_get_line(imds, "x", line, sizeof(line), reason), 0);
	assert_false(imds_is_v6(imds));
	imds_free(imds);
	/* where the environment says which one, no other is tried */
	world->fake.routes[0].error = -ECONNREFUSED;
	world->fake.routes[1].status = 200;
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv4", 1);
	imds = imds_new(&transport);
	assert_int_equal(imds_get_line(imds, "x", line, sizeof(line), reason), -ECONNREFUSED);
	imds_free(imds);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_environment_comes_first),
		TEST(test_metadata_over_ipv6_alone),
		TEST(test_half_an_environment_is_an_error),
		TEST(test_web_identity_is_an_error_that_says_so),
		TEST(test_file),
		TEST(test_profiles_that_ask_for_more),
		TEST(test_a_file_that_is_wanted_must_serve),
		TEST(test_container),
		TEST(test_container_hosts),
		TEST(test_container_token_that_cannot_be_sent),
		TEST(test_container_refusals),
		TEST(test_instance),
		TEST(test_refreshed_15_minutes_before),
		TEST(test_last_ones_stay_when_the_service_is_gone),
		TEST(test_rejected_keys_are_asked_for_again),
		TEST(test_token_is_renewed_on_401),
		TEST(test_version_1_is_never_used),
		TEST(test_instance_refusals),
		TEST(test_metadata_environment),
	};

	log_init("test", LOG_STYLE_SILENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
