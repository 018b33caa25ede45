/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table as an admin reads it: what it is called, its chains, its rules. */
#ifndef NETFILTER_TABLE_H
#define NETFILTER_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "batch.h"
#include "sets.h"

/* What the rules depend on. */
struct rule_plan {
	uint8_t mode;			/* enum enforce_mode: watch or drop */
	int64_t until_ms;		/* of armed_now_ms: drop turns into watch then; 0: never */
	bool log;
	uint16_t nflog_group;
	const char *set[SET_TURNS];	/* name to look up, NULL: no such set */
	enum top_scope top[FAMILY_END];	/* TOP_UNKNOWN: the prefilter is not asked */
};

/* Named counters: they outlive the rules that count into them. */
enum table_counter {
	COUNTER_DROPPED, COUNTER_REJECTED, COUNTER_WATCHED, COUNTER_PROTECTED, COUNTER_ALLOWED,
	COUNTER_FLOODED, COUNTER_OVERFLOW, COUNTER_ISOLATED,
	COUNTER_END
};
const char *counter_name(enum table_counter counter);

bool table_chain_is_ours(const char *name);
/* Does it have no hook of its own, only rules that go there? */
bool table_chain_is_regular(const char *name);

/* Each appends messages to the batch. */
/* epoch: a number for the table's life, kept in its user data. */
void table_create(struct batch *batch, bool dormant, uint64_t epoch);
#define TABLE_USERDATA_EPOCH	200u	/* nft knows types from 0 up and skips others */
void table_set_dormant(struct batch *batch, bool dormant);
void table_delete(struct batch *batch);
void table_counters(struct batch *batch);
/* Makes the chains that are missing and replaces all their rules. */
void table_rules(struct batch *batch, const struct rule_plan *plan);
/* Replaces only the rules that depend on the mode. */
void table_verdict(struct batch *batch, const struct rule_plan *plan);

/* One log statement in the table (made if there is none), for kernel_validate. */
void table_log_probe(struct batch *batch, bool table, uint16_t nflog_group);

#endif
