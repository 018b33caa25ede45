/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables, and how an older spool becomes one of today. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "report/spool_db.h"

/*
 * migrations[n] brings user_version n to n + 1.
 *
 * finding: one row a finding or event, body as last told (its sequence not yet
 * in it).  counter: last value of each cumulative count.  wanted: what a sink
 * has not got of a finding.  outbox: frozen bodies by sequence; the text goes
 * when it is delivered and stays when it was refused.
 */
static const char *const migrations[] = {
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE finding ("
	" id TEXT PRIMARY KEY, type TEXT NOT NULL, event INTEGER NOT NULL DEFAULT 0,"
	" remote TEXT, aggregated INTEGER, direction INTEGER, entry TEXT, lists TEXT,"
	" action INTEGER, verdict INTEGER, approximate INTEGER,"
	" active INTEGER NOT NULL DEFAULT 0, blocked INTEGER, severity INTEGER NOT NULL,"
	" local TEXT, local_port INTEGER, remote_port INTEGER, proto INTEGER,"
	" uid INTEGER, gid INTEGER, local_ports TEXT, remote_ports TEXT, protos TEXT,"
	" in_packets INTEGER, in_bytes INTEGER, in_dropped INTEGER,"
	" out_packets INTEGER, out_bytes INTEGER, out_dropped INTEGER,"
	" told_packets INTEGER, told_dropped INTEGER,"
	" created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,"
	" first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,"
	" revision INTEGER NOT NULL, count INTEGER NOT NULL, body TEXT);"
	"CREATE INDEX finding_last ON finding (last_ms, id);"
	"CREATE INDEX finding_active ON finding (active) WHERE active;"
	"CREATE TABLE counter ("
	" remote TEXT, aggregated INTEGER, dir INTEGER, epoch INTEGER NOT NULL,"
	" packets INTEGER NOT NULL, bytes INTEGER NOT NULL, dropped INTEGER NOT NULL,"
	" last_ms INTEGER NOT NULL, PRIMARY KEY (remote, aggregated, dir)) WITHOUT ROWID;"
	"CREATE INDEX counter_last ON counter (last_ms);"
	"CREATE TABLE sink ("
	" row INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	" sequence INTEGER NOT NULL DEFAULT 0, last_ok_ms INTEGER NOT NULL DEFAULT 0,"
	" met_ms INTEGER NOT NULL);"
	"CREATE TABLE wanted ("
	" sink INTEGER, finding TEXT, since_ms INTEGER NOT NULL,"
	" PRIMARY KEY (sink, finding)) WITHOUT ROWID;"
	"CREATE INDEX wanted_since ON wanted (sink, since_ms);"
	"CREATE INDEX wanted_finding ON wanted (finding);"
	"CREATE TABLE outbox ("
	" sink INTEGER, sequence INTEGER, finding TEXT NOT NULL, revision INTEGER NOT NULL,"
	" state INTEGER NOT NULL DEFAULT 0, since_ms INTEGER NOT NULL, done_ms INTEGER,"
	" attempts INTEGER NOT NULL DEFAULT 0, error TEXT, body TEXT,"
	" PRIMARY KEY (sink, sequence));"
	"CREATE INDEX outbox_state ON outbox (state, sink, sequence);"
	"CREATE INDEX outbox_done ON outbox (done_ms) WHERE done_ms IS NOT NULL;"
	"CREATE INDEX outbox_finding ON outbox (finding);",
	"CREATE INDEX finding_losses ON finding (created_ms) WHERE " SPOOL_IS_LOSS ";",
};

#define SCHEMA_VERSION	((int)(sizeof(migrations) / sizeof(migrations[0])))

static int
migrate(struct spool *spool, int64_t from)
{
	char sql[64];
	int64_t i;
	int error;

	error = spool_begin(spool);
	for (i = from; i < SCHEMA_VERSION && error == 0; i++)
		error = db_run(spool, migrations[i]);
	if (error == 0) {
		snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", SCHEMA_VERSION);
		error = db_run(spool, sql);
	}
	if (error == 0)
		return spool_commit(spool);
	spool_rollback(spool);
	return error;
}

/* Empty when there is none. */
static int
get_meta(struct spool *spool, const char *key, char *value, size_t size)
{
	sqlite3_stmt *stmt = db_prepare(spool, "SELECT value FROM meta WHERE key = ?");
	int got;

	value[0] = '\0';
	if (stmt == NULL)
		return -EBADMSG;
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	got = db_step(spool, stmt);
	if (got == 1) {
		snprintf(value, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
		db_done(stmt);
	}
	return got < 0 ? got : 0;
}

static int
set_meta(struct spool *spool, const char *key, const char *value)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2");

	if (stmt == NULL)
		return -EBADMSG;
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC);
	return db_finish(spool, stmt);
}

static int
open_id(struct spool *spool)
{
	uint8_t bytes[(SPOOL_ID_SIZE - 1) / 2];
	unsigned int i;
	int error;

	error = get_meta(spool, "spool", spool->id, sizeof(spool->id));
	if (error != 0 || spool->id[0] != '\0')
		return error;
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -errno;
	for (i = 0; i < sizeof(bytes); i++)
		snprintf(spool->id + 2 * i, 3, "%02x", bytes[i]);
	return set_meta(spool, "spool", spool->id);
}

int
schema_open(struct spool *spool)
{
	sqlite3_stmt *stmt = db_prepare(spool, "PRAGMA user_version");
	int64_t version;
	int error;

	if (stmt == NULL)
		return -EBADMSG;
	error = db_integer(spool, stmt, 0, &version);
	if (error != 0)
		return error;
	if (version > SCHEMA_VERSION) {
		snprintf(spool->error, sizeof(spool->error),
		    "made by a newer threatlistd: version is %lld, at most %d is known",
		    (long long)version, SCHEMA_VERSION);
		return -EBADMSG;
	}
	if (version < SCHEMA_VERSION)
		error = migrate(spool, version);
	return error == 0 ? open_id(spool) : error;
}

int
schema_host(struct spool *spool, char *host_id, size_t size)
{
	return get_meta(spool, "host_id", host_id, size);
}

int
schema_set_host(struct spool *spool, const char *host_id)
{
	return set_meta(spool, "host_id", host_id);
}

int
schema_used(struct spool *spool, bool *used)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "SELECT EXISTS (SELECT 1 FROM finding) OR EXISTS (SELECT 1 FROM counter)"
	    " OR EXISTS (SELECT 1 FROM outbox) OR EXISTS (SELECT 1 FROM sink WHERE sequence > 0)");
	int64_t any;
	int error;

	if (stmt == NULL)
		return -EBADMSG;
	error = db_integer(spool, stmt, 0, &any);
	*used = any != 0;
	return error;
}
