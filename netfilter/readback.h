/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the kernel says is there. */
#ifndef NETFILTER_READBACK_H
#define NETFILTER_READBACK_H

#include "kernel.h"
#include "keys.h"
#include "sets.h"
#include "table.h"

struct table_state {
	bool exists, dormant;
	uint64_t handle;
	uint64_t epoch;		/* as given to table_create; another program's table: its handle */
};
int readback_table(struct kernel *kernel, struct table_state *state);

struct set_state {
	bool turns[SET_TURNS][2];
	uint32_t handles[SET_TURNS][2];	/* the kernel's numbers of them, none is given twice */
	bool fixtures[FIXTURE_END];
};
int readback_sets(struct kernel *kernel, struct set_state *state);

/*
 * Has somebody given a hook to a chain of ours that has none?  The kernel lets us put our
 * rules there, and every packet of the host would be judged by them.  1, 0, -errno.
 */
int readback_hooked(struct kernel *kernel);

struct rules_state {
	uint64_t mark;		/* differs when any rule of our chains was added, replaced, deleted */
	uint32_t n;
	bool drops;		/* the verdict chain has a drop … */
	bool armed;		/* … for as long as "armed" has members */
	/* the chains of isolate.c, which are not among the above */
	uint64_t isolate_mark;	/* 0: they have no rules */
	bool isolate_armed;	/* they cut off for as long as "isolate_armed" has members */
};
int readback_rules(struct kernel *kernel, struct rules_state *state);

/* 1: there is a set of this name, 0: there is not, -errno. */
int readback_has_set(struct kernel *kernel, const char *set);

/* 1: the set has this address, 0: it has not (or there is no such set), -errno. */
int readback_has(struct kernel *kernel, const char *set, const uint8_t *key, size_t size);

struct counter_state {
	uint64_t packets[COUNTER_END], bytes[COUNTER_END];
};
int readback_counters(struct kernel *kernel, struct counter_state *state);

#endif
