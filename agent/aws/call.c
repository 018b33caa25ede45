/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "aws/call.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aws/signed.h"
#include "threatlistd/log.h"

#define SITE_AGAIN_MS	INT64_C(60000)
#define SKEW_MIN_MS	INT64_C(240000)		/* services allow at least 5 minutes */
#define SKEW_MAX_MS	INT64_C(86400000)	/* a clock that is further off is an error to mend */
#define UNREACHED_MAX	2			/* then the endpoint is said to be missing */

struct aws {
	pthread_mutex_t lock;
	struct aws_transport own;
	struct aws_wishes wishes;
	struct imds *imds;		/* NULL: not to be asked */
	struct credentials *credentials;
	struct aws_site site;
	bool site_known;
	int64_t site_next_ms;		/* not asked before */
	char site_trouble[IMDS_REASON_MAX];
	int64_t skew_ms;		/* to add to our clock */
	unsigned int unreached[AWS_SERVICES_END];	/* in a row */
};

/* One call on its way; what it needs of struct aws is copied, so no lock is held while it waits. */
struct call {
	struct aws *aws;
	const struct aws_transport *via;
	const struct aws_request *request;
	struct aws_answer *answer;
	struct aws_site site;
	struct aws_endpoint endpoint;
	struct aws_keys keys;
	int64_t skew_ms;
	bool renewed, set_clock;	/* both once */
};

struct aws *
aws_new(const struct aws_transport *own, const struct aws_wishes *wishes, const char *sysfs)
{
	struct aws *aws = calloc(1, sizeof(*aws));

	if (aws == NULL)
		return NULL;
	aws->own = *own;
	aws->wishes = *wishes;
	pthread_mutex_init(&aws->lock, NULL);
	if (imds_is_wanted(sysfs)) {
		aws->imds = imds_new(own);
		if (aws->imds == NULL)
			goto fail;
	}
	aws->credentials = credentials_new(own, aws->imds);
	if (aws->credentials == NULL)
		goto fail;
	return aws;
fail:
	aws_free(aws);
	return NULL;
}

void
aws_free(struct aws *aws)
{
	if (aws == NULL)
		return;
	credentials_free(aws->credentials);
	imds_free(aws->imds);
	pthread_mutex_destroy(&aws->lock);
	free(aws);
}

void
aws_seed(struct aws *aws, const struct msg_keys *keys)
{
	pthread_mutex_lock(&aws->lock);
	credentials_seed(aws->credentials, keys);
	pthread_mutex_unlock(&aws->lock);
}

void
aws_on_keys(struct aws *aws, credentials_taken_fn *taken, void *arg)
{
	pthread_mutex_lock(&aws->lock);
	credentials_on_taken(aws->credentials, taken, arg);
	pthread_mutex_unlock(&aws->lock);
}

void
aws_keys_from(struct aws *aws, credentials_give_fn *give, void *arg)
{
	pthread_mutex_lock(&aws->lock);
	credentials_from(aws->credentials, give, arg);
	pthread_mutex_unlock(&aws->lock);
}

int
aws_give_keys(struct aws *aws, const char *refused, struct msg_keys *keys,
    char reason[static CREDENTIALS_REASON_MAX])
{
	int error;

	pthread_mutex_lock(&aws->lock);
	error = credentials_give(aws->credentials, refused, keys, reason);
	pthread_mutex_unlock(&aws->lock);
	return error;
}

/* The lock is held. */
static int
find_site(struct aws *aws, char *reason)
{
	int64_t now = aws_now_ms(&aws->own);
	int error;

	if (aws->site_known)
		return 0;
	if (now < aws->site_next_ms && now >= aws->site_next_ms - 2 * SITE_AGAIN_MS) {
		memcpy(reason, aws->site_trouble, sizeof(aws->site_trouble));
		return -EAGAIN;
	}
	error = aws_site_find(&aws->site, &aws->wishes, aws->imds, reason);
	aws->site_known = error == 0;
	aws->site_next_ms = now + aws_jitter_ms(&aws->own, SITE_AGAIN_MS);
	if (error != 0)
		memcpy(aws->site_trouble, reason, sizeof(aws->site_trouble));
	return error;
}

