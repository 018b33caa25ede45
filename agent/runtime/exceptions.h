/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The admin's own exceptions (sets allow4 and allow6) over reboots: STATE_DIR/
 * allow, one a line as "RANGE # COMMENT".  The kernel's sets are the truth while
 * there is a table; the file is where they come back from when there is none.
 */
#ifndef RUNTIME_EXCEPTIONS_H
#define RUNTIME_EXCEPTIONS_H

#include "threatlistd/enforce.h"

/* Writes them down as the kernel had them last; failure is said in the log. */
void exceptions_keep(const struct enforce *enforce, const char *state_dir);

/* What was written down; *all is the caller's to free.  Bad lines are said in the log. */
size_t exceptions_load(const char *state_dir, struct enforce_allow **all);

#endif
