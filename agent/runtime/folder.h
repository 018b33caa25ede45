/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The agent's own folders. */
#ifndef RUNTIME_FOLDER_H
#define RUNTIME_FOLDER_H

#include <sys/types.h>

/*
 * Makes the folder if it is not there.  One that others may write to is closed
 * to them if it is ours, and told of in the log either way, as is one of another
 * user: who can put files there can give the agent orders.  0 or -errno: it is
 * no folder, or cannot be.
 */
int folder_make(const char *path, mode_t mode);

/*
 * Is path, in the agent's folder above, a folder that the agent, root or the owner
 * of above made, and that nobody else writes to?  0, -ENOENT, -ENOTDIR (also: a
 * link), -EPERM.
 */
int folder_check_below(const char *above, const char *path);

#endif
