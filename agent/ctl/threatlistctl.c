/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of commands: name, function, help. */
#include "ctl/command.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "threatlistd/log.h"

static const struct command commands[] = {
	{ "status", ctl_status, "How the agent is; --check: exit 1 if there are warnings", true },
	{ "check", ctl_check, "Is an address listed, by whom, and does the kernel agree", true },
	{ "lists", ctl_lists, "The sources and what of them is in force", true },
	{ "findings", ctl_findings, "What was found, newest last", true },
	{ "show", ctl_show, "One finding and its deliveries", true },
	{ "metrics", ctl_metrics, "Status as OpenMetrics text, for a monitoring system", true },
	{ "refresh", ctl_refresh, "Fetch one list, or all, now", false },
	{ "accept", ctl_accept, "Put a list in force that a gate holds back", false },
	{ "enforce", ctl_enforce, "Change the mode: drop or watch; --confirm S: on trial", false },
	{ "isolate", ctl_isolate, "Cut everything off but what the host is run by: on or off", false },
	{ "confirm", ctl_confirm, "Keep what was begun with --confirm", false },
	{ "plan", ctl_plan, "What would change, and would the kernel take it; changes nothing", true },
	{ "verify", ctl_verify, "Does the kernel hold the list, member by member", true },
	{ "panic", ctl_panic, "Lift every drop at once, until resume", false },
	{ "resume", ctl_resume, "End a panic or a purge", false },
	{ "purge", ctl_purge, "Delete the table, until resume", false },
	{ "parse", ctl_parse, "Offline: what is in list files, as the minimal CIDR cover", true },
	{ "replay", ctl_replay, "Offline: what the agent would report of a capture file", true },
	{ NULL, NULL, NULL, false },
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

static bool
is_one_of(const char *word, const char *a, const char *b)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

/* How many of the words from here are one shared option; 0: it is none. */
static int
shared_option(const char *word)
{
	if (is_one_of(word, "-c", "-S"))
		return 2;
	return strncmp(word, "-c", 2) == 0 || strncmp(word, "-S", 2) == 0 ||
	    strcmp(word, "--json") == 0;
}

/* Shared options may stand before the command, which sees them behind its name. */
static void
command_first(char **argv, int at)
{
	char *name = argv[at];

	for (; at > 1; at--)
		argv[at] = argv[at - 1];
	argv[1] = name;
}

/*
 * What was not written to its end was not shown.  An order is carried out
 * whoever reads of it.
 */
static int
run(const struct command *command, int argc, char **argv)
{
	int rc = command->run(argc, argv);

	if (!command->shows || (fflush(stdout) == 0 && !ferror(stdout)))
		return rc;
	perror("threatlistctl: standard output");
	return rc == EXIT_DONE ? EXIT_NO : rc;
}

int
main(int argc, char **argv)
{
	const struct command *command;
	int at = 1, n;

	/* what there is to warn of in the config that names the socket */
	log_init("threatlistctl", LOG_STYLE_COMMAND);
	while (at < argc && (n = shared_option(argv[at])) != 0)
		at += n;
	if (at >= argc)
		return usage(stderr);
	if (is_one_of(argv[at], "--help", "-h"))
		return usage(stdout);
	if (strcmp(argv[at], "--version") == 0) {
		printf("threatlistctl %s\n", VERSION);
		return EXIT_DONE;
	}
	if (argv[at][0] == '-')
		return usage(stderr);
	command_first(argv, at);
	for (command = commands; command->name != NULL; command++) {
		if (strcmp(command->name, argv[1]) == 0)
			return run(command, argc - 1, argv + 1);
	}
	fprintf(stderr, "threatlistctl: there is no command %s\n", argv[1]);
	return usage(stderr);
}
