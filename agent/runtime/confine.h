/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A role, or the parent, confined: the files it may open (landlock.h) and the
 * calls it may make (filter.h).  Once in a role's life, when it has its config
 * and before it hears of anything from outside; a new config is a new process.
 * The parent lives on: its rules hold for whatever config comes.
 */
#ifndef RUNTIME_CONFINE_H
#define RUNTIME_CONFINE_H

#include "runtime/channel.h"
#include "runtime/conf.h"
#include "runtime/filter.h"

/*
 * What roles load at first use is loaded here, but for what only those need that
 * talk to the world (preload.h); then what all that loading touched is given back.
 * A kernel that cannot confine is said in the log, and the role goes on: blocking
 * less confined is better than not blocking.  done: what is in force now.
 */
void confine(enum filter_role role, const struct conf *conf, struct msg_confined *done);

#endif
