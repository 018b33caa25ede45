/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "aws/s3.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HEADERS_MAX	4
#define KEY_SHOWN	96	/* bytes of a key in a sentence */
#define ARN_MAX		320
#define WHO_MAX		192

/* A value that could end a header line is none of ours. */
static bool
fits_header(const char *value)
{
	if (value == NULL || *value == '\0')
		return false;
	for (; *value >= ' ' && *value <= '~'; value++)
		continue;
	return *value == '\0';
}

static enum aws_outcome
ask(struct aws *aws, const struct aws_transport *via, const struct s3_get *get,
    const char *region, struct aws_answer *answer)
{
	struct sigv4_header headers[HEADERS_MAX];
	char path[S3_PATH_MAX];
	struct aws_request request = {
		.service = AWS_S3,
		.region = region,
		.method = "GET",
		.bucket = get->location->bucket,
		.path = path,
		.headers = headers,
		.max_bytes = get->max_bytes,
		.total_timeout_ms = get->total_timeout_ms,
		.inflate = true,
		.ca_file = get->ca_file,
	};

	s3_location_path(get->location, path);
	if (fits_header(get->etag))
		headers[request.nheaders++] = (struct sigv4_header){ "If-None-Match", get->etag };
	else if (fits_header(get->last_modified))
		headers[request.nheaders++] = (struct sigv4_header){ "If-Modified-Since",
		    get->last_modified };
	if (get->expected_owner != NULL)
		headers[request.nheaders++] = (struct sigv4_header){ "X-Amz-Expected-Bucket-Owner",
		    get->expected_owner };
	return aws_call_insist(aws, via, &request, answer);
}

static void __attribute__((format(printf, 2, 3)))
say(char *reason, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, S3_REASON_MAX, fmt, args);
	va_end(args);
}

/* Whose rights are wanted: "role NAME of account N". */
static void
name_caller(struct aws *aws, const struct s3_get *get, char who[static WHO_MAX])
{
	char reason[CREDENTIALS_REASON_MAX];
	struct aws_identity identity;
	bool account = get->account != NULL && get->account[0] != '\0';

	if (aws_identity(aws, &identity, reason) != 0)
		snprintf(who, WHO_MAX, "this host");
	else
		snprintf(who, WHO_MAX, "%s %.64s%s%.12s",
		    identity.role[0] != '\0' ? "role" : "key",
		    identity.role[0] != '\0' ? identity.role : identity.key_id,
		    account ? " of account " : "", account ? get->account : "");
}

static void
name_object(struct aws *aws, const struct s3_get *get, char arn[static ARN_MAX])
{
	char reason[IMDS_REASON_MAX];
	struct aws_site site;
	const char *at;
	size_t n;

	n = (size_t)snprintf(arn, ARN_MAX, "arn:%s:s3:::%s/",
	    aws_site(aws, &site, reason) == 0 ? site.partition : "aws", get->location->bucket);
	for (at = get->location->key; *at != '\0' && n < ARN_MAX - 4 &&
	    at - get->location->key < KEY_SHOWN; at++)
		arn[n++] = *at >= ' ' && *at <= '~' ? *at : '?';
	snprintf(arn + n, ARN_MAX - n, "%s", *at != '\0' ? "..." : "");
}

/* The policy that S3 says decided, apart from the role's own; NULL: it does not say. */
static const char *
deciding_policy(const char *message)
{
	static const struct {
		const char *said, *policy;
	} policies[] = {
		{ "VPC endpoint policy", "policy of the VPC endpoint for S3" },
		{ "service control policy", "organization's service control policy" },
		{ "resource control policy", "organization's resource control policy" },
		{ "permissions boundary", "role's permissions boundary" },
		{ "session policy", "session policy" },
		{ "explicit deny in a resource-based policy", "bucket policy, which denies it "
		    "(aws:SourceVpce and such)," },
		{ "explicit deny in an identity-based policy", "role's own policy, which denies it," },
	};
	size_t i;

	for (i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		if (strstr(message, policies[i].said) != NULL)
			return policies[i].policy;
	}
	return NULL;
}

