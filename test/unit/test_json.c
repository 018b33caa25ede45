/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON by the contract's rules, whatever the texts hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/json.h"
#include "core/render.h"

static void
texts_are_utf8(void **state)
{
	/* RFC 3629: overlong, surrogates, beyond U+10FFFF, cut off */
	static const struct {
		const char *text, *json;
	} cases[] = {
		{ "plain", "{\"k\":\"plain\"}" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "{\"k\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"}" },
		{ "\xc0\xaf", "{\"k\":\"??\"}" },
		{ "\xe0\x80\xaf", "{\"k\":\"???\"}" },
		{ "\xed\xa0\x80", "{\"k\":\"???\"}" },
		{ "\xf4\x90\x80\x80", "{\"k\":\"????\"}" },
		{ "\xf8\x88\x80\x80\x80", "{\"k\":\"?????\"}" },
		{ "cut\xe2\x82", "{\"k\":\"cut??\"}" },
		{ "\x01\"\\\n", "{\"k\":\"\\u0001\\\"\\\\\\n\"}" },
		{ "", "{}" },
	};
	struct json_page page;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *json;

		json_begin(&page);
		json_text(&page, page.root, "k", cases[i].text);
		json = json_end(&page);
		assert_non_null(json);
		assert_string_equal(json, cases[i].json);
		free(json);
	}
}

static void
integers_are_whole(void **state)
{
	struct json_page page;
	char *json;

	json_begin(&page);
	json_integer(&page, page.root, "a", UINT64_MAX);
	json_integer(&page, page.root, "b", UINT64_C(9007199254740993));
	json_integer(&page, page.root, "c", 0);
	json = json_end(&page);
	assert_string_equal(json, "{\"a\":18446744073709551615,\"b\":9007199254740993,\"c\":0}");
	free(json);
}

static void
times_are_utc(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ INT64_C(1709164800005), "2024-02-29T00:00:00.005Z" },
		{ INT64_C(253402300799999), "9999-12-31T23:59:59.999Z" },
	};
	char text[TIME_TEXT_MAX];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(time_text(cases[i].ms, text), cases[i].text);
	/* no clock says this, and no buffer is overrun by it */
	time_text(INT64_MAX, text);
	assert_true(strlen(text) < TIME_TEXT_MAX);
}

static void
sequence_is_placed(void **state)
{
	char *text;

	text = render_placed("{\"a\":1,\"sequence\":\001,\"spool\":\"x\"}", 12);
	assert_string_equal(text, "{\"a\":1,\"sequence\":12,\"spool\":\"x\"}");
	free(text);
	text = render_placed("{\"a\":1,\"sequence\":\001,\"spool\":\"x\"}", 0);
	assert_string_equal(text, "{\"a\":1,\"spool\":\"x\"}");
	free(text);
	text = render_placed("{\"a\":1}", 12);
	assert_string_equal(text, "{\"a\":1}");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_utf8),
		cmocka_unit_test(integers_are_whole),
		cmocka_unit_test(times_are_utc),
		cmocka_unit_test(sequence_is_placed),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
