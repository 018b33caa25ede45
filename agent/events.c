/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "threatlistd/log.h"

#define EVENTS_WAITING_MAX	256	/* while there is no reporter; older ones stay, newer are counted */
#define AGAIN_MS	10000	/* what was sent and is not kept by then is sent again */

struct events {
	struct agent *agent;
	struct loop_timer *again;	/* runs while any waits */
	uint64_t next_id;
	unsigned int n;
	uint64_t lost;
	struct event waiting[EVENTS_WAITING_MAX];
};

/*
 * A queue that was full or a disk that took nothing.  Not on top of what the
 * reporter has not taken yet, which may be just these; it knows one that it has.
 */
static void
on_again(void *arg)
{
	struct events *events = arg;

	if (events->n == 0)
		return;
	if (role_queued(events->agent->roles[ROLE_REPORTER]) == 0)
		events_send_all(events);
	loop_timer_start(events->agent->loop, events->again, AGAIN_MS);
}

struct events *
events_new(struct agent *agent)
{
	struct events *events;

	events = calloc(1, sizeof(*events));
	if (events == NULL)
		return NULL;
	events->agent = agent;
	events->again = loop_timer_new(agent->loop, on_again, events);
	if (events->again == NULL) {
		free(events);
		return NULL;
	}
	/* grows over restarts too: a millisecond gives a thousand ids */
	events->next_id = (uint64_t)loop_wall_ms() * 1000;
	return events;
}

void
events_free(struct events *events)
{
	if (events != NULL)
		loop_timer_free(events->agent->loop, events->again);
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
	/* a reporter that is not there gets it when it starts, one without room later */
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
	if (!loop_timer_running(events->again))
		loop_timer_start(events->agent->loop, events->again, AGAIN_MS);
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
