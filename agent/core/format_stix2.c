/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * STIX 2.x: the patterns of all indicators in a bundle, a TAXII envelope, an
 * array, or alone.  The document is walked where it lies; a pattern is the only
 * thing that is ever copied.  Whether an indicator is still valid is not judged
 * by its dates: what its publisher hands out is in force, unless revoked.
 */
#include "core/format_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_scan.h"
#include "core/stix_pattern.h"

#define DEPTH_MAX	64		/* objects and arrays within each other; a bundle has 4 */
#define PATTERN_MAX	(1u << 20)	/* bytes of one pattern */

struct stix2 {
	struct json_scan scan;
	struct entries *entries;
	struct format_report *report;
	char *pattern;		/* without JSON's escapes */
	size_t room;
	uint32_t line;		/* of the pattern */
};

/* What is known of an object at its end. */
struct object {
	bool indicator, revoked;
	bool other_language;	/* pattern_type is not stix */
	uint32_t line;
	const char *pattern;	/* as it stands in the document; NULL: none */
	size_t len;
	uint32_t pattern_line;
};

static int read_value(struct stix2 *stix2, enum json_token token, unsigned int depth);

static int
refuse(struct stix2 *stix2, enum json_token token, const char *wanted)
{
	const struct json_scan *scan = &stix2->scan;

	if (token == JSON_END)
		return format_refuse(stix2->report, scan->line,
		    "cut off: the JSON ends before its value does");
	return format_refuse(stix2->report, scan->line,
	    "not well-formed JSON, %s is missing at byte %zu", wanted, scan->at);
}

static int
take_value(const char *value, size_t len, void *arg)
{
	struct stix2 *stix2 = arg;

	return format_take(stix2->entries, stix2->report, stix2->line, value, len);
}

static int
take_domain(const char *value, size_t len, void *arg)
{
	return format_take_domain(((struct stix2 *)arg)->entries, value, len);
}

/* The pattern of an object without escapes, in stix2->pattern; false: no memory. */
static bool
unescape(struct stix2 *stix2, const struct object *object, size_t *len)
{
	char *moved;

	if (stix2->pattern == NULL || object->len > stix2->room) {
		moved = realloc(stix2->pattern, object->len + 1);
		if (moved == NULL)
			return false;
		stix2->pattern = moved;
		stix2->room = object->len;
	}
	*len = json_unescape(stix2->pattern, object->pattern, object->len);
	return true;
}

static int
take_pattern(struct stix2 *stix2, const struct object *object)
{
	struct stix_pattern pattern;
	const char *wrong;
	size_t len;
	int error;

	stix2->line = object->pattern_line;
	if (object->len > PATTERN_MAX) {
		format_reject(stix2->report, stix2->line, "pattern longer than 1 MiB",
		    object->pattern, object->len);
		return 0;
	}
	if (!unescape(stix2, object, &len))
		return -ENOMEM;
	wrong = stix_pattern_read(&pattern, stix2->pattern, len);
	if (wrong != NULL) {
		format_reject(stix2->report, stix2->line, wrong, stix2->pattern, len);
		return 0;
	}
	error = stix_pattern_take_domains(stix2->pattern, len, take_domain, stix2);
	if (error != 0)
		return error;
	if (pattern.values > 0)
		return stix_pattern_take(stix2->pattern, len, take_value, stix2);
	stix2->report->skipped[pattern.skip]++;
	return 0;
}

static int
take_object(struct stix2 *stix2, const struct object *object)
{
	if (!object->indicator)
		return 0;
	if (object->revoked)
		stix2->report->skipped[FORMAT_SKIP_REVOKED]++;
	else if (object->other_language)
		stix2->report->skipped[FORMAT_SKIP_OTHER]++;
	else if (object->pattern == NULL)
		format_reject(stix2->report, object->line, "indicator without a pattern", "", 0);
	else
		return take_pattern(stix2, object);
	return 0;
}

