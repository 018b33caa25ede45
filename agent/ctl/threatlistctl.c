/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of commands: name, function, help. */
#include "ctl/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command commands[] = {
	{ "status", ctl_status, "How the agent is; --check: exit 1 if there are warnings" },
	{ "check", ctl_check, "Is an address listed, by whom, and does the kernel agree" },
	{ "lists", ctl_lists, "The sources and what of them is in force" },
	{ "findings", ctl_findings, "What was found, newest last" },
	{ "show", ctl_show, "One finding and its deliveries" },
	{ "metrics", ctl_metrics, "Status as OpenMetrics text, for a monitoring system" },
	{ "refresh", ctl_refresh, "Fetch one list, or all, now" },
	{ "accept", ctl_accept, "Put a list in force that a gate holds back" },
	{ "enforce", ctl_enforce, "Change the mode: drop or watch; --confirm S: on trial" },
	{ "isolate", ctl_isolate, "Cut everything off but what the host is run by: on or off" },
	{ "confirm", ctl_confirm, "Keep what was begun with --confirm" },
	{ "plan", ctl_plan, "What would change, and would the kernel take it; changes nothing" },
	{ "verify", ctl_verify, "Does the kernel hold the list, member by member" },
	{ "panic", ctl_panic, "Lift every drop at once, until resume" },
	{ "resume", ctl_resume, "End a panic or a purge" },
	{ "purge", ctl_purge, "Delete the table, until resume" },
	{ "parse", ctl_parse, "Offline: what is in list files, as the minimal CIDR cover" },
	{ "replay", ctl_replay, "Offline: what the agent would report of a capture file" },
	{ NULL, NULL, NULL },
};

static int
usage(FILE *out)
{
	const struct command *command;

	fprintf(out, "usage: threatlistctl [-c FILE] [-S SOCKET] COMMAND [OPTIONS]\n\n");
	for (command = commands; command->name != NULL; command++)
		fprintf(out, "  %-9s %s\n", command->name, command->help);
	fprintf(out, "\n\"threatlistctl COMMAND --help\" says more.  "
	    "Exit: 0 done, 1 no or failed, 2 usage, 3 no agent, 4 not permitted.\n");
	return out == stdout ? EXIT_DONE : EXIT_USAGE;
}

/*
 * Shared options may stand before the command: it sees them behind its name.
 * Returns the command's index in argv, or 0 when there is none.
 */
static int
command_first(int argc, char **argv)
{
	int at = 1, i;
	char *name;

	while (at < argc && argv[at][0] == '-') {
		if (strcmp(argv[at], "-c") == 0 || strcmp(argv[at], "-S") == 0)
			at++;
		else if (strncmp(argv[at], "-c", 2) != 0 && strncmp(argv[at], "-S", 2) != 0 &&
		    strcmp(argv[at], "--json") != 0)
			return 0;
		at++;
	}
	if (at >= argc)
		return 0;
	name = argv[at];
	for (i = at; i > 1; i--)
		argv[i] = argv[i - 1];
	argv[1] = name;
	return 1;
}

int
main(int argc, char **argv)
{
	const struct command *command;

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return usage(stdout);
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("threatlistctl %s\n", VERSION);
		return EXIT_DONE;
	}
	if (command_first(argc, argv) == 0)
		return usage(stderr);
	for (command = commands; command->name != NULL; command++) {
		if (strcmp(command->name, argv[1]) == 0)
			return command->run(argc - 1, argv + 1);
	}
	fprintf(stderr, "threatlistctl: there is no command %s\n", argv[1]);
	return usage(stderr);
}
