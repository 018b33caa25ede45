/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "aws/refusal.h"

#include <string.h>

#include <cjson/cJSON.h>
#include <expat.h>

#define BODY_MAX	65536	/* bytes looked at */
#define DEPTH_MAX	8

/* An XML answer that is being read: the text of one element at a time. */
struct reading {
	XML_Parser parser;
	struct aws_refusal *refusal;
	unsigned int depth;
	char *to;		/* the member that takes the text; NULL: none */
	size_t size, n;
};

static const struct {
	const char *code;
	enum refusal_kind kind;
} kinds[] = {
	{ "Throttling", REFUSAL_THROTTLED },
	{ "ThrottlingException", REFUSAL_THROTTLED },
	{ "ThrottledException", REFUSAL_THROTTLED },
	{ "RequestThrottled", REFUSAL_THROTTLED },
	{ "RequestThrottledException", REFUSAL_THROTTLED },
	{ "TooManyRequestsException", REFUSAL_THROTTLED },
	{ "RequestLimitExceeded", REFUSAL_THROTTLED },
	{ "BandwidthLimitExceeded", REFUSAL_THROTTLED },
	{ "PriorRequestNotComplete", REFUSAL_THROTTLED },
	{ "SlowDown", REFUSAL_THROTTLED },
	{ "ExpiredToken", REFUSAL_KEYS },
	{ "ExpiredTokenException", REFUSAL_KEYS },
	{ "TokenRefreshRequired", REFUSAL_KEYS },
	{ "InvalidToken", REFUSAL_KEYS },
	{ "InvalidClientTokenId", REFUSAL_KEYS },
	{ "InvalidAccessKeyId", REFUSAL_KEYS },
	{ "UnrecognizedClientException", REFUSAL_KEYS },
	{ "RequestTimeTooSkewed", REFUSAL_CLOCK },
	{ "RequestExpired", REFUSAL_CLOCK },
	{ "RequestInTheFuture", REFUSAL_CLOCK },
	{ "InvalidSignatureException", REFUSAL_CLOCK },
	{ "SignatureDoesNotMatch", REFUSAL_CLOCK },
	{ "AuthFailure", REFUSAL_CLOCK },
};

/* As much as fits, on one line; what cannot be printed becomes '?'. */
static void
copy(char *to, size_t size, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len && i + 1 < size; i++)
		to[i] = text[i] == '\n' || text[i] == '\t' || text[i] == '\r' ? ' ' :
		    text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	to[i] = '\0';
}

/* com.amazon.coral.service#ThrottlingException:http://…: the name in the middle */
static void
take_code(struct aws_refusal *refusal, const char *text)
{
	size_t len = strcspn(text, ":");
	const char *hash = memchr(text, '#', len);

	if (hash != NULL) {
		len -= (size_t)(hash + 1 - text);
		text = hash + 1;
	}
	copy(refusal->code, sizeof(refusal->code), text, len);
}

/* The first of the names that holds a text. */
static const char *
member(const cJSON *object, const char *const *names)
{
	const char *text = NULL;

	for (; *names != NULL && text == NULL; names++)
		text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, *names));
	return text;
}

static void
read_json(struct aws_refusal *refusal, const char *body, size_t size)
{
	static const char *const codes[] = { "__type", "code", "Code", NULL };
	static const char *const messages[] = { "message", "Message", "errorMessage", NULL };
	cJSON *object = cJSON_ParseWithLength(body, size);
	const char *code = member(object, codes), *message = member(object, messages);

	if (code != NULL && refusal->code[0] == '\0')
		take_code(refusal, code);
	if (message != NULL)
		copy(refusal->message, sizeof(refusal->message), message, strlen(message));
	cJSON_Delete(object);
}

static void
on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct reading *reading = arg;
	struct aws_refusal *refusal = reading->refusal;

	if (++reading->depth > DEPTH_MAX) {
		XML_StopParser(reading->parser, XML_FALSE);
		return;
	}
	reading->to = NULL;
	reading->n = 0;
	if (strcmp(name, "Code") == 0 && refusal->code[0] == '\0') {
		reading->to = refusal->code;
		reading->size = sizeof(refusal->code);
	} else if (strcmp(name, "Message") == 0 && refusal->message[0] == '\0') {
		reading->to = refusal->message;
		reading->size = sizeof(refusal->message);
	} else if (strcmp(name, "Region") == 0 && refusal->region[0] == '\0') {
		reading->to = refusal->region;
		reading->size = sizeof(refusal->region);
	}
}

static void
on_end(void *arg, const XML_Char *name)
{
	struct reading *reading = arg;

	reading->depth--;
	reading->to = NULL;
}

static void
on_text(void *arg, const XML_Char *text, int len)
{
	struct reading *reading = arg;
	size_t room;

	if (reading->to == NULL)
		return;
	room = reading->size - reading->n;
	copy(reading->to + reading->n, room, text, (size_t)len);
	reading->n += strlen(reading->to + reading->n);
}

/* Entities could be declared there: an error answer has none. */
static void
on_doctype(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public,
    int internal)
{
	XML_StopParser(((struct reading *)arg)->parser, XML_FALSE);
}

static void
read_xml(struct aws_refusal *refusal, const char *body, size_t size)
{
	struct reading reading = { .parser = XML_ParserCreate(NULL), .refusal = refusal };

	if (reading.parser == NULL)
		return;
	XML_SetUserData(reading.parser, &reading);
	XML_SetElementHandler(reading.parser, on_start, on_end);
	XML_SetCharacterDataHandler(reading.parser, on_text);
	XML_SetStartDoctypeDeclHandler(reading.parser, on_doctype);
	/* cut or not: what was read so far counts */
	XML_Parse(reading.parser, body, (int)size, 1);
	XML_ParserFree(reading.parser);
}

void
aws_refusal_read(struct aws_refusal *refusal, const char *type, const char *body, size_t size)
{
	size_t at = 0;

	memset(refusal, 0, sizeof(*refusal));
	if (type != NULL && type[0] != '\0')
		take_code(refusal, type);
	if (size > BODY_MAX)
		size = BODY_MAX;
	while (at < size && strchr(" \t\r\n", body[at]) != NULL && body[at] != '\0')
		at++;
	if (at < size && body[at] == '<')
		read_xml(refusal, body + at, size - at);
	else if (at < size && body[at] == '{')
		read_json(refusal, body + at, size - at);
	if (!aws_region_is_valid(refusal->region))
		refusal->region[0] = '\0';
}

enum refusal_kind
aws_refusal_kind(const struct aws_refusal *refusal)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(refusal->code, kinds[i].code) == 0)
			return kinds[i].kind;
	}
	return REFUSAL_OTHER;
}
