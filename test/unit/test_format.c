/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Formats told by their content, rows of CSV, and what a report says of a list. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/csv.h"
#include "core/format.h"
#include "core/stix_pattern.h"

#define BOM	"\xef\xbb\xbf"

static void
formats_are_told_by_content(void **state)
{
	static const struct {
		const char *text;
		enum list_format format;
	} lists[] = {
		{ "", FORMAT_TXT },
		{ "\n\n# nothing\n", FORMAT_TXT },
		{ "1.2.3.4\n", FORMAT_TXT },
		{ "1.2.3.4#seen#twice\n", FORMAT_TXT },
		{ "1.2.3.4,bad\n", FORMAT_TXT },
		{ "ip\n1.2.3.4\n", FORMAT_TXT },
		{ "[2001:db8::1]:80\n", FORMAT_TXT },
		{ "<!DOCTYPE HTML>\n<p>log in</p>", FORMAT_TXT },
		{ " <HTML lang=en>", FORMAT_TXT },
		{ "<?xml version=\"1.0\"?><a/>", FORMAT_STIX },
		{ BOM "\r\n <stix:STIX_Package/>", FORMAT_STIX },
		{ "<!DOCTYPE stix []>", FORMAT_STIX },
		{ "{\"type\": \"bundle\"}", FORMAT_STIX2 },
		{ BOM " [\n {}]", FORMAT_STIX2 },
		{ "[]", FORMAT_STIX2 },
		{ "Indicator type, Indicator, Description\n", FORMAT_OTX_CSV },
		{ "# an export\r\nindicator TYPE,\"Indicator\"\r\n", FORMAT_OTX_CSV },
		{ "Indicator,Description\n", FORMAT_TXT },
		{ "reportId,title,cidr,domain,ip\n", FORMAT_FIRE_EYE },
		{ "ip, category, score, first_seen\n", FORMAT_PROOF_POINT },
		{ "domain, category, score\n", FORMAT_PROOF_POINT },
		{ "1.2.3.4, 1, 100, 2000-01-01\n", FORMAT_PROOF_POINT },
		{ "2001:db8::1,1,100", FORMAT_PROOF_POINT },
		{ "1.2.3.4,1\n", FORMAT_TXT },
		{ "1.2.3.4#4#2#Malicious Host#US##0.0,0.0#3\n", FORMAT_ALIEN_VAULT },
		{ "#head\n\nwww.test.org#4#2#x\n", FORMAT_ALIEN_VAULT },
	};
	size_t i;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (format_detect(lists[i].text, strlen(lists[i].text)) != lists[i].format)
			fail_msg("not %s: %s", format_name(lists[i].format), lists[i].text);
	}
}

static void
expect_field(const struct csv *csv, size_t i, const char *text)
{
	size_t len;
	const char *field = csv_field(csv, i, &len);

	assert_int_equal(len, strlen(text));
	assert_memory_equal(field, text, len);
}

static void
rows_are_read(void **state)
{
	static const char text[] = "; comment \"\r\n a , \"b,\"\"c\"\"\r\nd\" x,\r\n\r\n"
	    "\"open, 1\ne\r,f";
	struct csv *csv = malloc(sizeof(*csv));

	csv_init(csv, text, sizeof(text) - 1);
	assert_int_equal(csv_next(csv), CSV_ROW);
	assert_int_equal(csv->line, 2);
	assert_int_equal(csv->nfields, 3);
	expect_field(csv, 0, "a");
	expect_field(csv, 1, "b,\"c\"\r\nd x");
	expect_field(csv, 2, "");
	expect_field(csv, 3, "");
	assert_int_equal(csv_next(csv), CSV_BAD);
	assert_int_equal(csv->line, 5);
	assert_string_equal(csv->wrong, "a quote that is never closed");
	assert_int_equal(csv_next(csv), CSV_ROW);
	assert_false(csv->open);
	expect_field(csv, 0, "e");
	assert_int_equal(csv_next(csv), CSV_ROW);
	assert_int_equal(csv->line, 7);
	assert_true(csv->open);
	expect_field(csv, 1, "f");
	assert_int_equal(csv_next(csv), CSV_END);
	free(csv);
}

