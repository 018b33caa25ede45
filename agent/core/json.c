/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void
json_begin(struct json_page *page)
{
	page->root = cJSON_CreateObject();
	page->failed = page->root == NULL;
}

char *
json_end(struct json_page *page)
{
	char *text = page->failed ? NULL : cJSON_PrintUnformatted(page->root);

	cJSON_Delete(page->root);
	page->root = NULL;
	return text;
}

/* Takes item; NULL: it could not be made. */
static cJSON *
add(struct json_page *page, cJSON *to, const char *key, cJSON *item)
{
	if (item != NULL && to != NULL && (key != NULL ? cJSON_AddItemToObject(to, key, item) :
	    cJSON_AddItemToArray(to, item)))
		return item;
	cJSON_Delete(item);
	page->failed = true;
	return NULL;
}

/* Bytes of the UTF-8 character at s, 0: there is none (RFC 3629 table). */
static unsigned int
utf8_length(const unsigned char *s)
{
	unsigned int n, i;

	if (s[0] < 0x80)
		return 1;
	n = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 :
	    s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : 0;
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* A string item; what is no UTF-8 becomes '?', byte by byte. */
static cJSON *
string_item(const char *text)
{
	cJSON *item = cJSON_CreateString(text);
	unsigned char *at;
	unsigned int n;

	if (item == NULL)
		return NULL;
	for (at = (unsigned char *)item->valuestring; *at != '\0'; at += n) {
		n = utf8_length(at);
		if (n == 0) {
			*at = '?';
			n = 1;
		}
	}
	return item;
}

static cJSON *
integer_item(uint64_t value)
{
	char text[24];

	/* cJSON's own numbers are doubles */
	snprintf(text, sizeof(text), "%" PRIu64, value);
	return cJSON_CreateRaw(text);
}

cJSON *
json_object(struct json_page *page, cJSON *to, const char *key)
{
	return add(page, to, key, cJSON_CreateObject());
}

cJSON *
json_array(struct json_page *page, cJSON *to, const char *key)
{
	return add(page, to, key, cJSON_CreateArray());
}

void
json_text(struct json_page *page, cJSON *to, const char *key, const char *text)
{
	if (text != NULL && *text != '\0')
		add(page, to, key, string_item(text));
}

void
json_integer(struct json_page *page, cJSON *to, const char *key, uint64_t value)
{
	add(page, to, key, integer_item(value));
}

void
json_bool(struct json_page *page, cJSON *to, const char *key, bool value)
{
	add(page, to, key, cJSON_CreateBool(value));
}

void
json_raw(struct json_page *page, cJSON *to, const char *key, const char *raw)
{
	add(page, to, key, cJSON_CreateRaw(raw));
}

void
json_time(struct json_page *page, cJSON *to, const char *key, int64_t time_ms)
{
	char text[TIME_TEXT_MAX];

	json_text(page, to, key, time_text(time_ms, text));
}

void
json_push_text(struct json_page *page, cJSON *to, const char *text)
{
	add(page, to, NULL, string_item(text));
}

void
json_push_integer(struct json_page *page, cJSON *to, uint64_t value)
{
	add(page, to, NULL, integer_item(value));
}

cJSON *
json_push_object(struct json_page *page, cJSON *to)
{
	return add(page, to, NULL, cJSON_CreateObject());
}

char *
json_quoted(const char *text)
{
	cJSON *item = string_item(text);
	char *quoted = item == NULL ? NULL : cJSON_PrintUnformatted(item);

	cJSON_Delete(item);
	return quoted;
}

const char *
time_text(int64_t time_ms, char buf[static TIME_TEXT_MAX])
{
	time_t seconds = (time_t)(time_ms / 1000);
	int ms = (int)(time_ms % 1000);
	struct tm tm;
	size_t at;

	if (ms < 0) {
		ms += 1000;
		seconds--;
	}
	memset(&tm, 0, sizeof(tm));
	gmtime_r(&seconds, &tm);
	at = strftime(buf, TIME_TEXT_MAX - 5, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + at, TIME_TEXT_MAX - at, ".%03dZ", ms);
	return buf;
}

bool
time_read(const char *text, int64_t *time_ms)
{
	unsigned int ms;
	struct tm tm;
	const char *end;
	int used = 0;

	memset(&tm, 0, sizeof(tm));
	end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (end == NULL || sscanf(end, ".%3u%n", &ms, &used) != 1 || used != 4 ||
	    strcmp(end + used, "Z") != 0)
		return false;
	*time_ms = (int64_t)timegm(&tm) * 1000 + ms;
	return true;
}
