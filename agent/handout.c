/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keys of AWS on their way from the reporter, who alone asks for them, to the feed:
 * out of the parent's copy while it is fresh, else after the reporter was asked.
 */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "threatlistd/log.h"

/* IMDS and container endpoint take a few seconds at most, a reporter that starts anew one. */
#define ANSWER_MS	10000

struct handout {
	struct agent *agent;
	struct keys *keys;
	struct loop_timer *limit;	/* runs while the feed waits */
	struct msg_keys_ask ask;	/* what it waits for */
};

static void
send_keys(struct handout *handout, enum role_kind kind)
{
	struct message message = { .type = MSG_KEYS };

	message.u.keys = *keys_last(handout->keys);
	role_send(handout->agent->roles[kind], &message, -1);
	explicit_bzero(&message, sizeof(message));
}

static void
send_none(struct handout *handout, const struct msg_no_keys *none)
{
	struct message message = { .type = MSG_NO_KEYS };

	message.u.no_keys = *none;
	role_send(handout->agent->roles[ROLE_FEED], &message, -1);
}

static void
ask_reporter(struct handout *handout)
{
	struct message message = { .type = MSG_KEYS_ASK };

	message.u.keys_ask = handout->ask;
	/* one that does not run is asked when it starts */
	role_send(handout->agent->roles[ROLE_REPORTER], &message, -1);
}

/* The last ones are better than none, unless AWS has said no to them. */
static void
on_limit(void *arg)
{
	struct handout *handout = arg;
	const struct msg_keys *last = keys_last(handout->keys);
	const struct role *reporter = handout->agent->roles[ROLE_REPORTER];
	struct msg_no_keys none;

	log_warn("keys not asked for in time role=%s limit_ms=%d kept=%s", role_name(ROLE_REPORTER),
	    ANSWER_MS, last != NULL ? "yes" : "no");
	if (last != NULL && strcmp(last->id, handout->ask.refused) != 0) {
		send_keys(handout, ROLE_FEED);
		return;
	}
	memset(&none, 0, sizeof(none));
	snprintf(none.reason, sizeof(none.reason), "no credentials: the reporter, who asks for "
	    "them, %s", role_running(reporter) ? "did not answer in time" : "does not run");
	send_none(handout, &none);
}

struct handout *
handout_new(struct agent *agent)
{
	struct handout *handout = calloc(1, sizeof(*handout));

	if (handout == NULL)
		return NULL;
	handout->agent = agent;
	handout->keys = keys_new();
	handout->limit = loop_timer_new(agent->loop, on_limit, handout);
	if (handout->keys == NULL || handout->limit == NULL) {
		handout_free(handout);
		return NULL;
	}
	return handout;
}

void
handout_free(struct handout *handout)
{
	if (handout == NULL)
		return;
	loop_timer_free(handout->agent->loop, handout->limit);
	keys_free(handout->keys);
	free(handout);
}

void
handout_asked(struct handout *handout, const struct msg_keys_ask *ask)
{
	if (keys_are_fresh(handout->keys, ask->refused, loop_wall_ms())) {
		send_keys(handout, ROLE_FEED);
		return;
	}
	handout->ask = *ask;
	loop_timer_start(handout->agent->loop, handout->limit, ANSWER_MS);
	ask_reporter(handout);
}

void
handout_given(struct handout *handout, const struct msg_keys *given)
{
	if (!keys_keep(handout->keys, given, loop_wall_ms())) {
		log_warn("keys not kept role=%s reason=\"they last longer than keys of AWS do\"",
		    role_name(ROLE_REPORTER));
		return;
	}
	if (!loop_timer_running(handout->limit))
		return;
	loop_timer_stop(handout->limit);
	send_keys(handout, ROLE_FEED);
}

void
handout_has_none(struct handout *handout, const struct msg_no_keys *none)
{
	if (!loop_timer_running(handout->limit))
		return;
	loop_timer_stop(handout->limit);
	send_none(handout, none);
}

void
handout_brief_reporter(struct handout *handout)
{
	const struct msg_keys *last = keys_last(handout->keys);

	/* it reads environment and file itself */
	if (last != NULL && last->origin >= KEYS_CONTAINER)
		send_keys(handout, ROLE_REPORTER);
	if (loop_timer_running(handout->limit))
		ask_reporter(handout);
}

void
handout_feed_ended(struct handout *handout)
{
	loop_timer_stop(handout->limit);
}
