/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What was told of own addresses that are listed: a row each, with its entry while it is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "report/spool_db.h"

int
spool_own(struct spool *spool, const char *id, struct spool_own *own)
{
	sqlite3_stmt *stmt = db_prepare(spool, "SELECT coalesce(entry, ''), coalesce(lists, ''),"
	    " created_ms, updated_ms, revision FROM finding WHERE id = ?");
	int got;

	memset(own, 0, sizeof(*own));
	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_text(stmt, 1, id, -1, SQLITE_TRANSIENT);
	got = db_step(spool, stmt);
	if (got != 1)
		return got;
	snprintf(own->entry, sizeof(own->entry), "%s", (const char *)sqlite3_column_text(stmt, 0));
	snprintf(own->lists, sizeof(own->lists), "%s", (const char *)sqlite3_column_text(stmt, 1));
	own->created_ms = sqlite3_column_int64(stmt, 2);
	own->updated_ms = sqlite3_column_int64(stmt, 3);
	own->revision = (uint64_t)sqlite3_column_int64(stmt, 4);
	db_done(stmt);
	return 0;
}

int
spool_save_own(struct spool *spool, const char *id, const struct spool_own *own,
    const char *body)
{
	sqlite3_stmt *stmt = db_prepare(spool, "INSERT INTO finding (id, type, event, severity,"
	    " created_ms, updated_ms, first_ms, last_ms, revision, count, entry, lists, body)"
	    " VALUES (?1, ?2, 1, ?3, ?4, ?5, ?4, ?5, ?6, ?6, ?7, ?8, ?9)"
	    " ON CONFLICT (id) DO UPDATE SET updated_ms = ?5, last_ms = ?5, revision = ?6,"
	    " count = ?6, entry = ?7, lists = ?8, body = ?9");

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_text(stmt, 1, id, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(stmt, 2, OWN_TYPE, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, OWN_SEVERITY);
	sqlite3_bind_int64(stmt, 4, own->created_ms);
	sqlite3_bind_int64(stmt, 5, own->updated_ms);
	sqlite3_bind_int64(stmt, 6, (sqlite3_int64)own->revision);
	sqlite3_bind_text(stmt, 7, own->entry, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(stmt, 8, own->lists, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(stmt, 9, body, -1, SQLITE_TRANSIENT);
	return db_finish(spool, stmt);
}

int
spool_forget_own(struct spool *spool, const char *id)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "UPDATE finding SET entry = NULL, lists = NULL WHERE id = ?");

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_text(stmt, 1, id, -1, SQLITE_TRANSIENT);
	return db_finish(spool, stmt);
}
