/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * threatlistd-online: the roles that talk to the world.  A program of its own,
 * because what libcurl brings along costs every process that has it loaded
 * more than all the rest of the agent does.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "entry.h"
#include "roles.h"

/* As roles.c starts it: --role NAME [-f]. */
int
main(int argc, char **argv)
{
	static const struct entry roles[] = {
		{ "feed", feed_main }, { "reporter", reporter_main },
	};

	if (argc < 3 || strcmp(argv[1], "--role") != 0) {
		fprintf(stderr, "threatlistd-online is started by threatlistd itself\n");
		return 2;
	}
	entry_begin(argc > 3 && strcmp(argv[3], "-f") == 0);
	return entry_become(roles, sizeof(roles) / sizeof(roles[0]), argv[2]);
}
