/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * STIX 1.x: every Address_Value of CybOX's address object, wherever it stands,
 * by namespace and never by prefix.  Expat reads it as a stream; nothing is kept
 * of it but one value at a time.  A DOCTYPE ends the reading: no entity is ever
 * declared, let alone resolved.
 */
#include "core/format_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>

/* Expat 2.9 would have these instead, which count alike on all machines. */
#if XML_MAJOR_VERSION == 2 && XML_MINOR_VERSION < 9
#define XML_GetCurrentLineNumber64	XML_GetCurrentLineNumber
#define XML_GetCurrentByteIndex64	XML_GetCurrentByteIndex
#endif

#define CHUNK		65536		/* bytes handed to expat at a time */
#define TOKEN_MAX	(1u << 20)	/* bytes of a tag, a comment, … */
#define DEPTH_MAX	64		/* elements within each other; STIX has some 15 */
#define VALUE_MAX	(1u << 20)	/* bytes of one Address_Value, which may be a long list */
#define DELIMITER_MAX	32
#define SHOWN_MAX	120		/* bytes of text in messages */
#define NAME_BREAK	'\n'		/* between namespace and name: no URI can have one */

enum condition {
	CONDITION_EQUALS,
	CONDITION_BETWEEN,
	CONDITION_OTHER,
};

/* An open element. */
struct level {
	bool negated;		/* it or one around it */
	bool object;		/* Properties of a CybOX object */
	bool has_address;	/* an Address_Value came within */
	bool has_category, is_address;	/* category, and is it one of addresses? */
	enum format_skip skip;	/* what object or category is instead */
};

struct stix {
	XML_Parser parser;
	struct entries *entries;
	struct format_report *report;
	int error;
	unsigned int depth;
	struct level levels[DEPTH_MAX];
	/* the Address_Value that is open, or the domain name's Value */
	unsigned int value_depth;	/* 0: none */
	bool value_domain;		/* it is the Value of a domain name */
	uint32_t value_line;
	enum condition condition;
	bool any;			/* apply_condition */
	char condition_text[DELIMITER_MAX];
	char delimiter[DELIMITER_MAX];
	char *value;		/* never NULL */
	size_t nvalue, room;
	bool value_long;
};

static void
stop(struct stix *stix, int error)
{
	stix->error = error;
	XML_StopParser(stix->parser, XML_FALSE);
}

static uint32_t
line_of(const struct stix *stix)
{
	return (uint32_t)XML_GetCurrentLineNumber64(stix->parser);
}

static const char *
local_name(const char *name)
{
	const char *at = strrchr(name, NAME_BREAK);

	return at == NULL ? name : at + 1;
}

/* CybOX's own, MITRE's or OASIS's in any version, or in no namespace at all? */
static bool
is_cybox(const char *name, const char *local)
{
	const char *cybox = strstr(name, "cybox");

	return strcmp(local_name(name), local) == 0 &&
	    (strchr(name, NAME_BREAK) == NULL || (cybox != NULL && cybox < local_name(name)));
}

static const char *
attribute(const char *const *atts, const char *name)
{
	for (; atts[0] != NULL; atts += 2) {
		if (strcmp(local_name(atts[0]), name) == 0)
			return atts[1];
	}
	return NULL;
}

static bool
is_true(const char *text)
{
	return text != NULL && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
}

static void
read_category(struct level *level, const char *category)
{
	static const char *const taken[] = { "ipv4-addr", "ipv6-addr", "ipv4-net", "ipv6-net",
	    "cidr" };
	size_t i;

	level->has_category = category != NULL;
	for (i = 0; category != NULL && i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (strcmp(category, taken[i]) == 0)
			level->is_address = true;
	}
	if (level->has_category && !level->is_address)
		level->skip = strcmp(category, "e-mail") == 0 ? FORMAT_SKIP_EMAIL : FORMAT_SKIP_OTHER;
}

