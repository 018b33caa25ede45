/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one copy of the keys of AWS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "keys.h"
#include "runtime/sandbox.h"
#include "threatlistd/log.h"

#define NOW_MS	INT64_C(1700000000000)
#define HOUR_MS	INT64_C(3600000)

static struct msg_keys
keys_named(const char *id, int64_t expires_ms)
{
	struct msg_keys keys = { .expires_ms = expires_ms, .origin = KEYS_INSTANCE };

	snprintf(keys.id, sizeof(keys.id), "%s", id);
	return keys;
}

static void
there_is_one_copy(void **state)
{
	struct keys *keys = keys_new();
	struct msg_keys one = keys_named("one", NOW_MS + 3 * HOUR_MS);
	struct msg_keys two = keys_named("two", NOW_MS + 2 * HOUR_MS);

	assert_non_null(keys);
	assert_null(keys_last(keys));
	assert_true(keys_keep(keys, &one, NOW_MS));
	assert_string_equal(keys_last(keys)->id, "one");
	/* the later ones, not those that last longer */
	assert_true(keys_keep(keys, &two, NOW_MS));
	assert_string_equal(keys_last(keys)->id, "two");
	keys_free(keys);
}

static void
they_are_fresh_until_they_are_due(void **state)
{
	struct keys *keys = keys_new();
	struct msg_keys given = keys_named("a", NOW_MS + HOUR_MS);
	int64_t due_ms = NOW_MS + HOUR_MS - KEYS_RENEW_MS;

	assert_false(keys_are_fresh(keys, "", NOW_MS));
	assert_true(keys_keep(keys, &given, NOW_MS));
	assert_true(keys_are_fresh(keys, "", NOW_MS));
	assert_true(keys_are_fresh(keys, "b", due_ms - 1));
	assert_false(keys_are_fresh(keys, "", due_ms));
	assert_false(keys_are_fresh(keys, "a", NOW_MS));
	/* the clock was set back */
	assert_false(keys_are_fresh(keys, "", NOW_MS - 1));
	keys_free(keys);
}

/* Somebody may write other ones into a file. */
static void
they_are_fresh_for_a_while_without_an_end(void **state)
{
	struct keys *keys = keys_new();
	struct msg_keys given = keys_named("a", 0);

	given.origin = KEYS_FILE;
	assert_true(keys_keep(keys, &given, NOW_MS));
	assert_true(keys_are_fresh(keys, "", NOW_MS + KEYS_RENEW_MS - 1));
	assert_false(keys_are_fresh(keys, "", NOW_MS + KEYS_RENEW_MS));
	keys_free(keys);
}

static void
keys_that_last_too_long_are_none(void **state)
{
	struct keys *keys = keys_new();
	struct msg_keys given = keys_named("long", NOW_MS + KEYS_LIFE_MAX_MS + 1);

	assert_false(keys_keep(keys, &given, NOW_MS));
	assert_null(keys_last(keys));
	given.expires_ms--;
	assert_true(keys_keep(keys, &given, NOW_MS));
	/* past their end they are still the last ones */
	given.expires_ms = NOW_MS - 1;
	assert_true(keys_keep(keys, &given, NOW_MS));
	assert_non_null(keys_last(keys));
	assert_false(keys_are_fresh(keys, "", NOW_MS));
	keys_free(keys);
}

/* "Locked" and "dd" (do not dump) of the mapping they are in. */
static void
they_are_in_locked_memory_that_is_not_dumped(void **state)
{
	struct keys *keys = keys_new();
	struct msg_keys given = keys_named("x", NOW_MS);
	unsigned long from, to, at, kib = 0;
	FILE *maps = fopen("/proc/self/smaps", "r");
	bool here = false, locked = false, undumped = false;
	char line[512];

	assert_true(keys_keep(keys, &given, NOW_MS));
	at = (unsigned long)keys_last(keys);
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = at >= from && at < to;
		else if (here && sscanf(line, "Locked: %lu kB", &kib) == 1)
			locked = kib > 0;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			undumped = strstr(line, " dd") != NULL;
	}
	fclose(maps);
	assert_true(undumped);
	/* AddressSanitizer makes mlock do nothing */
	assert_true(locked || SANDBOX_SANITIZED);
	keys_free(keys);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_is_one_copy),
		cmocka_unit_test(they_are_fresh_until_they_are_due),
		cmocka_unit_test(they_are_fresh_for_a_while_without_an_end),
		cmocka_unit_test(keys_that_last_too_long_are_none),
		cmocka_unit_test(they_are_in_locked_memory_that_is_not_dumped),
	};

	log_init("test", LOG_STYLE_SILENT);
	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
