/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A host whose own public address is on a list: it is the listed one. */
#ifndef CORE_OWN_H
#define CORE_OWN_H

#include "core/finding.h"

#define OWN_TYPE	"UnauthorizedAccess:EC2/OwnAddressListed.Custom"
#define OWN_SEVERITY	8

/* One such address, as it is to be told. */
struct own_listed {
	const struct own_address *own;
	struct range entry;
	char lists[FINDING_LISTS_SIZE];	/* as in struct finding */
	/* of the instance's role; empty: not known.  Never secrets. */
	char key_id[FACT_MAX], role[FACT_MAX];
	int64_t created_ms, updated_ms;
	uint64_t revision;
};

/* Is this address on the list?  Fills own, entry and lists. */
bool own_find(struct own_listed *listed, const struct list *list, const struct own_address *own);

/* The digest of host_id|type|address|, as for findings, with no direction. */
void own_finding_id(char id[static FINDING_ID_SIZE], const char *host_id,
    const struct own_address *own);

/* As render_finding. */
char *render_own(const struct own_listed *listed, const struct host_facts *facts,
    const char *spool);

#endif
