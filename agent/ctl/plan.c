/* SPDX-License-Identifier: GPL-3.0-or-later */
/* threatlistctl plan: what would change, and would the kernel take it? */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/grid.h"

static const char help_text[] =
    "usage: threatlistctl plan [--json]\n"
    "What would change in the kernel's sets if every list that a gate holds back were\n"
    "accepted and nothing stood against it (mode = off, panic, purge), in counts, and\n"
    "whether the kernel would take it.  The kernel validates all of it and takes it\n"
    "back: nothing is changed.  1 if it would be refused.\n";

static const char *
text_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(item) ? item->valuestring : NULL;
}

static double
number_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static bool
is_true(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static void
print_held(const cJSON *plan)
{
	static const char *const heads[] = {
		"source", ">now", ">then", ">added", ">removed", "reason", NULL
	};
	const cJSON *all = cJSON_GetObjectItemCaseSensitive(plan, "held"), *held;
	struct grid *grid;

	if (cJSON_GetArraySize(all) == 0)
		return;
	grid = grid_new(heads);
	cJSON_ArrayForEach(held, all) {
		grid_cell(grid, text_of(held, "source"));
		grid_cellf(grid, "%.0f", number_of(held, "now"));
		grid_cellf(grid, "%.0f", number_of(held, "entries"));
		grid_cellf(grid, "%.0f", number_of(held, "added"));
		grid_cellf(grid, "%.0f", number_of(held, "removed"));
		grid_cell(grid, text_of(held, "reason"));
	}
	grid_print(grid, stdout, false);
	grid_free(grid);
	printf("\n");
}

static void
print_sets(const cJSON *plan)
{
	static const char *const heads[] = { "set", ">members", ">added", ">removed", "", NULL };
	const cJSON *set;
	struct grid *grid = grid_new(heads);

	cJSON_ArrayForEach(set, cJSON_GetObjectItemCaseSensitive(plan, "sets")) {
		grid_cell(grid, text_of(set, "name"));
		grid_cellf(grid, "%.0f", number_of(set, "members"));
		grid_cellf(grid, "%.0f", number_of(set, "added"));
		grid_cellf(grid, "%.0f", number_of(set, "removed"));
		grid_cell(grid, is_true(set, "anew") ? "made anew" : NULL);
	}
	grid_print(grid, stdout, false);
	grid_free(grid);
}

static void
print_plan(const cJSON *plan)
{
	const cJSON *kernel = cJSON_GetObjectItemCaseSensitive(plan, "kernel");
	const char *mode = text_of(plan, "mode");

	print_held(plan);
	print_sets(plan);
	printf("\nmode is %s%s%s%s\n", mode != NULL ? mode : "?",
	    is_true(plan, "panic") ? ", in panic" : "", is_true(plan, "purged") ? ", purged" : "",
	    is_true(plan, "table") ? "" : "; there is no table, it would be made");
	if (!is_true(kernel, "accepts"))
		printf("the kernel would refuse it: %s\n",
		    text_of(kernel, "error") != NULL ? text_of(kernel, "error") : "no reason given");
	else
		printf("%s; nothing was changed\n", is_true(plan, "changes") ?
		    "the kernel would take it" : "the kernel has it so already");
}

int
ctl_plan(int argc, char **argv)
{
	static const struct option longs[] = { CLIENT_LONGS };
	struct client_options options = { NULL, NULL, false };
	struct control_request request;
	struct client_answer answer;
	cJSON *plan;
	int option, rc;

	while ((option = getopt_long(argc, argv, CLIENT_SHORTS, longs, NULL)) != -1) {
		if (!client_option(&options, option)) {
			fputs(help_text, option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_DONE : EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fputs(help_text, stderr);
		return EXIT_USAGE;
	}
	client_request(&request, CONTROL_PLAN, NULL);
	rc = client_ask(&options, &request, false, &answer);
	plan = rc == EXIT_DONE && answer.json != NULL ? cJSON_Parse(answer.json) : NULL;
	if (rc == EXIT_DONE && plan == NULL) {
		fprintf(stderr, "threatlistctl: the agent's answer is not JSON\n");
		rc = EXIT_NO;
	}
	if (plan != NULL) {
		if (options.json)
			printf("%s\n", answer.json);
		else
			print_plan(plan);
		rc = is_true(cJSON_GetObjectItemCaseSensitive(plan, "kernel"), "accepts") ?
		    EXIT_DONE : EXIT_NO;
	}
	cJSON_Delete(plan);
	free(answer.json);
	return rc;
}
