/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/sink_aws.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool
sink_aws_open(struct sink_aws *way, const struct sink_setting *setting)
{
	memset(way, 0, sizeof(*way));
	way->aws = setting->aws;
	way->region = setting->conf->region;
	if (setting->via != NULL) {
		way->via = *setting->via;
		return true;
	}
	way->http = http_new();
	if (way->http != NULL && setting->announcer != NULL)
		http_on_connect(way->http, announcer_tell, setting->announcer);
	way->via = aws_transport_real(way->http);
	return way->http != NULL;
}

void
sink_aws_close(struct sink_aws *way)
{
	http_free(way->http);
}

void
sink_aws_again(struct sink_result *result, const char *fmt, ...)
{
	va_list args;

	result->outcome = OUTCOME_AGAIN;
	va_start(args, fmt);
	vsnprintf(result->error, sizeof(result->error), fmt, args);
	va_end(args);
}

/*
 * Refusals that no other body would fare better with: something is to be set
 * right in the account, and what waits is delivered then.  Services with the
 * json protocol deny with 400.
 */
static bool
is_about_the_account(const struct aws_answer *answer)
{
	static const char *const codes[] = {
		"ResourceNotFound", "NotFound", "OptInRequired", "SubscriptionRequired",
		"EndpointDisabled", "KMS", "InvalidAccess", "AuthorizationError", "UnknownOperation",
		"AccessDenied", "NotAuthorized", "UnrecognizedClient", "InvalidClientToken",
		"MissingAuthentication", "IncompleteSignature", "InvalidSignature",
		"SignatureDoesNotMatch",
	};
	const char *code = answer->refusal.code;
	size_t i;

	if (answer->http.status < 400)
		return true;	/* nothing was said, or something else than the service did */
	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (strncmp(code, codes[i], strlen(codes[i])) == 0)
			return true;
	}
	return false;
}

static void
judge(enum aws_outcome outcome, const struct aws_answer *answer, struct sink_result *result)
{
	sink_aws_again(result, "%s", answer->text);
	switch (outcome) {
	case AWS_THROTTLED:
	case AWS_LATER:
		result->retry_after_ms = (int64_t)answer->http.retry_after_s * 1000;
		break;
	case AWS_DENIED:
		if (strncmp(answer->refusal.code, "InvalidAccess", 13) == 0)
			result->retry_after_ms = SINK_AWS_OFF_MS;
		break;
	case AWS_REFUSED:
		if (answer->http.status == 413)
			result->outcome = OUTCOME_TOO_LARGE;
		else if (!is_about_the_account(answer))
			result->outcome = OUTCOME_REFUSED;
		break;
	default:
		break;
	}
}

bool
sink_aws_call(struct sink_aws *way, struct aws_request *request, struct aws_answer *answer,
    struct sink_result *result)
{
	enum aws_outcome outcome;

	if (request->region == NULL)
		request->region = way->region;
	request->max_bytes = SINK_AWS_ANSWER_BYTES;
	outcome = aws_call(way->aws, &way->via, request, answer);
	if (outcome == AWS_OK)
		return true;
	judge(outcome, answer, result);
	return false;
}

void
sink_aws_end(struct sink_result *result)
{
	const struct sink_part *told = result->parts;
	unsigned int i;

	if (result->nparts == 0) {
		result->outcome = OUTCOME_ACCEPTED;
		result->error[0] = '\0';
		return;
	}
	for (i = 0; i < result->nparts && told->outcome != OUTCOME_AGAIN; i++)
		told = &result->parts[i];
	snprintf(result->error, sizeof(result->error), "%s", told->error);
}

const char *
sink_aws_text(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return text != NULL ? text : "";
}
