/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One finding's updates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/finding.h"

#define NOW	INT64_C(1700000000000)

/* Security Hub drops what is not newer than what it has. */
static void
test_an_update_is_newer_whatever_the_clock_says(void **state)
{
	struct finding finding;
	struct range remote;
	unsigned int notes = 0;

	assert_null(range_parse(&remote, "203.0.113.9", strlen("203.0.113.9"), &notes));
	finding_init(&finding, &remote, false, FLOW_INBOUND, NOW);
	finding_accept(&finding, NOW - 5);
	assert_int_equal(finding.updated_ms, NOW);
	finding_accept(&finding, NOW + 10);
	assert_int_equal(finding.updated_ms, NOW + 10);
	finding_accept(&finding, NOW - 3600000);
	assert_int_equal(finding.updated_ms, NOW + 11);
	assert_int_equal(finding.revision, 3);
	/* nor does it tell of what comes after it */
	finding.last_ms = NOW + 50;
	finding_accept(&finding, NOW - 3600000);
	assert_int_equal(finding.updated_ms, NOW + 50);
	finding_fini(&finding);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_update_is_newer_whatever_the_clock_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