/* The longest row there is, and one byte more; more fields than are kept. */
static void
rows_are_bounded(void **state)
{
	char *text = malloc(CSV_ROW_MAX + 2);
	struct csv *csv = malloc(sizeof(*csv));

	memset(text, ',', CSV_ROW_MAX);
	memcpy(text + CSV_ROW_MAX, "\nx", 2);
	csv_init(csv, text, CSV_ROW_MAX + 1);
	assert_int_equal(csv_next(csv), CSV_ROW);
	assert_int_equal(csv->nfields, CSV_ROW_MAX + 1);
	expect_field(csv, CSV_FIELDS_MAX, "");
	memset(text, 'x', CSV_ROW_MAX + 1);
	csv_init(csv, text, CSV_ROW_MAX + 1);
	assert_int_equal(csv_next(csv), CSV_BAD);
	assert_int_equal(csv_next(csv), CSV_END);
	free(csv);
	free(text);
}

static const char *
pattern_wrong(const char *text, struct stix_pattern *pattern)
{
	return stix_pattern_read(pattern, text, strlen(text));
}

static void
patterns_are_judged_whole(void **state)
{
	static const char *const wrong[] = { "", "[", "[]", "[a]", "ipv4-addr:value = '1'",
	    "[ipv4-addr:value = '1.2.3.4']]", "[ipv4-addr:value = '1.2.3.4' AND]",
	    "[(ipv4-addr:value = '1.2.3.4']", "[ipv4-addr:value = 5]", "[ipv4-addr:value = '1.2.3.4",
	    "[ipv4-addr:value IN ()]", "[ipv4-addr:value IN ('1.2.3.4',)]",
	    "[ipv4-addr:value != '1.2.3.4']", "[ipv4-addr:value <> '1.2.3.4']",
	    "[ipv4-addr:value > '1.2.3.4']", "[NOT ipv4-addr:value = '1.2.3.4']",
	    "[ipv4-addr:value NOT LIKE '1.2.3.4']", "[ipv4-addr:value = '1.2.3.4'] SOON" };
	struct stix_pattern pattern;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (pattern_wrong(wrong[i], &pattern) == NULL)
			fail_msg("taken: %s", wrong[i]);
	}
	assert_null(pattern_wrong("[x:y[*].z = 1 OR (ipv6-addr:value in ('a', 'b'))] AND "
	    "([url:value MATCHES '\\'']) WITHIN 5.5 SECONDS", &pattern));
	assert_int_equal(pattern.values, 2);
	assert_null(pattern_wrong("[url:value != 'x' AND ipv4-addr:x = 'y']", &pattern));
	assert_int_equal(pattern.values, 0);
	assert_int_equal(pattern.skip, FORMAT_SKIP_URL);
}

static void
quotas_are_told_with_numbers(void **state)
{
	struct format_report report = { .accepted = 250000, .bytes = QUOTA_FILE_BYTES };
	char text[QUOTA_TEXT_MAX];

	assert_false(format_quota_warning(&report, QUOTA_THREAT_IPS, text));
	report.accepted++;
	assert_true(format_quota_warning(&report, QUOTA_THREAT_IPS, text));
	assert_non_null(strstr(text, "has 250001 entries, GuardDuty's quota is 250000:"));
	assert_true(format_quota_warning(&report, QUOTA_TRUSTED_IPS, text));
	assert_non_null(strstr(text, "quota is 2000:"));
	report.accepted = 500;
	report.domains = 300;
	report.skipped[FORMAT_SKIP_DOMAIN] = 200;
	assert_false(format_quota_warning(&report, QUOTA_ENTITIES, text));
	report.skipped[FORMAT_SKIP_DOMAIN]++;
	assert_true(format_quota_warning(&report, QUOTA_ENTITIES, text));
	report.bytes++;
	assert_true(format_quota_warning(&report, QUOTA_THREAT_IPS, text));
	assert_non_null(strstr(text, "has 36700161 bytes, GuardDuty's quota is 35 MiB:"));
}

