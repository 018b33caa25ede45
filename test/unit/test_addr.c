/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Addresses and ranges: reading, printing, cutting into prefixes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "threatlistd/addr.h"

struct reading {
	const char *text;
	const char *read;	/* range_text of it, or the reason it is refused for */
	unsigned int notes;
};

static const struct reading good[] = {
	{ "1.2.3.4", "1.2.3.4", 0 },
	{ "0.0.0.0", "0.0.0.0", 0 },
	{ "255.255.255.255", "255.255.255.255", 0 },
	{ "1.2.3.4/32", "1.2.3.4", 0 },
	{ "1.2.3.4/31", "1.2.3.4/31", 0 },
	{ "1.2.3.5/31", "1.2.3.4/31", RANGE_NOTE_HOST_BITS },
	{ "10.1.2.3/8", "10.0.0.0/8", RANGE_NOTE_HOST_BITS },
	{ "0.0.0.0/0", "0.0.0.0/0", 0 },
	{ "10.0.0.0/255.255.0.0", "10.0.0.0/16", 0 },
	{ "10.0.0.1/255.255.255.255", "10.0.0.1", 0 },
	{ "10.0.0.1/0.0.0.0", "0.0.0.0/0", RANGE_NOTE_HOST_BITS },
	{ "10.0.0.0-10.0.0.255", "10.0.0.0/24", 0 },
	{ "10.0.0.1-10.0.0.255", "10.0.0.1-10.0.0.255", 0 },
	{ "10.0.0.1-10.0.0.1", "10.0.0.1", 0 },
	{ "0.0.0.0-255.255.255.255", "0.0.0.0/0", 0 },
	{ "::", "::", 0 },
	{ "::1", "::1", 0 },
	{ "1::", "1::", 0 },
	{ "2001:DB8::00a0:1", "2001:db8::a0:1", 0 },
	{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", 0 },
	{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", 0 },
	{ "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", 0 },
	{ "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8", 0 },
	{ "64:ff9b::1.2.3.4", "64:ff9b::102:304", 0 },
	{ "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304", 0 },
	{ "2001:db8::/32", "2001:db8::/32", 0 },
	{ "2001:db8::1/32", "2001:db8::/32", RANGE_NOTE_HOST_BITS },
	{ "2001:db8::1/128", "2001:db8::1", 0 },
	{ "::/0", "::/0", 0 },
	{ "2001:db8::1-2001:db8::ffff", "2001:db8::1-2001:db8::ffff", 0 },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0 },
	{ "::ffff:1.2.3.4", "1.2.3.4", RANGE_NOTE_MAPPED },
	{ "::FFFF:102:304", "1.2.3.4", RANGE_NOTE_MAPPED },
	{ "0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4", RANGE_NOTE_MAPPED },
	{ "::ffff:1.2.3.0/120", "1.2.3.0/24", RANGE_NOTE_MAPPED },
	{ "::ffff:1.2.3.4/120", "1.2.3.0/24", RANGE_NOTE_MAPPED | RANGE_NOTE_HOST_BITS },
	{ "::ffff:0:0/96", "0.0.0.0/0", RANGE_NOTE_MAPPED },
	{ "::ffff:1.2.3.4-::ffff:1.2.3.5", "1.2.3.4/31", RANGE_NOTE_MAPPED },
	{ "1.2.3.4-::ffff:1.2.3.5", "1.2.3.4/31", RANGE_NOTE_MAPPED },
	{ "::fffe:0:0", "::fffe:0:0", 0 },
};

static const struct reading bad[] = {
	{ "", "empty", 0 },
	{ "1", "fewer than four octets", 0 },
	{ "1.2.3", "fewer than four octets", 0 },
	{ "1.2.3.", "fewer than four octets", 0 },
	{ "1.2.3/24", "fewer than four octets", 0 },
	{ "1.2.3.4.5", "more than four octets", 0 },
	{ "1.2.3.4.", "more than four octets", 0 },
	{ "01.2.3.4", "octet with a leading zero", 0 },
	{ "1.2.3.00", "octet with a leading zero", 0 },
	{ "1.2.3.256", "octet above 255", 0 },
	{ "1.2.3.4294967297", "octet above 255", 0 },
	{ "1..2.3", "not an address", 0 },
	{ ".1.2.3", "not an address", 0 },
	{ "-1.2.3.4", "not an address", 0 },
	{ "+1.2.3.4", "not an address", 0 },
	{ "1.2.3.4,", "not an address", 0 },
	{ "1.2.3.4/33", "prefix length above 32", 0 },
	{ "1.2.3.4/", "prefix length missing", 0 },
	{ "1.2.3.4/08", "prefix length with a leading zero", 0 },
	{ "1.2.3.4/-1", "prefix length is not a number", 0 },
	{ "1.2.3.4/8/8", "prefix length is not a number", 0 },
	{ "1.2.3.4/4294967300", "prefix length too long", 0 },
	{ "10.0.0.0/0.0.0.255", "a wildcard mask, not a netmask", 0 },
	{ "10.0.0.0/255.0.255.0", "netmask with holes", 0 },
	{ "10.0.0.0/255.255.0", "neither a prefix length nor a netmask", 0 },
	{ "10.0.0.9-10.0.0.1", "range ends before it starts", 0 },
	{ "10.0.0.1-2001:db8::1", "range from one address family to the other", 0 },
	{ "10.0.0.1-", "range without an end", 0 },
	{ "10.0.0.1-10.0.0.8/29", "not an address", 0 },
	{ "10.0.0.1-9", "fewer than four octets", 0 },
	{ "2001:db8::/129", "prefix length above 128", 0 },
	{ "2001:db8::/ffff::", "prefix length is not a number", 0 },
	{ "::ffff:1.2.3.4/24", "prefix of an IPv4-mapped address shorter than /96", 0 },
	{ "::ffff:1.2.3.4/129", "prefix length above 128", 0 },
	{ "1:2:3:4:5:6:7", "fewer than eight groups", 0 },
	{ "1:2:3:4:5:6:7:8:9", "more than eight groups", 0 },
	{ "1:2:3:4:5:6:7:1.2.3.4", "more than eight groups", 0 },
	{ "1::2::3", "more than one ::", 0 },
	{ "1:2:3:4::5:6:7:8", ":: stands for nothing", 0 },
	{ "1:2:3:4:5:6:7:8::", ":: stands for nothing", 0 },
	{ "1::2:", "ends in a colon", 0 },
	{ ":1::2", "not an address", 0 },
	{ "12345::", "group of more than four digits", 0 },
	{ "::1.2.3.04", "octet with a leading zero", 0 },
	{ ":::", "not an address", 0 },
	{ "fe80::1%eth0", "a zone id cannot be part of a list", 0 },
	{ "fe80::1%2/64", "a zone id cannot be part of a list", 0 },
	{ "1.2.3.4:80", "host and port, not an address alone", 0 },
	{ "[2001:db8::1]:443", "host and port, not an address alone", 0 },
	{ "evil.example.com:8080", "host and port, not an address alone", 0 },
	{ "http://1.2.3.4/x", "a URL, not an address", 0 },
	{ "evil.example.com/path", "a URL, not an address", 0 },
	{ "evil.example.com", "a domain name, not an address", 0 },
	{ "my-evil.example.com", "a domain name, not an address", 0 },
	{ "b\xc3\xbc" "cher.example", "a domain name, not an address", 0 },
	{ "192.0.2.1,evil", "not an address", 0 },
	{ "someone@example.com", "not an address", 0 },
	{ "d41d8cd98f00b204e9800998ecf8427e", "a hash, not an address", 0 },
	{ "1.2.3.*", "wildcards are not accepted, write a prefix", 0 },
	{ "hello", "not an address", 0 },
	{ "1.2.3.4\xff", "not an address", 0 },
};

static void
good_entries_are_read(void **state)
{
	char buf[RANGE_TEXT_MAX];
	struct range range;
	unsigned int notes;
	const char *wrong;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		notes = 0;
		wrong = range_parse(&range, good[i].text, strlen(good[i].text), &notes);
		if (wrong != NULL)
			fail_msg("%s: %s", good[i].text, wrong);
		assert_string_equal(range_text(&range, buf), good[i].read);
		if (notes != good[i].notes)
			fail_msg("%s: notes %#x", good[i].text, notes);
	}
}