static void
explain_denied(struct aws *aws, const struct s3_get *get, const struct aws_answer *answer,
    char *reason)
{
	const struct aws_refusal *refusal = &answer->refusal;
	char who[WHO_MAX], arn[ARN_MAX];

	name_caller(aws, get, who);
	name_object(aws, get, arn);
	if (strcmp(refusal->code, "InvalidObjectState") == 0)
		say(reason, "%s is archived: restore it, or keep lists in a "
		    "storage class that is read at once", arn);
	else if (strstr(refusal->message, "kms:Decrypt") != NULL)
		say(reason, "allow kms:Decrypt to %s, in its own policy and in "
		    "the policy of the key that encrypts %s (%ld %s)", who, arn,
		    answer->http.status, refusal->code);
	else if (deciding_policy(refusal->message) != NULL)
		say(reason, "the %s must allow s3:GetObject on %s to %s (%ld %s)",
		    deciding_policy(refusal->message), arn, who, answer->http.status,
		    refusal->code);
	else if (get->expected_owner != NULL && !get->shared)
		say(reason, "allow s3:GetObject on %s (kms:Decrypt too if it is "
		    "encrypted with KMS) to %s, or expected_owner is wrong: account %s does not own "
		    "the bucket (%ld %s)", arn, who, get->expected_owner, answer->http.status,
		    refusal->code);
	else
		say(reason, "allow s3:GetObject on %s (and kms:Decrypt if it is "
		    "encrypted with KMS) to %s%s; without s3:ListBucket a missing object looks the "
		    "same (%ld %s)", arn, who, get->shared ?
		    ": if the list is the administrator account's, in its bucket policy as well" :
		    ", in its policy, and in the bucket policy if another account owns the bucket",
		    answer->http.status, refusal->code);
}

static void
explain_absent(const struct s3_get *get, const struct aws_answer *answer, char *reason)
{
	bool bucket = strcmp(answer->refusal.code, "NoSuchBucket") == 0;
	const char *key = get->location->key;

	say(reason, "there is no %s%s%s%.96s%s (404 %s)",
	    bucket ? "bucket " : "object s3://", get->location->bucket, bucket ? "" : "/",
	    bucket ? "" : key, !bucket && strlen(key) > KEY_SHOWN ? "..." : "",
	    answer->refusal.code);
}

static void
explain(struct aws *aws, const struct s3_get *get, enum aws_outcome outcome,
    const struct aws_answer *answer, char *reason)
{
	enum refusal_kind kind = aws_refusal_kind(&answer->refusal);
	const char *code = answer->refusal.code;

	if (outcome == AWS_TOO_LARGE)
		say(reason, "is larger than %llu bytes (max_bytes)",
		    (unsigned long long)get->max_bytes);
	else if (outcome == AWS_ABSENT)
		explain_absent(get, answer, reason);
	else if (kind == REFUSAL_KEYS)
		say(reason, "the credentials are expired or unknown to AWS; "
		    "newer ones are asked for (%.380s)", answer->text);
	else if (kind == REFUSAL_CLOCK)
		say(reason, "this host's clock or its keys are wrong (%.400s)",
		    answer->text);
	else if (outcome == AWS_DENIED)
		explain_denied(aws, get, answer, reason);
	else if (strncmp(code, "KMS.", 4) == 0)
		say(reason, "the KMS key that encrypts the list cannot be used: "
		    "enable it (%.400s)", answer->text);
	else if (outcome == AWS_ELSEWHERE)
		say(reason, "bucket %s is said to be in region %s by two regions "
		    "(%.300s)", get->location->bucket, answer->refusal.region, answer->text);
	else
		say(reason, "%.500s", answer->text);
}

enum aws_outcome
s3_get(struct aws *aws, const struct aws_transport *via, const struct s3_get *get,
    struct aws_answer *answer, char reason[static S3_REASON_MAX])
{
	const char *known = get->known_region;
	const char *region = known != NULL && aws_region_is_valid(known) ? known :
	    get->region != NULL ? get->region :
	    get->location->region[0] != '\0' ? get->location->region : NULL;
	char elsewhere[AWS_REGION_MAX];
	enum aws_outcome outcome;

	reason[0] = '\0';
	outcome = ask(aws, via, get, region, answer);
	if (outcome == AWS_ELSEWHERE) {
		memcpy(elsewhere, answer->refusal.region, sizeof(elsewhere));
		aws_answer_free(answer);
		outcome = ask(aws, via, get, elsewhere, answer);
	}
	if (outcome != AWS_OK && outcome != AWS_UNCHANGED)
		explain(aws, get, outcome, answer, reason);
	return outcome;
}
