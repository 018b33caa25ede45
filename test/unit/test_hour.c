/* SPDX-License-Identifier: GPL-3.0-or-later */
/* At most so many in any hour, against a plain count of what was sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/hour.h"

#define START	INT64_C(1700000000000)

static void
test_an_hour(void **state)
{
	struct hour hour;
	unsigned int i;

	hour_init(&hour, 3);
	for (i = 0; i < 3; i++) {
		assert_int_equal(hour_wait_ms(&hour, START + i), 0);
		assert_int_equal(hour_room(&hour, START + i), 3 - i);
		hour_sent(&hour, START + i);
	}
	assert_int_equal(hour_room(&hour, START + 2), 0);
	assert_int_equal(hour_wait_ms(&hour, START + 2), HOUR_MS - 2);
	assert_int_equal(hour_wait_ms(&hour, START + HOUR_MS - 1), 1);
	assert_int_equal(hour_room(&hour, START + HOUR_MS), 1);
	hour_sent(&hour, START + HOUR_MS);
	assert_int_equal(hour_wait_ms(&hour, START + HOUR_MS), 1);
	assert_int_equal(hour_room(&hour, START + 3 * HOUR_MS), 3);
}

static void
test_a_day_of_trying(void **state)
{
	static int64_t sent[2000];
	struct hour hour;
	unsigned int n = 0, i, within;
	int64_t now;

	hour_init(&hour, 12);
	for (now = START; now < START + 24 * HOUR_MS; now += 7321) {
		for (within = 0, i = 0; i < n; i++)
			within += now - sent[i] < HOUR_MS;
		assert_int_equal(hour_room(&hour, now), 12 - within);
		if (hour_wait_ms(&hour, now) > 0)
			continue;
		hour_sent(&hour, now);
		sent[n++] = now;
	}
	assert_in_range(n, 24 * 12 - 12, 24 * 12);
}

static void
test_the_clock_is_set_back(void **state)
{
	struct hour hour;

	hour_init(&hour, 1);
	hour_sent(&hour, START);
	assert_int_equal(hour_wait_ms(&hour, START - 10 * HOUR_MS), HOUR_MS);
	assert_int_equal(hour_room(&hour, START - 9 * HOUR_MS), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_hour),
		cmocka_unit_test(test_a_day_of_trying),
		cmocka_unit_test(test_the_clock_is_set_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
