/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Events: what happened to lists, table and mode, on its way to the reporter,
 * which turns it into a finding.  Facts: who this host is.  Fixed-size, cross
 * process borders as they are; all strings NUL-terminated UTF-8.
 */
#ifndef THREATLISTD_FINDING_H
#define THREATLISTD_FINDING_H

#include <stdint.h>

#include "threatlistd/addr.h"
#include "threatlistd/list.h"

enum event_name {
	EVENT_LIST_CHANGED = 1,		/* Policy:EC2/ThreatListChanged.Custom, severity 1 */
	EVENT_LIST_HELD,		/* Policy:EC2/ThreatListHeld.Custom, 5 */
	EVENT_SOURCE_STALE,		/* Policy:EC2/ThreatListStale.Custom, 5 */
	EVENT_TABLE_RESTORED,		/* DefenseEvasion:EC2/EnforcementRemoved.Custom, 8 */
	EVENT_MODE_CHANGED,		/* Policy:EC2/EnforcementChanged.Custom, 5 */
	EVENT_PANIC,			/* the same type */
	EVENT_RESUME,			/* the same type */
	EVENT_REPORTS_LOST,		/* Policy:EC2/ReportsLost.Custom, 5 */
	EVENT_ISOLATE,			/* Policy:EC2/EnforcementChanged.Custom, 5 */
	EVENT_BYPASS,			/* DefenseEvasion:EC2/EnforcementBypassed.Custom, 8 */
	EVENT_BYPASS_OVER,		/* the same type, 5 */
	EVENT_NAME_END
};

struct event {
	uint64_t id;			/* unique per agent run; the reporter acknowledges it */
	int64_t time_ms;		/* since 1970, UTC */
	uint8_t name;			/* enum event_name */
	uint8_t has_counts;		/* added, removed, entries are known */
	uint8_t way;			/* of bypass, bypass-over: enum enforce_way, else 0 */
	uint8_t pad;			/* zero */
	uint32_t pid;			/* 0: unknown */
	char source[LIST_NAME_MAX];	/* empty: none */
	uint64_t added, removed;	/* ranges of addresses, list_difference */
	uint64_t entries;		/* that the source has now */
	uint8_t old_hash[LIST_HASH_LEN], new_hash[LIST_HASH_LEN];	/* all zero: none */
	char reason[256];		/* empty: none */
	char program[32];		/* who did it, if known */
	char by[64];			/* operator: "uid 0 (root)", if asked for */
};

#define FACT_MAX	128
#define FACT_OWN_MAX	8	/* public addresses that are told apart */

/* An address that others know this host by, and what it is mapped to (IPv6: the same). */
struct own_address {
	struct addr public_ip, private_ip;
	char interface_id[32];
};

struct host_facts {
	char host_id[FACT_MAX];		/* contract: never empty */
	char instance_id[FACT_MAX];	/* i-…, or host_id off EC2 */
	char account[FACT_MAX];		/* "000000000000" off EC2 */
	char region[FACT_MAX];		/* "local" off EC2 */
	char partition[FACT_MAX];	/* "aws" */
	char zone[FACT_MAX];
	char instance_type[FACT_MAX];
	char image_id[FACT_MAX];
	char profile_arn[FACT_MAX * 2], profile_id[FACT_MAX];
	char interface_id[FACT_MAX], vpc_id[FACT_MAX], subnet_id[FACT_MAX];
	char security_group_id[FACT_MAX], security_group[FACT_MAX];
	char detector_id[FACT_MAX];
	struct addr private_ip, public_ip;	/* ADDR_NONE: unknown */
	uint8_t on_ec2;
	uint8_t nown;			/* of own */
	struct own_address own[FACT_OWN_MAX];
};

#endif
