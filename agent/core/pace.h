/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When something is asked next: spread over the fleet, backing off while it
 * fails, sooner when there is reason to.  Pure: time and random bits are given.
 */
#ifndef CORE_PACE_H
#define CORE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_SPREAD		10	/* percent, of contents */
#define PACE_SPREAD_DISCOVER	25	/* percent, of discovery: it costs the account most */
#define PACE_RETRY_MS		5000	/* after the first failure, doubling */
#define PACE_HURRY_MS		60000	/* after the first reason to ask sooner, doubling */

struct pace {
	int64_t due_ms;		/* monotonic */
	int64_t retry_ms;	/* 0: not failing */
	int64_t hurry_ms;	/* the last hurry, 0: none */
	bool hurried;		/* due_ms is one */
};

/* period ± percent of it */
int64_t pace_spread(int64_t period_ms, unsigned int percent, uint32_t random);

void pace_done(struct pace *pace, int64_t now_ms, int64_t period_ms, unsigned int percent,
    uint32_t random);
/* Again after a while that doubles up to most_ms. */
void pace_failed(struct pace *pace, int64_t now_ms, int64_t most_ms, uint32_t random);

/*
 * There is reason to ask before it is due.  Reasons that stay do not ask for
 * ever: each asks later than the one before, up to most_ms.
 */
void pace_hurry(struct pace *pace, int64_t now_ms, int64_t most_ms, uint32_t random);
/* The reasons are gone. */
void pace_calm(struct pace *pace);

/* What falls due soon comes along with what is due: one process instead of two. */
bool pace_is_due(const struct pace *pace, int64_t now_ms, int64_t period_ms);

#endif