static void
bad_entries_say_why(void **state)
{
	struct range range;
	unsigned int notes = 0;
	const char *wrong;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		wrong = range_parse(&range, bad[i].text, strlen(bad[i].text), &notes);
		if (wrong == NULL || strcmp(wrong, bad[i].read) != 0)
			fail_msg("%s: %s", bad[i].text, wrong == NULL ? "was read" : wrong);
	}
	wrong = range_parse(&range, "1.2.3.4\0", 8, &notes);
	assert_string_equal(wrong, "contains a NUL byte");
}

/* An address alone is nothing but an address. */
static void
address_takes_no_range(void **state)
{
	static const char *const texts[] = { "1.2.3.4/32", "1.2.3.4-1.2.3.5", "::1/128", " ::1" };
	struct addr addr;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_non_null(addr_parse(&addr, texts[i], strlen(texts[i])));
	assert_null(addr_parse(&addr, "1.2.3.4/32", 7));
	assert_int_equal(addr_to_v4(&addr), 0x01020304);
}

static struct range
range_of(const char *text)
{
	struct range range;
	unsigned int notes = 0;

	assert_null(range_parse(&range, text, strlen(text), &notes));
	return range;
}

static void
prefixes_are_cut_in_order(void **state)
{
	static const char *const cuts[][10] = {
		{ "0.0.0.0-255.255.255.255", "0.0.0.0/0" },
		{ "0.0.0.1-0.0.0.6", "0.0.0.1/32", "0.0.0.2/31", "0.0.0.4/31", "0.0.0.6/32" },
		{ "255.255.255.254-255.255.255.255", "255.255.255.254/31" },
		{ "255.255.255.253-255.255.255.255", "255.255.255.253/32", "255.255.255.254/31" },
		{ "0.0.0.0-128.0.0.0", "0.0.0.0/1", "128.0.0.0/32" },
		{ "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0" },
		{ "::ffff:ffff:ffff:ffff-::1:0:0:0:1", "::ffff:ffff:ffff:ffff/128",
		    "0:0:0:1::/127" },
		{ "::8000:0:0:0-::1:0:0:0:0", "::8000:0:0:0/65", "0:0:0:1::/128" },
	};
	char buf[RANGE_TEXT_MAX];
	struct range rest, head;
	size_t i, j;

	for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		bool more = true;

		rest = range_of(cuts[i][0]);
		for (j = 1; cuts[i][j] != NULL; j++) {
			assert_true(more);
			more = range_cut_prefix(&rest, &head);
			assert_string_equal(range_cidr(&head, buf), cuts[i][j]);
		}
		assert_false(more);
	}
}

