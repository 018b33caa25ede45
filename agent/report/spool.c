/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "threatlistd/log.h"
#include "report/spool_db.h"
#include "runtime/durable.h"

#define BUSY_TIMEOUT_MS	2000	/* for someone who looks into it with sqlite3(1) */

static void
close_db(struct spool *spool)
{
	unsigned int i;

	for (i = 0; i < spool->nstatements; i++)
		sqlite3_finalize(spool->statements[i].stmt);
	spool->nstatements = 0;
	sqlite3_close(spool->db);
	spool->db = NULL;
}

void
spool_free(struct spool *spool)
{
	if (spool == NULL)
		return;
	close_db(spool);
	free(spool);
}

const char *
spool_id(const struct spool *spool)
{
	return spool->id;
}

const char *
spool_error(const struct spool *spool)
{
	return spool->error;
}

int
spool_begin(struct spool *spool)
{
	return db_run(spool, "BEGIN IMMEDIATE");
}

void
spool_rollback(struct spool *spool)
{
	/* some failures have rolled back by themselves */
	if (sqlite3_get_autocommit(spool->db) == 0)
		sqlite3_exec(spool->db, "ROLLBACK", NULL, NULL, NULL);
}

int
spool_commit(struct spool *spool)
{
	int error = db_run(spool, "COMMIT");

	if (error != 0)
		spool_rollback(spool);
	return error;
}

/* 0 or -errno; -EBADMSG: it is not ours, or others could have written it. */
static int
check_own(const char *path, int flags)
{
	struct stat st;
	int fd, error;

	fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | flags, 0600);
	if (fd < 0) {
		error = -errno;
		if (error == -EACCES && lstat(path, &st) == 0 && st.st_uid != geteuid())
			error = -EBADMSG;
		return error;
	}
	error = durable_check(fd, path);
	close(fd);
	return error == -EPERM ? -EBADMSG : error;
}

/* SQLite would make it with the umask's mode, follow links, and take what is anybody's. */
static int
make_file(struct spool *spool)
{
	static const char *const tails[] = { "-wal", "-shm" };
	char path[sizeof(spool->path) + 8];
	size_t i;
	int error;

	error = check_own(spool->path, O_CREAT);
	for (i = 0; i < sizeof(tails) / sizeof(tails[0]) && error == 0; i++) {
		snprintf(path, sizeof(path), "%s%s", spool->path, tails[i]);
		error = check_own(path, 0);
		if (error == -ENOENT)
			error = 0;
	}
	if (error != 0)
		snprintf(spool->error, sizeof(spool->error), "%s", error == -EINVAL ?
		    "not a regular file" : error == -EBADMSG ?
		    "somebody else's, or others could write it" :
		    strerror(-error));
	return error;
}

/* A first look through every page: damage found later costs more. */
static int
look_through(struct spool *spool)
{
	sqlite3_stmt *stmt;
	int got;

	if (sqlite3_prepare_v2(spool->db, "PRAGMA quick_check(1)", -1, &stmt, NULL) != SQLITE_OK)
		return db_fail(spool, sqlite3_errcode(spool->db));
	got = sqlite3_step(stmt);
	if (got == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0)
		got = 0;
	else if (got == SQLITE_ROW)
		snprintf(spool->error, sizeof(spool->error), "%s",
		    (const char *)sqlite3_column_text(stmt, 0));
	else
		db_fail(spool, got);
	sqlite3_finalize(stmt);
	return got == 0 ? 0 : got == SQLITE_ROW ? -EBADMSG : db_fail(spool, got);
}

static int
set_page_limit(struct spool *spool)
{
	sqlite3_stmt *stmt = db_prepare(spool, "PRAGMA page_size");
	int64_t page_size;
	char sql[64];
	int error;

	error = db_integer(spool, stmt, 4096, &page_size);
	if (error != 0)
		return error;
	snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %lld",
	    (long long)spool->max_bytes / page_size);
	return db_run(spool, sql);
}

static int
open_db(struct spool *spool)
{
	int code, error = 0;

	if (!spool->memory)
		error = make_file(spool);
	if (error != 0)
		return error;
	code = sqlite3_open_v2(spool->memory ? ":memory:" : spool->path, &spool->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK)
		return db_fail(spool, code);
	sqlite3_busy_timeout(spool->db, BUSY_TIMEOUT_MS);
	error = db_run(spool, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
	    "PRAGMA journal_size_limit = 4194304; PRAGMA temp_store = MEMORY;"
	    "PRAGMA cache_size = -1024; PRAGMA trusted_schema = OFF;"
	    "CREATE TEMP TABLE met (sink INTEGER PRIMARY KEY)");
	if (error == 0 && !spool->memory)
		error = look_through(spool);
	if (error == 0)
		error = schema_open(spool);
	if (error == 0)
		error = set_page_limit(spool);
	return error;
}

