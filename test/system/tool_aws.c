/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Calls AWS as the agent does: each line of standard input is a JSON object,
 *   {"service", "method", "path", "query", "bucket", "region", "headers": {…}, "body", "max_bytes"}
 * or {"advance": SECONDS} to move this process's clock, or {"identity": true}.
 * Each gets one line of JSON back.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "aws/call.h"
#include "aws/environment.h"
#include "threatlistd/log.h"

struct caller {
	struct aws_transport real, via;
	int64_t ahead_ms;
	struct aws *aws;
};

static int
fetch(const struct http_request *request, struct http_answer *answer, void *arg)
{
	struct caller *caller = arg;

	return caller->real.fetch(request, answer, caller->real.arg);
}

static int64_t
now_ms(void *arg)
{
	struct caller *caller = arg;

	return caller->real.now_ms(caller->real.arg) + caller->ahead_ms;
}

static uint32_t
bits(void *arg)
{
	return UINT32_MAX / 2;
}

static const char *
text_of(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static enum aws_service
service_of(const cJSON *line)
{
	const char *name = text_of(line, "service");
	enum aws_service service = 0;

	while (service < AWS_STS && name != NULL && strcmp(aws_service_name(service), name) != 0)
		service++;
	return service;
}

static void
print(cJSON *answer)
{
	char *text = cJSON_PrintUnformatted(answer);

	puts(text != NULL ? text : "{}");
	fflush(stdout);
	cJSON_free(text);
	cJSON_Delete(answer);
}

static void
call(struct caller *caller, const cJSON *line)
{
	static const char *const outcomes[] = {
		[AWS_OK] = "ok", [AWS_UNCHANGED] = "unchanged", [AWS_ELSEWHERE] = "elsewhere",
		[AWS_ABSENT] = "absent", [AWS_DENIED] = "denied", [AWS_REFUSED] = "refused",
		[AWS_TOO_LARGE] = "too large", [AWS_THROTTLED] = "throttled", [AWS_LATER] = "later",
		[AWS_NO_CREDENTIALS] = "no credentials",
	};
	struct sigv4_header headers[AWS_CALL_HEADERS_MAX];
	const char *body = text_of(line, "body");
	const cJSON *header, *most = cJSON_GetObjectItemCaseSensitive(line, "max_bytes");
	struct aws_request request = {
		.service = service_of(line),
		.region = text_of(line, "region"),
		.method = text_of(line, "method"),
		.bucket = text_of(line, "bucket"),
		.path = text_of(line, "path"),
		.query = text_of(line, "query"),
		.headers = headers,
		.body = body,
		.body_size = body != NULL ? strlen(body) : 0,
		.max_bytes = most != NULL ? (uint64_t)most->valuedouble : 1u << 20,
		.total_timeout_ms = 3000,
		.inflate = true,
	};
	struct aws_answer answer;
	cJSON *out = cJSON_CreateObject();
	enum aws_outcome outcome;

	cJSON_ArrayForEach(header, cJSON_GetObjectItemCaseSensitive(line, "headers")) {
		headers[request.nheaders].name = header->string;
		headers[request.nheaders++].value = header->valuestring;
	}
	outcome = aws_call(caller->aws, &caller->via, &request, &answer);
	cJSON_AddStringToObject(out, "outcome", outcomes[outcome]);
	cJSON_AddNumberToObject(out, "status", (double)answer.http.status);
	cJSON_AddNumberToObject(out, "retry_after_s", answer.http.retry_after_s);
	cJSON_AddStringToObject(out, "code", answer.refusal.code);
	cJSON_AddStringToObject(out, "message", answer.refusal.message);
	cJSON_AddStringToObject(out, "region", answer.refusal.region);
	cJSON_AddStringToObject(out, "etag", answer.http.etag);
	cJSON_AddStringToObject(out, "text", answer.text);
	cJSON_AddStringToObject(out, "body", answer.http.body != NULL ? answer.http.body : "");
	print(out);
	aws_answer_free(&answer);
}

static void
tell_identity(struct caller *caller)
{
	char reason[CREDENTIALS_REASON_MAX];
	struct aws_identity identity;
	cJSON *out = cJSON_CreateObject();

	aws_identity(caller->aws, &identity, reason);
	cJSON_AddStringToObject(out, "origin", credentials_origin_text(identity.origin));
	cJSON_AddStringToObject(out, "key", identity.key_id);
	cJSON_AddStringToObject(out, "role", identity.role);
	cJSON_AddStringToObject(out, "trouble", identity.trouble);
	cJSON_AddStringToObject(out, "reason", reason);
	print(out);
}

static void
serve(struct caller *caller, const char *text)
{
	cJSON *line = cJSON_Parse(text);
	const cJSON *advance = cJSON_GetObjectItemCaseSensitive(line, "advance");

	if (advance != NULL) {
		caller->ahead_ms += (int64_t)(advance->valuedouble * 1000);
		print(cJSON_CreateObject());
	} else if (cJSON_HasObjectItem(line, "identity")) {
		tell_identity(caller);
	} else {
		call(caller, line);
	}
	cJSON_Delete(line);
}

int
main(void)
{
	const struct aws_wishes wishes = { .region = NULL };
	struct caller caller = { .ahead_ms = 0 };
	struct http *http = http_new();
	char *line = NULL;
	size_t room = 0;

	signal(SIGPIPE, SIG_IGN);
	log_init("tool_aws", LOG_STYLE_JOURNAL);
	if (http == NULL)
		return 1;
	caller.real = aws_transport_real(http);
	caller.via = (struct aws_transport){ fetch, now_ms, bits, &caller };
	caller.aws = aws_new(&caller.via, &wishes, "/sys");
	if (caller.aws == NULL)
		return 1;
	aws_environment_log();
	while (getline(&line, &room, stdin) > 0)
		serve(&caller, line);
	free(line);
	aws_free(caller.aws);
	http_free(http);
	return 0;
}
