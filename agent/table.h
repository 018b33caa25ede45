/* SPDX-License-Identifier: GPL-3.0-or-later */
/* threatlistd --table: the kernel table without an agent. */
#ifndef AGENT_TABLE_H
#define AGENT_TABLE_H

#include "runtime/conf.h"

struct table_order {
	const char *word;	/* panic, resume, purge, expire, confirm, remove, isolate-on or -off */
	char *const *words;	/* behind it, of isolate-on alone */
	int nwords;
};

/* Prints what is wrong; returns the exit code of contract §1. */
int table_order(const struct conf *conf, const struct table_order *order);

#endif