void
spool_sync_folder(struct spool *spool)
{
	int error;

	if (spool->memory)
		return;
	error = durable_sync_above(spool->path);
	if (error != 0) {
		if (spool->unsynced++ == 0)
			log_error("spool folder not synced path=%s error=\"%s\"", spool->path,
			    strerror(-error));
		return;
	}
	if (spool->unsynced > 0)
		log_notice("spool folder synced path=%s after=%u", spool->path, spool->unsynced);
	spool->unsynced = 0;
}

unsigned int
spool_unsynced(const struct spool *spool)
{
	return spool->unsynced;
}

/* The file and its journal. */
static const char *const tails[] = { "", "-wal", "-shm" };

/* They go by the name spool.db.WHAT-TIME. */
static void
rename_files(struct spool *spool, const char *what, int64_t now_ms)
{
	char from[sizeof(spool->path) + 8], to[sizeof(spool->path) + 64], stamp[32];
	time_t now = (time_t)(now_ms / 1000);
	struct tm tm;
	unsigned int i;

	close_db(spool);
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		snprintf(from, sizeof(from), "%s%s", spool->path, tails[i]);
		snprintf(to, sizeof(to), "%s.%s-%s%s", spool->path, what, stamp, tails[i]);
		if (rename(from, to) == 0)
			log_error("spool set aside path=%s", to);
		else if (errno != ENOENT)
			log_error("spool not set aside path=%s error=\"%s\"", from,
			    strerror(errno));
	}
	spool_sync_folder(spool);
}

static void
remove_files(struct spool *spool)
{
	char path[sizeof(spool->path) + 8];
	unsigned int i;

	close_db(spool);
	for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", spool->path, tails[i]);
		unlink(path);
	}
}

void
spool_set_aside(struct spool *spool, int64_t now_ms)
{
	if (!spool->memory)
		rename_files(spool, "damaged", now_ms);
}

/*
 * What another host has kept stays beside.  A fresh agent is another host as
 * well until it has heard its instance id: then there is nothing to keep.
 */
static int
leave_other_host(struct spool *spool, const struct spool_conf *conf, const char *kept,
    int64_t now_ms, struct spool_opened *opened)
{
	bool used;
	int error;

	error = schema_used(spool, &used);
	if (error != 0)
		return error;
	if (used) {
		snprintf(opened->reason, sizeof(opened->reason),
		    "it is of host %.100s, this is %.100s", kept, conf->host_id);
		opened->set_aside = true;
		rename_files(spool, "other-host", now_ms);
	} else {
		remove_files(spool);
	}
	spool->id[0] = '\0';
	return open_db(spool);
}

/* Opens the file; one that is another host's is left first. */
static int
open_ours(struct spool *spool, const struct spool_conf *conf, int64_t now_ms,
    struct spool_opened *opened)
{
	char kept[FACT_MAX];
	int error;

	error = open_db(spool);
	if (error == 0)
		error = schema_host(spool, kept, sizeof(kept));
	if (error != 0)
		return error;
	if (kept[0] != '\0' && strcmp(kept, conf->host_id) != 0) {
		error = leave_other_host(spool, conf, kept, now_ms, opened);
		kept[0] = '\0';
	}
	if (error == 0 && kept[0] == '\0')
		error = schema_set_host(spool, conf->host_id);
	return error;
}

static int
open_in_memory(struct spool *spool, const struct spool_conf *conf, struct spool_opened *opened)
{
	int error;

	opened->memory = true;
	snprintf(opened->reason, sizeof(opened->reason), "%s", spool->error);
	close_db(spool);
	spool->memory = true;
	spool->id[0] = '\0';
	error = open_db(spool);
	return error == 0 ? schema_set_host(spool, conf->host_id) : error;
}

int
spool_open(struct spool **result, const struct spool_conf *conf, int64_t now_ms,
    struct spool_opened *opened)
{
	struct spool *spool;
	int error;

	memset(opened, 0, sizeof(*opened));
	spool = calloc(1, sizeof(*spool));
	if (spool == NULL)
		return -ENOMEM;
	snprintf(spool->path, sizeof(spool->path), "%s/spool.db", conf->dir);
	spool->max_bytes = conf->max_bytes;
	spool->history_ms = conf->history_ms;
	error = open_ours(spool, conf, now_ms, opened);
	if (error == -EBADMSG) {
		snprintf(opened->reason, sizeof(opened->reason), "%s", spool->error);
		opened->set_aside = opened->damaged = true;
		rename_files(spool, "damaged", now_ms);
		spool->id[0] = '\0';
		error = open_ours(spool, conf, now_ms, opened);
	}
	if (error != 0)
		error = open_in_memory(spool, conf, opened);
	if (error != 0) {
		spool_free(spool);
		return error;
	}
	spool_sync_folder(spool);
	*result = spool;
	return 0;
}

bool
spool_file_usable(const struct spool *spool)
{
	char probe[sizeof(spool->path) + 8];
	int fd;

	/* a file of its own: the spool itself may be what is wrong */
	snprintf(probe, sizeof(probe), "%s.probe", spool->path);
	fd = open(probe, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	close(fd);
	unlink(probe);
	return true;
}
