/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The spool: rows that come back as they went in, sequences, bounds in time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/spool.h"
#include "threatlistd/log.h"

#define NOW	INT64_C(1700000000000)
#define DAY	(INT64_C(24) * 3600 * 1000)

static unsigned int folder_syncs_to_fail;

/* Instead of the C library's: a disk that does not confirm the names in a folder. */
int
fsync(int fd)
{
	struct stat st;

	if (folder_syncs_to_fail > 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		folder_syncs_to_fail--;
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

struct box {
	char dir[64];
	struct spool_conf conf;
	struct spool_opened opened;
	struct spool *spool;
};

static void
open_again(struct box *box)
{
	spool_free(box->spool);
	box->spool = NULL;
	assert_int_equal(spool_open(&box->spool, &box->conf, NOW, &box->opened), 0);
}

static void
open_box(struct box *box)
{
	memset(box, 0, sizeof(*box));
	snprintf(box->dir, sizeof(box->dir), "/tmp/threatlistd-spool-XXXXXX");
	assert_non_null(mkdtemp(box->dir));
	box->conf = (struct spool_conf){ .dir = box->dir, .host_id = "i-0abc",
		.max_bytes = 16 << 20, .history_ms = 90 * DAY };
	open_again(box);
	assert_false(box->opened.memory);
}

static void
close_box(struct box *box)
{
	static const char *const names[] = { "spool.db", "spool.db-wal", "spool.db-shm" };
	char path[128];
	size_t i;

	spool_free(box->spool);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", box->dir, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(box->dir), 0);
}

static struct finding
finding_with(const char *remote, bool aggregated)
{
	struct finding finding;
	struct range range;
	unsigned int notes = 0;

	assert_null(range_parse(&range, remote, strlen(remote), &notes));
	finding_init(&finding, &range, aggregated, FLOW_OUTBOUND, NOW);
	finding_id(finding.id, "i-0abc", FINDING_TYPE, &range, aggregated, FLOW_OUTBOUND);
	finding.first_ms = NOW;
	finding.last_ms = NOW + 5;
	finding.active = true;
	return finding;
}

static void
save(struct box *box, const struct finding *finding, const char *body)
{
	assert_int_equal(spool_begin(box->spool), 0);
	assert_int_equal(spool_save_finding(box->spool, finding, body), 0);
	assert_int_equal(spool_commit(box->spool), 0);
}

static void
assert_same(const struct finding *a, const struct finding *b)
{
	struct finding left = *a, right = *b;

	if (a->lists != NULL || b->lists != NULL)
		assert_string_equal(a->lists, b->lists);
	left.lists = right.lists = NULL;
	assert_memory_equal(&left.remote, &right.remote, sizeof(left.remote));
	assert_memory_equal(&left.entry, &right.entry, sizeof(left.entry));
	assert_memory_equal(&left.packet.local, &right.packet.local, sizeof(left.packet.local));
	assert_int_equal(left.packet.local_port, right.packet.local_port);
	assert_int_equal(left.packet.remote_port, right.packet.remote_port);
	assert_int_equal(left.packet.has_ports, right.packet.has_ports);
	assert_int_equal(left.packet.proto, right.packet.proto);
	assert_memory_equal(left.local_ports.port, right.local_ports.port,
	    sizeof(left.local_ports.port));
	assert_int_equal(left.local_ports.n, right.local_ports.n);
	assert_int_equal(left.local_ports.more, right.local_ports.more);
	assert_int_equal(left.remote_ports.n, right.remote_ports.n);
	assert_memory_equal(left.protos, right.protos, sizeof(left.protos));
	assert_memory_equal(&left.in, &right.in, sizeof(left.in));
	assert_memory_equal(&left.out, &right.out, sizeof(left.out));
	assert_string_equal(left.id, right.id);
	assert_int_equal(left.aggregated, right.aggregated);
	assert_int_equal(left.direction, right.direction);
	assert_int_equal(left.action, right.action);
	assert_int_equal(left.verdict, right.verdict);
	assert_int_equal(left.approximate, right.approximate);
	assert_int_equal(left.active, right.active);
	assert_int_equal(left.blocked, right.blocked);
	assert_int_equal(left.severity, right.severity);
	assert_int_equal(left.uid, right.uid);
	assert_int_equal(left.gid, right.gid);
	assert_int_equal(left.told_packets, right.told_packets);
	assert_int_equal(left.told_dropped, right.told_dropped);
	assert_int_equal(left.created_ms, right.created_ms);
	assert_int_equal(left.updated_ms, right.updated_ms);
	assert_int_equal(left.first_ms, right.first_ms);
	assert_int_equal(left.last_ms, right.last_ms);
	assert_int_equal(left.revision, right.revision);
	assert_int_equal(left.count, right.count);
}

static void
comes_back(struct box *box, const struct finding *finding)
{
	struct finding found;

	memset(&found, 0, sizeof(found));
	save(box, finding, NULL);
	assert_int_equal(spool_finding(box->spool, finding->id, &found), 1);
	assert_same(finding, &found);
	finding_fini(&found);
}

static void
findings_come_back_whole(void **state)
{
	struct finding plain = finding_with("203.0.113.9", false);
	struct finding entry = finding_with("2001:db8::/32", true);
	struct finding span = finding_with("203.0.113.5-203.0.113.77", true);
	struct box box;
	unsigned int i;

	open_box(&box);
	comes_back(&box, &plain);
	comes_back(&box, &span);
	finding_set_lists(&entry, "one\ntwo, with a comma\n");
	assert_null(addr_parse(&entry.packet.local, "fe80::1", 7));
	entry.packet.has_ports = true;
	entry.packet.local_port = 65535;
	entry.packet.proto = 255;
	entry.protos[0] = 1 | UINT64_C(1) << 6;
	entry.protos[3] = UINT64_C(1) << 63;
	for (i = 0; i < FINDING_PORTS; i++)
		entry.local_ports.port[i] = (uint16_t)(65535 - i);
	entry.local_ports.n = FINDING_PORTS;
	entry.local_ports.more = true;
	entry.remote_ports.n = 1;
	entry.in = (struct traffic){ INT64_MAX - 4, 2, 3 };
	entry.out = (struct traffic){ 4, 5, 6 };
	entry.uid = 0;
	entry.approximate = true;
	entry.verdict = VERDICT_PROTECTED;
	entry.action = LIST_REJECT;
	comes_back(&box, &entry);
	finding_accept(&entry, NOW + 10);
	comes_back(&box, &entry);
	finding_fini(&entry);
	close_box(&box);
}

/* Else all that they counted would be counted once more. */
static void
what_cannot_be_read_is_not_missing(void **state)
{
	struct counter counter = { .remote = finding_with("198.18.0.0", false).remote,
		.dir = DIR_IN, .value = { 1, 2, 3 }, .last_ms = NOW };
	char path[128];
	struct box box;
	unsigned int i, unreadable = 0;
	int got;

	open_box(&box);
	assert_int_equal(spool_begin(box.spool), 0);
	/* more than SQLite keeps in memory */
	for (i = 0; i < 40000; i++) {
		counter.remote.first.bytes[2] = (uint8_t)(i >> 8);
		counter.remote.first.bytes[3] = (uint8_t)i;
		counter.remote.last = counter.remote.first;
		assert_int_equal(spool_save_counter(box.spool, &counter), 0);
	}
	assert_int_equal(spool_commit(box.spool), 0);
	open_again(&box);
	snprintf(path, sizeof(path), "%s/spool.db", box.dir);
	assert_int_equal(truncate(path, 8 * 4096), 0);
	for (i = 0; i < 40000; i += 1000) {
		counter.remote.first.bytes[2] = (uint8_t)(i >> 8);
		counter.remote.first.bytes[3] = (uint8_t)i;
		counter.remote.last = counter.remote.first;
		got = spool_counter(box.spool, &counter);
		assert_int_not_equal(got, 0);
		unreadable += got < 0;
	}
	assert_int_not_equal(unreadable, 0);
	close_box(&box);
}

static void
counters_come_back(void **state)
{
	struct finding finding = finding_with("203.0.113.9", false);
	struct counter counter = { .remote = finding.remote, .dir = DIR_OUT, .epoch = UINT64_MAX,
		.value = { 1, 2, 3 }, .last_ms = NOW };
	struct counter found = { .remote = finding.remote, .dir = DIR_OUT };
	struct counter other = { .remote = finding.remote, .dir = DIR_IN };
	struct box box;

	open_box(&box);
	assert_int_equal(spool_save_counter(box.spool, &counter), 0);
	open_again(&box);
	assert_int_equal(spool_counter(box.spool, &found), 1);
	assert_true(found.known);
	assert_true(found.epoch == UINT64_MAX);
	assert_memory_equal(&found.value, &counter.value, sizeof(found.value));
	assert_int_equal(spool_counter(box.spool, &other), 0);
	/* the sensor's is another one */
	other.dir = DIR_OUT;
	other.sensed = true;
	assert_int_equal(spool_counter(box.spool, &other), 0);
	other.value.packets = 9;
	assert_int_equal(spool_save_counter(box.spool, &other), 0);
	assert_int_equal(spool_counter(box.spool, &found), 1);
	assert_int_equal(found.value.packets, 1);
	other.sensed = false;
	/* an entry of one address is not that address */
	other.aggregated = true;
	assert_int_equal(spool_counter(box.spool, &other), 0);
	close_box(&box);
}

/* They make room in this order: what was told and is quiet longest comes before the rest. */
static void
live_ones_come_back_quiet_longest_first(void **state)
{
	static const char *const remotes[] = { "203.0.113.1", "203.0.113.2", "203.0.113.3",
	    "203.0.113.4" };
	struct finding findings[4];
	struct box box;
	char *ids;
	size_t n, i;

	open_box(&box);
	for (i = 0; i < 4; i++) {
		findings[i] = finding_with(remotes[i], false);
		findings[i].last_ms = NOW + (int64_t)i;
		if (i != 2)
			finding_accept(&findings[i], NOW + 10);
		save(&box, &findings[i], "{}");
	}
	assert_int_equal(spool_live_ids(box.spool, NOW, 3, &ids, &n), 0);
	assert_int_equal(n, 3);
	for (i = 0; i < 3; i++)
		assert_string_equal(ids + i * FINDING_ID_SIZE, findings[i + 1].id);
	free(ids);
	assert_int_equal(spool_live_ids(box.spool, NOW + 5, 3, &ids, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(ids, findings[2].id);
	free(ids);
	close_box(&box);
}

/* n told findings that the sink wants. */
static void
want_some(struct box *box, int64_t row, unsigned int first, unsigned int n)
{
	struct finding finding;
	char remote[32], body[64];
	unsigned int i;

	for (i = first; i < first + n; i++) {
		snprintf(remote, sizeof(remote), "203.0.113.%u", i);
		snprintf(body, sizeof(body), "{\"n\":%u,\"sequence\":\001,\"spool\":1}", i);
		finding = finding_with(remote, false);
		finding_accept(&finding, NOW + i);
		save(box, &finding, body);
		assert_int_equal(spool_want(box->spool, row, finding.id, NOW + i), 0);
	}
}

static void
expect_waiting(struct box *box, int64_t row, unsigned int max, uint64_t first, unsigned int n)
{
	struct spool_body *bodies;
	char text[64];
	unsigned int got, i;

	assert_int_equal(spool_waiting(box->spool, row, max, SIZE_MAX, false, &bodies, &got), 0);
	assert_int_equal(got, n);
	for (i = 0; i < n; i++) {
		assert_int_equal(bodies[i].sequence, first + i);
		snprintf(text, sizeof(text), "\"sequence\":%llu,", (unsigned long long)first + i);
		assert_non_null(strstr(bodies[i].text, text));
		assert_int_equal(bodies[i].size, strlen(bodies[i].text));
	}
	spool_bodies_free(bodies, got);
}

static void
sequences_are_contiguous(void **state)
{
	struct spool_sink sink;
	struct box box;
	unsigned int n;

	open_box(&box);
	assert_int_equal(spool_sink(box.spool, "collector", NOW, &sink), 0);
	want_some(&box, sink.row, 1, 7);
	want_some(&box, sink.row, 1, 7);	/* once more: one mark a finding */
	assert_int_equal(spool_freeze(box.spool, sink.row, 5, NULL, NULL, &n), 0);
	assert_int_equal(n, 5);
	/* nothing more is frozen while these wait, also after a restart */
	open_again(&box);
	assert_int_equal(spool_freeze(box.spool, sink.row, 5, NULL, NULL, &n), 0);
	assert_int_equal(n, 5);
	expect_waiting(&box, sink.row, 9, 1, 5);
	expect_waiting(&box, sink.row, 2, 1, 2);
	/* a refused one in the middle parts the rest */
	assert_int_equal(spool_refused(box.spool, sink.row, 3, NOW, "no"), 0);
	expect_waiting(&box, sink.row, 9, 1, 2);
	assert_int_equal(spool_delivered(box.spool, sink.row, 1, 2, NOW), 0);
	expect_waiting(&box, sink.row, 9, 4, 2);
	assert_int_equal(spool_delivered(box.spool, sink.row, 4, 5, NOW), 0);
	assert_int_equal(spool_freeze(box.spool, sink.row, 5, NULL, NULL, &n), 0);
	expect_waiting(&box, sink.row, 9, 6, 2);
	assert_int_equal(spool_sink_stat(box.spool, sink.row, &sink), 0);
	assert_int_equal(sink.sequence, 7);
	assert_int_equal(sink.pending, 2);
	assert_int_equal(sink.refused, 1);
	close_box(&box);
}

static void
history_goes_but_not_what_waits(void **state)
{
	struct finding old = finding_with("203.0.113.1", false);
	struct finding wanted = finding_with("203.0.113.2", false), found;
	struct counter counters[2] = { { .remote = old.remote, .dir = DIR_OUT, .last_ms = NOW },
		{ .remote = wanted.remote, .dir = DIR_OUT, .last_ms = NOW } };
	struct spool_sink sink, gone;
	struct box box;
	uint64_t lost;

	open_box(&box);
	assert_int_equal(spool_sink(box.spool, "here", NOW + 100 * DAY, &sink), 0);
	assert_int_equal(spool_sink(box.spool, "gone", NOW, &gone), 0);
	finding_accept(&old, NOW);
	finding_accept(&wanted, NOW);
	save(&box, &old, "{}");
	save(&box, &wanted, "{}");
	assert_int_equal(spool_save_counter(box.spool, &counters[0]), 0);
	assert_int_equal(spool_save_counter(box.spool, &counters[1]), 0);
	assert_int_equal(spool_want(box.spool, gone.row, old.id, NOW), 0);
	assert_int_equal(spool_want(box.spool, sink.row, wanted.id, NOW), 0);
	memset(&found, 0, sizeof(found));
	assert_int_equal(spool_prune(box.spool, NOW + 89 * DAY, &lost), 0);
	assert_int_equal(spool_finding(box.spool, old.id, &found), 1);
	assert_int_equal(spool_prune(box.spool, NOW + 91 * DAY, &lost), 0);
	assert_int_equal(spool_finding(box.spool, old.id, &found), 0);
	assert_int_equal(spool_finding(box.spool, wanted.id, &found), 1);
	/* nor what it has counted: else that would be counted once more */
	assert_int_equal(spool_counter(box.spool, &counters[0]), 0);
	assert_int_equal(spool_counter(box.spool, &counters[1]), 1);
	assert_int_equal(lost, 0);
	finding_fini(&found);
	close_box(&box);
}

/*
 * What a sink that works is about to get stays as long as a dead one has older
 * rows; that reports were lost stays whatever its age.
 */
static void
oldest_goes_first_frozen_or_not(void **state)
{
	struct event loss = { .name = EVENT_REPORTS_LOST, .time_ms = NOW - DAY };
	struct finding finding;
	struct spool_sink dead, alive;
	struct spool_body *bodies;
	struct box box;
	char remote[32], *body = malloc(4096);
	uint64_t lost, untold;
	unsigned int i, n;

	assert_non_null(body);
	memset(body, 'x', 4095);
	memcpy(body, "{\"a\":\"", 6);
	memcpy(body + 4093, "\"}", 3);
	open_box(&box);
	spool_free(box.spool);
	box.spool = NULL;
	box.conf.max_bytes = 1 << 20;
	open_again(&box);
	assert_int_equal(spool_sink(box.spool, "dead", NOW, &dead), 0);
	assert_int_equal(spool_sink(box.spool, "alive", NOW, &alive), 0);
	assert_int_equal(spool_save_event(box.spool, "loss", &loss, "{}"), 0);
	assert_int_equal(spool_want(box.spool, dead.row, "loss", NOW - DAY), 0);
	for (i = 0; i < 250 && !spool_is_full(box.spool); i++) {
		snprintf(remote, sizeof(remote), "203.0.113.%u", i);
		finding = finding_with(remote, false);
		finding.active = false;
		save(&box, &finding, body);
		assert_int_equal(spool_want(box.spool, dead.row, finding.id, NOW + i), 0);
	}
	assert_in_range(i, 50, 249);
	finding = finding_with("203.0.113.250", false);
	save(&box, &finding, "{}");
	assert_int_equal(spool_want(box.spool, alive.row, finding.id, NOW + 1000), 0);
	assert_int_equal(spool_freeze(box.spool, alive.row, 10, NULL, NULL, &n), 0);
	assert_int_equal(spool_prune(box.spool, NOW + DAY, &lost), 0);
	assert_in_range(lost, 1, i - 1);
	assert_false(spool_is_full(box.spool));
	/* whoever opens it next knows of it, until it is told */
	open_again(&box);
	assert_int_equal(spool_lost(box.spool, &untold), 0);
	assert_int_equal(untold, lost);
	assert_int_equal(spool_told_lost(box.spool, lost - 1), 0);
	assert_int_equal(spool_lost(box.spool, &untold), 0);
	assert_int_equal(untold, 1);
	assert_int_equal(spool_waiting(box.spool, alive.row, 10, 1 << 20, false, &bodies, &n), 0);
	assert_int_equal(n, 1);
	spool_bodies_free(bodies, n);
	assert_int_equal(spool_sink_stat(box.spool, dead.row, &dead), 0);
	assert_int_equal(dead.pending, 1 + i - lost);
	assert_int_equal(dead.oldest_pending_ms, NOW - DAY);
	assert_int_equal(spool_freeze(box.spool, dead.row, 2, NULL, NULL, &n), 0);
	assert_int_equal(spool_waiting(box.spool, dead.row, 2, 1 << 20, false, &bodies, &n), 0);
	assert_int_equal(n, 2);
	assert_memory_equal(bodies[0].text, "{", 1);
	spool_bodies_free(bodies, n);
	free(body);
	close_box(&box);
}

static void
older_spool_becomes_one_of_today(void **state)
{
	struct finding finding = finding_with("203.0.113.1", false), found;
	char command[256];
	struct box box;

	open_box(&box);
	save(&box, &finding, "{}");
	spool_free(box.spool);
	box.spool = NULL;
	snprintf(command, sizeof(command), "sqlite3 %s/spool.db 'DROP INDEX finding_losses;"
	    " PRAGMA user_version = 1'", box.dir);
	assert_int_equal(system(command), 0);
	open_again(&box);
	assert_false(box.opened.damaged);
	memset(&found, 0, sizeof(found));
	assert_int_equal(spool_finding(box.spool, finding.id, &found), 1);
	finding_fini(&found);
	snprintf(command, sizeof(command), "sqlite3 %s/spool.db 'PRAGMA user_version; SELECT sql"
	    " FROM sqlite_master' | grep -c -e '^2$' -e finding_losses | grep -q 2", box.dir);
	assert_int_equal(system(command), 0);
	close_box(&box);
}

static void
newer_spool_is_set_aside(void **state)
{
	char command[256];
	struct box box;

	open_box(&box);
	spool_free(box.spool);
	box.spool = NULL;
	snprintf(command, sizeof(command), "sqlite3 %s/spool.db 'PRAGMA user_version = 999'",
	    box.dir);
	assert_int_equal(system(command), 0);
	open_again(&box);
	assert_true(box.opened.damaged);
	assert_non_null(strstr(box.opened.reason, "999"));
	snprintf(command, sizeof(command), "rm %s/spool.db.damaged-*", box.dir);
	assert_int_equal(system(command), 0);
	close_box(&box);
}

/* A fresh agent that hears its instance id leaves nothing behind and says nothing. */
static void
empty_spool_takes_another_name(void **state)
{
	char before[SPOOL_ID_SIZE], path[256];
	struct box box;

	open_box(&box);
	snprintf(before, sizeof(before), "%s", spool_id(box.spool));
	box.conf.host_id = "i-0123456789abcdef0";
	open_again(&box);
	assert_false(box.opened.set_aside);
	assert_string_not_equal(spool_id(box.spool), before);
	snprintf(path, sizeof(path), "%s/spool.db", box.dir);
	assert_int_equal(access(path, F_OK), 0);
	close_box(&box);
}

/* What is logged from now on, and in the end what was, as a text. */
static int
begin_log(int *old)
{
	int fd = memfd_create("log", 0);

	assert_true(fd >= 0);
	*old = dup(STDERR_FILENO);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	log_init("test", LOG_STYLE_JOURNAL);
	return fd;
}

static unsigned int
end_log(int fd, int old, const char *wanted)
{
	char text[4096] = "", *at = text;
	unsigned int n = 0;

	log_init("test", LOG_STYLE_SILENT);
	assert_int_equal(dup2(old, STDERR_FILENO), STDERR_FILENO);
	close(old);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) >= 0);
	close(fd);
	while ((at = strstr(at, wanted)) != NULL) {
		n++;
		at++;
	}
	return n;
}

static void
folder_that_is_not_synced_is_counted_and_said_once(void **state)
{
	struct box box;
	int log, old;

	open_box(&box);
	assert_int_equal(spool_unsynced(box.spool), 0);
	log = begin_log(&old);
	folder_syncs_to_fail = 3;
	open_again(&box);
	assert_false(box.opened.memory);
	assert_int_equal(spool_unsynced(box.spool), 1);
	spool_sync_folder(box.spool);
	spool_sync_folder(box.spool);
	assert_int_equal(spool_unsynced(box.spool), 3);
	assert_int_equal(end_log(log, old, "spool folder not synced"), 1);
	log = begin_log(&old);
	spool_sync_folder(box.spool);
	assert_int_equal(spool_unsynced(box.spool), 0);
	spool_sync_folder(box.spool);
	assert_int_equal(end_log(log, old, "spool folder synced"), 1);
	close_box(&box);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(findings_come_back_whole),
		cmocka_unit_test(counters_come_back),
		cmocka_unit_test(live_ones_come_back_quiet_longest_first),
		cmocka_unit_test(what_cannot_be_read_is_not_missing),
		cmocka_unit_test(sequences_are_contiguous),
		cmocka_unit_test(history_goes_but_not_what_waits),
		cmocka_unit_test(oldest_goes_first_frozen_or_not),
		cmocka_unit_test(older_spool_becomes_one_of_today),
		cmocka_unit_test(newer_spool_is_set_aside),
		cmocka_unit_test(empty_spool_takes_another_name),
		cmocka_unit_test(folder_that_is_not_synced_is_counted_and_said_once),
	};

	log_init("test", LOG_STYLE_SILENT);
	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
