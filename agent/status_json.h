/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The JSON that threatlistctl shows: contract §3. */
#ifndef AGENT_STATUS_JSON_H
#define AGENT_STATUS_JSON_H

#include "agent.h"

/* What the roles said last. */
struct role_answers {
	bool has_enforcer, has_sensor, has_reporter, has_sink[CONF_SINKS_MAX];
	unsigned int silent;		/* bit role_kind: did not answer this time */
	struct msg_enforcer_status enforcer;
	struct msg_applied applied;
	struct msg_sensor_status sensor;
	struct msg_reporter_status reporter;
	struct msg_sink_status sinks[CONF_SINKS_MAX];
};

/* malloc'd text; NULL: no memory. */
char *status_json(const struct agent *agent, const struct role_answers *answers);
char *lists_json(const struct agent *agent);
/* checked may be NULL: the kernel could not be asked. */
char *check_json(const struct agent *agent, const struct addr *addr,
    const struct msg_checked *checked);

/* plan.c: contract §1, "plan". */
char *plan_json(const struct agent *agent, const struct enforce_plan *plan);

/* verified.c: contract §3, "verify". */
char *verified_json(const struct msg_verified *verified);

#endif
