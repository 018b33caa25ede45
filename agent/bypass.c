/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ways past the rules, as the enforcers of this agent's life found them: each is
 * told once, however often an enforcer starts and finds it again.
 */
#include "agent.h"

#include <stdio.h>
#include <string.h>

#include "threatlistd/log.h"

const char *
agent_bypass(const struct agent *agent, unsigned int way)
{
	return agent->bypass[way];
}

void
agent_note_bypass(struct agent *agent, const struct event *from)
{
	char *told = agent->bypass[from->way];
	struct event event = *from;

	if (from->name == EVENT_BYPASS) {
		if (strcmp(told, from->reason) == 0)
			return;
		snprintf(told, sizeof(agent->bypass[0]), "%.*s", (int)sizeof(agent->bypass[0]) - 1,
		    from->reason);
		log_warn("packets pass beside the rules reason=\"%s\"", told);
	} else {
		if (told[0] == '\0')
			return;
		snprintf(event.reason, sizeof(event.reason), "no more: %s", told);
		told[0] = '\0';
		log_notice("packets pass beside the rules no more reason=\"%s\"", event.reason);
	}
	events_raise(agent->events, &event);
}
