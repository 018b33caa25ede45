/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Is this address on the list?  Asked for every packet, so built for the
 * answer no, which is one bit of a 2 MiB bitmap in nearly every case.
 */
#ifndef CORE_MATCH_H
#define CORE_MATCH_H

#include "threatlistd/list.h"

/* Immutable; borrows the list it was made of. */
struct match;

struct match *match_new(const struct list *list);	/* NULL: no memory */
void match_free(struct match *match);

/* Asks the processor for what the answer will need, so that it is there by then. */
void match_prefetch(const struct match *match, const struct addr *addr);

bool match_has4(const struct match *match, uint32_t host_order);
bool match_has6(const struct match *match, const uint8_t addr[static 16]);

/* As list_find, fast when it is false. */
bool match_find(const struct match *match, const struct addr *addr, struct list_hit *hit);

/* Memory it takes beside the list. */
size_t match_bytes(const struct match *match);

#endif
