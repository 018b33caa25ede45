/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/hour.h"

#include <assert.h>
#include <string.h>

void
hour_init(struct hour *hour, unsigned int max)
{
	assert(max > 0 && max <= HOUR_MOST);
	memset(hour, 0, sizeof(*hour));
	hour->max = max;
}

unsigned int
hour_room(struct hour *hour, int64_t now_ms)
{
	unsigned int i;

	/* after the clock was set back an hour begins anew, and does not last for ever */
	for (i = 0; i < hour->n; i++) {
		int64_t *sent_ms = &hour->sent_ms[(hour->first + i) % hour->max];

		if (*sent_ms > now_ms)
			*sent_ms = now_ms;
	}
	while (hour->n > 0 && now_ms - hour->sent_ms[hour->first] >= HOUR_MS) {
		hour->first = (hour->first + 1) % hour->max;
		hour->n--;
	}
	return hour->max - hour->n;
}

int64_t
hour_wait_ms(struct hour *hour, int64_t now_ms)
{
	return hour_room(hour, now_ms) > 0 ? 0 :
	    hour->sent_ms[hour->first] + HOUR_MS - now_ms;
}

void
hour_sent(struct hour *hour, int64_t now_ms)
{
	unsigned int room = hour_room(hour, now_ms);

	assert(room > 0);
	hour->sent_ms[(hour->first + hour->n) % hour->max] = now_ms;
	hour->n++;
}
