/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the commands of threatlistctl share. */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <stdbool.h>

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
	bool shows;		/* its output is what it is run for */
};

/* offline.c, replay.c: no agent needed */
int ctl_parse(int argc, char **argv);
int ctl_replay(int argc, char **argv);
/* check.c: asks the agent, or reads lists itself with --list */
int ctl_check(int argc, char **argv);
/* show.c */
int ctl_status(int argc, char **argv);
int ctl_lists(int argc, char **argv);
int ctl_findings(int argc, char **argv);
int ctl_show(int argc, char **argv);
/* metrics.c */
int ctl_metrics(int argc, char **argv);
/* plan.c */
int ctl_plan(int argc, char **argv);
/* verify.c */
int ctl_verify(int argc, char **argv);
/* operate.c */
int ctl_refresh(int argc, char **argv);
int ctl_accept(int argc, char **argv);
int ctl_enforce(int argc, char **argv);
int ctl_isolate(int argc, char **argv);
int ctl_confirm(int argc, char **argv);
int ctl_panic(int argc, char **argv);
int ctl_resume(int argc, char **argv);
int ctl_purge(int argc, char **argv);

#endif
