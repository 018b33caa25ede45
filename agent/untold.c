/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What root ordered while no agent ran ("threatlistd --table") is in force and in
 * the state, but nobody was there to report it: the next agent does.
 */
#include "agent.h"

#include <stdio.h>
#include <string.h>

#include "threatlistd/log.h"

struct told {
	const char *word;	/* struct state_order */
	uint8_t event;		/* enum event_name */
	const char *reason;
};

static const struct told *
find(const char *word)
{
	static const struct told all[] = {
		{ "panic", EVENT_PANIC, "everything was lifted" },
		{ "resume", EVENT_RESUME, "nothing is lifted any more" },
		{ "purge", EVENT_MODE_CHANGED, "purged: the table was removed" },
		{ "confirm", EVENT_MODE_CHANGED, "mode drop, confirmed" },
		{ "confirm-isolate", EVENT_ISOLATE, "isolate on, confirmed" },
		{ "isolate-on", EVENT_ISOLATE, "isolate on" },
		{ "isolate-off", EVENT_ISOLATE, "isolate off" },
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(all[i].word, word) == 0)
			return &all[i];
	}
	return NULL;
}

void
untold_tell(struct agent *agent)
{
	struct state *state = &agent->state;
	struct event event;
	unsigned int i;

	if (state->norders == 0)
		return;
	for (i = 0; i < state->norders; i++) {
		const struct state_order *order = &state->orders[i];
		const struct told *told = find(order->word);

		if (told == NULL)
			continue;
		event_init(&event, told->event, "uid 0 (root)");
		/* a clock that was set back since must not make it news of tomorrow */
		if (order->wall_ms < event.time_ms)
			event.time_ms = order->wall_ms;
		snprintf(event.reason, sizeof(event.reason), "%s; ordered while no agent ran",
		    told->reason);
		log_notice("ordered while no agent ran order=%s", order->word);
		events_raise(agent->events, &event);
	}
	state->norders = 0;
	agent_keep_state(agent);
}
