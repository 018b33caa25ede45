/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The dead-man switch: a set whose members, one a family, expire.  Rules that
 * cut anybody off let pass as soon as they are gone, with no process involved.
 */
#ifndef NETFILTER_ARMED_H
#define NETFILTER_ARMED_H

#include <stdbool.h>
#include <stdint.h>

#include "batch.h"

struct kernel;

/* Milliseconds of CLOCK_BOOTTIME, which deadlines are told in. */
int64_t armed_now_ms(void);

/* Its members are to last until then, and not longer; in the past: it is emptied. */
void armed_fill(struct batch *batch, const char *set, int64_t until_ms);

/* 1: it has members, 0: it has not, or there is no such set, -errno. */
int armed_holds(struct kernel *kernel, const char *set);

#endif
