/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a role may have protected, and what it may not when somebody took it over. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/admission.h"

#define NOW	INT64_C(1000000)
#define LIFE	INT64_C(600000)

static struct addr
address(const char *text)
{
	struct addr addr;

	assert_null(addr_parse(&addr, text, strlen(text)));
	return addr;
}

static int
judge(struct admission *admission, const char *text, uint16_t port, int64_t now_ms)
{
	const struct addr addr = address(text);

	return admission_judge(admission, &addr, port, now_ms, LIFE);
}

static void
only_ports_that_are_configured(void **state)
{
	struct admission admission = { .nports = 0 };
	uint32_t port;

	admission_allow(&admission, 443);
	admission_allow(&admission, 443);
	admission_allow(&admission, 8443);
	admission_allow(&admission, 0);
	assert_int_equal(admission.nports, 2);
	for (port = 0; port <= UINT16_MAX; port++)
		assert_int_equal(judge(&admission, "198.51.100.7", (uint16_t)port,
		    NOW + port * INT64_C(1000)), port == 443 || port == 8443 ? 0 : -EACCES);
	admission_forget_ports(&admission);
	assert_int_equal(judge(&admission, "198.51.100.7", 443, NOW + INT64_C(70000000)), -EACCES);
}

static void
only_single_hosts(void **state)
{
	static const char *const wrong[] = {
		"0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "255.255.255.255", "::",
		"ff02::1",
	};
	struct admission admission = { .nports = 0 };
	struct addr nobody = { .family = ADDR_NONE };
	size_t i;

	admission_allow(&admission, 443);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(judge(&admission, wrong[i], 443, NOW), -EINVAL);
	assert_int_equal(admission_judge(&admission, &nobody, 443, NOW, LIFE), -EINVAL);
	assert_int_equal(judge(&admission, "2001:db8::1", 443, NOW), 0);
	assert_int_equal(judge(&admission, "223.255.255.255", 443, NOW), 0);
	assert_int_equal(admission.nlive, 2);
}

static void
only_so_many_at_once(void **state)
{
	struct admission admission = { .nports = 0 };
	struct addr addr = address("10.0.0.0");
	int64_t now = NOW;
	unsigned int i;

	admission_allow(&admission, 443);
	for (i = 0; i < ADMISSION_LIVE_MAX; i++, now += 1000) {
		addr.bytes[3] = (uint8_t)i;
		assert_int_equal(admission_judge(&admission, &addr, 443, now, LIFE), 0);
	}
	assert_int_equal(judge(&admission, "10.1.0.0", 443, now), -ENOSPC);
	/* those that are there may be asked for again, and last on */
	assert_int_equal(admission_judge(&admission, &addr, 443, now, LIFE), 0);
	assert_int_equal(admission.nlive, ADMISSION_LIVE_MAX);
	/* the first has ended: there is room for one */
	assert_int_equal(judge(&admission, "10.1.0.0", 443, NOW + LIFE - 1), -ENOSPC);
	assert_int_equal(judge(&admission, "10.1.0.0", 443, NOW + LIFE), 0);
	assert_int_equal(judge(&admission, "10.1.0.1", 443, NOW + LIFE), -ENOSPC);
	assert_int_equal(judge(&admission, "10.1.0.1", 443, NOW + 3 * LIFE), 0);
	assert_int_equal(admission.nlive, 1);
}

static void
a_flood_is_refused(void **state)
{
	struct admission admission = { .nports = 0 };
	unsigned int i, admitted = 0, refused = 0;

	admission_allow(&admission, 443);
	for (i = 0; i < 10000; i++) {
		int error = judge(&admission, "198.51.100.7", i % 2 == 0 ? 443 : 25, NOW);

		admitted += error == 0;
		refused += error == -EAGAIN;
	}
	assert_int_equal(admitted, ADMISSION_BURST / 2);
	assert_int_equal(refused, 10000 - ADMISSION_BURST);
	/* and a second later it is the next few */
	for (i = admitted = 0; i < 100; i++)
		admitted += judge(&admission, "198.51.100.7", 443, NOW + 1000) == 0;
	assert_int_equal(admitted, ADMISSION_PER_SECOND);
}

static void
ports_of_urls(void **state)
{
	static const struct {
		const char *url;
		uint16_t port;
	} urls[] = {
		{ "https://lists.example.com/a", 443 }, { "http://lists.example.com", 80 },
		{ "HTTPS://lists.example.com", 443 }, { "https://h:8443", 8443 },
		{ "https://h:8443/x:9", 8443 }, { "https://h:8443?x:9", 8443 },
		{ "https://user:pass@h/", 443 }, { "https://user:77@h:88/", 88 },
		{ "https://[2001:db8::1]/", 443 }, { "https://[2001:db8::1]:8443/", 8443 },
		{ "socks5://h", 1080 }, { "proxy:3128", 3128 }, { "proxy", 1080 },
		{ "https://h:0/", 0 }, { "https://h:/", 0 }, { "https://h:65536/", 0 },
		{ "https://h:8a/", 0 }, { "https://h:000443/", 0 }, { "", 1080 },
		{ "https://[::1", 443 },
	};
	size_t i;

	for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		assert_int_equal(admission_url_port(urls[i].url, 1080), urls[i].port);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_ports_that_are_configured),
		cmocka_unit_test(only_single_hosts),
		cmocka_unit_test(only_so_many_at_once),
		cmocka_unit_test(a_flood_is_refused),
		cmocka_unit_test(ports_of_urls),
	};

	return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
