/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The agent's one copy of the keys of AWS, kept by the parent so that a feed, which
 * lives for one refresh, and a reporter that was started again have the last ones
 * even when nobody hands out any more.  Never on disk, never told: in locked memory
 * that no core file holds.
 */
#ifndef AGENT_KEYS_H
#define AGENT_KEYS_H

#include <stdbool.h>

#include "runtime/channel.h"

/* Longer than any service hands keys out for (GetSessionToken: 36 hours). */
#define KEYS_LIFE_MAX_MS	(INT64_C(36) * 3600 * 1000)
/* As aws/credentials.c: so long before their end, and so often where they have none. */
#define KEYS_RENEW_MS		(INT64_C(15) * 60 * 1000)

struct keys;

struct keys *keys_new(void);	/* NULL: no memory */
void keys_free(struct keys *keys);	/* wiped before */

/*
 * In the place of what was kept.  now_ms: wall clock, as in all of these.  False: they
 * would be good for longer than keys are; not kept.
 */
bool keys_keep(struct keys *keys, const struct msg_keys *given, int64_t now_ms);

/* The last ones, also past their end; NULL: none.  Valid until the next keys_keep. */
const struct msg_keys *keys_last(const struct keys *keys);

/* Will they do without asking anybody?  refused: id that AWS does not take, or empty. */
bool keys_are_fresh(const struct keys *keys, const char *refused, int64_t now_ms);

#endif
