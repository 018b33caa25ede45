/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * AWS keys that roles were handed out, kept by the parent so that a feed, which
 * lives for one refresh, and a reporter that was started again have the last
 * ones even when nobody hands out any more.  Never on disk, never told: in
 * locked memory that no core file holds.
 *
 * Keys go only to roles that are trusted as much as the giver, or less: the
 * feed gets the newer ones of feed and reporter, the reporter those of a
 * reporter alone.  A feed that was taken over could otherwise have findings
 * sent to an account of its own.
 */
#ifndef AGENT_KEYS_H
#define AGENT_KEYS_H

#include <stdbool.h>

#include "runtime/channel.h"

/* Longer than any service hands keys out for (GetSessionToken: 36 hours). */
#define KEYS_LIFE_MAX_MS	(INT64_C(36) * 3600 * 1000)

struct keys;

struct keys *keys_new(void);	/* NULL: no memory */
void keys_free(struct keys *keys);	/* wiped before */

/* now_ms: wall clock.  False: they would be good for longer than keys are; not kept. */
bool keys_keep(struct keys *keys, bool of_feed, const struct msg_keys *given, int64_t now_ms);

/* Those for a role, also past their end; NULL: none.  Valid until the next keys_keep. */
const struct msg_keys *keys_for(const struct keys *keys, bool for_feed);

#endif
