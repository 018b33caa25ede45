/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Discovery: which lists GuardDuty of this account and region uses.  A member
 * account is told the administrator's.  Every loop is bounded, whatever the
 * answers say.
 */
#ifndef AWS_GUARDDUTY_H
#define AWS_GUARDDUTY_H

#include "aws/call.h"
#include "core/threat_set.h"

#define DETECTOR_MAX		64
#define DISCOVERY_REASON_MAX	512

struct discovery_ask {
	const char *region;		/* NULL: the site's */
	const char *detector;		/* NULL: the account's only one */
	const char *ca_file;
	bool trusted, entities;		/* these kinds as well */
};

struct discovery_end {
	bool listed;			/* there is a detector, and kinds not in failed were read whole */
	unsigned int failed;		/* 1u << kind of those that could not be read whole */
	unsigned int calls;
	uint32_t retry_after_s;
	char detector[DETECTOR_MAX];
	char reason[DISCOVERY_REASON_MAX];	/* why not, or of failed; empty: all is well */
	char note[DISCOVERY_REASON_MAX];	/* lists that GuardDuty itself cannot use; mostly empty */
};

typedef void discovery_set_fn(const struct threat_set *set, void *arg);

/* Calls found for each set, at most SETS_MAX times. */
void guardduty_discover(struct aws *aws, const struct aws_transport *via,
    const struct discovery_ask *ask, discovery_set_fn *found, void *arg,
    struct discovery_end *end);

/* The pieces of answers, for the fuzzer. */

#define PAGE_IDS	50	/* in one answer */
#define PAGE_TOKEN_MAX	1024

struct id_page {
	char ids[PAGE_IDS][SET_ID_MAX];
	size_t n;
	char token[PAGE_TOKEN_MAX];	/* of the next page; empty: none */
};
/* name is the key of the ids.  False: it is no such answer. */
bool guardduty_read_page(struct id_page *page, const char *name, const char *json, size_t size);

/* kind and id are set before.  False: it is no such answer; error is GuardDuty's for this list. */
bool guardduty_read_set(struct threat_set *set, char error[static DISCOVERY_REASON_MAX],
    const char *json, size_t size);

#endif
