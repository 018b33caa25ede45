/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When remotes stop being told one by one: more than AGGREGATE_REMOTES new
 * remotes a minute out of one listed entry are a flood (a spoofed one costs
 * nothing to send), and the entry stands for all of them.
 *
 * Pure and bounded: at most max_entries entries are remembered, the one that
 * was quiet longest makes room.
 */
#ifndef CORE_AGGREGATE_H
#define CORE_AGGREGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "threatlistd/addr.h"

#define AGGREGATE_REMOTES	64	/* new remotes of one entry in a window, before it folds */
#define AGGREGATE_WINDOW_MS	(60 * 1000)
#define AGGREGATE_HOLD_MS	(5 * 60 * 1000)	/* stays folded after its last full window */

struct aggregate;

/* NULL: no memory.  max_entries is at least 1. */
struct aggregate *aggregate_new(size_t max_entries);
void aggregate_free(struct aggregate *aggregate);

/*
 * To be asked once for every remote that is new to the caller.  true: it stands
 * for itself.  false: its entry is in flood, count it under the entry.  An
 * entry of a single address never folds.  now_ms is any clock; small steps
 * back are borne, larger ones let the entry start afresh.
 */
bool aggregate_new_remote(struct aggregate *aggregate, const struct range *entry, int64_t now_ms);

#endif
