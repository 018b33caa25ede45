/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Isolation as an operator ordered it, kept over restarts.  One that waits for a
 * confirmation is ended by the kernel's own clock; here that is only followed,
 * told and tidied up.
 */
#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "threatlistd/log.h"

const char *
isolation_text(const struct agent *agent, char text[static ISOLATION_TEXT_MAX])
{
	char address[ADDR_TEXT_MAX], kept[128] = "no ssh session of yours was found to be kept";
	const struct state *state = &agent->state;

	if (!state->isolate)
		return "done: not isolated";
	if (state->isolate_session.family != ADDR_NONE)
		snprintf(kept, sizeof(kept), "kept for you: %s to port %u",
		    addr_text(&state->isolate_session, address), state->isolate_port);
	if (state->isolate_end.until_ms != 0)
		snprintf(text, ISOLATION_TEXT_MAX, "isolated (%s); ends in %u s unless you run "
		    "\"threatlistctl confirm\"", kept, state->isolate_end.s);
	else
		snprintf(text, ISOLATION_TEXT_MAX,
		    "isolated (%s) until \"threatlistctl isolate off\"", kept);
	return text;
}

void
isolation_message(const struct agent *agent, struct msg_mode *mode)
{
	const struct state *state = &agent->state;

	mode->isolate = state->isolate;
	mode->isolate_until_ms = state->isolate_end.until_ms;
	mode->isolate_session = state->isolate_session;
	mode->isolate_port = state->isolate_port;
}

void
isolation_forget(struct agent *agent)
{
	state_forget_isolation(&agent->state);
	agent->confirm_isolation = 0;
	loop_timer_stop(agent->isolate_timer);
}

bool
isolation_take_session(struct isolate_order *order, const char *text)
{
	char address[ADDR_TEXT_MAX];
	unsigned int port;
	int used = 0;

	if (text[0] == '\0')
		return true;
	if (sscanf(text, " %45s %5u%n", address, &port, &used) != 2 || text[used] != '\0' ||
	    port == 0 || port > UINT16_MAX ||
	    addr_parse(&order->session, address, strlen(address)) != NULL)
		return false;
	order->port = (uint16_t)port;
	return true;
}

static void
begin(struct agent *agent, const struct isolate_order *order)
{
	struct state *state = &agent->state;

	state->isolate = true;
	state->isolate_session = order->session;
	state->isolate_port = order->port;
	deadline_begin(&state->isolate_end, order->confirm_s, loop_now_ms(), loop_wall_ms());
	if (order->confirm_s != 0)
		loop_timer_start(agent->loop, agent->isolate_timer,
		    (int64_t)order->confirm_s * 1000 + DEADLINE_FOLLOW_MS);
}

static void
raise_order_event(struct agent *agent, bool before, const char *by)
{
	const struct state *state = &agent->state;
	struct event event;

	event_init(&event, EVENT_ISOLATE, by);
	if (!state->isolate)
		snprintf(event.reason, sizeof(event.reason), before ? "isolate off" :
		    "isolate off; it was not isolated");
	else if (state->isolate_end.until_ms != 0)
		snprintf(event.reason, sizeof(event.reason), "isolate on; ends by itself unless "
		    "confirmed within %u s", state->isolate_end.s);
	else
		snprintf(event.reason, sizeof(event.reason), "isolate on, until it is ordered off");
	events_raise(agent->events, &event);
}

int
agent_isolate(struct agent *agent, const struct isolate_order *order, const char *by,
    uint64_t token)
{
	bool before = agent->state.isolate;
	int rc;

	isolation_forget(agent);
	if (order->on)
		begin(agent, order);
	agent_send_order(agent, ORDER_ISOLATE, token);
	rc = agent_keep_state(agent);
	raise_order_event(agent, before, by);
	return rc;
}

void
isolation_confirmed(struct agent *agent, const char *by)
{
	struct event event;

	deadline_forget(&agent->state.isolate_end);
	loop_timer_stop(agent->isolate_timer);
	event_init(&event, EVENT_ISOLATE, by);
	snprintf(event.reason, sizeof(event.reason), "isolate on, confirmed");
	events_raise(agent->events, &event);
	log_notice("isolation confirmed peer=\"%s\"", by);
}

/* The kernel has let go already, or never held it. */
static void
fall_back(struct agent *agent, struct event *event, const char *why)
{
	snprintf(event->reason, sizeof(event->reason), "isolation ended: %.200s", why);
	log_warn("isolation ended reason=\"%s\"", event->reason);
	isolation_forget(agent);
	agent_send_order(agent, ORDER_ISOLATE, 0);
	agent_keep_state(agent);
	events_raise(agent->events, event);
}

static void
on_deadline(void *arg)
{
	struct agent *agent = arg;
	char why[DEADLINE_TEXT_MAX];
	struct event event;

	deadline_end_text(&agent->state.isolate_end, why);
	event_init(&event, EVENT_ISOLATE, NULL);
	fall_back(agent, &event, why);
}

void
agent_note_released(struct agent *agent, const struct event *from)
{
	struct event event = *from;

	if (agent->state.isolate_end.until_ms != 0)
		fall_back(agent, &event, from->reason);
}

int
isolation_begin(struct agent *agent)
{
	const struct deadline *end = &agent->state.isolate_end;
	int64_t now = loop_now_ms();

	agent->isolate_timer = loop_timer_new(agent->loop, on_deadline, agent);
	if (agent->isolate_timer == NULL)
		return -ENOMEM;
	if (deadline_runs(end, now))
		loop_timer_start(agent->loop, agent->isolate_timer, end->until_ms - now + DEADLINE_FOLLOW_MS);
	else if (end->until_ms != 0)
		on_deadline(agent);
	return 0;
}