int
aws_site(struct aws *aws, struct aws_site *site, char reason[static IMDS_REASON_MAX])
{
	int error;

	reason[0] = '\0';
	pthread_mutex_lock(&aws->lock);
	error = find_site(aws, reason);
	if (error == 0)
		*site = aws->site;
	pthread_mutex_unlock(&aws->lock);
	return error;
}

int
aws_identity(struct aws *aws, struct aws_identity *identity,
    char reason[static CREDENTIALS_REASON_MAX])
{
	const struct aws_keys *keys;
	int error;

	memset(identity, 0, sizeof(*identity));
	pthread_mutex_lock(&aws->lock);
	error = credentials_get(aws->credentials, &keys, reason);
	if (error == 0) {
		identity->origin = credentials_origin(aws->credentials);
		identity->expires_ms = keys->expires_ms;
		snprintf(identity->key_id, sizeof(identity->key_id), "%s", keys->id);
		snprintf(identity->role, sizeof(identity->role), "%s",
		    credentials_role(aws->credentials));
		snprintf(identity->trouble, sizeof(identity->trouble), "%s",
		    credentials_trouble(aws->credentials));
	}
	pthread_mutex_unlock(&aws->lock);
	return error;
}

/* "SERVICE REGION: …" */
static void __attribute__((format(printf, 2, 3)))
say(const struct call *call, const char *fmt, ...)
{
	char *text = call->answer->text;
	va_list args;
	int n;

	n = snprintf(text, AWS_CALL_TEXT_MAX, "%s%s%s: ", aws_service_name(call->request->service),
	    call->endpoint.region[0] != '\0' ? " " : "", call->endpoint.region);
	va_start(args, fmt);
	vsnprintf(text + n, AWS_CALL_TEXT_MAX - (size_t)n, fmt, args);
	va_end(args);
}

/* Copies keys and clock into the call.  0, or -errno and the answer's text. */
static int
take_keys(struct call *call)
{
	struct aws *aws = call->aws;
	char reason[CREDENTIALS_REASON_MAX];
	const struct aws_keys *keys;
	int error;

	pthread_mutex_lock(&aws->lock);
	error = credentials_get(aws->credentials, &keys, reason);
	if (error == 0)
		call->keys = *keys;
	call->skew_ms = aws->skew_ms;
	pthread_mutex_unlock(&aws->lock);
	memcpy(call->answer->region, call->endpoint.region, sizeof(call->answer->region));
	if (error != 0)
		say(call, "%s", reason);
	return error;
}

static int
prepare(struct call *call)
{
	char reason[IMDS_REASON_MAX];
	int error = aws_site(call->aws, &call->site, reason);

	if (error == 0)
		error = aws_endpoint_find(&call->endpoint, &call->site, call->request->service,
		    call->request->region, reason);
	if (error != 0) {
		say(call, "%s", reason);
		return error;
	}
	return take_keys(call);
}

static int
send_once(struct call *call)
{
	static const char *const wanted[] = {
		"x-amzn-ErrorType", "x-amz-bucket-region", "x-amzn-RequestId", "x-amz-request-id",
		NULL
	};
	const struct aws_request *request = call->request;
	struct http_answer *answer = &call->answer->http;
	int64_t now_ms = aws_now_ms(call->via) + call->skew_ms;
	struct http_request out = {
		.method = request->method,
		.body = request->body,
		.body_size = request->body_size,
		.max_bytes = request->max_bytes,
		.total_timeout_ms = request->total_timeout_ms,
		.allow_http = call->endpoint.http,
		.inflate = request->inflate,
		.ca_file = request->ca_file != NULL ? request->ca_file :
		    call->site.ca_file[0] != '\0' ? call->site.ca_file : NULL,
		.proxy = call->endpoint.near ? "none" : call->site.proxy,
		.wanted = wanted,
	};
	struct signed_request signed_request;
	int error;

	error = signed_make(&signed_request, request, &call->endpoint, &call->keys, now_ms / 1000);
	if (error == 0) {
		out.url = signed_request.url;
		out.headers = (const char *const *)signed_request.headers;
		error = call->via->fetch(&out, answer, call->via->arg);
	} else {
		snprintf(answer->error, sizeof(answer->error), "the request cannot be signed: %s",
		    strerror(-error));
	}
	signed_free(&signed_request);
	return error;
}

