/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The entry of each role.  The parent fork+execs itself, or threatlistd-online
 * for those that talk to the world, as "PROGRAM --role NAME"; the channel is
 * CHANNEL_FD.  Returns the exit code.
 */
#ifndef AGENT_ROLES_H
#define AGENT_ROLES_H

int feed_main(void);
int enforcer_main(void);
int sensor_main(void);
int reporter_main(void);
/* None of these, and without a config: answers one question of groups.h. */
int groups_main(void);

/* A role that wants to be started again at once, without it counting as a failure. */
#define EXIT_REOPEN	75	/* EX_TEMPFAIL, sysexits(3) */

#endif
