/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Credentials that pass from one process of the agent to another. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "threatlistd/log.h"
#include "credentials_world.h"

/* What another process had; 15 minutes before its end it is due. */
static void
seed(struct world *world, int64_t expires_ms)
{
	struct msg_keys keys = { .expires_ms = expires_ms, .origin = KEYS_INSTANCE };

	snprintf(keys.id, sizeof(keys.id), "ASIASEED");
	snprintf(keys.secret, sizeof(keys.secret), "secret-seed");
	snprintf(keys.token, sizeof(keys.token), "token-seed");
	snprintf(keys.role, sizeof(keys.role), "seed-role");
	credentials_seed(world->credentials, &keys);
}

static void
test_fresh_seed_is_used_and_nobody_asked(void **state)
{
	struct world *world = *state;

	use_instance(world);
	seed(world, FAKE_START_MS + HOUR_MS);
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->secret, "secret-seed");
	assert_string_equal(world->keys->token, "token-seed");
	assert_string_equal(credentials_role(world->credentials), "seed-role");
	assert_int_equal(credentials_origin(world->credentials), CREDENTIALS_INSTANCE);
	assert_int_equal(world->fake.nasked, 0);
	/* refreshed as if they had been asked for here */
	world->fake.now_ms += 45 * MINUTE_MS - 1;
	assert_int_equal(get(world), 0);
	assert_int_equal(world->fake.nasked, 0);
	world->fake.now_ms++;
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "ASIAONE");
}

static void
test_refused_seed_is_replaced_at_once(void **state)
{
	struct world *world = *state;

	use_instance(world);
	seed(world, FAKE_START_MS + HOUR_MS);
	assert_int_equal(get(world), 0);
	credentials_reject(world->credentials);
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "ASIAONE");
}

static void
test_seed_past_its_end_serves_when_nobody_answers(void **state)
{
	struct world *world = *state;
	size_t asked;

	seed(world, FAKE_START_MS - HOUR_MS);
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "ASIASEED");
	assert_string_not_equal(credentials_trouble(world->credentials), "");
	asked = world->fake.nasked;
	assert_true(asked > 0);
	assert_int_equal(get(world), 0);
	assert_int_equal(world->fake.nasked, asked);
	use_instance(world);
	world->fake.now_ms += 2 * MINUTE_MS;
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "ASIAONE");
}

static void
test_due_seed_is_asked_about_first(void **state)
{
	struct world *world = *state;

	use_instance(world);
	seed(world, FAKE_START_MS + 15 * MINUTE_MS);
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "ASIAONE");
}

/* What is configured here comes first, and what of it is wrong stays an error. */
static void
test_environment_and_file_outdo_a_seed(void **state)
{
	struct world *world = *state;

	seed(world, FAKE_START_MS + HOUR_MS);
	setenv("AWS_ACCESS_KEY_ID", "AKIAENV", 1);
	assert_int_equal(get(world), -EINVAL);
	world->fake.now_ms += 2 * MINUTE_MS;
	setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "AKIAENV");
}

static void
test_seed_that_is_no_keys_is_not_taken(void **state)
{
	struct world *world = *state;
	struct msg_keys keys = { .expires_ms = FAKE_START_MS + HOUR_MS, .origin = KEYS_CONTAINER };

	snprintf(keys.id, sizeof(keys.id), "ASIA\nX: y");
	snprintf(keys.secret, sizeof(keys.secret), "secret");
	snprintf(keys.token, sizeof(keys.token), "token");
	credentials_seed(world->credentials, &keys);
	assert_int_not_equal(get(world), 0);
	world->fake.now_ms += 2 * MINUTE_MS;
	snprintf(keys.id, sizeof(keys.id), "ASIAGOOD");
	credentials_seed(world->credentials, &keys);
	assert_int_equal(get(world), 0);
	assert_int_equal(credentials_origin(world->credentials), CREDENTIALS_CONTAINER);
}

static void
note_taken(const struct msg_keys *keys, void *arg)
{
	struct msg_keys *taken = arg;

	assert_int_equal(taken->origin, 0);
	*taken = *keys;
}

