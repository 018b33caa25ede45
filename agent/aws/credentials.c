/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "aws/credentials.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/credentials_source.h"
#include "threatlistd/log.h"

#define MINUTE_MS	INT64_C(60000)
#define EARLY_MS	(15 * MINUTE_MS)	/* as the SDKs do */
#define FILE_AGAIN_MS	(15 * MINUTE_MS)	/* somebody may have put new keys there */
#define REJECT_PAUSE_MS	INT64_C(5000)
#define SAY_AGAIN_MS	(15 * MINUTE_MS)

/* What one round of asking gave. */
struct found {
	struct aws_keys keys;
	enum credentials_origin origin;
	char role[CREDENTIALS_ROLE_MAX];
	bool seeded;			/* nobody was asked */
};

struct credentials {
	struct aws_transport transport;
	struct imds *imds;		/* borrowed; NULL: not asked */
	struct aws_keys keys;
	enum credentials_origin origin;	/* of the keys */
	char role[CREDENTIALS_ROLE_MAX];
	int64_t asked_ms, next_ms;	/* 0: never, at once */
	int error;			/* of the last asking */
	char trouble[CREDENTIALS_REASON_MAX];
	struct log_limit said;
	struct found *seed;		/* of another process; NULL: none, or no longer needed */
	credentials_taken_fn *taken;	/* NULL: nobody wants to know */
	void *taken_arg;
	credentials_give_fn *give;	/* NULL: the places are asked here */
	void *give_arg;
	bool rejected;			/* AWS does not take these keys */
};

_Static_assert(KEYS_ID_MAX == AWS_KEY_ID_MAX && KEYS_SECRET_MAX == AWS_SECRET_MAX &&
    KEYS_TOKEN_MAX == AWS_TOKEN_MAX && KEYS_ROLE_MAX == CREDENTIALS_ROLE_MAX,
    "keys fit into their message");
_Static_assert((int)KEYS_ENVIRONMENT == CREDENTIALS_ENVIRONMENT &&
    (int)KEYS_FILE == CREDENTIALS_FILE && (int)KEYS_CONTAINER == CREDENTIALS_CONTAINER &&
    (int)KEYS_INSTANCE == CREDENTIALS_INSTANCE, "origins are the message's");

struct credentials *
credentials_new(const struct aws_transport *transport, struct imds *imds)
{
	struct credentials *credentials = calloc(1, sizeof(*credentials));

	if (credentials == NULL)
		return NULL;
	credentials->transport = *transport;
	credentials->imds = imds;
	return credentials;
}

static void
drop_seed(struct credentials *credentials)
{
	if (credentials->seed != NULL)
		aws_keys_wipe(&credentials->seed->keys);
	free(credentials->seed);
	credentials->seed = NULL;
}

void
credentials_free(struct credentials *credentials)
{
	if (credentials == NULL)
		return;
	drop_seed(credentials);
	aws_keys_wipe(&credentials->keys);
	free(credentials);
}

/* Of another process.  False: what came cannot be keys. */
static bool
take_given(struct found *found, const struct msg_keys *keys)
{
	memset(found, 0, sizeof(*found));
	found->seeded = true;
	found->origin = (enum credentials_origin)keys->origin;
	found->keys.expires_ms = keys->expires_ms;
	return credentials_set_id(&found->keys, keys->id) &&
	    credentials_set_secret(&found->keys, keys->secret) &&
	    /* a user's have none */
	    ((keys->token[0] == '\0' && keys->origin < KEYS_CONTAINER) ||
	    credentials_set_token(&found->keys, keys->token)) && (keys->role[0] == '\0' ||
	    imds_take(found->role, sizeof(found->role), keys->role, strlen(keys->role)));
}

void
credentials_seed(struct credentials *credentials, const struct msg_keys *keys)
{
	struct found *seed = calloc(1, sizeof(*seed));

	drop_seed(credentials);
	if (seed == NULL)
		return;
	credentials->seed = seed;
	/* environment and file are read here */
	if (keys->origin < KEYS_CONTAINER || !take_given(seed, keys))
		drop_seed(credentials);
}

void
credentials_on_taken(struct credentials *credentials, credentials_taken_fn *taken, void *arg)
{
	credentials->taken = taken;
	credentials->taken_arg = arg;
}

