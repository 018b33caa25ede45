/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Domain names of lists: what is one, the text they are kept as, every format that has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/domains.h"
#include "core/format.h"

static void
add(struct domains *domains, const char *name)
{
	assert_int_equal(domains_add(domains, name, strlen(name)), 0);
}

static void
assert_text(struct domains *domains, const char *names)
{
	size_t size, heading = strlen(DOMAINS_HEADING);
	uint32_t n, checked;
	char *text;

	assert_int_equal(domains_print(domains, &text, &size, &n), 0);
	assert_true(domains_check(text, size, &checked));
	assert_int_equal(n, checked);
	assert_memory_equal(text, DOMAINS_HEADING, heading);
	assert_int_equal(size - heading, strlen(names));
	assert_memory_equal(text + heading, names, strlen(names));
	free(text);
}

static void
names_are_sorted_once_and_small(void **state)
{
	struct domains *domains = domains_new();

	assert_text(domains, "");
	add(domains, "www.Example.ORG.");
	add(domains, "a-b_c.example.org");
	add(domains, "*.example.org");
	add(domains, "www.example.org");
	add(domains, "example.org");
	add(domains, "xn--bcher-kva.example");
	assert_text(domains, "*.example.org\na-b_c.example.org\nexample.org\nwww.example.org\n"
	    "xn--bcher-kva.example\n");
	assert_int_equal(domains_left_out(domains), 0);
	domains_free(domains);
}

static void
what_is_no_name_is_left_out(void **state)
{
	static const char *const bad[] = {
		"", ".", "com", "a..b", ".a.b", "*.", "*", "a.*.b", "192.0.2.1", "b\xc3\xbc" "cher.de",
		"a b.c", "a.b\n", "http://a.b/", "a.b/c", "a.1",
	};
	struct domains *domains = domains_new();
	char label[65 + 4], name[260];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		add(domains, bad[i]);
	memset(label, 'a', 64);
	strcpy(label + 64, ".de");
	add(domains, label);
	for (i = 0; i < 254; i++)
		name[i] = i % 2 ? '.' : 'a';
	name[255] = '\0';
	name[254] = 'a';
	add(domains, name);
	assert_int_equal(domains_left_out(domains), sizeof(bad) / sizeof(bad[0]) + 2);
	assert_int_equal(domains_count(domains), 0);
	add(domains, label + 1);
	name[253] = '\0';
	add(domains, name);
	assert_int_equal(domains_count(domains), 2);
	domains_free(domains);
}

static void
they_are_bounded(void **state)
{
	struct domains *domains = domains_new();
	char name[240], *text;
	size_t size;
	uint32_t n, i;

	for (i = 0; i <= DOMAINS_MAX; i++) {
		snprintf(name, sizeof(name), "host-%06u.example", i);
		add(domains, name);
	}
	assert_int_equal(domains_count(domains), DOMAINS_MAX);
	assert_int_equal(domains_left_out(domains), 1);
	assert_int_equal(domains_print(domains, &text, &size, &n), 0);
	assert_true(domains_check(text, size, &i) && i == DOMAINS_MAX);
	free(text);
	domains_free(domains);
	/* by their bytes as well */
	domains = domains_new();
	for (i = 0; i < 30000; i++) {
		snprintf(name, sizeof(name), "%060u.%060u.%060u.%u.example", i, i, i, i);
		add(domains, name);
	}
	assert_true(domains_left_out(domains) > 0);
	assert_int_equal(domains_print(domains, &text, &size, &n), 0);
	assert_in_range(size, DOMAINS_BYTES - 250, DOMAINS_BYTES);
	assert_true(domains_check(text, size, &i));
	free(text);
	domains_free(domains);
}

static void
texts_of_others_are_checked(void **state)
{
	static const char *const bad[] = {
		"", "threatlistd domains 2\n", "threatlistd domains 1", DOMAINS_HEADING "a.b",
		DOMAINS_HEADING "b.c\na.b\n", DOMAINS_HEADING "a.b\na.b\n", DOMAINS_HEADING "\n",
		DOMAINS_HEADING "A.b\n", DOMAINS_HEADING "a.b.\n", DOMAINS_HEADING "a.b\r\n",
		DOMAINS_HEADING "a.b c\n", DOMAINS_HEADING "../../x\n",
	};
	uint32_t n;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(domains_check(bad[i], strlen(bad[i]), &n));
	assert_true(domains_check(DOMAINS_HEADING "a.b\na.b.c\n", strlen(DOMAINS_HEADING) + 10, &n));
	assert_int_equal(n, 2);
}

