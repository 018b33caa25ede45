/* SPDX-License-Identifier: GPL-3.0-or-later */
/* By which ssh session a command was called, and what of it reaches the agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ctl/session.h"

static void
a_session_is_its_client_and_our_port(void **state)
{
	static const char *const pairs[][2] = {
		{ "192.0.2.10 40000 192.0.2.1 22", "on 192.0.2.10 22" },
		{ "2001:DB8::10 40000 2001:db8::1 2222", "on 2001:db8::10 2222" },
		{ "fe80::1%eth0 40000 fe80::2%eth0 22", "on fe80::1 22" },
		{ "::ffff:192.0.2.10 40000 ::ffff:192.0.2.1 22", "on 192.0.2.10 22" },
		{ "", "on" }, { "192.0.2.10", "on" }, { "192.0.2.10 40000 192.0.2.1", "on" },
		{ "192.0.2.10 40000 192.0.2.1 0", "on" },
		{ "192.0.2.10 40000 192.0.2.1 65536", "on" },
		{ "192.0.2.10 40000 192.0.2.1 ssh", "on" },
		{ "host.example 40000 192.0.2.1 22", "on" },
		{ "192.0.2.0/24 40000 192.0.2.1 22", "on" },
	};
	char text[64];
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		strcpy(text, "on");
		session_append_value(text, sizeof(text), pairs[i][0]);
		assert_string_equal(text, pairs[i][1]);
	}
}

static void
our_own_environment_comes_first(void **state)
{
	char text[64] = "on";

	setenv("SSH_CONNECTION", "192.0.2.10 40000 192.0.2.1 22", 1);
	session_append(text, sizeof(text));
	assert_string_equal(text, "on 192.0.2.10 22");
	unsetenv("SSH_CONNECTION");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_its_client_and_our_port),
		cmocka_unit_test(our_own_environment_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