void
credentials_from(struct credentials *credentials, credentials_give_fn *give, void *arg)
{
	credentials->give = give;
	credentials->give_arg = arg;
}

int
credentials_wrong(char *reason, int error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, CREDENTIALS_REASON_MAX, fmt, args);
	va_end(args);
	return error;
}

/* Those who hand keys out for a while. */
static int
ask_remote(struct credentials *credentials, struct found *found, char *reason)
{
	int error;

	found->origin = CREDENTIALS_CONTAINER;
	error = credentials_container(&credentials->transport, &found->keys, reason);
	if (error != -ENOENT)
		return error;
	if (credentials->imds == NULL)
		return credentials_wrong(reason, -ENOENT, "no credentials: none in the "
		    "environment, no shared file, no container endpoint, not on EC2");
	found->origin = CREDENTIALS_INSTANCE;
	return credentials_instance(credentials->imds, &found->keys, found->role, reason);
}

/* The process that asks all others. */
static int
ask_giver(struct credentials *credentials, struct found *found, char *reason)
{
	struct msg_keys keys = { .origin = 0 };
	int error;

	error = credentials->give(credentials->rejected ? credentials->keys.id : "", &keys, reason,
	    credentials->give_arg);
	if (error == 0 && !take_given(found, &keys))
		error = credentials_wrong(reason, -EPROTO, "what the reporter passed on cannot be "
		    "keys");
	explicit_bzero(&keys, sizeof(keys));
	return error;
}

/* The first that is configured decides. */
static int
ask_in_order(struct credentials *credentials, struct found *found, int64_t now, char *reason)
{
	const struct found *seed = credentials->seed;
	int error;

	if (credentials->give != NULL)
		return ask_giver(credentials, found, reason);
	found->origin = CREDENTIALS_ENVIRONMENT;
	error = credentials_environment(&found->keys, reason);
	if (error != -ENOENT)
		return error;
	found->origin = CREDENTIALS_FILE;
	error = credentials_file(&found->keys, reason);
	if (error != -ENOENT)
		return error;
	if (seed != NULL && seed->keys.expires_ms - EARLY_MS > now) {
		*found = *seed;
		return 0;
	}
	return ask_remote(credentials, found, reason);
}

static int64_t
next_time(const struct credentials *credentials, int64_t now)
{
	int64_t due = credentials->keys.expires_ms - EARLY_MS;

	if (credentials->origin == CREDENTIALS_ENVIRONMENT)
		return INT64_MAX;
	if (credentials->origin == CREDENTIALS_FILE)
		return now + FILE_AGAIN_MS;
	/* IMDS may hand out the same ones until close to their end */
	return due > now ? due : now + aws_jitter_ms(&credentials->transport, MINUTE_MS);
}

static void
copy_to(const struct credentials *credentials, struct msg_keys *keys)
{
	memset(keys, 0, sizeof(*keys));
	keys->expires_ms = credentials->keys.expires_ms;
	keys->origin = (uint8_t)credentials->origin;
	memcpy(keys->id, credentials->keys.id, sizeof(keys->id));
	memcpy(keys->secret, credentials->keys.secret, sizeof(keys->secret));
	memcpy(keys->token, credentials->keys.token, sizeof(keys->token));
	memcpy(keys->role, credentials->role, sizeof(keys->role));
}

/* Whoever keeps them for the other processes. */
static void
tell(const struct credentials *credentials)
{
	struct msg_keys keys;

	copy_to(credentials, &keys);
	credentials->taken(&keys, credentials->taken_arg);
	explicit_bzero(&keys, sizeof(keys));
}

/* Puts them in the place of the old ones.  True: they are others. */
static bool
put(struct credentials *credentials, const struct found *found)
{
	bool known = strcmp(credentials->keys.id, found->keys.id) == 0 || found->seeded ||
	    (credentials->seed != NULL && strcmp(credentials->seed->keys.id, found->keys.id) == 0);

	credentials->keys = found->keys;
	credentials->origin = found->origin;
	memcpy(credentials->role, found->role, sizeof(credentials->role));
	drop_seed(credentials);
	return !known;
}

