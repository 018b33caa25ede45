/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parent takes from which role. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "permit.h"

#define OF(kind)	(1u << (kind))

/* Everything that is not here is taken from nobody. */
static const unsigned int who[MSG_END + 2] = {
	[MSG_KEYS] = OF(ROLE_REPORTER),	/* never a feed's: it could choose whose account is used */
	[MSG_NO_KEYS] = OF(ROLE_REPORTER),
	[MSG_KEYS_ASK] = OF(ROLE_FEED),
	[MSG_DOMAINS] = OF(ROLE_FEED),
	[MSG_FETCHED] = OF(ROLE_FEED),
	[MSG_HOST_FOUND] = OF(ROLE_FEED),
	[MSG_DISCOVERED] = OF(ROLE_FEED),
	[MSG_APPLIED] = OF(ROLE_ENFORCER),
	[MSG_MODE_DONE] = OF(ROLE_ENFORCER),
	[MSG_CHECKED] = OF(ROLE_ENFORCER),
	[MSG_PLANNED] = OF(ROLE_ENFORCER),
	[MSG_VERIFIED] = OF(ROLE_ENFORCER),
	[MSG_ENFORCER_STATUS] = OF(ROLE_ENFORCER),
	[MSG_EVENT] = OF(ROLE_ENFORCER),
	[MSG_ENDPOINT_DONE] = OF(ROLE_ENFORCER),
	[MSG_COUNTS] = OF(ROLE_ENFORCER) | OF(ROLE_SENSOR),
	[MSG_SENSOR_STATUS] = OF(ROLE_SENSOR),
	[MSG_SIGHTING] = OF(ROLE_SENSOR),
	[MSG_EVENT_KEPT] = OF(ROLE_REPORTER),
	[MSG_ANSWER] = OF(ROLE_REPORTER),
	[MSG_REPORTER_STATUS] = OF(ROLE_REPORTER),
	[MSG_SINK_STATUS] = OF(ROLE_REPORTER),
	[MSG_ENDPOINT] = OF(ROLE_FEED) | OF(ROLE_REPORTER),
	[MSG_CONFINED] = OF(ROLE_FEED) | OF(ROLE_ENFORCER) | OF(ROLE_SENSOR) | OF(ROLE_REPORTER),
};

static void
each_role_says_what_is_its_to_say(void **state)
{
	uint32_t type;
	int kind;

	for (type = 0; type < MSG_END + 2; type++) {
		for (kind = 0; kind < ROLE_END; kind++)
			assert_int_equal(permit_message((enum role_kind)kind, type),
			    (who[type] & OF(kind)) != 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_role_says_what_is_its_to_say),
	};

	return cmocka_run_group_tests_name("permit", tests, NULL, NULL);
}
