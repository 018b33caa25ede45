/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of commands: name, function, help. */
#include "ctl/command.h"

#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
	{ NULL, NULL, NULL },
};

int
main(int argc, char **argv)
{
	const struct command *command;

	for (command = commands; argc > 1 && command->name != NULL; command++) {
		if (strcmp(command->name, argv[1]) == 0)
			return command->run(argc - 1, argv + 1);
	}
	fprintf(stderr, "usage: threatlistctl COMMAND\n");
	return EXIT_USAGE;
}
