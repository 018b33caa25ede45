/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The database behind a spool; private to the spool*.c. */
#ifndef REPORT_SPOOL_DB_H
#define REPORT_SPOOL_DB_H

#include <sqlite3.h>

#include "report/spool.h"

#define DB_STATEMENTS_MAX	64

struct db_statement {
	const char *sql;		/* a literal: found again by its address */
	sqlite3_stmt *stmt;
};

struct spool {
	sqlite3 *db;
	bool memory;
	unsigned int unsynced;		/* see spool_unsynced */
	char path[4096];
	char id[SPOOL_ID_SIZE];
	uint64_t max_bytes;
	int64_t history_ms;
	char error[256];
	struct db_statement statements[DB_STATEMENTS_MAX];
	unsigned int nstatements;
};

/* Notes what went wrong.  Always a negative errno. */
int db_fail(struct spool *spool, int code);

/* Statements without parameters or rows. */
int db_run(struct spool *spool, const char *sql);

/*
 * A prepared statement, ready for its parameters; reset by db_step's end or
 * db_done.  NULL: spool->error says why.  sql must be a literal.
 */
sqlite3_stmt *db_prepare(struct spool *spool, const char *sql);

/* Steps a statement that gives no rows.  0 or -errno. */
int db_finish(struct spool *spool, sqlite3_stmt *stmt);
/* 1: a row; 0: no more, statement reset; -errno: failed, statement reset. */
int db_step(struct spool *spool, sqlite3_stmt *stmt);
void db_done(sqlite3_stmt *stmt);

/* One integer of one row; otherwise when there is none. */
int db_integer(struct spool *spool, sqlite3_stmt *stmt, int64_t otherwise, int64_t *value);

/* Makes or migrates the tables, reads or makes the spool's id. */
int schema_open(struct spool *spool);
/* The host id that is kept with the findings; empty: none yet.  0 or -errno. */
int schema_host(struct spool *spool, char *host_id, size_t size);
int schema_set_host(struct spool *spool, const char *host_id);
/* Whether anything was ever kept or numbered in it. */
int schema_used(struct spool *spool, bool *used);

/* SQL: (sink, finding) of everything that waits. */
#define SPOOL_WAITING	"(SELECT sink, finding FROM wanted"	\
	" UNION ALL SELECT sink, finding FROM outbox WHERE state = 0)"
/* SQL: of a sink that the config has. */
#define SPOOL_IS_MET	"sink IN (SELECT sink FROM temp.met)"
/* SQL: a row of finding that says that reports were lost, as event_type() has it. */
#define SPOOL_IS_LOSS	"type = 'Policy:EC2/ReportsLost.Custom'"

/* States of a frozen body. */
enum { OUTBOX_WAITING = 0, OUTBOX_DELIVERED = 1, OUTBOX_REFUSED = 2 };

#endif
