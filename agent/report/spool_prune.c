/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bounds: history by time, the file by size. */
#include <errno.h>

#include "report/spool_db.h"

#define FULL_PERCENT	90	/* of max_bytes: from here room is made */
#define ROOM_PERCENT	80	/* down to here */
#define ROW_BYTES	2560	/* of a usual body */
#define PRUNE_ROUNDS	200	/* each of about one percent */

/* What says that reports were lost is worth more than any of them: the newest few stay. */
#define EXPENDABLE	"finding NOT IN (SELECT id FROM finding WHERE " SPOOL_IS_LOSS	\
	" ORDER BY created_ms DESC LIMIT 8)"

#define WAITS	"(id IN (SELECT finding FROM wanted) OR"	\
	" id IN (SELECT finding FROM outbox WHERE state = 0))"

static int
used_bytes(struct spool *spool, uint64_t *used)
{
	int64_t pages = 0, unused = 0, size = 0;
	int error;

	error = db_integer(spool, db_prepare(spool, "PRAGMA page_count"), 0, &pages);
	if (error == 0)
		error = db_integer(spool, db_prepare(spool, "PRAGMA freelist_count"), 0, &unused);
	if (error == 0)
		error = db_integer(spool, db_prepare(spool, "PRAGMA page_size"), 0, &size);
	*used = (uint64_t)((pages - unused) * size);
	return error;
}

static bool
above(struct spool *spool, unsigned int percent)
{
	uint64_t used;

	return used_bytes(spool, &used) == 0 && used > spool->max_bytes / 100 * percent;
}

bool
spool_is_full(struct spool *spool)
{
	return above(spool, FULL_PERCENT);
}

/* Runs a DELETE with one number; *gone grows by the rows it took. */
static int
delete_rows(struct spool *spool, sqlite3_stmt *stmt, int64_t number, uint64_t *gone)
{
	int error;

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_int64(stmt, 1, number);
	error = db_finish(spool, stmt);
	if (error == 0)
		*gone += (uint64_t)sqlite3_changes(spool->db);
	return error;
}

/* What is past its time and delivered, or wanted by sinks that the config has no more. */
static int
prune_history(struct spool *spool, int64_t now_ms)
{
	int64_t before = now_ms - spool->history_ms;
	uint64_t gone = 0;
	int error;

	error = delete_rows(spool, db_prepare(spool, "DELETE FROM outbox WHERE done_ms < ?"),
	    before, &gone);
	if (error == 0)
		error = delete_rows(spool, db_prepare(spool,
		    "DELETE FROM wanted WHERE since_ms < ?1 AND sink IN"
		    " (SELECT row FROM sink WHERE met_ms < ?1)"), before, &gone);
	if (error == 0)
		error = delete_rows(spool, db_prepare(spool,
		    "DELETE FROM outbox WHERE state = 0 AND since_ms < ?1 AND sink IN"
		    " (SELECT row FROM sink WHERE met_ms < ?1)"), before, &gone);
	if (error == 0)
		error = delete_rows(spool, db_prepare(spool,
		    "DELETE FROM finding WHERE last_ms < ? AND NOT active AND NOT " WAITS),
		    before, &gone);
	/* not before its finding, which holds what it counted: another clock may be the reason */
	if (error == 0)
		error = delete_rows(spool, db_prepare(spool,
		    "DELETE FROM counter WHERE last_ms < ? AND (remote, aggregated) NOT IN"
		    " (SELECT remote, aggregated FROM finding WHERE NOT event)"), before, &gone);
	return error;
}

/* Rows of one round: few enough to take no more than is needed, nor to hold up intake. */
static int64_t
round_rows(const struct spool *spool)
{
	return (int64_t)(spool->max_bytes / 100 / ROW_BYTES) + 1;
}

/* The oldest rows that nobody waits for; *gone stays when there are none. */
static int
drop_delivered(struct spool *spool, uint64_t *gone)
{
	int error;

	error = delete_rows(spool, db_prepare(spool, "DELETE FROM outbox WHERE rowid IN"
	    " (SELECT rowid FROM outbox WHERE state <> 0 ORDER BY done_ms LIMIT ?)"),
	    round_rows(spool), gone);
	if (error == 0)
		error = delete_rows(spool, db_prepare(spool, "DELETE FROM finding WHERE rowid IN"
		    " (SELECT rowid FROM finding WHERE NOT active AND NOT " WAITS
		    " ORDER BY last_ms LIMIT ?)"), round_rows(spool), gone);
	return error;
}