/* The type of an object, which is a name with a prefix: its end is enough to tell. */
static enum format_skip
object_skip(const char *type)
{
	if (type == NULL)
		return FORMAT_SKIP_OTHER;
	if (strstr(type, "DomainName") != NULL || strstr(type, "Hostname") != NULL)
		return FORMAT_SKIP_DOMAIN;
	if (strstr(type, "URIObject") != NULL || strstr(type, "LinkObject") != NULL)
		return FORMAT_SKIP_URL;
	if (strstr(type, "FileObject") != NULL)
		return FORMAT_SKIP_HASH;
	return strstr(type, "EmailMessage") != NULL ? FORMAT_SKIP_EMAIL : FORMAT_SKIP_OTHER;
}

static void
copy(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

static void
begin_value(struct stix *stix, const char *const *atts, bool domain)
{
	const char *condition = attribute(atts, "condition");
	const char *apply = attribute(atts, "apply_condition");
	const char *delimiter = attribute(atts, "delimiter");
	unsigned int i;

	for (i = 0; i < stix->depth && !domain; i++)
		stix->levels[i].has_address = true;
	stix->value_depth = stix->depth;
	stix->value_domain = domain;
	stix->value_line = line_of(stix);
	stix->nvalue = 0;
	stix->value_long = false;
	stix->any = apply == NULL || strcmp(apply, "ANY") == 0;
	copy(stix->condition_text, sizeof(stix->condition_text), condition == NULL ? "" : condition);
	copy(stix->delimiter, sizeof(stix->delimiter),
	    delimiter == NULL || delimiter[0] == '\0' ? "##comma##" : delimiter);
	if (attribute(atts, "pattern_type") != NULL)
		stix->condition = CONDITION_OTHER;
	else if (condition == NULL || strcmp(condition, "Equals") == 0)
		stix->condition = CONDITION_EQUALS;
	else if (strcmp(condition, "InclusiveBetween") == 0)
		stix->condition = CONDITION_BETWEEN;
	else
		stix->condition = CONDITION_OTHER;
}

/* The name within a domain name's object. */
static bool
is_domain_value(const struct stix *stix, const char *name)
{
	const struct level *parent = stix->depth > 1 ? &stix->levels[stix->depth - 2] : NULL;

	return parent != NULL && parent->object && parent->skip == FORMAT_SKIP_DOMAIN &&
	    is_cybox(name, "Value");
}

static void XMLCALL
on_start(void *arg, const char *name, const char **atts)
{
	struct stix *stix = arg;
	struct level *level;

	if (stix->error != 0)
		return;
	if (stix->depth == DEPTH_MAX) {
		stop(stix, format_refuse(stix->report, line_of(stix),
		    "elements are nested deeper than %d", DEPTH_MAX));
		return;
	}
	level = &stix->levels[stix->depth++];
	memset(level, 0, sizeof(*level));
	level->negated = is_true(attribute(atts, "negate")) ||
	    (stix->depth > 1 && level[-1].negated);
	level->object = is_cybox(name, "Properties");
	if (level->object)
		level->skip = object_skip(attribute(atts, "type"));
	read_category(level, attribute(atts, "category"));
	if (stix->value_depth == 0 && is_cybox(name, "Address_Value"))
		begin_value(stix, atts, false);
	else if (stix->value_depth == 0 && is_domain_value(stix, name))
		begin_value(stix, atts, true);
}

static void XMLCALL
on_text(void *arg, const char *text, int len)
{
	struct stix *stix = arg;
	size_t more, n = (size_t)len;
	char *moved;

	if (stix->error != 0 || stix->value_depth == 0 || stix->value_depth != stix->depth ||
	    stix->value_long)
		return;
	if (n > VALUE_MAX - stix->nvalue) {
		stix->value_long = true;
		return;
	}
	if (stix->nvalue + n > stix->room) {
		more = 2 * (stix->nvalue + n);
		moved = realloc(stix->value, more);
		if (moved == NULL) {
			stop(stix, -ENOMEM);
			return;
		}
		stix->value = moved;
		stix->room = more;
	}
	memcpy(stix->value + stix->nvalue, text, n);
	stix->nvalue += n;
}

static void
trim(const char **text, size_t *len)
{
	while (*len > 0 && strchr(" \t\r\n", **text) != NULL && **text != '\0') {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && strchr(" \t\r\n", (*text)[*len - 1]) != NULL &&
	    (*text)[*len - 1] != '\0')
		(*len)--;
}

/* Up to the next delimiter, trimmed; *at moves behind it, or to NULL after the last one. */
static const char *
next_part(const struct stix *stix, const char **at, size_t *len)
{
	const char *part = *at, *end = stix->value + stix->nvalue;
	const char *found = memmem(part, (size_t)(end - part), stix->delimiter,
	    strlen(stix->delimiter));

	*len = (size_t)((found == NULL ? end : found) - part);
	*at = found == NULL ? NULL : found + strlen(stix->delimiter);
	trim(&part, len);
	return part;
}

static void
reject(struct stix *stix, const char *reason)
{
	const char *text = stix->value;
	size_t len = stix->nvalue;

	trim(&text, &len);
	format_reject(stix->report, stix->value_line, reason, text, len);
}

/* Two addresses, the ends of a range. */
static int
take_between(struct stix *stix)
{
	const char *at = stix->value, *first, *last;
	size_t nfirst, nlast;
	char span[RANGE_TEXT_MAX];

	first = next_part(stix, &at, &nfirst);
	if (at == NULL) {
		reject(stix, "InclusiveBetween with one value, it needs two");
		return 0;
	}
	last = next_part(stix, &at, &nlast);
	if (at != NULL || nfirst + 1 + nlast > sizeof(span)) {
		reject(stix, "InclusiveBetween takes two addresses");
		return 0;
	}
	memcpy(span, first, nfirst);
	span[nfirst] = '-';
	memcpy(span + nfirst + 1, last, nlast);
	return format_take(stix->entries, stix->report, stix->value_line, span,
	    nfirst + 1 + nlast);
}

static int
take_each(struct stix *stix)
{
	const char *at = stix->value, *part;
	size_t len;
	int error = 0;

	while (error == 0 && at != NULL) {
		part = next_part(stix, &at, &len);
		error = format_take(stix->entries, stix->report, stix->value_line, part, len);
	}
	return error;
}

/* Names by Equals alone; those that are excluded are no threat. */
static int
take_domains(struct stix *stix)
{
	const char *at = stix->value, *part;
	size_t len;
	int error = 0;

	if (stix->condition != CONDITION_EQUALS || stix->value_long ||
	    stix->levels[stix->depth - 1].negated)
		return 0;
	while (error == 0 && at != NULL) {
		part = next_part(stix, &at, &len);
		error = format_take_domain(stix->entries, part, len);
	}
	return error;
}

static bool
is_one_value(const struct stix *stix)
{
	return memmem(stix->value, stix->nvalue, stix->delimiter, strlen(stix->delimiter)) == NULL;
}

static int
take_value(struct stix *stix)
{
	const struct level *parent = stix->depth > 1 ? &stix->levels[stix->depth - 2] : NULL;
	char shown[SHOWN_MAX];
	int n;

	if (parent != NULL && parent->has_category && !parent->is_address) {
		stix->report->skipped[parent->skip]++;
	} else if (stix->value_long) {
		reject(stix, "value longer than 1 MiB");
	} else if (stix->nvalue == 0) {
		reject(stix, "empty");
	} else if (stix->condition == CONDITION_OTHER) {
		n = snprintf(shown, sizeof(shown), "%s %.*s", stix->condition_text,
		    (int)(stix->nvalue < FORMAT_TEXT_KEPT ? stix->nvalue : FORMAT_TEXT_KEPT),
		    stix->value);
		format_reject(stix->report, stix->value_line,
		    "a condition other than Equals and InclusiveBetween", shown, (size_t)n);
	} else if (stix->levels[stix->depth - 1].negated) {
		reject(stix, "negated, so it names what is no threat");
	} else if (stix->condition == CONDITION_BETWEEN) {
		return take_between(stix);
	} else if (!stix->any && !is_one_value(stix)) {
		reject(stix, "several values, and apply_condition is not ANY");
	} else {
		return take_each(stix);
	}
	return 0;
}

static void XMLCALL
on_end(void *arg, const char *name)
{
	struct stix *stix = arg;
	const struct level *level;
	int error;

	if (stix->error != 0)
		return;
	if (stix->value_depth == stix->depth) {
		error = stix->value_domain ? take_domains(stix) : take_value(stix);
		stix->value_depth = 0;
		if (error != 0) {
			stop(stix, error);
			return;
		}
	}
	level = &stix->levels[--stix->depth];
	if (level->object && !level->has_address)
		stix->report->skipped[level->skip]++;
}

static void XMLCALL
on_doctype(void *arg, const char *name, const char *system, const char *public, int internal)
{
	struct stix *stix = arg;

	stop(stix, format_refuse(stix->report, line_of(stix),
	    "a DOCTYPE (%.*s): a list must not declare one", FORMAT_TEXT_KEPT, name));
}

/* What expat says, with the line of the text it says it of. */
static int
refuse(struct stix *stix, const char *data, size_t size)
{
	enum XML_Error code = XML_GetErrorCode(stix->parser);
	int64_t index = XML_GetCurrentByteIndex64(stix->parser);
	size_t at = index < 0 || (size_t)index > size ? size : (size_t)index, end;
	const char *hint = "";

	if (code == XML_ERROR_NO_MEMORY)
		return -ENOMEM;
	if (at == size || code == XML_ERROR_NO_ELEMENTS || code == XML_ERROR_UNCLOSED_TOKEN)
		return format_refuse(stix->report, line_of(stix),
		    "cut off: the XML ends before its root element does");
	while (at > 0 && data[at - 1] != '\n')
		at--;
	for (end = at; end < size && data[end] != '\n' && end - at < SHOWN_MAX; end++)
		;
	while (at < end && (data[at] == ' ' || data[at] == '\t'))
		at++;
	/* so it stands in AWS's own documentation */
	if (memmem(data + at, end - at, "Address_Valuecondition=", 23) != NULL)
		hint = ", a blank is missing before condition=";
	return format_refuse(stix->report, line_of(stix), "not well-formed XML, %s%s: %.*s",
	    XML_ErrorString(code), hint, (int)(end - at), data + at);
}

static int
read_all(struct stix *stix, const char *data, size_t size)
{
	size_t at = 0, n;
	int64_t seen;

	do {
		n = size - at < CHUNK ? size - at : CHUNK;
		if (XML_Parse(stix->parser, data + at, (int)n, at + n == size) != XML_STATUS_OK)
			return stix->error != 0 ? stix->error : refuse(stix, data, size);
		at += n;
		seen = XML_GetCurrentByteIndex64(stix->parser);
		if (at < size && seen >= 0 && at - (size_t)seen > TOKEN_MAX)
			return format_refuse(stix->report, line_of(stix),
			    "a tag or comment longer than %u bytes", TOKEN_MAX);
	} while (at < size);
	return 0;
}

int
format_read_stix(struct entries *entries, const char *data, size_t size,
    struct format_report *report)
{
	struct stix *stix = calloc(1, sizeof(*stix));
	int error = -ENOMEM;

	if (stix == NULL)
		return error;
	stix->entries = entries;
	stix->report = report;
	stix->room = SHOWN_MAX;
	stix->value = malloc(stix->room);
	stix->parser = XML_ParserCreateNS(NULL, NAME_BREAK);
	if (stix->value == NULL || stix->parser == NULL)
		goto out;
	XML_SetUserData(stix->parser, stix);
	XML_SetElementHandler(stix->parser, on_start, on_end);
	XML_SetCharacterDataHandler(stix->parser, on_text);
	XML_SetStartDoctypeDeclHandler(stix->parser, on_doctype);
	error = read_all(stix, data, size);
	report->lines = line_of(stix);
out:
	XML_ParserFree(stix->parser);
	free(stix->value);
	free(stix);
	return error;
}
