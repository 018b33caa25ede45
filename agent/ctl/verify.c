/* SPDX-License-Identifier: GPL-3.0-or-later */
/* threatlistctl verify: does the kernel hold the list, member by member? */
#include <stdio.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/grid.h"
#include "ctl/reply.h"

static const char help_text[] =
    "usage: threatlistctl verify [--json]\n"
    "Reads every member of the kernel's sets back and compares it with the list in force.\n"
    "0 if they are equal, 1 if not: what differs is then put right, as other damage is.\n"
    "A table on a terminal, else JSON.\n";

static void
print_examples(const char *set, const char *kind, const cJSON *examples, double all)
{
	const cJSON *example;

	if (cJSON_GetArraySize(examples) == 0)
		return;
	printf("%s %s:", set, kind);
	cJSON_ArrayForEach(example, examples)
		printf(" %s", cJSON_IsString(example) ? example->valuestring : "?");
	printf("%s\n", all > cJSON_GetArraySize(examples) ? " …" : "");
}

static void
print_verified(const cJSON *verified)
{
	static const char *const heads[] = {
		"SET", ">EXPECTED", ">PRESENT", ">MISSING", ">FOREIGN", NULL
	};
	const cJSON *sets = reply_member(verified, "sets"), *set;
	struct grid *grid = grid_new(heads);

	if (grid == NULL)
		return;
	cJSON_ArrayForEach(set, sets) {
		grid_cell(grid, reply_text(set, "name"));
		grid_cellf(grid, "%.0f", reply_number(set, "expected"));
		grid_cellf(grid, "%.0f", reply_number(set, "present"));
		grid_cellf(grid, "%.0f", reply_number(set, "missing"));
		grid_cellf(grid, "%.0f", reply_number(set, "foreign"));
	}
	grid_print(grid, stdout, isatty(STDOUT_FILENO));
	grid_free(grid);
	printf("\n");
	cJSON_ArrayForEach(set, sets) {
		print_examples(reply_text(set, "name"), "lacks",
		    reply_member(set, "missingExamples"), reply_number(set, "missing"));
		print_examples(reply_text(set, "name"), "has besides",
		    reply_member(set, "foreignExamples"), reply_number(set, "foreign"));
	}
	if (!reply_true(verified, "rules"))
		printf("the rules were changed\n");
	printf("%s, read in %.1f s\n", reply_true(verified, "equal") ? "equal" :
	    reply_true(verified, "repairs") ? "not equal: it is put right now" :
	    "not equal: it is not put right as things stand, see status",
	    reply_number(verified, "tookMs") / 1000);
}

int
ctl_verify(int argc, char **argv)
{
	struct client_options options = { NULL, NULL, false };
	cJSON *verified;
	int rc;

	rc = reply_to_command(argc, argv, help_text, CONTROL_VERIFY, &options, &verified);
	if (verified == NULL)
		return rc;
	if (options.json || !isatty(STDOUT_FILENO))
		reply_print(verified);
	else
		print_verified(verified);
	rc = reply_true(verified, "equal") ? EXIT_DONE : EXIT_NO;
	cJSON_Delete(verified);
	return rc;
}