enum member {
	MEMBER_TYPE,
	MEMBER_PATTERN,
	MEMBER_PATTERN_TYPE,
	MEMBER_REVOKED,
	MEMBER_OTHER,
};

static enum member
member_of(const struct json_scan *scan)
{
	static const char *const names[] = {
		[MEMBER_TYPE] = "type",
		[MEMBER_PATTERN] = "pattern",
		[MEMBER_PATTERN_TYPE] = "pattern_type",
		[MEMBER_REVOKED] = "revoked",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (json_scan_is(scan, names[i]))
			return (enum member)i;
	}
	return MEMBER_OTHER;
}

static void
note_member(struct object *object, enum member member, enum json_token token,
    const struct json_scan *scan)
{
	bool text = token == JSON_STRING;

	switch (member) {
	case MEMBER_TYPE:
		object->indicator = text && json_scan_is(scan, "indicator");
		break;
	case MEMBER_PATTERN:
		object->pattern = text ? scan->text : NULL;
		object->len = text ? scan->len : 0;
		object->pattern_line = scan->line;
		break;
	case MEMBER_PATTERN_TYPE:
		object->other_language = text && !json_scan_is(scan, "stix");
		break;
	case MEMBER_REVOKED:
		object->revoked = token == JSON_TRUE;
		break;
	default:
		break;
	}
}

/* Behind its brace. */
static int
read_object(struct stix2 *stix2, unsigned int depth)
{
	struct json_scan *scan = &stix2->scan;
	struct object object = { .line = scan->line };
	enum json_token token = json_scan_next(scan);
	enum member member;
	int error;

	if (token == JSON_OBJECT_END)
		return 0;
	for (;;) {
		if (token != JSON_STRING)
			return refuse(stix2, token, "the name of a member");
		member = member_of(scan);
		token = json_scan_next(scan);
		if (token != JSON_COLON)
			return refuse(stix2, token, "a colon");
		token = json_scan_next(scan);
		note_member(&object, member, token, scan);
		error = read_value(stix2, token, depth);
		if (error != 0)
			return error;
		token = json_scan_next(scan);
		if (token == JSON_OBJECT_END)
			return take_object(stix2, &object);
		if (token != JSON_COMMA)
			return refuse(stix2, token, "a comma or }");
		token = json_scan_next(scan);
	}
}

static int
read_array(struct stix2 *stix2, unsigned int depth)
{
	struct json_scan *scan = &stix2->scan;
	enum json_token token = json_scan_next(scan);
	int error;

	if (token == JSON_ARRAY_END)
		return 0;
	for (;;) {
		error = read_value(stix2, token, depth);
		if (error != 0)
			return error;
		token = json_scan_next(scan);
		if (token == JSON_ARRAY_END)
			return 0;
		if (token != JSON_COMMA)
			return refuse(stix2, token, "a comma or ]");
		token = json_scan_next(scan);
	}
}

static int
read_value(struct stix2 *stix2, enum json_token token, unsigned int depth)
{
	switch (token) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		if (depth == DEPTH_MAX)
			return format_refuse(stix2->report, stix2->scan.line,
			    "objects are nested deeper than %d", DEPTH_MAX);
		return token == JSON_OBJECT ? read_object(stix2, depth + 1) :
		    read_array(stix2, depth + 1);
	case JSON_STRING:
	case JSON_NUMBER:
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		return 0;
	default:
		return refuse(stix2, token, "a value");
	}
}

int
format_read_stix2(struct entries *entries, const char *data, size_t size,
    struct format_report *report)
{
	struct stix2 stix2 = {
		.entries = entries,
		.report = report,
	};
	int error;

	json_scan_init(&stix2.scan, data, size);
	error = read_value(&stix2, json_scan_next(&stix2.scan), 0);
	if (error == 0 && !json_scan_done(&stix2.scan))
		error = refuse(&stix2, JSON_WRONG, "the end of the document");
	report->lines = stix2.scan.line;
	free(stix2.pattern);
	return error;
}
