/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What people ask of the spool. */
#include <errno.h>
#include <stdio.h>

#include "report/spool_db.h"

int
spool_select(struct spool *spool, const struct spool_query *query, spool_row_fn *each, void *arg)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "SELECT id, body, active FROM finding WHERE body IS NOT NULL AND last_ms >= ?1"
	    " AND (?2 IS NULL OR id = ?2)"
	    " AND (NOT ?3 OR id IN (SELECT finding FROM " SPOOL_WAITING " WHERE " SPOOL_IS_MET "))"
	    " ORDER BY last_ms DESC, id DESC");
	struct spool_row row;
	int got, stop = 0;

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_int64(stmt, 1, query->since_ms);
	if (query->id != NULL)
		sqlite3_bind_text(stmt, 2, query->id, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int(stmt, 3, query->undelivered);
	while (stop == 0 && (got = db_step(spool, stmt)) == 1) {
		row.id = (const char *)sqlite3_column_text(stmt, 0);
		row.body = (const char *)sqlite3_column_text(stmt, 1);
		row.active = sqlite3_column_int(stmt, 2) != 0;
		stop = each(&row, arg);
	}
	db_done(stmt);
	return stop != 0 ? stop : got;
}

int
spool_unmet(struct spool *spool, spool_unmet_fn *each, void *arg)
{
	sqlite3_stmt *stmt = db_prepare(spool, "SELECT name, count(*) FROM " SPOOL_WAITING
	    " AS waiting JOIN sink ON sink.row = waiting.sink WHERE NOT " SPOOL_IS_MET " GROUP BY name");
	int got, stop = 0;

	if (stmt == NULL)
		return -ENOSPC;
	while (stop == 0 && (got = db_step(spool, stmt)) == 1)
		stop = each((const char *)sqlite3_column_text(stmt, 0),
		    (uint64_t)sqlite3_column_int64(stmt, 1), arg);
	db_done(stmt);
	return stop != 0 ? stop : got;
}

int
spool_deliveries(struct spool *spool, const char *id, spool_delivery_fn *each, void *arg)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "SELECT name, outbox.sequence, revision, CASE state WHEN 0 THEN 'waiting'"
	    " WHEN 1 THEN 'delivered' ELSE 'refused' END, attempts, coalesce(done_ms, 0), error"
	    " FROM outbox JOIN sink ON sink.row = outbox.sink WHERE finding = ?1"
	    " UNION ALL SELECT name, 0, 0, 'pending', 0, 0, NULL FROM wanted JOIN sink"
	    " ON sink.row = wanted.sink WHERE finding = ?1 ORDER BY 1, 2");
	struct spool_delivery delivery;
	int got, stop = 0;

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_text(stmt, 1, id, -1, SQLITE_TRANSIENT);
	while (stop == 0 && (got = db_step(spool, stmt)) == 1) {
		delivery.sink = (const char *)sqlite3_column_text(stmt, 0);
		delivery.sequence = (uint64_t)sqlite3_column_int64(stmt, 1);
		delivery.revision = (uint64_t)sqlite3_column_int64(stmt, 2);
		delivery.state = (const char *)sqlite3_column_text(stmt, 3);
		delivery.attempts = (uint64_t)sqlite3_column_int64(stmt, 4);
		delivery.done_ms = sqlite3_column_int64(stmt, 5);
		delivery.error = (const char *)sqlite3_column_text(stmt, 6);
		stop = each(&delivery, arg);
	}
	db_done(stmt);
	return stop != 0 ? stop : got;
}

void
spool_id_of(struct spool *spool, int64_t row, uint64_t sequence, char id[static FINDING_ID_SIZE])
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "SELECT finding FROM outbox WHERE sink = ? AND sequence = ?");

	id[0] = '\0';
	if (stmt == NULL)
		return;
	sqlite3_bind_int64(stmt, 1, row);
	sqlite3_bind_int64(stmt, 2, (sqlite3_int64)sequence);
	if (db_step(spool, stmt) != 1)
		return;
	snprintf(id, FINDING_ID_SIZE, "%s", (const char *)sqlite3_column_text(stmt, 0));
	db_done(stmt);
}
