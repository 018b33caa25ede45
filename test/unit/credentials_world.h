/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Credentials over a network of canned answers and a clock set by hand. */
#ifndef CREDENTIALS_WORLD_H
#define CREDENTIALS_WORLD_H

#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aws/credentials.h"
#include "fake_aws.h"

#define IMDS		"http://169.254.169.254/latest/"
#define ROLES		IMDS "meta-data/iam/security-credentials/"
#define MINUTE_MS	INT64_C(60000)
#define HOUR_MS		(60 * MINUTE_MS)

/* FAKE_START_MS is 22:13:20 */
#define KEYS(id, until)	"{\"Code\":\"Success\",\"LastUpdated\":\"2023-11-14T22:00:00Z\"," \
	"\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"secret-" id "\"," \
	"\"Token\":\"token-" id "\",\"Expiration\":\"" until "\"}"

struct world {
	struct fake_aws fake;
	struct imds *imds;
	struct credentials *credentials;
	const struct aws_keys *keys;
	char reason[CREDENTIALS_REASON_MAX];
};

static const struct fake_route instance_routes[] = {
	{ .method = "PUT", .url = IMDS "api/token", .body = "TOKEN" },
	{ .method = "GET", .url = ROLES "the-role", .body = KEYS("ASIAONE", "2023-11-15T04:13:20Z") },
	{ .method = "GET", .url = ROLES, .body = "the-role\nanother\n" },
};

static inline int
set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct aws_transport transport;

	assert_non_null(world);
	fake_clear_environment();
	world->fake.now_ms = FAKE_START_MS;
	world->fake.random = UINT32_MAX / 2;
	transport = fake_transport(&world->fake);
	world->imds = imds_new(&transport);
	world->credentials = credentials_new(&transport, world->imds);
	assert_non_null(world->credentials);
	*state = world;
	return 0;
}

static inline int
tear_down(void **state)
{
	struct world *world = *state;

	credentials_free(world->credentials);
	imds_free(world->imds);
	free(world);
	return 0;
}

static inline int
get(struct world *world)
{
	return credentials_get(world->credentials, &world->keys, world->reason);
}

static inline void
use_instance(struct world *world)
{
	memcpy(world->fake.routes, instance_routes, sizeof(instance_routes));
}

#endif
