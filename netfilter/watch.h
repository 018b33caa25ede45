/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What others do to the table, and to the host's addresses and routes.
 *
 * A listener makes a large load several times slower and overflows itself:
 * during our own transactions it leaves the group, and afterwards the
 * generation id tells whether somebody else used the time.
 */
#ifndef NETFILTER_WATCH_H
#define NETFILTER_WATCH_H

#include "engine.h"

int watch_open(struct watch **watch, struct enforce_error *err);
void watch_free(struct watch *watch);
int watch_fd(const struct watch *watch);

/* Around every transaction of ours; pairs may nest. */
void watch_pause(struct enforce *enforce);
void watch_resume(struct enforce *enforce);
/* Has nobody but us committed anything since the pause began? */
bool watch_undisturbed(struct enforce *enforce);

/* The table that was there is not: told, unless it was. */
void watch_gone(struct enforce *enforce);
/* Somebody else changed it while nobody listened, and in what is not known. */
void watch_doubt(struct enforce *enforce);

/* The admin changed allow4 or allow6. */
void watch_note_allow(struct enforce *enforce);

/* Tells of a change (enum enforce_change); or does not after all, an order came since. */
void watch_note(struct enforce *enforce, unsigned int change);
void watch_forget(struct enforce *enforce, unsigned int change);

/* What the table was found to be: told if it is news. */
void watch_dormant(struct enforce *enforce, bool dormant);

/* Takes the events that came, and what a look after a pause found. */
int watch_read(struct enforce *enforce, struct enforce_change_info *info);

#endif
