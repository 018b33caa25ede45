/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What "threatlistctl plan" is told: what is held back, what would change, what the kernel says. */
#include <cjson/cJSON.h>

#include "status_json.h"

static void
add_held(const struct agent *agent, cJSON *object)
{
	cJSON *array = cJSON_AddArrayToObject(object, "held");
	size_t i;

	for (i = 0; i < sources_count(agent->sources); i++) {
		struct source_view view;
		cJSON *held;

		sources_view(agent->sources, i, &view);
		if (view.held == NULL)
			continue;
		held = cJSON_CreateObject();
		cJSON_AddStringToObject(held, "source", view.conf->name);
		cJSON_AddNumberToObject(held, "now",
		    view.row != NULL ? (double)view.row->entries : 0);
		cJSON_AddNumberToObject(held, "entries",
		    (double)list_source(view.held, 0)->entries);
		cJSON_AddNumberToObject(held, "added", (double)view.held_added);
		cJSON_AddNumberToObject(held, "removed", (double)view.held_removed);
		cJSON_AddStringToObject(held, "reason", view.error);
		cJSON_AddItemToArray(array, held);
	}
}

/* True: something is to be added, removed or made. */
static bool
add_sets(const struct enforce_plan *plan, cJSON *object)
{
	cJSON *array = cJSON_AddArrayToObject(object, "sets");
	bool changes = !plan->table;
	uint32_t i;

	for (i = 0; i < plan->nsets && i < ENFORCE_SETS_MAX; i++) {
		const struct enforce_plan_set *set = &plan->sets[i];
		cJSON *entry = cJSON_CreateObject();

		cJSON_AddStringToObject(entry, "name", set->name);
		cJSON_AddNumberToObject(entry, "members", (double)set->members);
		cJSON_AddNumberToObject(entry, "added", (double)set->added);
		cJSON_AddNumberToObject(entry, "removed", (double)set->removed);
		if (!set->known)
			cJSON_AddTrueToObject(entry, "anew");
		changes = changes || set->added > 0 || set->removed > 0 || !set->known;
		cJSON_AddItemToArray(array, entry);
	}
	return changes;
}

char *
plan_json(const struct agent *agent, const struct enforce_plan *plan)
{
	cJSON *object = cJSON_CreateObject(), *kernel;
	char *json;

	cJSON_AddStringToObject(object, "mode", mode_name(agent_mode(agent)));
	if (agent->state.panic)
		cJSON_AddTrueToObject(object, "panic");
	if (agent->state.purged)
		cJSON_AddTrueToObject(object, "purged");
	cJSON_AddBoolToObject(object, "table", plan->table != 0);
	add_held(agent, object);
	cJSON_AddBoolToObject(object, "changes", add_sets(plan, object));
	kernel = cJSON_AddObjectToObject(object, "kernel");
	cJSON_AddBoolToObject(kernel, "accepts", plan->refused == 0);
	if (plan->refused != 0)
		cJSON_AddStringToObject(kernel, "error", plan->reason);
	json = cJSON_PrintUnformatted(object);
	cJSON_Delete(object);
	return json;
}
