/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One agent a run directory, and one a network namespace. */
#ifndef AGENT_LOCK_H
#define AGENT_LOCK_H

#include <sys/types.h>

/*
 * Makes run_dir if it is missing and locks it for as long as the process lives.
 * 0, or -EBUSY with the holder's pid in *holder (0: unknown), or -errno.
 */
int lock_run_dir(const char *run_dir, pid_t *holder);

/*
 * Claims the network namespace: an abstract socket name is bound to it, so that
 * two agents with different directories cannot share one table.  One that
 * somebody else has bound is no reason not to start; it is said.  0, -EBUSY, -errno.
 */
int lock_namespace(void);

#endif
