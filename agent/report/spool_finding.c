/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Findings and counters as rows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/event.h"
#include "report/spool_db.h"

/* Numbers as text, "22,80,443"; there are at most 256. */
#define NUMBERS_MAX	2048

static void
ports_text(const struct finding_ports *ports, char text[static NUMBERS_MAX])
{
	unsigned int i;
	size_t at = 0;

	text[0] = '\0';
	for (i = 0; i < ports->n; i++)
		at += (size_t)snprintf(text + at, NUMBERS_MAX - at, "%s%u", i > 0 ? "," : "",
		    ports->port[i]);
	if (ports->more)
		snprintf(text + at, NUMBERS_MAX - at, ",more");
}

static void
protos_text(const uint64_t protos[static 4], char text[static NUMBERS_MAX])
{
	unsigned int i;
	size_t at = 0;

	text[0] = '\0';
	for (i = 0; i < 256; i++) {
		if ((protos[i / 64] & UINT64_C(1) << i % 64) != 0)
			at += (size_t)snprintf(text + at, NUMBERS_MAX - at, "%s%u",
			    at > 0 ? "," : "", i);
	}
}

/* Takes the next number below limit off *text; false at the end. */
static bool
next_number(const char **text, unsigned long limit, unsigned long *number)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	*number = strtoul(*text, &end, 10);
	*text = *end == ',' ? end + 1 : end;
	return *number < limit;
}

static void
ports_parse(struct finding_ports *ports, const char *text)
{
	unsigned long port;

	while (ports->n < FINDING_PORTS && next_number(&text, UINT16_MAX + 1ul, &port))
		ports->port[ports->n++] = (uint16_t)port;
	ports->more = strcmp(text, "more") == 0;
}

static void
protos_parse(uint64_t protos[static 4], const char *text)
{
	unsigned long proto;

	while (next_number(&text, 256, &proto))
		protos[proto / 64] |= UINT64_C(1) << proto % 64;
}

/* Parameters one after the other. */
struct binder {
	sqlite3_stmt *stmt;
	int at;
};

static void
put(struct binder *binder, uint64_t value)
{
	sqlite3_bind_int64(binder->stmt, ++binder->at, (sqlite3_int64)(value > INT64_MAX ?
	    INT64_MAX : value));
}

/* NULL or empty text: the column is NULL. */
static void
put_text(struct binder *binder, const char *text)
{
	if (text == NULL || *text == '\0')
		sqlite3_bind_null(binder->stmt, ++binder->at);
	else
		sqlite3_bind_text(binder->stmt, ++binder->at, text, -1, SQLITE_TRANSIENT);
}

static void
put_traffic(struct binder *binder, const struct traffic *traffic)
{
	put(binder, traffic->packets);
	put(binder, traffic->bytes);
	put(binder, traffic->dropped);
}

static void
put_packet(struct binder *binder, const struct finding_packet *packet)
{
	char text[ADDR_TEXT_MAX];

	put_text(binder, packet->local.family == ADDR_NONE ? NULL :
	    addr_text(&packet->local, text));
	if (packet->has_ports) {
		put(binder, packet->local_port);
		put(binder, packet->remote_port);
	} else {
		put_text(binder, NULL);
		put_text(binder, NULL);
	}
	put(binder, packet->proto);
}

static void
put_finding(struct binder *binder, const struct finding *finding)
{
	char text[RANGE_TEXT_MAX], numbers[NUMBERS_MAX];

	put_text(binder, finding->id);
	put_text(binder, FINDING_TYPE);
	put_text(binder, finding_remote_text(&finding->remote, finding->aggregated, text));
	put(binder, finding->aggregated);
	put(binder, finding->direction);
	put_text(binder, range_cidr(&finding->entry, text));
	put_text(binder, finding->lists);
	put(binder, finding->action);
	put(binder, finding->verdict);
	put(binder, finding->approximate);
	put(binder, finding->active);
	put(binder, finding->blocked);
	put(binder, finding->severity);
	put_packet(binder, &finding->packet);
	put(binder, finding->uid);
	put(binder, finding->gid);
	ports_text(&finding->local_ports, numbers);
	put_text(binder, numbers);
	ports_text(&finding->remote_ports, numbers);
	put_text(binder, numbers);
	protos_text(finding->protos, numbers);
	put_text(binder, numbers);
	put_traffic(binder, &finding->in);
	put_traffic(binder, &finding->out);
	put(binder, finding->told_packets);
	put(binder, finding->told_dropped);
	put(binder, (uint64_t)finding->created_ms);
	put(binder, (uint64_t)finding->updated_ms);
	put(binder, (uint64_t)finding->first_ms);
	put(binder, (uint64_t)finding->last_ms);
	put(binder, finding->revision);
	put(binder, finding->count);
}

