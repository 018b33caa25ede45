/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What replay prints: a line of JSON a listed side of a packet, and the findings. */
#ifndef CTL_REPLAY_LINES_H
#define CTL_REPLAY_LINES_H

#include <stdint.h>

#include "core/findings.h"
#include "core/sight.h"

/* One line for a listed side of a packet of this frame.  0 or -ENOMEM. */
int replay_packet(const struct list *list, const struct sight_hit *hit, uint64_t frame,
    int64_t time_us);

/* All findings by eventFirstSeen, then id.  0 or -ENOMEM. */
int replay_findings(const struct findings *findings, const struct host_facts *facts);

#endif