/* How many of the n oldest rows that a sink waits for are frozen ones. */
static int
count_frozen(struct spool *spool, int64_t n, int64_t *frozen)
{
	sqlite3_stmt *stmt = db_prepare(spool, "SELECT count(*) FROM"
	    " (SELECT frozen FROM (SELECT 1 AS frozen, since_ms FROM outbox WHERE state = 0"
	    " AND " EXPENDABLE " UNION ALL SELECT 0, since_ms FROM wanted WHERE " EXPENDABLE
	    ") ORDER BY since_ms, frozen LIMIT ?) WHERE frozen");

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_int64(stmt, 1, n);
	return db_integer(spool, stmt, 0, frozen);
}

/*
 * The oldest of what a sink still waits for, frozen or not: what a sink that
 * works is about to be given is newer than what a dead one has let lie.
 */
static int
drop_undelivered(struct spool *spool, uint64_t *gone)
{
	int64_t n = round_rows(spool), frozen;
	int error;

	error = count_frozen(spool, n, &frozen);
	if (error == 0)
		error = delete_rows(spool, db_prepare(spool, "DELETE FROM outbox WHERE rowid IN"
		    " (SELECT rowid FROM outbox WHERE state = 0 AND " EXPENDABLE
		    " ORDER BY since_ms LIMIT ?)"), frozen, gone);
	if (error == 0)
		error = delete_rows(spool, db_prepare(spool, "DELETE FROM wanted WHERE"
		    " (sink, finding) IN (SELECT sink, finding FROM wanted WHERE " EXPENDABLE
		    " ORDER BY since_ms LIMIT ?)"), n - frozen, gone);
	return error;
}

/* Together with what goes, so that no end of the process hides it. */
static int
note_lost(struct spool *spool, int64_t lost)
{
	sqlite3_stmt *stmt = db_prepare(spool, "INSERT INTO meta VALUES ('lost', ?1)"
	    " ON CONFLICT DO UPDATE SET value = value + ?1");

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_int64(stmt, 1, lost);
	return db_finish(spool, stmt);
}

int
spool_lost(struct spool *spool, uint64_t *lost)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "SELECT max(CAST(value AS INTEGER), 0) FROM meta WHERE key = 'lost'");
	int64_t value = 0;
	int error;

	error = stmt == NULL ? -ENOSPC : db_integer(spool, stmt, 0, &value);
	*lost = (uint64_t)value;
	return error;
}

int
spool_told_lost(struct spool *spool, uint64_t told)
{
	return note_lost(spool, -(int64_t)told);
}

/* One round in one transaction. */
static int
drop_some(struct spool *spool, uint64_t *gone, uint64_t *lost)
{
	uint64_t undelivered = 0;
	int error;

	*gone = 0;
	error = spool_begin(spool);
	if (error != 0)
		return error;
	error = drop_delivered(spool, gone);
	if (error == 0 && *gone == 0) {
		error = drop_undelivered(spool, gone);
		undelivered = *gone;
		if (error == 0 && undelivered > 0)
			error = note_lost(spool, (int64_t)undelivered);
	}
	if (error == 0)
		error = spool_commit(spool);
	else
		spool_rollback(spool);
	if (error == 0)
		*lost += undelivered;
	return error;
}

int
spool_prune(struct spool *spool, int64_t now_ms, uint64_t *lost)
{
	uint64_t gone = 1;
	unsigned int round;
	int error;

	*lost = 0;
	error = spool_begin(spool);
	if (error != 0)
		return error;
	error = prune_history(spool, now_ms);
	if (error == 0)
		error = spool_commit(spool);
	else
		spool_rollback(spool);
	if (error != 0 || !spool_is_full(spool))
		return error;
	for (round = 0; round < PRUNE_ROUNDS && error == 0 && gone > 0 &&
	    above(spool, ROOM_PERCENT); round++)
		error = drop_some(spool, &gone, lost);
	return error;
}