static void
a_refused_list_has_no_entries(void **state)
{
	static const char text[] = "{\"objects\":[{\"type\":\"indicator\",\"pattern\":"
	    "\"[ipv4-addr:value IN ('192.0.2.1', 'x')]\"}";
	struct entries *entries = entries_new();
	struct format_report report;
	char skipped[FORMAT_SKIPPED_MAX];

	assert_int_equal(format_read(entries, FORMAT_AUTO, text, sizeof(text) - 1, &report),
	    -EBADMSG);
	assert_int_equal(report.format, FORMAT_STIX2);
	assert_int_equal(report.accepted, 0);
	assert_int_equal(report.rejected, 0);
	assert_int_equal(report.refused_line, 1);
	assert_string_equal(report.refused, "cut off: the JSON ends before its value does");
	assert_string_equal(format_skipped(&report, skipped), "");
	report.skipped[FORMAT_SKIP_HASH] = report.skipped[FORMAT_SKIP_OTHER] = UINT64_MAX;
	assert_string_equal(format_skipped(&report, skipped),
	    "hash 18446744073709551615, other 18446744073709551615");
	entries_free(entries);
}

/* By reading its first word alone "A - B" would be half of what it says. */
static void
ranges_with_blanks_are_rejected(void **state)
{
	static const struct {
		const char *text;
		enum list_format format;
		bool rejected;
	} lines[] = {
		{ "1.2.3.4 - 1.2.3.9", FORMAT_TXT, true },
		{ "1.2.3.4\t-\t1.2.3.9", FORMAT_TXT, true },
		{ "1.2.3.4 -1.2.3.9", FORMAT_TXT, true },
		{ "1.2.3.4 - 1.2.3.9 , 100 , some net", FORMAT_TXT, true },
		{ "1.2.3.4 - 1.2.3.9,100,some net", FORMAT_TXT, true },
		{ "1.2.3.4 - 1.2.3.9# seen", FORMAT_TXT, true },
		{ "2001:db8::1 - 2001:DB8::9", FORMAT_TXT, true },
		{ "1.2.3.4 - 1.2.3.9#4#2#x#US##0,0#3", FORMAT_ALIEN_VAULT, true },
		{ "1.2.3.4-1.2.3.9", FORMAT_TXT, false },
		{ "1.2.3.4-1.2.3.9 - 1.2.3.12", FORMAT_TXT, false },
		{ "1.2.3.4 - spam, 12 times", FORMAT_TXT, false },
		{ "1.2.3.4 - 12 times", FORMAT_TXT, false },
		{ "1.2.3.4 - 2026.11.25", FORMAT_TXT, false },
		{ "1.2.3.4 - added by 1.2.3.9", FORMAT_TXT, false },
		{ "1.2.3.4 # - 1.2.3.9", FORMAT_TXT, false },
		{ "1.2.3.4 -", FORMAT_TXT, false },
		{ "1.2.3.4 - ", FORMAT_TXT, false },
		{ "1.2.3.4\t17", FORMAT_TXT, false },
		{ "1.2.3.4#4 - 1.2.3.9#2", FORMAT_ALIEN_VAULT, false },
	};
	struct format_report report;
	struct entries *entries;
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		entries = entries_new();
		assert_int_equal(format_read(entries, lines[i].format, lines[i].text,
		    strlen(lines[i].text), &report), lines[i].rejected ? -ENODATA : 0);
		entries_free(entries);
		if (report.rejected != lines[i].rejected || report.accepted == lines[i].rejected)
			fail_msg("%s: %d", lines[i].text, (int)report.rejected);
		if (lines[i].rejected)
			assert_string_equal(report.rejects[0].reason,
			    "a range is written A-B, without blanks");
	}
	/* what it is of is an address: a name stays a name */
	entries = entries_new();
	format_read(entries, FORMAT_TXT, "evil.example - 1.2.3.4", 22, &report);
	assert_int_equal(report.domains, 1);
	entries_free(entries);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_are_told_by_content),
		cmocka_unit_test(rows_are_read),
		cmocka_unit_test(rows_are_bounded),
		cmocka_unit_test(patterns_are_judged_whole),
		cmocka_unit_test(ranges_with_blanks_are_rejected),
		cmocka_unit_test(quotas_are_told_with_numbers),
		cmocka_unit_test(a_refused_list_has_no_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
