/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What GuardDuty's lists become: names, who stays, and what is kept of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/threat_set.h"

#define ID	"12abc34d567e8fa901bc2d34e56789f0"

static struct threat_set
set_of(const char *id, const char *name, enum set_kind kind, enum set_state state)
{
	struct threat_set set = { .kind = (uint8_t)kind, .state = (uint8_t)state,
	    .format = "txt" };

	snprintf(set.id, sizeof(set.id), "%s", id);
	snprintf(set.name, sizeof(set.name), "%s", name);
	snprintf(set.location, sizeof(set.location), "https://s3.amazonaws.com/b/%s", name);
	return set;
}

static void
add(struct set_table *table, const char *id, const char *name, enum set_kind kind,
    enum set_state state)
{
	table->sets[table->n++] = set_of(id, name, kind, state);
}

static void
titles_become_names(void **state)
{
	char name[LIST_NAME_MAX], title[301];

	set_name_make(name, "Example-Threat-List", ID);
	assert_string_equal(name, "Example-Threat-List");
	set_name_make(name, "my trusted/ips", ID);
	assert_string_equal(name, "my-trusted_ips");
	set_name_make(name, "-x", ID);
	assert_string_equal(name, "set--x");
	set_name_make(name, "\xc3\xa4", ID);
	assert_string_equal(name, "set-__");
	memset(title, 'a', 300);
	title[300] = '\0';
	set_name_make(name, title, ID);
	assert_int_equal(strlen(name), LIST_NAME_MAX - 1);
	assert_string_equal(name + LIST_NAME_MAX - 10, "-12abc34d");
}