static void
take(struct credentials *credentials, const struct found *found, int64_t now)
{
	bool others = put(credentials, found);

	credentials->trouble[0] = '\0';
	credentials->error = 0;
	credentials->next_ms = next_time(credentials, now);
	/* AWS may refuse what nobody was asked for: then somebody is, at once */
	if (found->seeded)
		credentials->asked_ms = 0;
	if (!others)
		return;
	log_info("aws credentials from=%s%s%s key=%s", credentials_origin_text(found->origin),
	    found->role[0] != '\0' ? " role=" : "", found->role, found->keys.id);
	if (credentials->taken != NULL && found->origin >= CREDENTIALS_CONTAINER)
		tell(credentials);
}

/* The last ones stay, also those of another process. */
static void
do_without(struct credentials *credentials, enum credentials_origin failed, int error,
    const char *reason, int64_t now)
{
	unsigned int skipped;

	if (credentials->origin == CREDENTIALS_NONE && credentials->seed != NULL &&
	    failed >= CREDENTIALS_CONTAINER)
		put(credentials, credentials->seed);
	credentials->error = error;
	memcpy(credentials->trouble, reason, sizeof(credentials->trouble));
	credentials->next_ms = now + aws_jitter_ms(&credentials->transport, MINUTE_MS);
	/* elsewhere the one who asked has said it */
	if (credentials->give == NULL &&
	    log_allowed(&credentials->said, now, SAY_AGAIN_MS, &skipped))
		log_warn("no credentials for aws kept=%s error=\"%s\"",
		    credentials->origin != CREDENTIALS_NONE ? "yes" : "no", reason);
}

static void
ask(struct credentials *credentials, int64_t now)
{
	struct found *found = calloc(1, sizeof(*found));
	char reason[CREDENTIALS_REASON_MAX] = "out of memory";
	int error = found != NULL ? ask_in_order(credentials, found, now, reason) : -ENOMEM;

	credentials->asked_ms = now;
	credentials->rejected = false;
	if (error == 0)
		take(credentials, found, now);
	else
		do_without(credentials, found != NULL ? found->origin : CREDENTIALS_NONE, error,
		    reason, now);
	if (found != NULL)
		aws_keys_wipe(&found->keys);
	free(found);
}

int
credentials_get(struct credentials *credentials, const struct aws_keys **keys,
    char reason[static CREDENTIALS_REASON_MAX])
{
	int64_t now = aws_now_ms(&credentials->transport);

	reason[0] = '\0';
	/* a clock that was set back must not stop the asking */
	if (now >= credentials->next_ms || now < credentials->asked_ms)
		ask(credentials, now);
	if (credentials->origin == CREDENTIALS_NONE) {
		memcpy(reason, credentials->trouble, sizeof(credentials->trouble));
		return credentials->error;
	}
	*keys = &credentials->keys;
	return 0;
}

void
credentials_reject(struct credentials *credentials)
{
	int64_t now = aws_now_ms(&credentials->transport);

	if (now - credentials->asked_ms < REJECT_PAUSE_MS)
		return;
	credentials->next_ms = 0;
	credentials->rejected = true;
}

int
credentials_give(struct credentials *credentials, const char *refused, struct msg_keys *keys,
    char reason[static CREDENTIALS_REASON_MAX])
{
	const struct aws_keys *current;
	int error;

	if (refused[0] != '\0' && strcmp(refused, credentials->keys.id) == 0)
		credentials_reject(credentials);
	error = credentials_get(credentials, &current, reason);
	if (error == 0)
		copy_to(credentials, keys);
	return error;
}

enum credentials_origin
credentials_origin(const struct credentials *credentials)
{
	return credentials->origin;
}

const char *
credentials_origin_text(enum credentials_origin origin)
{
	static const char *const texts[] = {
		[CREDENTIALS_NONE] = "nowhere",
		[CREDENTIALS_ENVIRONMENT] = "environment",
		[CREDENTIALS_FILE] = "file",
		[CREDENTIALS_CONTAINER] = "container",
		[CREDENTIALS_INSTANCE] = "instance",
	};

	return texts[origin];
}

const char *
credentials_role(const struct credentials *credentials)
{
	return credentials->role;
}

const char *
credentials_trouble(const struct credentials *credentials)
{
	return credentials->trouble;
}
