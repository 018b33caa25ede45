/* SPDX-License-Identifier: GPL-3.0-or-later */
/* threatlistd --table: the kernel table without an agent. */
#ifndef AGENT_TABLE_H
#define AGENT_TABLE_H

#include "runtime/conf.h"

/*
 * panic, resume, purge, expire, isolate-off, remove.  Prints what is wrong; returns the exit code
 * of contract §1.
 */
int table_order(const struct conf *conf, const char *order);

#endif