#define COLUMNS								\
	"id, type, remote, aggregated, direction, entry, lists, action, verdict, approximate,"	\
	" active, blocked, severity, local, local_port, remote_port, proto, uid, gid,"		\
	" local_ports, remote_ports, protos, in_packets, in_bytes, in_dropped, out_packets,"	\
	" out_bytes, out_dropped, told_packets, told_dropped, created_ms, updated_ms,"		\
	" first_ms, last_ms, revision, count"

int
spool_save_finding(struct spool *spool, const struct finding *finding, const char *body)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "INSERT INTO finding (" COLUMNS ", body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
	    " ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25,"
	    " ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37)"
	    " ON CONFLICT (id) DO UPDATE SET entry = ?6, lists = ?7, action = ?8, verdict = ?9,"
	    " approximate = ?10, active = ?11, blocked = ?12, severity = ?13, local = ?14,"
	    " local_port = ?15, remote_port = ?16, proto = ?17, uid = ?18, gid = ?19,"
	    " local_ports = ?20, remote_ports = ?21, protos = ?22, in_packets = ?23,"
	    " in_bytes = ?24, in_dropped = ?25, out_packets = ?26, out_bytes = ?27,"
	    " out_dropped = ?28, told_packets = ?29, told_dropped = ?30, updated_ms = ?32,"
	    " first_ms = ?33, last_ms = ?34, revision = ?35, count = ?36,"
	    " body = coalesce(?37, body)");
	struct binder binder = { stmt, 0 };

	if (stmt == NULL)
		return -ENOSPC;
	put_finding(&binder, finding);
	put_text(&binder, body);
	return db_finish(spool, stmt);
}

/* Columns one after the other. */
static uint64_t
take(struct binder *binder)
{
	return (uint64_t)sqlite3_column_int64(binder->stmt, binder->at++);
}

/* Empty when the column is NULL. */
static const char *
take_text(struct binder *binder)
{
	const unsigned char *text = sqlite3_column_text(binder->stmt, binder->at++);

	return text != NULL ? (const char *)text : "";
}

static void
take_traffic(struct binder *binder, struct traffic *traffic)
{
	traffic->packets = take(binder);
	traffic->bytes = take(binder);
	traffic->dropped = take(binder);
}

static void
take_packet(struct binder *binder, struct finding_packet *packet)
{
	const char *local = take_text(binder);

	if (*local != '\0')
		addr_parse(&packet->local, local, strlen(local));
	packet->has_ports = sqlite3_column_type(binder->stmt, binder->at) != SQLITE_NULL;
	packet->local_port = (uint16_t)take(binder);
	packet->remote_port = (uint16_t)take(binder);
	packet->proto = (uint8_t)take(binder);
}

/* NULL or what is wrong with the text. */
static const char *
take_range(struct binder *binder, struct range *range)
{
	const char *text = take_text(binder);
	unsigned int notes = 0;

	return range_parse(range, text, strlen(text), &notes);
}

static void
take_told(struct binder *binder, struct finding *finding)
{
	finding->told_packets = take(binder);
	finding->told_dropped = take(binder);
	finding->created_ms = (int64_t)take(binder);
	finding->updated_ms = (int64_t)take(binder);
	finding->first_ms = (int64_t)take(binder);
	finding->last_ms = (int64_t)take(binder);
	finding->revision = take(binder);
	finding->count = take(binder);
}

/* false: the row makes no sense. */
static bool
take_finding(struct binder *binder, struct finding *finding)
{
	struct range remote;

	snprintf(finding->id, sizeof(finding->id), "%s", take_text(binder));
	take_text(binder);
	if (take_range(binder, &remote) != NULL)
		return false;
	finding->aggregated = take(binder) != 0;
	finding->direction = (uint8_t)take(binder);
	if (finding->direction != FLOW_INBOUND && finding->direction != FLOW_OUTBOUND)
		return false;
	finding->remote = remote;
	if (take_range(binder, &finding->entry) != NULL)
		finding->entry = remote;
	finding_set_lists(finding, take_text(binder));
	finding->action = (uint8_t)take(binder);
	finding->verdict = (uint8_t)take(binder);
	finding->approximate = take(binder) != 0;
	finding->active = take(binder) != 0;
	finding->blocked = take(binder) != 0;
	finding->severity = (uint8_t)take(binder);
	take_packet(binder, &finding->packet);
	finding->uid = (uint32_t)take(binder);
	finding->gid = (uint32_t)take(binder);
	ports_parse(&finding->local_ports, take_text(binder));
	ports_parse(&finding->remote_ports, take_text(binder));
	protos_parse(finding->protos, take_text(binder));
	take_traffic(binder, &finding->in);
	take_traffic(binder, &finding->out);
	take_told(binder, finding);
	return true;
}

