/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A desk at the parent's end of the enforcer's channel: gives orders, notes what it is told. */
#ifndef TEST_ENFORCER_DESK_H
#define TEST_ENFORCER_DESK_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/compile.h"
#include "enforce/enforcer.h"
#include "fake_engine.h"

#define DEADLINE_MS	5000
#define COUNTS_MAX	70000

/* The parent's side: what it was told. */
struct desk {
	struct loop *loop;
	struct loop_timer *tick;
	struct enforcer *enforcer;
	struct channel *channel;
	int fd;			/* of channel */
	char dir[64];
	struct msg_applied applied;
	struct msg_mode_done done;
	struct msg_checked checked;
	struct msg_verified verified;
	struct msg_enforcer_status status;
	struct event event;	/* the last one, but for ways round the hooks: */
	struct event bypass[ENFORCE_WAYS];	/* the last of each */
	struct msg_endpoint endpoint;
	unsigned int napplied, ndone, nchecked, nverified, nstatus, nevents, nrestores, nendpoints;
	struct count *counts;	/* the last of each key, in order of first sight */
	size_t ncounts, told;
	bool closed;
	bool (*until)(struct desk *desk);
	int64_t deadline;
};

static struct desk desk;

static inline void
hear_count(const struct count *count)
{
	size_t i;

	desk.told++;
	/* floods come in order: the newest are nearest */
	for (i = desk.ncounts; i-- > 0; ) {
		if (desk.counts[i].dir == count->dir &&
		    memcmp(&desk.counts[i].remote, &count->remote, sizeof(count->remote)) == 0) {
			desk.counts[i] = *count;
			return;
		}
		if (desk.ncounts > 1000)
			break;
	}
	assert_true(desk.ncounts < COUNTS_MAX);
	desk.counts[desk.ncounts++] = *count;
}

static inline void
hear(const struct message *message, int *fd, void *arg)
{
	uint32_t i;

	switch (message->type) {
	case MSG_APPLIED:
		desk.applied = message->u.applied;
		desk.napplied++;
		break;
	case MSG_MODE_DONE:
		desk.done = message->u.mode_done;
		desk.ndone++;
		break;
	case MSG_CHECKED:
		desk.checked = message->u.checked;
		desk.nchecked++;
		break;
	case MSG_VERIFIED:
		desk.verified = message->u.verified;
		desk.nverified++;
		break;
	case MSG_ENDPOINT_DONE:
		desk.endpoint = message->u.endpoint;
		desk.nendpoints++;
		break;
	case MSG_ENFORCER_STATUS:
		desk.status = message->u.enforcer;
		desk.nstatus++;
		break;
	case MSG_EVENT:
		if (message->u.event.name == EVENT_BYPASS ||
		    message->u.event.name == EVENT_BYPASS_OVER) {
			desk.bypass[message->u.event.way] = message->u.event;
			break;
		}
		desk.event = message->u.event;
		desk.nevents++;
		desk.nrestores += desk.event.name == EVENT_TABLE_RESTORED;
		break;
	case MSG_COUNTS:
		for (i = 0; i < message->u.counts.n; i++)
			hear_count(&message->u.counts.counts[i]);
		break;
	default:
		fail();
	}
}

static inline void
closed(const char *reason, void *arg)
{
	desk.closed = true;
}

static inline void
tick(void *arg)
{
	if (desk.until(&desk) || loop_now_ms() > desk.deadline)
		loop_stop(desk.loop);
	else
		loop_timer_start(desk.loop, desk.tick, 2);
}

/* Runs both ends until it is so; false: it did not come to be. */
static inline bool
run_for(bool (*until)(struct desk *desk), int64_t ms)
{
	desk.until = until;
	desk.deadline = loop_now_ms() + ms;
	loop_timer_start(desk.loop, desk.tick, 0);
	loop_run(desk.loop);
	return until(&desk);
}

static inline bool
run(bool (*until)(struct desk *desk))
{
	return run_for(until, DEADLINE_MS);
}

static inline void
send_fd(struct message message, int fd)
{
	assert_int_equal(channel_send(desk.channel, &message, fd), 0);
}

static inline void
send_conf(const char *more)
{
	struct message message = { .type = MSG_CONF };
	char text[1000];
	int fd;

	snprintf(text, sizeof(text), "[agent]\nstate_dir = %s\nscope = any\n%s\n", desk.dir, more);
	fd = memfd_with("conf", text, strlen(text));
	assert_true(fd >= 0);
	send_fd(message, fd);
	close(fd);
}

static inline void
send_order(uint8_t order, uint8_t mode)
{
	struct message message = { .type = MSG_MODE };

	message.u.mode.order = order;
	message.u.mode.mode = mode;
	message.u.mode.token = 17;
	desk.ndone = 0;
	send_fd(message, -1);
}

static inline void
send_plain(uint32_t type)
{
	struct message message = { .type = type };

	send_fd(message, -1);
}

