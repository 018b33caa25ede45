/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Building JSON by the contract's rules: nothing empty, nothing null, integers
 * as integers of full 64 bits, text always valid UTF-8.  A page remembers that
 * memory ran out, so that its maker asks once, at the end.
 */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

struct json_page {
	cJSON *root;		/* an object */
	bool failed;
};

/* Takes nothing; root is NULL and failed set when there is no memory. */
void json_begin(struct json_page *page);
/* The text, malloc'd, NULL when memory ran out; the page is gone in every case. */
char *json_end(struct json_page *page);

/* Each adds one member to an object of the page. */
cJSON *json_object(struct json_page *page, cJSON *to, const char *key);
cJSON *json_array(struct json_page *page, cJSON *to, const char *key);
void json_text(struct json_page *page, cJSON *to, const char *key, const char *text);
void json_integer(struct json_page *page, cJSON *to, const char *key, uint64_t value);
void json_bool(struct json_page *page, cJSON *to, const char *key, bool value);
/* Already JSON. */
void json_raw(struct json_page *page, cJSON *to, const char *key, const char *raw);
/* YYYY-MM-DDTHH:MM:SS.mmmZ */
void json_time(struct json_page *page, cJSON *to, const char *key, int64_t time_ms);

/* One element each of an array. */
void json_push_text(struct json_page *page, cJSON *to, const char *text);
void json_push_integer(struct json_page *page, cJSON *to, uint64_t value);
cJSON *json_push_object(struct json_page *page, cJSON *to);

/* The text as a JSON string with its quotes, malloc'd; NULL: no memory. */
char *json_quoted(const char *text);

#define TIME_TEXT_MAX	32
const char *time_text(int64_t time_ms, char buf[static TIME_TEXT_MAX]);
/* What time_text wrote.  False: it is something else. */
bool time_read(const char *text, int64_t *time_ms);

#endif
