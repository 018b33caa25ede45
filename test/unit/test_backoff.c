/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Waiting after failures: full jitter between bounds, and what the receiver asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/backoff.h"

static void
ceiling_doubles_to_five_minutes(void **state)
{
	static const int64_t ceilings[] = { 1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000,
		256000, 300000, 300000 };
	unsigned int i;

	for (i = 0; i < sizeof(ceilings) / sizeof(ceilings[0]); i++) {
		uint64_t wide = (uint64_t)ceilings[i] + 1;

		assert_int_equal(backoff_ms(i + 1, 0, (uint64_t)ceilings[i]), ceilings[i]);
		assert_int_equal(backoff_ms(i + 1, 0, wide), 0);
		assert_int_equal(backoff_ms(i + 1, 0, wide * 7 + 500), 500);
	}
	assert_true(backoff_ms(4000000000u, 0, UINT64_MAX) <= 300000);
}

static void
retry_after_is_kept_to(void **state)
{
	uint64_t random;

	for (random = 0; random < 5000; random += 7) {
		int64_t delay = backoff_ms(3, 7000, random);

		assert_true(delay >= 7000 && delay < 8000);
	}
	assert_true(backoff_ms(1, INT64_MAX, 999) < 3600 * 1000 + 1000);
	assert_true(backoff_ms(1, INT64_MAX, 999) >= 3600 * 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ceiling_doubles_to_five_minutes),
		cmocka_unit_test(retry_after_is_kept_to),
	};

	return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
