/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The same packet on its way through several interfaces: bridge and port, VLAN
 * and trunk, both sides of forwarding.  A capture on "any" shows it at each of
 * them, microseconds apart; it is to be taken once.  A packet that NAT
 * rewrites in between is another one.
 */
#ifndef CORE_REPEAT_H
#define CORE_REPEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/decode.h"

#define REPEAT_KEPT		256	/* listed packets that are remembered */
#define REPEAT_WITHIN_US	20000	/* a tenth of Linux' least retransmission timeout */

struct repeat;

struct repeat *repeat_new(uint64_t seed);	/* NULL: no memory */
void repeat_free(struct repeat *repeat);

/* Has another interface shown this packet just now?  If not, it is remembered. */
bool repeat_seen(struct repeat *repeat, const struct packet *packet, uint32_t ifindex,
    int64_t time_us);

#endif
