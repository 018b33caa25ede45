/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to filter*.c: the allow lists as data. */
#ifndef RUNTIME_FILTER_RULES_H
#define RUNTIME_FILTER_RULES_H

#include <stddef.h>
#include <stdint.h>

#define FILTER_VALUES_MAX	14
#define FILTER_CONDITIONS_MAX	2

/* Of an argument the lower 32 bits: what is asked about here are ints and flags below. */
struct filter_condition {
	uint32_t mask;			/* (argument & mask) is one of values; 0: no condition */
	uint8_t argument;		/* 0…5 */
	uint8_t n;			/* values; 0: the process's own pid is the one */
	uint32_t values[FILTER_VALUES_MAX];
};

/* A call is allowed when a rule for it says so; several for one call: any of them. */
struct filter_rule {
	int call;
	unsigned int roles;		/* bits, 1 << enum filter_role */
	int error;			/* not 0: fails with this errno, silently */
	struct filter_condition conditions[FILTER_CONDITIONS_MAX];
};

const struct filter_rule *filter_rules(size_t *n);

#endif
