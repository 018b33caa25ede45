/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The agent's own folders. */
#ifndef RUNTIME_FOLDER_H
#define RUNTIME_FOLDER_H

#include <sys/types.h>

/*
 * Makes the folder if it is not there.  One that everybody may write to is
 * closed to others if it is ours, and told of in the log either way: who can
 * put files there can give the agent orders.  0 or -errno: it is no folder, or
 * cannot be.
 */
int folder_make(const char *path, mode_t mode);

#endif
