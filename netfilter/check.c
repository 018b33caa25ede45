/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One address, asked of the kernel's sets element by element. */
#include <string.h>

#include "engine.h"
#include "readback.h"

struct question {
	struct enforce *enforce;
	unsigned int family;
	const uint8_t *key;
};

static enum enforce_answer
answer_of(int has)
{
	return has > 0 ? ENFORCE_YES : has == 0 ? ENFORCE_NO : ENFORCE_UNKNOWN;
}

static enum enforce_answer
either(enum enforce_answer a, enum enforce_answer b)
{
	if (a == ENFORCE_YES || b == ENFORCE_YES)
		return ENFORCE_YES;
	return a == ENFORCE_UNKNOWN || b == ENFORCE_UNKNOWN ? ENFORCE_UNKNOWN : ENFORCE_NO;
}

static enum enforce_answer
both(enum enforce_answer a, enum enforce_answer b)
{
	if (a == ENFORCE_NO || b == ENFORCE_NO)
		return ENFORCE_NO;
	return a == ENFORCE_UNKNOWN || b == ENFORCE_UNKNOWN ? ENFORCE_UNKNOWN : ENFORCE_YES;
}

/* The name that is in use, or both before the first apply. */
static enum enforce_answer
ask_set(const struct question *question, unsigned int set, const uint8_t *key)
{
	const struct enforce *enforce = question->enforce;
	const struct turn *turn = &enforce->sets[set];
	enum enforce_answer answer = ENFORCE_NO;
	unsigned int name;

	for (name = 0; name < 2; name++) {
		if (enforce->turns_sure && (!turn->present || turn->turn != name))
			continue;
		answer = either(answer, answer_of(readback_has(enforce->kernel,
		    set_info(set)->names[name], key, set_info(set)->key_size)));
	}
	return answer;
}

static enum enforce_answer
ask_class(const struct question *question, enum set_class class)
{
	return either(ask_set(question, set_of(class, SHAPE_HOSTS, question->family), question->key),
	    ask_set(question, set_of(class, SHAPE_NETS, question->family), question->key));
}

/* Are the sets behind the prefilter asked at all? */
static enum enforce_answer
ask_top(const struct question *question)
{
	const struct enforce *enforce = question->enforce;
	unsigned int set = SET_TOP(question->family);
	enum top_scope scope = enforce->top[question->family];
	uint8_t first[KEY_MAX] = { 0 };
	unsigned int bits;

	/* which of an earlier run's sets the rules refer to, and how, is not known yet */
	if (scope == TOP_UNKNOWN || !enforce->turns_sure || !enforce->sets[set].present)
		return ENFORCE_YES;
	bits = top_bits(question->family, scope);
	memcpy(first, question->key, (bits + 7) / 8);
	if (bits % 8 != 0)
		first[bits / 8] &= (uint8_t)(0xff << (8 - bits % 8));
	return ask_set(question, set, first);
}

/* As the base chains ask: table.c. */
static enum enforce_answer
ask_listed(const struct question *question)
{
	unsigned int family = question->family;
	enum enforce_answer hosts, nets, top = ask_top(question);

	hosts = ask_set(question, set_of(CLASS_LISTED, SHAPE_HOSTS, family), question->key);
	nets = ask_set(question, set_of(CLASS_LISTED, SHAPE_NETS, family), question->key);
	if (question->enforce->top[family] == TOP_NETS)
		return either(hosts, both(nets, top));
	return both(either(hosts, nets), top);
}

/* The engine's own copy of the members. */
static enum enforce_answer
expect_protect(const struct question *question)
{
	const struct turn *sets = question->enforce->sets;
	unsigned int shape;

	if (!question->enforce->turns_sure)
		return ENFORCE_UNKNOWN;
	for (shape = 0; shape < SHAPE_END; shape++) {
		if (keys_contain(&sets[set_of(CLASS_PROTECT, (enum set_shape)shape,
		    question->family)].keys, question->key))
			return ENFORCE_YES;
	}
	return ENFORCE_NO;
}

int
enforce_check(struct enforce *enforce, const struct addr *addr, struct enforce_check *check,
    struct enforce_error *err)
{
	const struct question question = {
		enforce, addr->family == ADDR_V4 ? FAMILY_V4 : FAMILY_V6, addr->bytes,
	};
	struct table_state state;
	int error;

	memset(check, 0, sizeof(*check));
	error = readback_table(enforce->kernel, &state);
	if (error != 0 || !state.exists)
		return error == 0 ? 0 : enforce_fail(err, error, "asking for the table", NULL);
	check->listed = ask_listed(&question);
	check->protect = ask_class(&question, CLASS_PROTECT);
	check->allow = answer_of(readback_has(enforce->kernel,
	    fixture_name(FIXTURE_ALLOW4 + question.family), addr->bytes,
	    addr_bits(addr->family) / 8));
	check->expect_protect = expect_protect(&question);
	check->expect_allow = answer_of(keys_contain(&enforce->allow[question.family].ranges,
	    addr->bytes));
	return 0;
}
