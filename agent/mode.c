/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which mode is in force: the config's, the operator's last word against it, and
 * a drop that waits for a confirmation.  That one is held by the kernel's own
 * clock; here it is only followed, told and kept over restarts.
 */
#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "threatlistd/log.h"

/* After the kernel's own clock, which counts in ticks. */
#define FOLLOW_MS	50

/* The operator's word holds until the config says something new. */
static bool
word_holds(const struct agent *agent)
{
	const struct state *state = &agent->state;

	return state->has_mode && state->conf_mode == agent->conf->enforce.mode;
}

uint8_t
agent_mode(const struct agent *agent)
{
	return word_holds(agent) ? agent->state.mode : agent->conf->enforce.mode;
}

int64_t
agent_confirm_until(const struct agent *agent)
{
	return word_holds(agent) && agent->state.mode == ENFORCE_DROP ?
	    agent->state.confirm.until_ms : 0;
}

static void
raise_mode_event(struct agent *agent, uint8_t order, uint8_t before, const char *by)
{
	const struct state *state = &agent->state;
	struct event event;

	event_init(&event, order == ORDER_PANIC ? EVENT_PANIC : order == ORDER_RESUME ?
	    EVENT_RESUME : EVENT_MODE_CHANGED, by);
	if (order == ORDER_PURGE)
		snprintf(event.reason, sizeof(event.reason), "purged: the table was removed");
	else if (order == ORDER_CONFIRM)
		snprintf(event.reason, sizeof(event.reason), "mode drop, confirmed");
	else if (order == ORDER_MODE && state->confirm.until_ms != 0)
		snprintf(event.reason, sizeof(event.reason), "mode drop, before %s; falls back to "
		    "watch unless confirmed within %u s", mode_name(before), state->confirm.s);
	else if (order == ORDER_MODE)
		snprintf(event.reason, sizeof(event.reason), "mode %s, before %s",
		    mode_name(agent_mode(agent)), mode_name(before));
	events_raise(agent->events, &event);
}

int
agent_keep_state(const struct agent *agent)
{
	int rc = state_store(&agent->state, agent->conf->agent.state_dir);

	if (rc != 0)
		log_error("order not kept path=%s error=\"%s\"", agent->conf->agent.state_dir,
		    strerror(-rc));
	return rc;
}

void
agent_mode_message(const struct agent *agent, uint8_t order, uint64_t token,
    struct message *message)
{
	memset(message, 0, sizeof(*message));
	message->type = MSG_MODE;
	message->u.mode.token = token;
	message->u.mode.order = order;
	message->u.mode.mode = agent_mode(agent);
	message->u.mode.confirm_until_ms = agent_confirm_until(agent);
	isolation_message(agent, &message->u.mode);
}

void
agent_send_order(struct agent *agent, uint8_t order, uint64_t token)
{
	struct message message;

	agent_mode_message(agent, order, token, &message);
	role_send(agent->roles[ROLE_ENFORCER], &message, -1);
}

static void
set_mode(struct agent *agent, uint8_t mode, uint32_t confirm_s)
{
	struct state *state = &agent->state;

	deadline_forget(&state->confirm);
	loop_timer_stop(agent->confirm_timer);
	state->has_mode = true;
	state->mode = mode;
	state->conf_mode = agent->conf->enforce.mode;
	state->purged = false;
	if (mode != ENFORCE_DROP || confirm_s == 0)
		return;
	deadline_begin(&state->confirm, confirm_s, loop_now_ms(), loop_wall_ms());
	loop_timer_start(agent->loop, agent->confirm_timer, (int64_t)confirm_s * 1000 + FOLLOW_MS);
}

int
agent_change_mode(struct agent *agent, const struct mode_change *change, const char *by,
    uint64_t token)
{
	struct state *state = &agent->state;
	uint8_t before = agent_mode(agent);
	int rc;

	switch (change->order) {
	case ORDER_PANIC:
		state->panic = true;
		isolation_forget(agent);
		break;
	case ORDER_PURGE:
		state->purged = true;
		isolation_forget(agent);
		break;
	case ORDER_RESUME:
		state->panic = state->purged = false;
		break;
	default:
		set_mode(agent, change->mode, change->confirm_s);
		break;
	}
	agent_renew_conf(agent);
	/* lifting comes first; a disk that is slow or full must not delay it */
	agent_send_order(agent, change->order, token);
	rc = agent_keep_state(agent);
	raise_mode_event(agent, change->order, before, by);
	return rc;
}

