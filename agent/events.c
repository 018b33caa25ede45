/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "threatlistd/log.h"

#define EVENTS_WAITING_MAX	256	/* while there is no reporter; older ones stay, newer are counted */

struct events {
	struct agent *agent;
	uint64_t next_id;
	unsigned int n;
	uint64_t lost;
	struct event waiting[EVENTS_WAITING_MAX];
};

struct events *
events_new(struct agent *agent)
{
	struct events *events;

	events = calloc(1, sizeof(*events));
	if (events == NULL)
		return NULL;
	events->agent = agent;
	/* grows over restarts too: a millisecond gives a thousand ids */
	events->next_id = (uint64_t)loop_wall_ms() * 1000;
	return events;
}

void
events_free(struct events *events)
{
	free(events);
}

void
event_init(struct event *event, enum event_name name, const char *by)
{
	memset(event, 0, sizeof(*event));
	event->name = (uint8_t)name;
	event->time_ms = loop_wall_ms();
	snprintf(event->by, sizeof(event->by), "%s", by != NULL ? by : "");
}

static void
send_one(struct events *events, const struct event *event)
{
	struct message message = { .type = MSG_EVENT };

	message.u.event = *event;
	/* a reporter that is not there gets it when it starts */
	role_send(events->agent->roles[ROLE_REPORTER], &message, -1);
}

void
events_raise(struct events *events, struct event *event)
{
	if (events->n == EVENTS_WAITING_MAX) {
		if (events->lost++ == 0)
			log_error("events lost waiting=%u reason=\"no reporter takes them\"",
			    events->n);
		return;
	}
	event->id = events->next_id++;
	events->waiting[events->n++] = *event;
	send_one(events, event);
}

void
events_kept(struct events *events, uint64_t id)
{
	unsigned int i;

	for (i = 0; i < events->n; i++) {
		if (events->waiting[i].id != id)
			continue;
		memmove(&events->waiting[i], &events->waiting[i + 1],
		    (events->n - i - 1) * sizeof(events->waiting[0]));
		events->n--;
		break;
	}
	if (events->n == 0 && events->lost > 0) {
		struct event event;

		event_init(&event, EVENT_REPORTS_LOST, NULL);
		snprintf(event.reason, sizeof(event.reason),
		    "%llu events found no reporter for too long", (unsigned long long)events->lost);
		events->lost = 0;
		events_raise(events, &event);
	}
}

void
events_send_all(struct events *events)
{
	unsigned int i;

	for (i = 0; i < events->n; i++)
		send_one(events, &events->waiting[i]);
}
