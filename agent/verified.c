/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What "threatlistctl verify" is told: set by set, what is not as the list says. */
#include <cjson/cJSON.h>

#include "status_json.h"

static cJSON *
examples_json(const struct enforce_verify *verify, uint32_t set, bool foreign)
{
	cJSON *array = cJSON_CreateArray();
	char text[RANGE_TEXT_MAX];
	uint32_t i;

	for (i = 0; i < verify->nexamples; i++) {
		const struct enforce_verify_example *example = &verify->examples[i];

		if (example->set == set && (example->foreign != 0) == foreign)
			cJSON_AddItemToArray(array,
			    cJSON_CreateString(range_text(&example->range, text)));
	}
	return array;
}

char *
verified_json(const struct msg_verified *verified)
{
	const struct enforce_verify *verify = &verified->verify;
	cJSON *object = cJSON_CreateObject(), *array;
	char *json;
	uint32_t i;

	cJSON_AddBoolToObject(object, "equal", verify->equal);
	cJSON_AddBoolToObject(object, "rules", verify->rules);
	cJSON_AddBoolToObject(object, "repairs", verified->repairs);
	cJSON_AddNumberToObject(object, "tookMs", verified->took_ms);
	cJSON_AddNumberToObject(object, "again", verify->again);
	array = cJSON_AddArrayToObject(object, "sets");
	for (i = 0; i < verify->nsets; i++) {
		const struct enforce_verify_set *set = &verify->sets[i];
		cJSON *entry = cJSON_CreateObject();

		cJSON_AddStringToObject(entry, "name", set->name);
		cJSON_AddNumberToObject(entry, "expected", (double)set->expected);
		cJSON_AddNumberToObject(entry, "present", (double)set->present);
		cJSON_AddNumberToObject(entry, "missing", (double)set->missing);
		cJSON_AddNumberToObject(entry, "foreign", (double)set->foreign);
		cJSON_AddItemToObject(entry, "missingExamples", examples_json(verify, i, false));
		cJSON_AddItemToObject(entry, "foreignExamples", examples_json(verify, i, true));
		cJSON_AddItemToArray(array, entry);
	}
	json = cJSON_PrintUnformatted(object);
	cJSON_Delete(object);
	return json;
}
