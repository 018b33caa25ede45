/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an operator ordered, over a restart. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/state.h"
#include "threatlistd/enforce.h"

static char dir[] = "/tmp/threatlistd-state-XXXXXX";

static int
make_dir(void **state)
{
	return mkdtemp(dir) == NULL;
}

static int
remove_dir(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/state", dir);
	unlink(path);
	return rmdir(dir);
}

static void
write_state(const char *text)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/state", dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void
what_is_stored_comes_back(void **state)
{
	struct state in = {
		.has_mode = true, .mode = ENFORCE_DROP, .conf_mode = ENFORCE_WATCH, .panic = true,
		.confirm.until_ms = INT64_C(123456789012), .confirm.wall_ms = INT64_C(1790000000123),
		.confirm.s = 120, .confirm.ended = true,
	};
	struct state out;

	state_boot_id(in.confirm.boot);
	assert_int_equal(strlen(in.confirm.boot), 36);
	assert_int_equal(state_store(&in, dir), 0);
	assert_int_equal(state_load(&out, dir), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	deadline_forget(&in.confirm);
	assert_int_equal(state_store(&in, dir), 0);
	assert_int_equal(state_load(&out, dir), 0);
	assert_int_equal(out.confirm.until_ms, 0);
	assert_string_equal(out.confirm.boot, "");
	assert_true(out.has_mode && out.panic && !out.purged);
}

static void
orders_wait_to_be_told(void **state)
{
	struct state in = { .panic = true }, out;
	char word[32];
	unsigned int i;

	for (i = 0; i < STATE_ORDERS_MAX + 2; i++) {
		snprintf(word, sizeof(word), "order-%u", i);
		state_note_order(&in, word, INT64_C(1790000000000) + i);
	}
	assert_int_equal(in.norders, STATE_ORDERS_MAX);
	assert_string_equal(in.orders[0].word, "order-2");
	assert_int_equal(state_store(&in, dir), 0);
	assert_int_equal(state_load(&out, dir), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	write_state("order = panic\n");
	assert_int_equal(state_load(&out, dir), -EINVAL);
	write_state("order = an-order-that-is-too-long@1\n");
	assert_int_equal(state_load(&out, dir), -EINVAL);
}

static void
an_isolation_comes_back_with_its_session(void **state)
{
	struct state in = { .isolate = true, .isolate_port = 22 }, out;

	assert_null(addr_parse(&in.isolate_session, "2001:db8::10", strlen("2001:db8::10")));
	deadline_begin(&in.isolate_end, 600, 1000, INT64_C(1790000000000));
	assert_int_equal(in.isolate_end.until_ms, 601000);
	assert_true(deadline_runs(&in.isolate_end, 600999));
	assert_int_equal(state_store(&in, dir), 0);
	assert_int_equal(state_load(&out, dir), 0);
	assert_true(out.isolate);
	assert_int_equal(out.isolate_port, 22);
	assert_true(addr_equal(&in.isolate_session, &out.isolate_session));
	assert_memory_equal(&in.isolate_end, &out.isolate_end, sizeof(in.isolate_end));
	assert_int_equal(out.confirm.until_ms, 0);
	deadline_begin(&in.isolate_end, 0, 1000, 1);
	assert_int_equal(in.isolate_end.until_ms, 0);
	state_forget_isolation(&in);
	assert_int_equal(state_store(&in, dir), 0);
	assert_int_equal(state_load(&out, dir), 0);
	assert_false(out.isolate);
	assert_int_equal(out.isolate_session.family, ADDR_NONE);
}

static void
a_damaged_file_is_no_state(void **state)
{
	static const char *const texts[] = {
		"mode = dorp\n", "nonsense\n", "unknown = 1\n", "mode = drop\nconfirm_until = x\n",
		"mode = drop\nconfirm_until = -5\n", "confirm_seconds = 99999999999\n",
		"confirm_until = 99999999999999999999\n",
	};
	struct state out;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_state(texts[i]);
		assert_int_equal(state_load(&out, dir), -EINVAL);
		assert_false(out.has_mode);
		assert_int_equal(out.confirm.until_ms, 0);
	}
	/* as an older agent wrote it */
	write_state("mode = drop\nconf_mode = watch\npanic = no\npurged = yes\n");
	assert_int_equal(state_load(&out, dir), 0);
	assert_true(out.has_mode && out.purged);
	assert_int_equal(state_load(&out, "/nonexistent"), 0);
}

static void
each_end_of_a_deadline_has_its_text(void **state)
{
	struct deadline deadline;
	char text[DEADLINE_TEXT_MAX];

	deadline_begin(&deadline, 60, 1000, 1);
	assert_false(deadline_runs(&deadline, 61000));
	deadline_end_text(&deadline, text);
	assert_string_equal(text, "not confirmed within 60 s");
	deadline.boot[0] ^= 1;
	assert_false(deadline_runs(&deadline, 1000));
	deadline_end_text(&deadline, text);
	assert_string_equal(text, "not confirmed before the host was started anew");
	deadline_begin(&deadline, 60, 1000, 1);
	deadline.ended = true;
	assert_false(deadline_runs(&deadline, 1000));
	deadline_end_text(&deadline, text);
	assert_string_equal(text, "ended by threatlistd --table expire");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_stored_comes_back),
		cmocka_unit_test(orders_wait_to_be_told),
		cmocka_unit_test(an_isolation_comes_back_with_its_session),
		cmocka_unit_test(each_end_of_a_deadline_has_its_text),
		cmocka_unit_test(a_damaged_file_is_no_state),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
