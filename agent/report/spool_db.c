/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/spool_db.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

int
db_fail(struct spool *spool, int code)
{
	snprintf(spool->error, sizeof(spool->error), "%s", spool->db != NULL ?
	    sqlite3_errmsg(spool->db) : sqlite3_errstr(code));
	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
	case SQLITE_SCHEMA:
		return -EBADMSG;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	default:
		return -ENOSPC;
	}
}

int
db_run(struct spool *spool, const char *sql)
{
	int code = sqlite3_exec(spool->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : db_fail(spool, code);
}

sqlite3_stmt *
db_prepare(struct spool *spool, const char *sql)
{
	struct db_statement *statement;
	unsigned int i;
	int code;

	for (i = 0; i < spool->nstatements; i++) {
		if (spool->statements[i].sql == sql)
			return spool->statements[i].stmt;
	}
	assert(spool->nstatements < DB_STATEMENTS_MAX);
	statement = &spool->statements[spool->nstatements];
	code = sqlite3_prepare_v3(spool->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement->stmt,
	    NULL);
	if (code != SQLITE_OK) {
		db_fail(spool, code);
		return NULL;
	}
	statement->sql = sql;
	spool->nstatements++;
	return statement->stmt;
}

void
db_done(sqlite3_stmt *stmt)
{
	if (stmt == NULL)
		return;
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
}

int
db_step(struct spool *spool, sqlite3_stmt *stmt)
{
	int code, error;

	if (stmt == NULL)
		return -ENOSPC;
	code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		return 1;
	error = code == SQLITE_DONE ? 0 : db_fail(spool, code);
	db_done(stmt);
	return error;
}

int
db_finish(struct spool *spool, sqlite3_stmt *stmt)
{
	int got = db_step(spool, stmt);

	if (got == 1)
		db_done(stmt);
	return got < 0 ? got : 0;
}

int
db_integer(struct spool *spool, sqlite3_stmt *stmt, int64_t otherwise, int64_t *value)
{
	int got = db_step(spool, stmt);

	*value = otherwise;
	if (got == 1) {
		if (sqlite3_column_type(stmt, 0) != SQLITE_NULL)
			*value = sqlite3_column_int64(stmt, 0);
		db_done(stmt);
	}
	return got < 0 ? got : 0;
}
