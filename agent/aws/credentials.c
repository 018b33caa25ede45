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
};

/* What one round of asking gave. */
struct found {
	struct aws_keys keys;
	enum credentials_origin origin;
	char role[CREDENTIALS_ROLE_MAX];
};

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

void
credentials_free(struct credentials *credentials)
{
	if (credentials == NULL)
		return;
	aws_keys_wipe(&credentials->keys);
	free(credentials);
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

/* The first that is configured decides. */
static int
ask_in_order(struct credentials *credentials, struct found *found, char *reason)
{
	int error;

	found->origin = CREDENTIALS_ENVIRONMENT;
	error = credentials_environment(&found->keys, reason);
	if (error != -ENOENT)
		return error;
	found->origin = CREDENTIALS_FILE;
	error = credentials_file(&found->keys, reason);
	if (error != -ENOENT)
		return error;
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
take(struct credentials *credentials, const struct found *found, int64_t now)
{
	bool known = strcmp(credentials->keys.id, found->keys.id) == 0;

	/* overwrites the old ones */
	credentials->keys = found->keys;
	credentials->origin = found->origin;
	memcpy(credentials->role, found->role, sizeof(credentials->role));
	credentials->trouble[0] = '\0';
	credentials->error = 0;
	credentials->next_ms = next_time(credentials, now);
	if (!known)
		log_info("aws credentials from=%s%s%s key=%s",
		    credentials_origin_text(found->origin), found->role[0] != '\0' ? " role=" : "",
		    found->role, found->keys.id);
}

static void
ask(struct credentials *credentials, int64_t now)
{
	struct found *found = calloc(1, sizeof(*found));
	char reason[CREDENTIALS_REASON_MAX] = "out of memory";
	unsigned int skipped;
	int error = found != NULL ? ask_in_order(credentials, found, reason) : -ENOMEM;

	credentials->asked_ms = now;
	if (error == 0) {
		take(credentials, found, now);
	} else {
		credentials->error = error;
		memcpy(credentials->trouble, reason, sizeof(credentials->trouble));
		credentials->next_ms = now + aws_jitter_ms(&credentials->transport, MINUTE_MS);
		if (log_allowed(&credentials->said, now, SAY_AGAIN_MS, &skipped))
			log_warn("no credentials for aws kept=%s error=\"%s\"",
			    credentials->origin != CREDENTIALS_NONE ? "yes" : "no", reason);
	}
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

	if (now - credentials->asked_ms >= REJECT_PAUSE_MS)
		credentials->next_ms = 0;
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
