/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks every role how it is, waits a moment, and renders contract §3 "status". */
#include "agent.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/sandbox.h"
#include "status_json.h"
#include "threatlistd/log.h"

#define ANSWER_LIMIT_MS	1000	/* a busy enforcer may be loading: say what is known */
#define ASKERS_MAX	32

struct asker {
	status_fn *call;
	void *arg;
};

struct status {
	struct agent *agent;
	struct loop_timer *limit;
	struct asker askers[ASKERS_MAX];
	unsigned int naskers;
	uint64_t token;
	unsigned int waiting;		/* bit role_kind: its answer is outstanding */
	struct role_answers answers;
};

static void finish(void *arg);

struct status *
status_new(struct agent *agent)
{
	struct status *status;

	status = calloc(1, sizeof(*status));
	if (status == NULL)
		return NULL;
	status->agent = agent;
	status->limit = loop_timer_new(agent->loop, finish, status);
	if (status->limit == NULL) {
		free(status);
		return NULL;
	}
	return status;
}

void
status_free(struct status *status)
{
	if (status == NULL)
		return;
	loop_timer_free(status->agent->loop, status->limit);
	free(status);
}

static void
finish(void *arg)
{
	struct status *status = arg;
	struct asker askers[ASKERS_MAX];
	unsigned int n = status->naskers, i;

	loop_timer_stop(status->limit);
	status->answers.silent = status->waiting;
	status->waiting = 0;
	status->naskers = 0;
	memcpy(askers, status->askers, sizeof(askers));
	for (i = 0; i < n; i++)
		askers[i].call(status_json(status->agent, &status->answers), askers[i].arg);
}

void
status_ask(struct status *status, status_fn *call, void *arg)
{
	struct message message = { .type = MSG_STATUS_ASK };
	int i;

	if (status->naskers == ASKERS_MAX) {
		call(status_json(status->agent, &status->answers), arg);
		return;
	}
	status->askers[status->naskers].call = call;
	status->askers[status->naskers].arg = arg;
	status->naskers++;
	if (loop_timer_running(status->limit))
		return;		/* comes along with the question that is under way */
	message.u.token.token = ++status->token;
	for (i = 0; i < ROLE_LASTING; i++) {
		if (role_send(status->agent->roles[i], &message, -1) == 0)
			status->waiting |= 1u << i;
	}
	loop_timer_start(status->agent->loop, status->limit,
	    status->waiting != 0 ? ANSWER_LIMIT_MS : 0);
}

void
status_forget(struct status *status, void *arg)
{
	unsigned int i;

	for (i = 0; i < status->naskers; i++) {
		if (status->askers[i].arg == arg) {
			status->askers[i] = status->askers[--status->naskers];
			return;
		}
	}
}

static void
answered(struct status *status, enum role_kind kind, uint64_t token)
{
	if (token != status->token || (status->waiting & (1u << kind)) == 0)
		return;
	status->waiting &= ~(1u << kind);
	if (status->waiting == 0)
		finish(status);
}

void
status_enforcer(struct status *status, const struct msg_enforcer_status *enforcer)
{
	status->answers.enforcer = *enforcer;
	status->answers.has_enforcer = true;
	answered(status, ROLE_ENFORCER, enforcer->token);
}

void
status_applied(struct status *status, const struct msg_applied *applied)
{
	status->answers.applied = *applied;
	if (applied->error != 0)
		log_error("list not enforced generation=%" PRIu64 " error=\"%s\"",
		    applied->generation, applied->reason);
	else
		log_notice("list enforced generation=%" PRIu64 " took_ms=%u", applied->generation,
		    applied->took_ms);
	agent_ready(status->agent);
}

void
status_sensor(struct status *status, const struct msg_sensor_status *sensor)
{
	status->answers.sensor = *sensor;
	status->answers.has_sensor = true;
	if (sensor->token != 0)
		answered(status, ROLE_SENSOR, sensor->token);
}

void
status_sink(struct status *status, const struct msg_sink_status *sink)
{
	if (sink->sink >= CONF_SINKS_MAX)
		return;
	status->answers.sinks[sink->sink] = *sink;
	status->answers.has_sink[sink->sink] = true;
}

void
status_reporter(struct status *status, const struct msg_reporter_status *reporter)
{
	status->answers.reporter = *reporter;
	status->answers.has_reporter = true;
	answered(status, ROLE_REPORTER, reporter->token);
}