/* Told once each, and never those that came from another process anyway. */
static void
test_new_keys_are_told(void **state)
{
	struct world *world = *state;
	struct msg_keys taken = { .origin = 0 };

	credentials_on_taken(world->credentials, note_taken, &taken);
	use_instance(world);
	seed(world, FAKE_START_MS + HOUR_MS);
	assert_int_equal(get(world), 0);
	assert_int_equal(taken.origin, 0);
	world->fake.now_ms += 45 * MINUTE_MS;
	assert_int_equal(get(world), 0);
	assert_int_equal(taken.origin, KEYS_INSTANCE);
	assert_string_equal(taken.id, "ASIAONE");
	assert_string_equal(taken.secret, "secret-ASIAONE");
	assert_string_equal(taken.token, "token-ASIAONE");
	assert_string_equal(taken.role, "the-role");
	assert_int_equal(taken.expires_ms, FAKE_START_MS + 6 * HOUR_MS);
	/* the same ones again are no news: note_taken would say so */
	world->fake.now_ms = FAKE_START_MS + 6 * HOUR_MS - MINUTE_MS;
	assert_int_equal(get(world), 0);
	taken.origin = 0;
	setenv("AWS_ACCESS_KEY_ID", "AKIAENV", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	world->fake.now_ms += 2 * MINUTE_MS;
	assert_int_equal(get(world), 0);
	assert_string_equal(world->keys->id, "AKIAENV");
	assert_int_equal(taken.origin, 0);
}

struct giver {
	struct credentials *of;		/* NULL: says no */
	char refused[KEYS_ID_MAX];	/* as asked last */
	unsigned int asked;
};

static int
give(const char *refused, struct msg_keys *keys, char reason[static CREDENTIALS_REASON_MAX],
    void *arg)
{
	struct giver *giver = arg;

	giver->asked++;
	snprintf(giver->refused, sizeof(giver->refused), "%s", refused);
	if (giver->of != NULL)
		return credentials_give(giver->of, refused, keys, reason);
	snprintf(reason, CREDENTIALS_REASON_MAX, "nobody is there");
	return -ENOENT;
}

/* A feed: it never asks anybody but the giver, whatever its environment says. */
static struct credentials *
feed_of(struct world *world, struct giver *giver)
{
	struct aws_transport transport = fake_transport(&world->fake);
	struct credentials *feed = credentials_new(&transport, world->imds);

	assert_non_null(feed);
	credentials_from(feed, give, giver);
	return feed;
}

static void
test_feed_asks_the_giver_alone(void **state)
{
	struct world *world = *state;
	struct giver giver = { .of = NULL };
	struct credentials *feed = feed_of(world, &giver);

	use_instance(world);
	assert_int_equal(credentials_get(feed, &world->keys, world->reason), -ENOENT);
	assert_string_equal(world->reason, "nobody is there");
	assert_int_equal(world->fake.nasked, 0);
	/* not at once again */
	assert_int_equal(credentials_get(feed, &world->keys, world->reason), -ENOENT);
	assert_int_equal(giver.asked, 1);
	giver.of = world->credentials;
	world->fake.now_ms += 2 * MINUTE_MS;
	assert_int_equal(credentials_get(feed, &world->keys, world->reason), 0);
	assert_string_equal(world->keys->id, "ASIAONE");
	assert_string_equal(credentials_role(feed), "the-role");
	assert_int_equal(credentials_origin(feed), CREDENTIALS_INSTANCE);
	assert_string_equal(giver.refused, "");
	/* due as those of the giver are */
	world->fake.now_ms = FAKE_START_MS + 6 * HOUR_MS - 15 * MINUTE_MS - 1;
	assert_int_equal(credentials_get(feed, &world->keys, world->reason), 0);
	assert_int_equal(giver.asked, 2);
	world->fake.now_ms++;
	assert_int_equal(credentials_get(feed, &world->keys, world->reason), 0);
	assert_int_equal(giver.asked, 3);
	/* the last ones, when nobody is there any more */
	giver.of = NULL;
	world->fake.now_ms += 2 * MINUTE_MS;
	assert_int_equal(credentials_get(feed, &world->keys, world->reason), 0);
	assert_string_equal(credentials_trouble(feed), "nobody is there");
	credentials_free(feed);
}

static void
test_refused_keys_are_named_to_the_giver(void **state)
{
	struct world *world = *state;
	struct giver giver = { .of = world->credentials };
	struct credentials *feed = feed_of(world, &giver);
	size_t asked;

	use_instance(world);
	assert_int_equal(credentials_get(feed, &world->keys, world->reason), 0);
	asked = world->fake.nasked;
	world->fake.now_ms += MINUTE_MS;
	world->fake.routes[1].body = KEYS("ASIATWO", "2023-11-15T06:13:20Z");
	credentials_reject(feed);
	assert_int_equal(credentials_get(feed, &world->keys, world->reason), 0);
	assert_string_equal(giver.refused, "ASIAONE");
	assert_string_equal(world->keys->id, "ASIATWO");
	assert_true(world->fake.nasked > asked);
	asked = world->fake.nasked;
	/* who still has the old ones costs no question more */
	world->fake.now_ms += MINUTE_MS;
	assert_int_equal(give("ASIAONE", &(struct msg_keys){ .origin = 0 }, world->reason, &giver), 0);
	assert_int_equal(world->fake.nasked, asked);
	credentials_free(feed);
}

/* A user's keys have neither token nor end. */
static void
test_keys_of_the_environment_are_given(void **state)
{
	struct world *world = *state;
	struct giver giver = { .of = world->credentials };
	struct credentials *feed = feed_of(world, &giver);

	setenv("AWS_ACCESS_KEY_ID", "AKIAENV", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	assert_int_equal(credentials_get(feed, &world->keys, world->reason), 0);
	assert_string_equal(world->keys->id, "AKIAENV");
	assert_string_equal(world->keys->token, "");
	assert_int_equal(world->keys->expires_ms, 0);
	assert_int_equal(credentials_origin(feed), CREDENTIALS_ENVIRONMENT);
	credentials_free(feed);
}

/* They are read where they are wanted. */
static void
test_keys_without_an_end_are_no_seed(void **state)
{
	struct world *world = *state;
	struct msg_keys keys = { .origin = KEYS_FILE };

	snprintf(keys.id, sizeof(keys.id), "AKIAFILE");
	snprintf(keys.secret, sizeof(keys.secret), "secret");
	credentials_seed(world->credentials, &keys);
	assert_int_not_equal(get(world), 0);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fresh_seed_is_used_and_nobody_asked),
		TEST(test_refused_seed_is_replaced_at_once),
		TEST(test_seed_past_its_end_serves_when_nobody_answers),
		TEST(test_due_seed_is_asked_about_first),
		TEST(test_environment_and_file_outdo_a_seed),
		TEST(test_seed_that_is_no_keys_is_not_taken),
		TEST(test_new_keys_are_told),
		TEST(test_feed_asks_the_giver_alone),
		TEST(test_refused_keys_are_named_to_the_giver),
		TEST(test_keys_of_the_environment_are_given),
		TEST(test_keys_without_an_end_are_no_seed),
	};

	log_init("test", LOG_STYLE_SILENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
