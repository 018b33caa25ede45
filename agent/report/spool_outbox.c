/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What sinks want, what is frozen for them, and what became of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/render.h"
#include "report/spool_db.h"

int
spool_sink_stat(struct spool *spool, int64_t row, struct spool_sink *sink)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "SELECT sequence, last_ok_ms,"
	    " (SELECT count(*) FROM wanted WHERE sink = row) +"
	    " (SELECT count(*) FROM outbox WHERE state = 0 AND sink = row),"
	    " (SELECT count(*) FROM outbox WHERE state = 2 AND sink = row),"
	    " coalesce((SELECT min(since_ms) FROM wanted WHERE sink = row), 0),"
	    " coalesce((SELECT min(since_ms) FROM outbox WHERE state = 0 AND sink = row), 0)"
	    " FROM sink WHERE row = ?");
	int64_t wanted, frozen;
	int got;

	memset(sink, 0, sizeof(*sink));
	sink->row = row;
	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_int64(stmt, 1, row);
	got = db_step(spool, stmt);
	if (got != 1)
		return got < 0 ? got : -ENOENT;
	sink->sequence = (uint64_t)sqlite3_column_int64(stmt, 0);
	sink->last_ok_ms = sqlite3_column_int64(stmt, 1);
	sink->pending = (uint64_t)sqlite3_column_int64(stmt, 2);
	sink->refused = (uint64_t)sqlite3_column_int64(stmt, 3);
	wanted = sqlite3_column_int64(stmt, 4);
	frozen = sqlite3_column_int64(stmt, 5);
	sink->oldest_pending_ms = frozen != 0 && (wanted == 0 || frozen < wanted) ? frozen :
	    wanted;
	db_done(stmt);
	return 0;
}

/* In memory: which sinks there are is the config's, and this connection's. */
static int
note_met(struct spool *spool, int64_t row)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "INSERT INTO temp.met VALUES (?) ON CONFLICT DO NOTHING");

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_int64(stmt, 1, row);
	return db_finish(spool, stmt);
}

int
spool_sink(struct spool *spool, const char *name, int64_t now_ms, struct spool_sink *sink)
{
	sqlite3_stmt *insert = db_prepare(spool,
	    "INSERT INTO sink (name, met_ms) VALUES (?1, ?2)"
	    " ON CONFLICT (name) DO UPDATE SET met_ms = ?2");
	sqlite3_stmt *find = db_prepare(spool, "SELECT row FROM sink WHERE name = ?");
	int64_t row;
	int error;

	if (insert == NULL || find == NULL)
		return -ENOSPC;
	sqlite3_bind_text(insert, 1, name, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(insert, 2, now_ms);
	error = db_finish(spool, insert);
	if (error != 0)
		return error;
	sqlite3_bind_text(find, 1, name, -1, SQLITE_TRANSIENT);
	error = db_integer(spool, find, 0, &row);
	if (error == 0)
		error = note_met(spool, row);
	return error == 0 ? spool_sink_stat(spool, row, sink) : error;
}

int
spool_want(struct spool *spool, int64_t row, const char *id, int64_t now_ms)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "INSERT INTO wanted VALUES (?, ?, ?) ON CONFLICT DO NOTHING");

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_int64(stmt, 1, row);
	sqlite3_bind_text(stmt, 2, id, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(stmt, 3, now_ms);
	return db_finish(spool, stmt);
}

/* Statements about one sink, with a number beside. */
static int
run_for(struct spool *spool, sqlite3_stmt *stmt, int64_t row, int64_t number)
{
	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_int64(stmt, 1, row);
	sqlite3_bind_int64(stmt, 2, number);
	return db_finish(spool, stmt);
}

static int
count_waiting(struct spool *spool, int64_t row, unsigned int *n)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "SELECT count(*) FROM outbox WHERE state = 0 AND sink = ?");
	int64_t count;
	int error;

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_int64(stmt, 1, row);
	error = db_integer(spool, stmt, 0, &count);
	*n = (unsigned int)count;
	return error;
}

/* In which form bodies are frozen. */
struct form {
	spool_form_fn *make;
	void *arg;
};

/* One wanted finding, which is in the row of stmt, becomes a frozen body. */
static int
freeze_one(struct spool *spool, int64_t row, sqlite3_stmt *stmt, const struct form *form,
    uint64_t sequence)
{
	sqlite3_stmt *insert = db_prepare(spool,
	    "INSERT INTO outbox (sink, sequence, finding, revision, since_ms, body)"
	    " VALUES (?, ?, ?, ?, ?, ?)");
	char *body;
	int error;

	if (insert == NULL)
		return -ENOSPC;
	body = render_placed((const char *)sqlite3_column_text(stmt, 3), sequence);
	if (body != NULL && form->make != NULL)
		body = form->make(body, form->arg);
	if (body == NULL)
		return -ENOMEM;
	sqlite3_bind_int64(insert, 1, row);
	sqlite3_bind_int64(insert, 2, (sqlite3_int64)sequence);
	sqlite3_bind_text(insert, 3, (const char *)sqlite3_column_text(stmt, 0), -1,
	    SQLITE_TRANSIENT);
	sqlite3_bind_int64(insert, 4, sqlite3_column_int64(stmt, 1));
	sqlite3_bind_int64(insert, 5, sqlite3_column_int64(stmt, 2));
	sqlite3_bind_text(insert, 6, body, -1, SQLITE_STATIC);
	error = db_finish(spool, insert);
	free(body);
	return error;
}