#define CYBOX	"<Observables xmlns='http://cybox.mitre.org/cybox-2' xmlns:x='http://www.w3.org/2001/" \
	"XMLSchema-instance' xmlns:d='http://cybox.mitre.org/objects#DomainNameObject-1'>"
#define NAMED(atts, value) "<Properties x:type='d:DomainNameObjectType'><d:Value " atts ">" value \
	"</d:Value></Properties>"

static void
every_format_gives_its_names(void **state)
{
	static const struct {
		enum list_format format;
		const char *text, *names;
	} lists[] = {
		{ FORMAT_TXT, "192.0.2.1\nexample.com\n*.example.org # all\nhttp://a.b/c\n",
		    "*.example.org\nexample.com\n" },
		{ FORMAT_OTX_CSV, "Indicator type, Indicator, Description\nDomain name, example.net, x\n"
		    "hostname,www.example.net,\nIPv4, 192.0.2.1, x\nURL,http://a.b/,\n",
		    "example.net\nwww.example.net\n" },
		{ FORMAT_ALIEN_VAULT, "192.0.2.1#4#2#Malicious Host#US##0.0,0.0#3\n"
		    "www.test.org#4#2#Malicious Host#CA#Brossard#45.4,-73.4#3\n", "www.test.org\n" },
		{ FORMAT_PROOF_POINT, "domain, category, score, first_seen, last_seen, ports (|)\n"
		    "192.0.2.1, 1, 100, , ,\nbad.example, 1, 100, , ,\n", "bad.example\n" },
		{ FORMAT_FIRE_EYE, "reportId,cidr,domain,ip\n1,192.0.2.0/24,beside.example,198.51.100.1\n"
		    "2,,alone.example,\n3,,,192.0.2.1\n", "alone.example\nbeside.example\n" },
		{ FORMAT_STIX, CYBOX NAMED("condition='Equals'", "bad.example.com")
		    NAMED("", "one.example ##comma## two.example")
		    NAMED("condition='DoesNotEqual'", "good.example")
		    NAMED("negate='true'", "better.example") "</Observables>",
		    "bad.example.com\none.example\ntwo.example\n" },
		{ FORMAT_STIX2, "[{\"type\":\"indicator\",\"pattern\":\"[domain-name:value = 'a.example' OR "
		    "ipv4-addr:value = '192.0.2.1']\"},{\"type\":\"indicator\",\"pattern\":"
		    "\"[domain-name:value IN ('b.example','c.example')]\"},{\"type\":\"indicator\","
		    "\"pattern\":\"[domain-name:value != 'good.example']\"},{\"type\":\"indicator\","
		    "\"revoked\":true,\"pattern\":\"[domain-name:value = 'old.example']\"}]",
		    "a.example\nb.example\nc.example\n" },
	};
	struct format_report report, without;
	struct entries *entries;
	size_t i;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		entries = entries_new();
		assert_int_equal(entries_want_domains(entries), 0);
		format_read(entries, lists[i].format, lists[i].text, strlen(lists[i].text), &report);
		assert_string_equal(report.refused, "");
		assert_text(entries_domains(entries), lists[i].names);
		entries_free(entries);
		/* and is read the same without anybody who wants them */
		entries = entries_new();
		format_read(entries, lists[i].format, lists[i].text, strlen(lists[i].text), &without);
		assert_null(entries_domains(entries));
		assert_memory_equal(&report, &without, sizeof(report));
		entries_free(entries);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_sorted_once_and_small),
		cmocka_unit_test(what_is_no_name_is_left_out),
		cmocka_unit_test(they_are_bounded),
		cmocka_unit_test(texts_of_others_are_checked),
		cmocka_unit_test(every_format_gives_its_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
