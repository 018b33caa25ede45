/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which mode is in force: the config's, the operator's last word against it, and
 * a drop that waits for a confirmation.  That one is held by the kernel's own
 * clock; here it is only followed, told and kept over restarts.
 *
 * The state keeps what was in force last and what the config said then.  Where
 * the config says something else it is new, and rules for good: a word that it
 * has overruled does not come back with the mode it was given against.
 */
#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "threatlistd/log.h"

/* What was in force last holds until the config says something new. */
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
	int rc;

	agent_tell_manager(agent);
	rc = state_store(&agent->state, agent->conf->agent.state_dir);
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
	agent->confirm_drop = 0;
	loop_timer_stop(agent->confirm_timer);
	state->has_mode = true;
	state->mode = mode;
	state->conf_mode = agent->conf->enforce.mode;
	state->purged = false;
	if (mode != ENFORCE_DROP || confirm_s == 0)
		return;
	deadline_begin(&state->confirm, confirm_s, loop_now_ms(), loop_wall_ms());
	loop_timer_start(agent->loop, agent->confirm_timer, (int64_t)confirm_s * 1000 + DEADLINE_FOLLOW_MS);
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
	if (agent->confirm_drop == 0)
		agent->confirm_drop = token;
	if (agent->confirm_isolation == 0)
		agent->confirm_isolation = token;
	snprintf(agent->confirm_by, sizeof(agent->confirm_by), "%s", by);
	return 0;
}

/* Was it asked for since the order?  Whoever asks twice, of a busy enforcer, gets two answers. */
static bool
is_of_order(uint64_t first, const struct msg_mode_done *done)
{
	return first != 0 && done->token >= first;
}

int
agent_mode_done(struct agent *agent, const struct msg_mode_done *done)
{
	bool drop = (done->confirmed & CONFIRMED_DROP) != 0 &&
	    is_of_order(agent->confirm_drop, done);
	bool isolation = (done->confirmed & CONFIRMED_ISOLATION) != 0 &&
	    is_of_order(agent->confirm_isolation, done);

	if (!drop && !isolation)
		return 0;
	if (drop) {
		deadline_forget(&agent->state.confirm);
		loop_timer_stop(agent->confirm_timer);
		agent_renew_conf(agent);
		raise_mode_event(agent, ORDER_CONFIRM, ENFORCE_DROP, agent->confirm_by);
		log_notice("drop confirmed peer=\"%s\"", agent->confirm_by);
	}
	if (isolation)
		isolation_confirmed(agent, agent->confirm_by);
	return agent_keep_state(agent);
}

/* The kernel has let go already, or never held it. */
static void
fall_back(struct agent *agent, struct event *event, const char *why)
{
	snprintf(event->reason, sizeof(event->reason), "mode watch, before drop: %.200s", why);
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
	char why[DEADLINE_TEXT_MAX];
	struct event event;

	if (agent_confirm_until(agent) == 0)
		return;
	deadline_end_text(&agent->state.confirm, why);
	event_init(&event, EVENT_MODE_CHANGED, NULL);
	fall_back(agent, &event, why);
}

void
agent_note_disarmed(struct agent *agent, const struct event *from)
{
	struct event event = *from;

	if (agent_confirm_until(agent) != 0)
		fall_back(agent, &event, from->reason);
}

void
agent_note_panic(struct agent *agent, bool panic)
{
	agent->state.panic = panic;
	if (panic)
		isolation_forget(agent);
	agent_keep_state(agent);
}

/* The config's mode is in force from now on.  purged and panic are no matter of the config. */
static void
take_config(struct agent *agent)
{
	struct state *state = &agent->state;

	if (state->confirm.until_ms != 0)
		log_notice("nothing waits for a confirmation any more: the config says mode = %s",
		    mode_name(agent->conf->enforce.mode));
	deadline_forget(&state->confirm);
	loop_timer_stop(agent->confirm_timer);
	state->has_mode = true;
	state->mode = state->conf_mode = agent->conf->enforce.mode;
}

void
mode_reloaded(struct agent *agent)
{
	uint8_t before = agent->state.mode;
	bool known = agent->state.has_mode;
	struct event event;

	if (word_holds(agent))
		return;
	take_config(agent);
	if (!known) {
		/* the first start: nothing was ordered that could be lost, nor is anything news */
		if (!agent->state_unread)
			(void)state_store(&agent->state, agent->conf->agent.state_dir);
		return;
	}
	agent_keep_state(agent);
	if (before == agent->state.mode)
		return;
	event_init(&event, EVENT_MODE_CHANGED, NULL);
	snprintf(event.reason, sizeof(event.reason), "mode %s, before %s: the config was changed",
	    mode_name(agent->state.mode), mode_name(before));
	events_raise(agent->events, &event);
}

int
mode_begin(struct agent *agent)
{
	const struct deadline *end = &agent->state.confirm;
	int64_t now = loop_now_ms();

	agent->confirm_timer = loop_timer_new(agent->loop, on_deadline, agent);
	if (agent->confirm_timer == NULL)
		return -ENOMEM;
	mode_reloaded(agent);
	if (deadline_runs(end, now))
		loop_timer_start(agent->loop, agent->confirm_timer, end->until_ms - now + DEADLINE_FOLLOW_MS);
	else if (end->until_ms != 0)
		on_deadline(agent);
	return 0;
}