int
spool_finding(struct spool *spool, const char *id, struct finding *finding)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "SELECT " COLUMNS " FROM finding WHERE id = ? AND NOT event");
	struct binder binder = { stmt, 0 };
	struct finding found;
	bool sound;
	int got;

	if (stmt == NULL)
		return -ENOSPC;
	sqlite3_bind_text(stmt, 1, id, -1, SQLITE_TRANSIENT);
	got = db_step(spool, stmt);
	if (got != 1)
		return got;
	memset(&found, 0, sizeof(found));
	sound = take_finding(&binder, &found);
	db_done(stmt);
	if (sound) {
		finding_fini(finding);
		*finding = found;
	} else {
		finding_fini(&found);
	}
	return sound;
}

int
spool_live_ids(struct spool *spool, int64_t since_ms, size_t max, char **ids, size_t *n)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "SELECT id FROM (SELECT id, last_ms FROM finding WHERE NOT event AND"
	    " (active OR last_ms >= ?1 OR revision = 0)"
	    " ORDER BY active DESC, last_ms DESC LIMIT ?2) ORDER BY last_ms");
	int got;

	*n = 0;
	*ids = calloc(max + 1, FINDING_ID_SIZE);
	if (*ids == NULL || stmt == NULL)
		return -ENOMEM;
	sqlite3_bind_int64(stmt, 1, since_ms);
	sqlite3_bind_int64(stmt, 2, (sqlite3_int64)max);
	while ((got = db_step(spool, stmt)) == 1) {
		snprintf(*ids + *n * FINDING_ID_SIZE, FINDING_ID_SIZE, "%s",
		    (const char *)sqlite3_column_text(stmt, 0));
		++*n;
	}
	return got;
}

static void
put_counter_key(struct binder *binder, const struct counter *counter)
{
	char text[RANGE_TEXT_MAX];

	put_text(binder, finding_remote_text(&counter->remote, counter->aggregated, text));
	put(binder, counter->aggregated);
	/* 2 and 3: the sensor's */
	put(binder, counter->dir + (counter->sensed ? 2u : 0u));
}

int
spool_save_counter(struct spool *spool, const struct counter *counter)
{
	sqlite3_stmt *stmt = db_prepare(spool,
	    "INSERT INTO counter (remote, aggregated, dir, epoch, packets, bytes, dropped, last_ms)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET epoch = ?4,"
	    " packets = ?5, bytes = ?6, dropped = ?7, last_ms = ?8");
	struct binder binder = { stmt, 0 };

	if (stmt == NULL)
		return -ENOSPC;
	put_counter_key(&binder, counter);
	/* an epoch is random: all of its 64 bits count */
	sqlite3_bind_int64(stmt, ++binder.at, (sqlite3_int64)counter->epoch);
	put_traffic(&binder, &counter->value);
	put(&binder, (uint64_t)counter->last_ms);
	return db_finish(spool, stmt);
}

int
spool_counter(struct spool *spool, struct counter *counter)
{
	sqlite3_stmt *stmt = db_prepare(spool, "SELECT epoch, packets, bytes, dropped, last_ms"
	    " FROM counter WHERE remote = ? AND aggregated = ? AND dir = ?");
	struct binder key = { stmt, 0 }, columns = { stmt, 0 };
	int got;

	if (stmt == NULL)
		return -ENOSPC;
	put_counter_key(&key, counter);
	got = db_step(spool, stmt);
	if (got != 1)
		return got;
	counter->epoch = take(&columns);
	take_traffic(&columns, &counter->value);
	counter->last_ms = (int64_t)take(&columns);
	counter->known = true;
	db_done(stmt);
	return 1;
}

int
spool_save_event(struct spool *spool, const char *id, const struct event *event,
    const char *body)
{
	sqlite3_stmt *stmt = db_prepare(spool, "INSERT INTO finding (id, type, event, severity,"
	    " created_ms, updated_ms, first_ms, last_ms, revision, count, body)"
	    " VALUES (?1, ?2, 1, ?3, ?4, ?4, ?4, ?4, 1, 1, ?5) ON CONFLICT DO NOTHING");
	struct binder binder = { stmt, 0 };
	int error;

	if (stmt == NULL)
		return -ENOSPC;
	put_text(&binder, id);
	put_text(&binder, event_type(event->name));
	put(&binder, event_severity(event->name));
	put(&binder, (uint64_t)event->time_ms);
	put_text(&binder, body);
	error = db_finish(spool, stmt);
	if (error == 0 && sqlite3_changes(spool->db) == 0)
		error = -EEXIST;
	return error;
}
