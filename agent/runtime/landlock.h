/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which files this process may open from here on: landlock(7).  What the kernel
 * does not know yet is left out; files that are open already stay usable.
 */
#ifndef RUNTIME_LANDLOCK_H
#define RUNTIME_LANDLOCK_H

struct landlock;

enum landlock_way {
	LANDLOCK_READ,			/* files and directories */
	LANDLOCK_WRITE,			/* and make, write, rename within, remove files */
	LANDLOCK_EXECUTE,		/* of LANDLOCK_STARTER: run programs */
	LANDLOCK_SOCKETS,		/* of LANDLOCK_STARTER: make local sockets */
};

enum landlock_kind {
	LANDLOCK_OFFLINE,		/* nothing may be opened, no TCP port bound or connected to */
	LANDLOCK_ONLINE,		/* the same, but connected to */
	/*
	 * Files as ever, since a new config may name any; but no program is run, no
	 * device, FIFO, socket or symbolic link made, no TCP port bound, and no
	 * process signalled but one's own.
	 */
	LANDLOCK_STARTER,
};

/* The kernel's version of the interface; 0: it has none, or it is switched off. */
int landlock_abi(void);

/* A set of rules without an exception yet.  NULL with errno. */
struct landlock *landlock_new(enum landlock_kind kind);
void landlock_free(struct landlock *landlock);

/* All beneath this directory, or this file.  0 or -errno (-ENOENT: it is not there). */
int landlock_allow(struct landlock *landlock, const char *path, enum landlock_way way);

/* Holds this process to it, for good.  No new privileges must be set.  0 or -errno. */
int landlock_enter(const struct landlock *landlock);

#endif