int
agent_confirm(struct agent *agent, const char *by, uint64_t token)
{
	struct message message;

	if (agent_confirm_until(agent) == 0 && agent->state.isolate_end.until_ms == 0)
		return -ENOENT;
	agent_mode_message(agent, ORDER_CONFIRM, token, &message);
	if (role_send(agent->roles[ROLE_ENFORCER], &message, -1) != 0)
		return -EPIPE;
	agent->confirm_token = token;
	snprintf(agent->confirm_by, sizeof(agent->confirm_by), "%s", by);
	return 0;
}

int
agent_mode_done(struct agent *agent, const struct msg_mode_done *done)
{
	if (done->token == 0 || done->token != agent->confirm_token)
		return 0;
	agent->confirm_token = 0;
	if (done->confirmed == 0)
		return 0;
	if ((done->confirmed & CONFIRMED_DROP) != 0) {
		deadline_forget(&agent->state.confirm);
		loop_timer_stop(agent->confirm_timer);
		agent_renew_conf(agent);
		raise_mode_event(agent, ORDER_CONFIRM, ENFORCE_DROP, agent->confirm_by);
		log_notice("drop confirmed peer=\"%s\"", agent->confirm_by);
	}
	if ((done->confirmed & CONFIRMED_ISOLATION) != 0)
		isolation_confirmed(agent, agent->confirm_by);
	return agent_keep_state(agent);
}

/* The kernel has let go already, or never held it. */
static void
fall_back(struct agent *agent, struct event *event)
{
	if (event->reason[0] == '\0')
		snprintf(event->reason, sizeof(event->reason), "mode watch, before drop: not "
		    "confirmed within %u s", agent->state.confirm.s);
	log_warn("drop fell back to watch reason=\"%s\"", event->reason);
	set_mode(agent, ENFORCE_WATCH, 0);
	agent_renew_conf(agent);
	agent_send_order(agent, ORDER_MODE, 0);
	agent_keep_state(agent);
	events_raise(agent->events, event);
}

static void
on_deadline(void *arg)
{
	struct agent *agent = arg;
	struct event event;

	if (agent_confirm_until(agent) == 0)
		return;
	event_init(&event, EVENT_MODE_CHANGED, NULL);
	fall_back(agent, &event);
}

void
agent_note_disarmed(struct agent *agent, const struct event *from)
{
	struct event event = *from;

	if (agent_confirm_until(agent) == 0)
		return;
	snprintf(event.reason, sizeof(event.reason), "mode watch, before drop: %.200s",
	    from->reason);
	fall_back(agent, &event);
}

void
agent_note_panic(struct agent *agent, bool panic)
{
	agent->state.panic = panic;
	if (panic)
		isolation_forget(agent);
	agent_keep_state(agent);
}

void
mode_reloaded(struct agent *agent)
{
	if (agent->state.confirm.until_ms == 0 || word_holds(agent))
		return;
	log_notice("nothing waits for a confirmation any more: the config says mode = %s",
	    mode_name(agent->conf->enforce.mode));
	deadline_forget(&agent->state.confirm);
	loop_timer_stop(agent->confirm_timer);
	agent_keep_state(agent);
}

int
mode_begin(struct agent *agent)
{
	struct state *state = &agent->state;
	int64_t left = state->confirm.until_ms - loop_now_ms();
	struct event event;

	agent->confirm_timer = loop_timer_new(agent->loop, on_deadline, agent);
	if (agent->confirm_timer == NULL)
		return -ENOMEM;
	mode_reloaded(agent);
	if (state->confirm.until_ms == 0)
		return 0;
	if (left > 0 && !state->confirm.ended && !deadline_of_other_boot(&state->confirm)) {
		loop_timer_start(agent->loop, agent->confirm_timer, left + FOLLOW_MS);
		return 0;
	}
	event_init(&event, EVENT_MODE_CHANGED, NULL);
	if (state->confirm.ended)
		snprintf(event.reason, sizeof(event.reason), "mode watch, before drop: ended by "
		    "threatlistd --table expire");
	else if (deadline_of_other_boot(&state->confirm))
		snprintf(event.reason, sizeof(event.reason), "mode watch, before drop: not "
		    "confirmed before the host was started anew");
	fall_back(agent, &event);
	return 0;
}
