/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/own.h"

#include <stdio.h>
#include <string.h>

bool
own_find(struct own_listed *listed, const struct list *list, const struct own_address *own)
{
	struct list_hit hit;
	size_t i, at = 0;

	if (!list_find(list, &own->public_ip, &hit))
		return false;
	listed->own = own;
	listed->entry = hit.entry;
	for (i = 0; i < list_nsources(list) && i < LIST_SOURCES_MAX; i++) {
		const struct list_source *source = list_source(list, i);

		if ((hit.lists & UINT64_C(1) << i) != 0 && source->role == LIST_THREAT)
			at += (size_t)snprintf(listed->lists + at, sizeof(listed->lists) - at,
			    "%.*s\n", LIST_NAME_MAX - 2, source->name);
	}
	listed->lists[at] = '\0';
	return true;
}

void
own_finding_id(char id[static FINDING_ID_SIZE], const char *host_id,
    const struct own_address *own)
{
	char text[FACT_MAX + 128 + ADDR_TEXT_MAX], address[ADDR_TEXT_MAX];

	snprintf(text, sizeof(text), "%s|%s|%s|", host_id, OWN_TYPE,
	    addr_text(&own->public_ip, address));
	finding_digest(id, text);
}
