/* SPDX-License-Identifier: GPL-3.0-or-later */
/* At most so many in any hour.  Pure: the time is an argument. */
#ifndef CORE_HOUR_H
#define CORE_HOUR_H

#include <stdint.h>

#define HOUR_MOST	1000	/* in an hour */
#define HOUR_MS		INT64_C(3600000)

struct hour {
	unsigned int max;		/* 1…HOUR_MOST */
	unsigned int n, first;		/* of sent, a ring of max */
	int64_t sent_ms[HOUR_MOST];	/* within the last hour, oldest at first */
};

void hour_init(struct hour *hour, unsigned int max);
/* How many may go now. */
unsigned int hour_room(struct hour *hour, int64_t now_ms);
/* Until one may go; 0: now. */
int64_t hour_wait_ms(struct hour *hour, int64_t now_ms);
/* One went; there was room. */
void hour_sent(struct hour *hour, int64_t now_ms);

#endif