static void
ends_of_the_space(void **state)
{
	struct range all = range_of("0.0.0.0/0"), all6 = range_of("::/0");
	struct range after = range_of("2001:db8:0:1::");
	struct addr addr = all.last;

	assert_false(addr_next(&addr));
	assert_true(addr_equal(&addr, &all.last));
	assert_true(addr_prev(&addr));
	assert_int_equal(addr_to_v4(&addr), 0xfffffffe);
	addr = all.first;
	assert_false(addr_prev(&addr));
	addr = all6.last;
	assert_false(addr_next(&addr));
	addr = all6.first;
	assert_false(addr_prev(&addr));
	addr = range_of("2001:db8:0:0:ffff:ffff:ffff:ffff").first;
	assert_true(addr_next(&addr));
	assert_true(addr_equal(&addr, &after.first));
	assert_int_equal(range_prefix_len(&all), 0);
}

static void
order_and_membership(void **state)
{
	struct range range = range_of("10.0.0.1-10.0.0.9");
	struct range one = range_of("10.0.0.9"), other = range_of("10.0.0.10");
	struct range six = range_of("::a00:1");

	assert_true(range_contains(&range, &range.first));
	assert_true(range_contains(&range, &one.first));
	assert_false(range_contains(&range, &other.first));
	assert_false(range_contains(&range, &six.first));
	assert_true(addr_compare(&other.first, &six.first) < 0);
	assert_true(addr_compare(&other.first, &one.first) > 0);
	assert_true(range_equal(&range, &range));
	assert_int_equal(range_prefix_len(&range), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_entries_are_read),
		cmocka_unit_test(bad_entries_say_why),
		cmocka_unit_test(address_takes_no_range),
		cmocka_unit_test(prefixes_are_cut_in_order),
		cmocka_unit_test(ends_of_the_space),
		cmocka_unit_test(order_and_membership),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
