/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the ledger lives: DIR/ledger, mapped shared, so that what is booked
 * survives the process.  Without a place on disk it lives in memory alone.
 */
#ifndef ENFORCE_LEDGER_FILE_H
#define ENFORCE_LEDGER_FILE_H

#include "enforce/ledger.h"

struct ledger_file {
	struct ledger *ledger;
	void *region;
	uint64_t size;
	int fd;			/* -1: memory alone */
	bool anew;		/* nothing was taken over */
	char trouble[200];	/* why it is in memory alone, for status; empty: it is not */
};

/* 0, or -errno when there is not even memory; everything else is said in trouble. */
int ledger_file_open(struct ledger_file *file, const char *dir);
void ledger_file_close(struct ledger_file *file);

#endif
