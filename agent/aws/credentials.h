/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whose keys requests are signed with, found in the order of the AWS SDKs:
 * environment, shared credentials file, container endpoint, instance role.
 * What is configured but cannot be used is an error that says so: nothing is
 * passed over.  One copy of the keys is kept, asked for again 15 minutes
 * before it expires and then each minute; while that fails the last ones
 * stay, even past their end (the service may just be late).
 */
#ifndef AWS_CREDENTIALS_H
#define AWS_CREDENTIALS_H

#include <stddef.h>

#include "aws/imds.h"
#include "aws/keys.h"
#include "aws/transport.h"
#include "runtime/channel.h"

#define CREDENTIALS_REASON_MAX	IMDS_REASON_MAX
#define CREDENTIALS_ROLE_MAX	65	/* a role's name has at most 64 bytes */

enum credentials_origin {
	CREDENTIALS_NONE,
	CREDENTIALS_ENVIRONMENT,
	CREDENTIALS_FILE,
	CREDENTIALS_CONTAINER,
	CREDENTIALS_INSTANCE,
};

struct credentials;

/* imds is borrowed; NULL: this host is not to be asked (see imds_is_wanted). */
struct credentials *credentials_new(const struct aws_transport *transport, struct imds *imds);
void credentials_free(struct credentials *credentials);

/*
 * Keys that another process of the agent was handed out, for when environment and
 * file give none: used instead of asking while they are fresh, and where nobody
 * answers even after that.  What cannot be keys is not taken.
 */
void credentials_seed(struct credentials *credentials, const struct msg_keys *keys);

/* Calls taken whenever container endpoint or instance role gave keys that are new here. */
typedef void credentials_taken_fn(const struct msg_keys *keys, void *arg);
void credentials_on_taken(struct credentials *credentials, credentials_taken_fn *taken, void *arg);

/*
 * From now on they come from another process of the agent: none of the places is
 * asked here.  give fills in keys and returns 0, or -errno and why; refused is the
 * id of those that AWS does not take, or empty.
 */
typedef int credentials_give_fn(const char *refused, struct msg_keys *keys,
    char reason[static CREDENTIALS_REASON_MAX], void *arg);
void credentials_from(struct credentials *credentials, credentials_give_fn *give, void *arg);

/*
 * For that other process: those that credentials_get has, asked for anew if they are
 * the refused ones.  0, or -errno and why.
 */
int credentials_give(struct credentials *credentials, const char *refused, struct msg_keys *keys,
    char reason[static CREDENTIALS_REASON_MAX]);

/*
 * The keys to sign with now, valid until the next call of any of these.  0, or
 * -ENOENT (there are none), another -errno, and why.
 */
int credentials_get(struct credentials *credentials, const struct aws_keys **keys,
    char reason[static CREDENTIALS_REASON_MAX]);

/* AWS does not take them: the next credentials_get asks again (not more than every few seconds). */
void credentials_reject(struct credentials *credentials);

enum credentials_origin credentials_origin(const struct credentials *credentials);
const char *credentials_origin_text(enum credentials_origin origin);
/* The instance role's name; empty for other origins. */
const char *credentials_role(const struct credentials *credentials);
/* What was wrong when they were last asked for; empty: nothing. */
const char *credentials_trouble(const struct credentials *credentials);

#endif
