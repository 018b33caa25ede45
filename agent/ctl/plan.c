/* SPDX-License-Identifier: GPL-3.0-or-later */
/* threatlistctl plan: what would change, and would the kernel take it? */
#include <stdio.h>

#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/grid.h"
#include "ctl/reply.h"

static const char help_text[] =
    "usage: threatlistctl plan [--json]\n"
    "What would change in the kernel's sets if every list that a gate holds back were\n"
    "accepted and nothing stood against it (mode = off, panic, purge), in counts, and\n"
    "whether the kernel would take it.  The kernel validates all of it and takes it\n"
    "back: nothing is changed.  1 if it would be refused.\n";

static void
print_held(const cJSON *plan)
{
	static const char *const heads[] = {
		"source", ">now", ">then", ">added", ">removed", "reason", NULL
	};
	const cJSON *all = reply_member(plan, "held"), *held;
	struct grid *grid;

	if (cJSON_GetArraySize(all) == 0)
		return;
	grid = grid_new(heads);
	cJSON_ArrayForEach(held, all) {
		grid_cell(grid, reply_text(held, "source"));
		grid_cellf(grid, "%.0f", reply_number(held, "now"));
		grid_cellf(grid, "%.0f", reply_number(held, "entries"));
		grid_cellf(grid, "%.0f", reply_number(held, "added"));
		grid_cellf(grid, "%.0f", reply_number(held, "removed"));
		grid_cell(grid, reply_text(held, "reason"));
	}
	grid_print(grid, stdout, false);
	grid_free(grid);
	printf("\n");
}

static void
print_sets(const cJSON *plan)
{
	static const char *const heads[] = { "set", ">members", ">added", ">removed", "note", NULL };
	const cJSON *set;
	struct grid *grid = grid_new(heads);

	cJSON_ArrayForEach(set, reply_member(plan, "sets")) {
		grid_cell(grid, reply_text(set, "name"));
		grid_cellf(grid, "%.0f", reply_number(set, "members"));
		grid_cellf(grid, "%.0f", reply_number(set, "added"));
		grid_cellf(grid, "%.0f", reply_number(set, "removed"));
		grid_cell(grid, reply_true(set, "anew") ? "made anew" : NULL);
	}
	grid_print(grid, stdout, false);
	grid_free(grid);
}

static void
print_plan(const cJSON *plan)
{
	const cJSON *kernel = reply_member(plan, "kernel");
	const char *mode = reply_text(plan, "mode"), *error = reply_text(kernel, "error");

	print_held(plan);
	print_sets(plan);
	printf("\nmode is %s%s%s%s\n", mode[0] != '\0' ? mode : "?",
	    reply_true(plan, "panic") ? ", in panic" : "", reply_true(plan, "purged") ? ", purged" : "",
	    reply_true(plan, "table") ? "" : "; there is no table, it would be made");
	if (!reply_true(kernel, "accepts"))
		printf("the kernel would refuse it: %s\n",
		    error[0] != '\0' ? error : "no reason given");
	else
		printf("%s; nothing was changed\n", reply_true(plan, "changes") ?
		    "the kernel would take it" : "the kernel has it so already");
}

int
ctl_plan(int argc, char **argv)
{
	struct client_options options = { NULL, NULL, false };
	cJSON *plan;
	int rc;

	rc = reply_to_command(argc, argv, help_text, CONTROL_PLAN, &options, &plan);
	if (plan == NULL)
		return rc;
	if (options.json)
		reply_print(plan);
	else
		print_plan(plan);
	rc = reply_true(reply_member(plan, "kernel"), "accepts") ? EXIT_DONE : EXIT_NO;
	cJSON_Delete(plan);
	return rc;
}
