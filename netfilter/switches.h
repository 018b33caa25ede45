/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * "armed" and "isolate_armed", the switches behind --confirm.  Who empties one by hand
 * ends what waits, whatever we do just then: each is asked for before it is filled anew.
 */
#ifndef NETFILTER_SWITCHES_H
#define NETFILTER_SWITCHES_H

#include "engine.h"

/* Has somebody emptied it?  Then drop is watch, or the isolation over, and that is told. */
void switch_armed(struct enforce *enforce);
void switch_isolated(struct enforce *enforce);

#endif