/* What the answer says beside its body. */
static void
read_refusal(struct call *call)
{
	struct aws_answer *answer = call->answer;
	const struct http_answer *http = &answer->http;
	const char *region = http->wanted[1];

	snprintf(answer->request_id, sizeof(answer->request_id), "%.127s",
	    http->wanted[2][0] != '\0' ? http->wanted[2] : http->wanted[3]);
	aws_refusal_read(&answer->refusal, http->wanted[0], http->body, http->body_size);
	if (region[0] != '\0' && aws_region_is_valid(region))
		memcpy(answer->refusal.region, region, strlen(region) + 1);
}

/* Nobody answered there; false: somebody did, whatever came of it. */
static bool
is_unreached(int error, const struct http_answer *answer)
{
	return (error == -ETIMEDOUT || error == -ECONNREFUSED) && !answer->connected;
}

static unsigned int
count_unreached(const struct call *call, bool unreached)
{
	unsigned int *n = &call->aws->unreached[call->request->service], count;

	pthread_mutex_lock(&call->aws->lock);
	*n = unreached ? *n + 1 : 0;
	count = *n;
	pthread_mutex_unlock(&call->aws->lock);
	return count;
}

/* Names of services have IPv4 addresses alone, but those of their dual-stack endpoints. */
static bool
needs_dualstack(const struct call *call)
{
	return call->aws->imds != NULL && imds_is_v6(call->aws->imds) && !call->site.dualstack;
}

static enum aws_outcome
judge_failure(struct call *call, int error)
{
	const char *why = call->answer->http.error;
	const char *service = aws_service_name(call->request->service);
	bool unreached = is_unreached(error, &call->answer->http);
	unsigned int times = count_unreached(call, unreached);

	call->answer->unreached = times;
	if (error == -EFBIG) {
		say(call, "%s", why);
		return AWS_TOO_LARGE;
	}
	/* in a VPC without a way out calls hang rather than fail */
	if (unreached && times >= UNREACHED_MAX && !call->endpoint.custom)
		say(call, "not reached %u times (%.120s); %swithout internet the VPC needs the %s "
		    "endpoint %scom.amazonaws.%s.%s", times, why, needs_dualstack(call) ?
		    "a host with IPv6 alone needs dualstack = yes in [agent]; " : "",
		    call->request->service == AWS_S3 ? "gateway" : "interface",
		    strcmp(call->site.partition, "aws-cn") == 0 ? "cn." : "",
		    call->endpoint.region, service);
	else
		say(call, "%s", why);
	return error == -EPERM || error == -EINVAL ? AWS_REFUSED : AWS_LATER;
}

static enum aws_outcome
outcome_of(const struct call *call)
{
	const struct aws_answer *answer = call->answer;
	long status = answer->http.status;

	if (status >= 200 && status < 300)
		return AWS_OK;
	if (status == 304)
		return AWS_UNCHANGED;
	if (status == 429 || aws_refusal_kind(&answer->refusal) == REFUSAL_THROTTLED)
		return AWS_THROTTLED;
	if (status >= 500)
		return AWS_LATER;
	if (call->request->service == AWS_S3 && answer->refusal.region[0] != '\0' &&
	    strcmp(answer->refusal.region, call->endpoint.region) != 0)
		return AWS_ELSEWHERE;
	if (status == 404)
		return AWS_ABSENT;
	if (status == 401 || status == 403 ||
	    aws_refusal_kind(&answer->refusal) == REFUSAL_KEYS)
		return AWS_DENIED;
	return AWS_REFUSED;
}

static void
say_refusal(const struct call *call)
{
	const struct aws_answer *answer = call->answer;
	const struct aws_refusal *refusal = &answer->refusal;

	say(call, "answered %ld%s%s%s%.300s%s%.64s%s", answer->http.status,
	    refusal->code[0] != '\0' ? " " : "", refusal->code,
	    refusal->message[0] != '\0' ? ": " : "", refusal->message,
	    answer->request_id[0] != '\0' ? " (request " : "", answer->request_id,
	    answer->request_id[0] != '\0' ? ")" : "");
}

