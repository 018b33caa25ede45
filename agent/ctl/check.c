/* SPDX-License-Identifier: GPL-3.0-or-later */
/* threatlistctl check: is this address listed, by whom, and does the kernel agree? */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/compile.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/lists.h"
#include "threatlistd/addr.h"

static const char help_text[] =
    "usage: threatlistctl check [--json] ADDRESS...\n"
    "       threatlistctl check --list FILE... [--trusted FILE]... [--scope public|any] ADDRESS...\n"
    "A line each: ADDRESS listed|clear|trusted|protected ENTRY LISTS ACTION KERNEL\n"
    "0 if at least one is listed; 1 if none is, or if agent and kernel disagree.\n";

struct result {
	const char *address, *state, *entry, *action, *kernel;
	const char *protect, *allow;	/* NULL: not asked */
	const char *reason;		/* why agent and kernel disagree; NULL: they do not */
	char lists[LIST_SOURCES_MAX * LIST_NAME_MAX];
};

static void
print_result(const struct result *result, bool json)
{
	cJSON *object;
	char *text;

	if (!json) {
		printf("%s %s %s %s %s %s\n", result->address, result->state,
		    result->entry != NULL ? result->entry : "-",
		    result->lists[0] != '\0' ? result->lists : "-",
		    result->action != NULL ? result->action : "-", result->kernel);
		return;
	}
	object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "address", result->address);
	cJSON_AddStringToObject(object, "state", result->state);
	if (result->entry != NULL)
		cJSON_AddStringToObject(object, "entry", result->entry);
	if (result->lists[0] != '\0')
		cJSON_AddStringToObject(object, "lists", result->lists);
	if (result->action != NULL)
		cJSON_AddStringToObject(object, "action", result->action);
	cJSON_AddStringToObject(object, "kernel", result->kernel);
	if (result->protect != NULL)
		cJSON_AddStringToObject(object, "protect", result->protect);
	if (result->allow != NULL)
		cJSON_AddStringToObject(object, "allow", result->allow);
	if (result->reason != NULL)
		cJSON_AddStringToObject(object, "disagree", result->reason);
	text = cJSON_PrintUnformatted(object);
	if (text != NULL)
		printf("%s\n", text);
	free(text);
	cJSON_Delete(object);
}

static void
append_name(char *lists, size_t size, const char *name)
{
	size_t len = strlen(lists);

	snprintf(lists + len, size - len, "%s%s", len > 0 ? "," : "", name);
}

static const char *
string_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(item) ? item->valuestring : NULL;
}

/* Adds to *listed and *disagree; an exit code. */
static int
check_agent(const struct client_options *options, const char *address, unsigned int *listed,
    unsigned int *disagree)
{
	struct control_request request;
	struct client_answer answer;
	struct result result = { .kernel = "unknown" };
	const cJSON *name;
	cJSON *json = NULL;
	int rc;

	client_request(&request, CONTROL_CHECK, address);
	rc = client_ask(options, &request, false, &answer);
	if (rc != EXIT_DONE)
		goto out;
	json = answer.json != NULL ? cJSON_Parse(answer.json) : NULL;
	result.address = string_of(json, "address");
	result.state = string_of(json, "state");
	if (result.address == NULL || result.state == NULL) {
		fprintf(stderr, "threatlistctl: the agent's answer is not JSON\n");
		rc = EXIT_NO;
		goto out;
	}
	result.entry = string_of(json, "entry");
	result.action = string_of(json, "action");
	if (string_of(json, "kernel") != NULL)
		result.kernel = string_of(json, "kernel");
	cJSON_ArrayForEach(name, cJSON_GetObjectItemCaseSensitive(json, "lists"))
		append_name(result.lists, sizeof(result.lists), name->valuestring);
	result.protect = string_of(json, "protect");
	result.allow = string_of(json, "allow");
	result.reason = string_of(json, "reason");
	print_result(&result, options->json);
	if (strcmp(result.state, "listed") == 0)
		(*listed)++;
	if (result.reason != NULL) {
		(*disagree)++;
		fprintf(stderr, "threatlistctl: %s: agent and kernel disagree: %s\n",
		    result.address, result.reason);
	}
out:
	cJSON_Delete(json);
	free(answer.json);
	return rc;
}

static void
check_file(const struct ctl_lists *lists, const struct addr *addr, bool json, unsigned int *listed)
{
	char text[ADDR_TEXT_MAX], entry[RANGE_TEXT_MAX];
	struct result result = { .kernel = "-", .state = "clear" };
	struct list_hit hit;
	size_t i;

	result.address = addr_text(addr, text);
	if (list_find(lists->list, addr, &hit)) {
		result.state = "listed";
		result.action = list_action_text(hit.action);
		for (i = 0; i < lists->n; i++) {
			if ((hit.lists & (UINT64_C(1) << i)) != 0)
				append_name(result.lists, sizeof(result.lists),
				    list_source(lists->list, i)->name);
		}
		(*listed)++;
	} else if (ctl_lists_trusted(lists, addr, &hit, &i)) {
		result.state = "trusted";
		append_name(result.lists, sizeof(result.lists), list_source(lists->sources[i], 0)->name);
	}
	if (strcmp(result.state, "clear") != 0)
		result.entry = range_text(&hit.entry, entry);
	print_result(&result, json);
}

static int
check_offline(const struct client_options *options, const struct ctl_list_options *list_options,
    char **addresses)
{
	struct ctl_lists lists;
	unsigned int listed = 0;
	int rc;

	rc = ctl_lists_read(&lists, list_options);
	for (; rc == EXIT_DONE && *addresses != NULL; addresses++) {
		const char *wrong;
		struct addr addr;

		wrong = addr_parse(&addr, *addresses, strlen(*addresses));
		if (wrong != NULL) {
			fprintf(stderr, "threatlistctl: %s: %s\n", wrong, *addresses);
			rc = EXIT_USAGE;
		} else {
			check_file(&lists, &addr, options->json, &listed);
		}
	}
	ctl_lists_free(&lists);
	return rc != EXIT_DONE ? rc : listed > 0 ? EXIT_DONE : EXIT_NO;
}

int
ctl_check(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "list", required_argument, NULL, 'l' }, { "trusted", required_argument, NULL, 't' },
		{ "scope", required_argument, NULL, 's' }, CLIENT_LONGS
	};
	struct client_options options = { NULL, NULL, false };
	struct ctl_list_options lists = { .scope = SCOPE_PUBLIC };
	unsigned int listed = 0, disagree = 0;
	int option, rc = EXIT_DONE;

	while ((option = getopt_long(argc, argv, CLIENT_SHORTS, longs, NULL)) != -1) {
		if (ctl_list_option(&lists, option, optarg, &rc)) {
			if (rc != EXIT_DONE)
				return rc;
		} else if (!client_option(&options, option)) {
			fputs(help_text, option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_DONE : EXIT_USAGE;
		}
	}
	if (optind == argc) {
		fputs(help_text, stderr);
		return EXIT_USAGE;
	}
	if (lists.n > 0)
		return check_offline(&options, &lists, argv + optind);
	for (; optind < argc && rc == EXIT_DONE; optind++)
		rc = check_agent(&options, argv[optind], &listed, &disagree);
	if (rc != EXIT_DONE)
		return rc;
	return listed > 0 && disagree == 0 ? EXIT_DONE : EXIT_NO;
}