static inline struct range
range_from(const char *text)
{
	struct range range;
	unsigned int notes = 0;

	assert_null(range_parse(&range, text, strlen(text), &notes));
	return range;
}

static inline struct image
image_of(const char *const *texts, size_t n, uint8_t action)
{
	struct list_source source = { .name = "test", .action = action };
	struct entries *entries = entries_new();
	struct image image;
	size_t i;

	assert_non_null(entries);
	for (i = 0; i < n; i++) {
		struct range range = range_from(texts[i]);

		assert_int_equal(entries_add(entries, &range, 1), 0);
	}
	assert_int_equal(compile_source(entries, &source, &image), 0);
	entries_free(entries);
	return image;
}

static inline void
send_list_as(uint64_t generation, const char *text, uint8_t action, uint8_t hash_bit)
{
	struct image image = image_of(&text, 1, action);
	struct message message = { .type = MSG_LIST };
	struct list_error err;
	struct list *list;
	int fd;

	assert_int_equal(list_open_memory(&list, image.bytes, image.size, &err), 0);
	message.u.list.generation = generation;
	memcpy(message.u.list.hash, list_hash(list), LIST_HASH_LEN);
	message.u.list.hash[0] ^= hash_bit;
	fd = memfd_with("list", image.bytes, image.size);
	assert_true(fd >= 0);
	desk.napplied = 0;
	send_fd(message, fd);
	close(fd);
	list_free(list);
	image_free(&image);
}

static inline void
send_list(uint64_t generation, const char *text)
{
	send_list_as(generation, text, LIST_DROP, 0);
}

static inline bool got_applied(struct desk *d) { return d->napplied > 0; }
static inline bool got_done(struct desk *d) { return d->ndone > 0; }
static inline bool got_status(struct desk *d) { return d->nstatus > 0; }
static inline bool got_checked(struct desk *d) { return d->nchecked > 0; }
static inline bool got_event(struct desk *d) { return d->nevents > 0; }
static inline bool got_counts(struct desk *d) { return d->told > 0; }
static inline bool got_endpoint(struct desk *d) { return d->nendpoints > 0; }
static inline bool is_protected(struct desk *d) { return fake.protected > 0; }
static inline bool is_restored(struct desk *d) { return fake.stat.table && d->nevents > 0; }
static inline bool never(struct desk *d) { return false; }

static inline void
begin(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	desk.loop = loop_new();
	desk.enforcer = enforcer_new(desk.loop, fds[0]);
	desk.fd = fds[1];
	desk.channel = channel_new(desk.loop, fds[1], hear, closed, NULL);
	desk.tick = loop_timer_new(desk.loop, tick, NULL);
	assert_non_null(desk.enforcer);
	assert_non_null(desk.channel);
	desk.closed = false;
}

static inline void
end(void)
{
	enforcer_free(desk.enforcer);
	channel_free(desk.channel);
	loop_free(desk.loop);
	assert_false(fake.open);
}

static inline int
set_up(void **state)
{
	fake_reset();
	memset(&desk, 0, sizeof(desk));
	desk.counts = calloc(COUNTS_MAX, sizeof(*desk.counts));
	snprintf(desk.dir, sizeof(desk.dir), "/tmp/test_enforcer.XXXXXX");
	assert_non_null(mkdtemp(desk.dir));
	begin();
	return 0;
}

static inline int
tear_down(void **state)
{
	char path[100];

	end();
	snprintf(path, sizeof(path), "%s/ledger", desk.dir);
	unlink(path);
	rmdir(desk.dir);
	free(desk.counts);
	return 0;
}

/* Configured, mode drop, one list in force. */
static inline void
in_force(const char *list)
{
	send_conf("[enforce]\nmode = drop\n");
	send_order(ORDER_MODE, ENFORCE_DROP);
	send_list(1, list);
	assert_true(run(got_applied));
	assert_int_equal(desk.applied.error, 0);
	assert_true(run(got_done));
	assert_int_equal(desk.done.error, 0);
}

static inline struct enforce_seen *
count_packets(const char *remote, uint8_t dir, uint64_t packets)
{
	struct range range = range_from(remote);
	struct enforce_seen *seen;
	size_t i;

	for (i = 0; i < fake.nseen; i++) {
		if (addr_equal(&fake.seen[i].remote, &range.first) && fake.seen[i].dir == dir)
			break;
	}
	seen = &fake.seen[i];
	if (i == fake.nseen) {
		fake.nseen++;
		memset(seen, 0, sizeof(*seen));
	}
	seen->remote = range.first;
	seen->dir = dir;
	seen->packets += packets;
	seen->bytes += 60 * packets;
	return seen;
}

static inline void
ask_status(void)
{
	desk.nstatus = 0;
	send_plain(MSG_STATUS_ASK);
	assert_true(run(got_status));
}

#define DESK_TEST(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