/* Freezes the oldest max marks; *last is the sequence of the last one before and after. */
static int
freeze_wanted(struct spool *spool, int64_t row, unsigned int max, const struct form *form,
    uint64_t *last)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "SELECT finding.id, revision, since_ms, body FROM wanted JOIN finding"
	    " ON finding.id = wanted.finding WHERE sink = ? AND body IS NOT NULL"
	    " ORDER BY since_ms, created_ms, finding.id LIMIT ?");
	int got, error = 0;

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_int64(stmt, 1, row);
	sqlite3_bind_int64(stmt, 2, max);
	while (error == 0 && (got = db_step(spool, stmt)) != 0) {
		error = got < 0 ? got : freeze_one(spool, row, stmt, form, *last + 1);
		if (error == 0)
			++*last;
	}
	db_done(stmt);
	return error;
}

static int
freeze(struct spool *spool, int64_t row, unsigned int max, const struct form *form,
    unsigned int *n)
{
	sqlite3_stmt *stmt = db_prepare(spool, "SELECT sequence FROM sink WHERE row = ?");
	uint64_t last, before;
	int64_t sequence;
	int error;

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_int64(stmt, 1, row);
	error = db_integer(spool, stmt, 0, &sequence);
	if (error != 0)
		return error;
	before = last = (uint64_t)sequence;
	error = freeze_wanted(spool, row, max, form, &last);
	if (error == 0)
		error = run_for(spool, db_prepare(spool, "DELETE FROM wanted WHERE sink = ?1 AND"
		    " finding IN (SELECT finding FROM outbox WHERE sink = ?1 AND sequence > ?2)"),
		    row, (int64_t)before);
	if (error == 0)
		error = run_for(spool, db_prepare(spool,
		    "UPDATE sink SET sequence = ?2 WHERE row = ?1"), row, (int64_t)last);
	*n = (unsigned int)(last - before);
	return error;
}

static bool
wants_any(struct spool *spool, int64_t row)
{
	sqlite3_stmt *stmt = db_prepare(spool, "SELECT 1 FROM wanted WHERE sink = ? LIMIT 1");
	int64_t any;

	if (stmt == NULL)
		return false;
	sqlite3_bind_int64(stmt, 1, row);
	return db_integer(spool, stmt, 0, &any) == 0 && any == 1;
}

/* The frozen body in the row of stmt, if it does not fit.  0 or -errno. */
static int
reform_one(struct spool *spool, int64_t row, sqlite3_stmt *stmt, const struct form *form)
{
	sqlite3_stmt *update = db_prepare(spool,
	    "UPDATE outbox SET body = ?, revision = ? WHERE sink = ? AND sequence = ?");
	sqlite3_int64 sequence = sqlite3_column_int64(stmt, 0);
	char *body;
	int error;

	if (update == NULL)
		return -ENOSPC;
	body = render_placed((const char *)sqlite3_column_text(stmt, 2), (uint64_t)sequence);
	if (body != NULL && form->make != NULL)
		body = form->make(body, form->arg);
	if (body == NULL)
		return -ENOMEM;
	sqlite3_bind_text(update, 1, body, -1, SQLITE_STATIC);
	sqlite3_bind_int64(update, 2, sqlite3_column_int64(stmt, 3));
	sqlite3_bind_int64(update, 3, row);
	sqlite3_bind_int64(update, 4, sequence);
	error = db_finish(spool, update);
	free(body);
	return error;
}

static int
reform(struct spool *spool, int64_t row, bool (*fits)(const char *body), const struct form *form)
{
	sqlite3_stmt *stmt = db_prepare(spool, "SELECT sequence, outbox.body, finding.body,"
	    " finding.revision FROM outbox JOIN finding ON finding.id = outbox.finding"
	    " WHERE state = 0 AND sink = ? AND outbox.body IS NOT NULL"
	    " AND finding.body IS NOT NULL");
	int got, error = 0;

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_int64(stmt, 1, row);
	while (error == 0 && (got = db_step(spool, stmt)) != 0) {
		if (got < 0)
			error = got;
		else if (!fits((const char *)sqlite3_column_text(stmt, 1)))
			error = reform_one(spool, row, stmt, form);
	}
	db_done(stmt);
	return error;
}

int
spool_reform(struct spool *spool, int64_t row, bool (*fits)(const char *body),
    spool_form_fn *make, void *arg)
{
	const struct form form = { make, arg };
	unsigned int n;
	int error = count_waiting(spool, row, &n);

	if (error != 0 || n == 0)
		return error;
	error = spool_begin(spool);
	if (error == 0)
		error = reform(spool, row, fits, &form);
	if (error == 0)
		return spool_commit(spool);
	spool_rollback(spool);
	return error;
}

