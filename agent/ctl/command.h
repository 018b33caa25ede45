/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the commands of threatlistctl share. */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

/* Exit codes, contract §1. */
enum {
	EXIT_DONE = 0,
	EXIT_NO = 1,		/* no, refused, failed or partly done */
	EXIT_USAGE = 2,
	EXIT_NO_AGENT = 3,
	EXIT_NOT_PERMITTED = 4,
};

struct command {
	const char *name;
	int (*run)(int argc, char **argv);	/* argv[0] is the command; options by getopt_long */
	const char *help;
};

/* offline.c */
int ctl_parse(int argc, char **argv);
/* replay.c */
int ctl_replay(int argc, char **argv);

#endif
