/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table itself with what is made once and left alone: counters, fixtures, the admin's exceptions. */
#ifndef NETFILTER_FRAME_H
#define NETFILTER_FRAME_H

#include "engine.h"

/* Appends messages that make it, or what of it is missing.  0 or -errno. */
int frame_put(struct enforce *enforce, struct batch *batch, struct enforce_error *err);
/* That batch was committed: which table it is now, and what it had no room for.  0 or -errno. */
int frame_made(struct enforce *enforce, struct enforce_error *err);

/*
 * Deletes the table and makes it, in one transaction; isolation and exceptions
 * stay.  Nothing listed is cut off until the next change: for a table with
 * something in it that can be neither used nor replaced.  0 or -errno.
 */
int frame_anew(struct enforce *enforce, struct enforce_error *err);

#endif
