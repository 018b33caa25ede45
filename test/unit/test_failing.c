/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A day of failures, over restarts of the agent, of the host, and clocks that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/failing.h"

#define HOUR	(3600 * INT64_C(1000))
#define NOON	(INT64_C(1700000000) * 1000)	/* a day in 2023 */

/* A host and its clocks, and the agent on it. */
struct host {
	struct failing failing;
	int64_t now, wall;
	char boot[FAILING_BOOT_MAX];
	unsigned int boots, told;
};

static void
start_host(struct host *host, int64_t wall)
{
	snprintf(host->boot, sizeof(host->boot), "boot-%u", ++host->boots);
	host->now = 20000;
	host->wall = wall;
}

static struct host
new_host(void)
{
	struct host host;

	memset(&host, 0, sizeof(host));
	start_host(&host, NOON);
	return host;
}

static void
pass(struct host *host, int64_t ms)
{
	host->now += ms;
	host->wall += ms;
}

static void
fail_once(struct host *host)
{
	const struct failing_clock clock = { host->now, host->wall, host->boot };

	failing_again(&host->failing, &clock);
	host->told += failing_is_due(&host->failing);
}

/* Another run of the agent has what is on disk. */
static void
restart_agent(struct host *host)
{
	char text[FAILING_TEXT_MAX];
	size_t len = failing_print(&host->failing, text);

	assert_int_equal(len, strlen(text));
	assert_true(len < FAILING_TEXT_MAX);
	assert_true(failing_read(&host->failing, text));
	assert_true(host->failing.on);
	assert_false(host->failing.here);
}

static void
fail_for(struct host *host, int hours)
{
	for (; hours > 0; hours--) {
		pass(host, HOUR);
		fail_once(host);
	}
}

static void
a_day_in_one_run(void **state)
{
	struct host host = new_host();

	fail_once(&host);
	assert_true(host.failing.on && host.failing.here);
	fail_for(&host, 23);
	/* what the wall says is of no account */
	host.wall += 40 * 365 * 24 * HOUR;
	fail_once(&host);
	host.wall = 0;
	fail_once(&host);
	assert_int_equal(host.told, 0);
	fail_for(&host, 1);
	assert_int_equal(host.told, 1);
	fail_for(&host, 100);
	assert_int_equal(host.told, 1);
}

static void
an_agent_that_is_restarted_each_night(void **state)
{
	struct host host = new_host();

	fail_once(&host);
	fail_for(&host, 20);
	/* the boot's clock counts, set the other one as you like */
	host.wall = 0;
	restart_agent(&host);
	fail_for(&host, 3);
	assert_int_equal(host.told, 0);
	restart_agent(&host);
	fail_for(&host, 1);
	assert_int_equal(host.told, 1);
	/* told once over restarts, too */
	restart_agent(&host);
	fail_for(&host, 50);
	assert_int_equal(host.told, 1);
}

static void
a_host_that_is_started_anew_each_night(void **state)
{
	struct host host = new_host();

	fail_once(&host);
	fail_for(&host, 20);
	restart_agent(&host);
	start_host(&host, host.wall + HOUR);
	fail_once(&host);
	assert_int_equal(host.failing.for_ms, 21 * HOUR);
	fail_for(&host, 2);
	assert_int_equal(host.told, 0);
	fail_for(&host, 1);
	assert_int_equal(host.told, 1);
}

static void
a_host_with_no_clock(void **state)
{
	struct host host = new_host();
	int i;

	/* in 1970 until NTP sets it, which it does not get to: nothing of the nights counts */
	fail_once(&host);
	for (i = 0; i < 7; i++) {
		fail_for(&host, 3);
		restart_agent(&host);
		start_host(&host, 1000);
		fail_once(&host);
		assert_int_equal(host.told, 0);
	}
	fail_for(&host, 3);
	assert_int_equal(host.told, 1);
}

static void
a_clock_far_ahead_and_a_host_that_was_off(void **state)
{
	struct host host = new_host();

	fail_once(&host);
	fail_for(&host, 3);
	restart_agent(&host);
	start_host(&host, host.wall + 30 * 365 * 24 * HOUR);
	fail_once(&host);
	assert_int_equal(host.failing.for_ms, 3 * HOUR + FAILING_GAP_MS);
	fail_for(&host, 8);
	assert_int_equal(host.told, 0);
	fail_for(&host, 1);
	assert_int_equal(host.told, 1);
	/* and an agent that was stopped for days on a host that ran */
	host = new_host();
	fail_once(&host);
	restart_agent(&host);
	pass(&host, 90 * HOUR);
	fail_once(&host);
	assert_int_equal(host.failing.for_ms, FAILING_GAP_MS);
	assert_int_equal(host.told, 0);
}

static void
a_boot_that_is_not_known(void **state)
{
	struct host host = new_host();

	host.boot[0] = '\0';
	fail_once(&host);
	fail_for(&host, 2);
	restart_agent(&host);
	assert_string_equal(host.failing.boot, "");
	/* its clock may be another boot's: the wall's is asked */
	host.now = 5 * HOUR * 1000;
	host.wall += HOUR;
	fail_once(&host);
	assert_int_equal(host.failing.for_ms, 3 * HOUR);
	fail_for(&host, 21);
	assert_int_equal(host.told, 1);
}

static void
what_is_no_such_line(void **state)
{
	static const char *const bad[] = {
		"", "\n", "1 2 3 boot", "1 2 3 boot 0", "1 2 3 boot 2\n", "1 2 3 boot -1\n",
		"-1 2 3 boot 0\n", "1 -2 3 boot 0\n", "1 2 -3 boot 0\n", "x 2 3 boot 0\n",
		"1 2 3 boot 0\nmore\n", "1 2 3 boot 0 \n", "99999999999999999999999 2 3 boot 0\n",
		"1 2 3 0123456789012345678901234567890123456789 0\n",
		"1 2 3 boot                                                                             "
		"                                                                        0\n",
	};
	struct failing failing;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&failing, 0xff, sizeof(failing));
		if (failing_read(&failing, bad[i]))
			fail_msg("taken: %s", bad[i]);
		assert_false(failing.on || failing.told || failing.for_ms != 0);
	}
	assert_true(failing_read(&failing, "1 2 3 boot 1\n"));
	assert_true(failing.told && failing.for_ms == 1 && failing.last_ms == 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_in_one_run),
		cmocka_unit_test(an_agent_that_is_restarted_each_night),
		cmocka_unit_test(a_host_that_is_started_anew_each_night),
		cmocka_unit_test(a_host_with_no_clock),
		cmocka_unit_test(a_clock_far_ahead_and_a_host_that_was_off),
		cmocka_unit_test(a_boot_that_is_not_known),
		cmocka_unit_test(what_is_no_such_line),
	};

	return cmocka_run_group_tests_name("failing", tests, NULL, NULL);
}