bool
spool_has_more(struct spool *spool, int64_t row)
{
	unsigned int n;

	return (count_waiting(spool, row, &n) == 0 && n > 0) || wants_any(spool, row);
}

int
spool_freeze(struct spool *spool, int64_t row, unsigned int max, spool_form_fn *make,
    void *arg, unsigned int *n)
{
	const struct form form = { make, arg };
	int error = count_waiting(spool, row, n);

	if (error != 0 || *n > 0 || !wants_any(spool, row))
		return error;
	error = spool_begin(spool);
	if (error == 0)
		error = freeze(spool, row, max, &form, n);
	if (error == 0)
		error = spool_commit(spool);
	else
		spool_rollback(spool);
	if (error != 0)
		*n = 0;
	return error;
}

int
spool_waiting(struct spool *spool, int64_t row, unsigned int max, size_t max_bytes,
    bool gaps, struct spool_body **bodies, unsigned int *n)
{
	sqlite3_stmt *stmt = db_prepare(spool, "SELECT sequence, body FROM outbox"
	    " WHERE state = 0 AND sink = ? ORDER BY sequence LIMIT ?");
	struct spool_body *body;
	size_t bytes = 0;
	int got = 0;

	*n = 0;
	*bodies = calloc(max, sizeof(**bodies));
	if (*bodies == NULL)
		return -ENOMEM;
	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_int64(stmt, 1, row);
	sqlite3_bind_int64(stmt, 2, max);
	while ((got = db_step(spool, stmt)) == 1) {
		body = &(*bodies)[*n];
		body->sequence = (uint64_t)sqlite3_column_int64(stmt, 0);
		body->size = (size_t)sqlite3_column_bytes(stmt, 1);
		bytes += body->size;
		if (*n > 0 && (bytes > max_bytes ||
		    (!gaps && body->sequence != body[-1].sequence + 1)))
			break;
		body->text = strdup((const char *)sqlite3_column_text(stmt, 1));
		if (body->text == NULL) {
			got = -ENOMEM;
			break;
		}
		++*n;
	}
	db_done(stmt);
	return got < 0 ? got : 0;
}

void
spool_bodies_free(struct spool_body *bodies, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		free(bodies[i].text);
	free(bodies);
}

int
spool_delivered(struct spool *spool, int64_t row, uint64_t first, uint64_t last, int64_t now_ms)
{
	sqlite3_stmt *stmt;
	int error;

	error = spool_begin(spool);
	if (error != 0)
		return error;
	stmt = db_prepare(spool, "UPDATE outbox SET state = 1, done_ms = ?, body = NULL,"
	    " error = NULL, attempts = attempts + 1"
	    " WHERE sink = ? AND sequence BETWEEN ? AND ? AND state = 0");
	if (stmt != NULL) {
		sqlite3_bind_int64(stmt, 1, now_ms);
		sqlite3_bind_int64(stmt, 2, row);
		sqlite3_bind_int64(stmt, 3, (sqlite3_int64)first);
		sqlite3_bind_int64(stmt, 4, (sqlite3_int64)last);
	}
	error = stmt == NULL ? -ENOSPC : db_finish(spool, stmt);
	if (error == 0)
		error = run_for(spool, db_prepare(spool,
		    "UPDATE sink SET last_ok_ms = ?2 WHERE row = ?1"), row, now_ms);
	if (error == 0)
		return spool_commit(spool);
	spool_rollback(spool);
	return error;
}

int
spool_tried(struct spool *spool, int64_t row, uint64_t first, uint64_t last, const char *error)
{
	sqlite3_stmt *stmt = db_prepare(spool, "UPDATE outbox SET attempts = attempts + 1,"
	    " error = ? WHERE sink = ? AND sequence BETWEEN ? AND ? AND state = 0");

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_text(stmt, 1, error, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(stmt, 2, row);
	sqlite3_bind_int64(stmt, 3, (sqlite3_int64)first);
	sqlite3_bind_int64(stmt, 4, (sqlite3_int64)last);
	return db_finish(spool, stmt);
}

int
spool_refused(struct spool *spool, int64_t row, uint64_t sequence, int64_t now_ms,
    const char *error)
{
	sqlite3_stmt *stmt = db_prepare(spool, "UPDATE outbox SET state = 2, done_ms = ?,"
	    " error = ?, attempts = attempts + 1 WHERE sink = ? AND sequence = ? AND state = 0");

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_int64(stmt, 1, now_ms);
	sqlite3_bind_text(stmt, 2, error, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(stmt, 3, row);
	sqlite3_bind_int64(stmt, 4, (sqlite3_int64)sequence);
	return db_finish(spool, stmt);
}

int
spool_undelivered(struct spool *spool, uint64_t *pending, uint64_t *findings)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "SELECT count(*), count(DISTINCT finding) FROM " SPOOL_WAITING " WHERE " SPOOL_IS_MET);
	int got = db_step(spool, stmt);

	*pending = *findings = 0;
	if (got == 1) {
		*pending = (uint64_t)sqlite3_column_int64(stmt, 0);
		*findings = (uint64_t)sqlite3_column_int64(stmt, 1);
		db_done(stmt);
	}
	return got < 0 ? got : 0;
}
