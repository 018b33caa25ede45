/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is at the other end of the control socket, by the kernel's word, and what it may do. */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <sys/socket.h>

struct groups;

struct peer {
	struct ucred who;	/* when it connected */
	bool reads, operates;
	char by[64];		/* "uid 0 (root)", for events and the log; "(?)": not in /etc/passwd */
	char program[32];	/* of pid, as it calls itself; "?" where /proc does not show it */
};

/*
 * Asks nobody who could keep it waiting.  The agent's own uid neither reads nor operates, unless it is 0: the roles have it.
 */
void peer_know(struct peer *peer, int fd, const struct groups *groups);

#endif
