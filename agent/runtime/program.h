/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The agent's second program, threatlistd-online: the roles that talk to the
 * world, and the libraries that takes, which no other role has in its memory.
 */
#ifndef RUNTIME_PROGRAM_H
#define RUNTIME_PROGRAM_H

#define PROGRAM_PATH_MAX	4096

/*
 * Finds it beside this program, or in ../libexec/threatlistd/ from there, and
 * holds on to it: an upgrade does not pair a running agent with another
 * version.  path: where it was looked for last.  0 or -errno.
 */
int program_open_online(char path[static PROGRAM_PATH_MAX]);

/* What to execute; NULL: not opened. */
const char *program_online(void);

#endif