/*
 * The service's clock, out of a refusal that TLS vouches for.  True when ours
 * is to be corrected and the request sent again.
 */
static bool
correct_clock(struct call *call)
{
	int64_t now = aws_now_ms(call->via), date = call->answer->http.date_s * 1000;
	int64_t skew = date - now, error = skew - call->skew_ms;

	if (call->set_clock || call->endpoint.http || date == 0 ||
	    (error < SKEW_MIN_MS && error > -SKEW_MIN_MS))
		return false;
	call->set_clock = true;
	if (skew > SKEW_MAX_MS || skew < -SKEW_MAX_MS) {
		say(call, "this host's clock is more than a day off: set it");
		return false;
	}
	pthread_mutex_lock(&call->aws->lock);
	call->aws->skew_ms = skew;
	pthread_mutex_unlock(&call->aws->lock);
	log_warn("this host's clock is off, requests carry the service's time seconds=%lld",
	    (long long)(skew / 1000));
	return true;
}

/* True when there are others now. */
static bool
renew_keys(struct call *call)
{
	char reason[CREDENTIALS_REASON_MAX];
	const struct aws_keys *keys;
	bool others;

	if (call->renewed)
		return false;
	call->renewed = true;
	pthread_mutex_lock(&call->aws->lock);
	credentials_reject(call->aws->credentials);
	others = credentials_get(call->aws->credentials, &keys, reason) == 0 &&
	    (strcmp(keys->id, call->keys.id) != 0 || strcmp(keys->token, call->keys.token) != 0);
	pthread_mutex_unlock(&call->aws->lock);
	return others;
}

/* Is the refusal one that another try may not meet? */
static bool
may_try_again(struct call *call)
{
	if (call->answer->http.status < 400 || call->answer->http.status >= 500)
		return false;
	switch (aws_refusal_kind(&call->answer->refusal)) {
	case REFUSAL_KEYS:
		/* a token is also called expired when our clock is wrong */
		return correct_clock(call) || renew_keys(call);
	case REFUSAL_CLOCK:
		return correct_clock(call);
	default:
		return false;
	}
}

/* Sends and judges.  True: once more. */
static bool
try(struct call *call, enum aws_outcome *outcome)
{
	struct aws_answer *answer = call->answer;
	int error = send_once(call);

	if (error != 0) {
		*outcome = judge_failure(call, error);
		return false;
	}
	count_unreached(call, false);
	read_refusal(call);
	*outcome = outcome_of(call);
	if (*outcome == AWS_OK || *outcome == AWS_UNCHANGED)
		return false;
	if (may_try_again(call)) {
		aws_answer_free(answer);
		memset(answer, 0, sizeof(*answer));
		return true;
	}
	if (answer->text[0] == '\0')
		say_refusal(call);
	return false;
}

enum aws_outcome
aws_call(struct aws *aws, const struct aws_transport *via, const struct aws_request *request,
    struct aws_answer *answer)
{
	struct call *call = calloc(1, sizeof(*call));
	enum aws_outcome outcome = AWS_NO_CREDENTIALS;

	assert((request->bucket == NULL || request->service == AWS_S3) &&
	    request->path[0] == '/' && request->nheaders <= AWS_CALL_HEADERS_MAX);
	memset(answer, 0, sizeof(*answer));
	if (call == NULL) {
		snprintf(answer->text, sizeof(answer->text), "out of memory");
		return AWS_LATER;
	}
	call->aws = aws;
	call->via = via;
	call->request = request;
	call->answer = answer;
	if (prepare(call) == 0) {
		while (try(call, &outcome) && take_keys(call) == 0)
			continue;
	}
	aws_keys_wipe(&call->keys);
	free(call);
	return outcome;
}

enum aws_outcome
aws_call_insist(struct aws *aws, const struct aws_transport *via,
    const struct aws_request *request, struct aws_answer *answer)
{
	enum aws_outcome outcome = aws_call(aws, via, request, answer);

	if (outcome != AWS_LATER || answer->unreached != 1)
		return outcome;
	aws_answer_free(answer);
	return aws_call(aws, via, request, answer);
}

void
aws_answer_free(struct aws_answer *answer)
{
	http_answer_free(&answer->http);
}