static void
only_active_ones_are_in_use(void **state)
{
	static const char *const out[] = { "INACTIVE", "DEACTIVATING", "ERROR", "DELETE_PENDING",
	    "DELETED" };
	size_t i;

	assert_int_equal(set_state_of("ACTIVE"), SET_IN_USE);
	assert_int_equal(set_state_of("ACTIVATING"), SET_CHANGING);
	assert_int_equal(set_state_of("SOMETHING_NEW"), SET_CHANGING);
	for (i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		assert_int_equal(set_state_of(out[i]), SET_OUT);
}

static void
merge_follows_the_answer_and_keeps_what_it_cannot_tell(void **state)
{
	struct set_table old = { .n = 0 }, fresh = { .n = 0 }, into;

	add(&old, "stays", "a", SET_THREAT_INTEL, SET_IN_USE);
	add(&old, "activates", "b", SET_THREAT_INTEL, SET_IN_USE);
	add(&old, "off", "c", SET_THREAT_INTEL, SET_IN_USE);
	add(&old, "removed", "d", SET_IP, SET_IN_USE);
	add(&old, "unread", "e", SET_THREAT_ENTITY, SET_IN_USE);
	add(&fresh, "stays", "a", SET_THREAT_INTEL, SET_IN_USE);
	add(&fresh, "activates", "b", SET_THREAT_INTEL, SET_CHANGING);
	add(&fresh, "off", "c", SET_THREAT_INTEL, SET_OUT);
	add(&fresh, "new", "n", SET_IP, SET_IN_USE);
	add(&fresh, "newer", "o", SET_IP, SET_CHANGING);
	assert_true(set_table_merge(&into, &old, &fresh, 1u << SET_THREAT_ENTITY));
	assert_int_equal(into.n, 4);
	assert_int_equal(set_find(&into, "stays")->state, SET_IN_USE);
	assert_int_equal(set_find(&into, "activates")->state, SET_CHANGING);
	assert_non_null(set_find(&into, "new"));
	assert_non_null(set_find(&into, "unread"));
	/* twice the same id: not one word of it is believed */
	add(&fresh, "new", "n", SET_IP, SET_IN_USE);
	assert_false(set_table_merge(&into, &old, &fresh, 0));
}

static bool
taken(const char *name, void *arg)
{
	return strcmp(name, "ours") == 0;
}

static void
names_are_unique_and_stay(void **state)
{
	struct set_table old = { .n = 0 }, table = { .n = 0 };

	add(&old, "0123456789", "same", SET_IP, SET_IN_USE);
	add(&table, "fedcba9876", "same", SET_THREAT_INTEL, SET_IN_USE);
	add(&table, "0123456789", "renamed", SET_IP, SET_IN_USE);
	add(&table, "aaaaaaaaaaaa", "ours", SET_THREAT_INTEL, SET_IN_USE);
	set_table_name(&table, &old, taken, NULL);
	assert_string_equal(table.sets[0].name, "same-fedcba98");
	assert_string_equal(table.sets[1].name, "same");
	assert_string_equal(table.sets[2].name, "ours-aaaaaaaa");
}

static void
table_survives_a_restart(void **state)
{
	struct set_table table = { .n = 0 }, back;
	char *text = NULL;
	size_t size, i;
	FILE *out;

	add(&table, "a1", "one", SET_THREAT_INTEL, SET_IN_USE);
	add(&table, "b2", "two", SET_TRUSTED_ENTITY, SET_CHANGING);
	snprintf(table.sets[1].owner, sizeof(table.sets[1].owner), "123456789012");
	snprintf(table.detector, sizeof(table.detector), "12abc34d567e8fa901bc2d34e56789f0");
	out = open_memstream(&text, &size);
	assert_non_null(out);
	set_table_print(&table, out);
	fclose(out);
	for (i = 0; i < size - 1; i++) {
		/* cut anywhere it is not taken for the whole, or holds fewer sets */
		char *cut = strndup(text, i);

		assert_false(set_table_parse(&back, cut) && back.n == 2 &&
		    memcmp(&back.sets[1], &table.sets[1], sizeof(back.sets[1])) == 0 &&
		    i + 1 < size - 1);
		free(cut);
	}
	assert_true(set_table_parse(&back, text));
	assert_int_equal(back.n, 2);
	assert_memory_equal(back.sets, table.sets, 2 * sizeof(back.sets[0]));
	assert_string_equal(back.detector, table.detector);
	free(text);
	/* as it was kept before there was a detector in it */
	text = strdup("threatlistd sets 1\n");
	assert_true(set_table_parse(&back, text));
	assert_string_equal(back.detector, "");
	free(text);
	text = strdup("threatlistd sets 1\tdetector/../x\n");
	assert_false(set_table_parse(&back, text));
	free(text);
}

static void
sets_from_the_feed_are_checked(void **state)
{
	struct threat_set good = set_of(ID, "name", SET_IP, SET_IN_USE), bad;

	assert_true(set_is_good(&good));
#define WRONG(member, value)	do { \
		bad = good; \
		snprintf(bad.member, sizeof(bad.member), "%s", value); \
		assert_false(set_is_good(&bad)); \
	} while (0)
	WRONG(name, "../../etc");
	WRONG(name, ".hidden");
	WRONG(name, "");
	WRONG(id, "a\tb");
	WRONG(id, "");
	WRONG(location, "");
	WRONG(location, "s3://b/k\n");
	WRONG(owner, "1234");
	WRONG(format, "TXT");
	bad = good;
	memset(bad.location, 'x', sizeof(bad.location));
	assert_false(set_is_good(&bad));
	bad = good;
	bad.kind = SET_KIND_END;
	assert_false(set_is_good(&bad));
	bad = good;
	bad.state = SET_STATE_END;
	assert_false(set_is_good(&bad));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(titles_become_names),
		cmocka_unit_test(only_active_ones_are_in_use),
		cmocka_unit_test(merge_follows_the_answer_and_keeps_what_it_cannot_tell),
		cmocka_unit_test(names_are_unique_and_stay),
		cmocka_unit_test(table_survives_a_restart),
		cmocka_unit_test(sets_from_the_feed_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
