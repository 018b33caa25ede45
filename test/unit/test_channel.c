/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The channel between two roles: order, descriptors, queueing, breaches. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/channel.h"
#include "runtime/post.h"

struct end {
	struct loop *loop;
	struct channel *channel;
	uint64_t tokens[20000];
	unsigned int n, want;
	int fd;
	char reason[64];
};

static void
take(const struct message *message, int *fd, void *arg)
{
	struct end *end = arg;

	if (*fd >= 0) {
		end->fd = *fd;
		*fd = -1;
	}
	end->tokens[end->n++] = message->u.token.token;
	if (end->n == end->want)
		loop_stop(end->loop);
}

static void
closed(const char *reason, void *arg)
{
	struct end *end = arg;

	snprintf(end->reason, sizeof(end->reason), "%s", reason);
	loop_stop(end->loop);
}

static void
open_pair(struct end *left, struct end *right, struct loop *loop)
{
	int fds[2];

	memset(left, 0, sizeof(*left));
	memset(right, 0, sizeof(*right));
	left->fd = right->fd = -1;
	left->loop = right->loop = loop;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	left->channel = channel_new(loop, fds[0], take, closed, left);
	right->channel = channel_new(loop, fds[1], take, closed, right);
	assert_non_null(left->channel);
	assert_non_null(right->channel);
}

static struct end left, right;

/* More than a socket buffer holds arrives whole and in order. */
static void
queue_keeps_order(void **state)
{
	struct loop *loop = loop_new();
	struct message message = { .type = MSG_EVENT_KEPT };
	unsigned int i;

	open_pair(&left, &right, loop);
	right.want = 20000;
	for (i = 0; i < right.want; i++) {
		message.u.token.token = i;
		assert_int_equal(channel_send(left.channel, &message, -1), 0);
	}
	assert_true(channel_queued(left.channel) > 0);
	loop_run(loop);
	assert_int_equal(right.n, right.want);
	for (i = 0; i < right.n; i++)
		assert_int_equal(right.tokens[i], i);
	channel_free(left.channel);
	channel_free(right.channel);
	loop_free(loop);
}

static void
full_queue_is_refused(void **state)
{
	struct loop *loop = loop_new();
	struct message message = { .type = MSG_COUNTS };
	int error = 0;
	unsigned int sent = 0;

	open_pair(&left, &right, loop);
	message.u.counts.n = 1;
	while ((error = channel_send(left.channel, &message, -1)) == 0)
		sent++;
	assert_int_equal(error, -ENOBUFS);
	assert_true(channel_queued(left.channel) <= CHANNEL_QUEUE_MAX);
	assert_true(sent > 100);
	channel_free(left.channel);
	channel_free(right.channel);
	loop_free(loop);
}

static void
descriptor_travels_sealed(void **state)
{
	struct loop *loop = loop_new();
	struct message message = { .type = MSG_LIST };
	char got[6];
	int fd;

	open_pair(&left, &right, loop);
	right.want = 1;
	fd = memfd_with("test", "hello", 5);
	assert_true(fd >= 0);
	assert_int_equal(channel_send(left.channel, &message, fd), 0);
	close(fd);
	loop_run(loop);
	assert_true(right.fd >= 0);
	assert_int_equal(pread(right.fd, got, sizeof(got), 0), 5);
	assert_memory_equal(got, "hello", 5);
	assert_int_equal(pwrite(right.fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(right.fd, 1), -1);
	close(right.fd);
	channel_free(left.channel);
	channel_free(right.channel);
	loop_free(loop);
}

/* One breach each; the receiver says which and is dead afterwards. */
static void
breaches_end_it(void **state)
{
	struct message message;
	uint32_t type = 999;

	assert_string_equal(message_check("x", 1, false), "shorter than a message type");
	assert_string_equal(message_check(&type, sizeof(type), false), "unknown message type");
	memset(&message, 0, sizeof(message));
	message.type = MSG_STOP;
	assert_null(message_check(&message, offsetof(struct message, u), false));
	assert_string_equal(message_check(&message, offsetof(struct message, u), true),
	    "unexpected descriptor");
	assert_string_equal(message_check(&message, sizeof(message), false), "wrong message size");
	message.type = MSG_CONF;
	assert_string_equal(message_check(&message, offsetof(struct message, u), false),
	    "descriptor missing");
	message.type = MSG_QUERY;
	memset(message.u.query.id, 'x', sizeof(message.u.query.id));
	assert_string_equal(message_check(&message, offsetof(struct message, u) +
	    sizeof(message.u.query), false), "text without end");
	message.type = MSG_COUNTS;
	memset(&message.u, 0, sizeof(message.u));
	message.u.counts.n = CHANNEL_COUNTS + 1;
	assert_string_equal(message_check(&message, offsetof(struct message, u) +
	    sizeof(message.u.counts), false), "number of counts out of bounds");
	message.type = MSG_KEYS;
	memset(&message.u, 0, sizeof(message.u));
	message.u.keys.expires_ms = 1;
	assert_string_equal(message_check(&message, offsetof(struct message, u) +
	    sizeof(message.u.keys), false), "keys from nowhere");
	message.u.keys.origin = KEYS_CONTAINER;
	assert_null(message_check(&message, offsetof(struct message, u) +
	    sizeof(message.u.keys), false));
	message.u.keys.expires_ms = 0;
	assert_string_equal(message_check(&message, offsetof(struct message, u) +
	    sizeof(message.u.keys), false),
	    "keys without an end, or with one that they cannot have");
	message.u.keys.origin = KEYS_FILE;
	assert_null(message_check(&message, offsetof(struct message, u) +
	    sizeof(message.u.keys), false));
	message.u.keys.expires_ms = 1;
	assert_string_equal(message_check(&message, offsetof(struct message, u) +
	    sizeof(message.u.keys), false),
	    "keys without an end, or with one that they cannot have");
	message.u.keys.expires_ms = 0;
	memset(message.u.keys.token, 'x', sizeof(message.u.keys.token));
	assert_string_equal(message_check(&message, offsetof(struct message, u) +
	    sizeof(message.u.keys), false), "text without end");
}

/* Out of another thread and out of the loop's own; several at once are one. */
static void *
post_from_a_thread(void *arg)
{
	struct msg_keys keys = { .expires_ms = 1, .origin = KEYS_INSTANCE };

	post_keys(&keys, arg);
	keys.expires_ms = 2;
	post_keys(&keys, arg);
	return NULL;
}

static void
keys_are_posted(void **state)
{
	struct loop *loop = loop_new();
	struct post *post;
	struct msg_keys keys = { .expires_ms = 3, .origin = KEYS_INSTANCE };
	pthread_t thread;

	open_pair(&left, &right, loop);
	post = post_new(loop, left.channel);
	assert_non_null(post);
	assert_int_equal(pthread_create(&thread, NULL, post_from_a_thread, post), 0);
	pthread_join(thread, NULL);
	right.want = 1;
	loop_run(loop);
	assert_int_equal(right.tokens[0], 2);	/* expires_ms, where a token would be */
	post_keys(&keys, post);
	right.want = 2;
	loop_run(loop);
	assert_int_equal(right.tokens[1], 3);
	post_no_keys(post, "why");
	right.want = 3;
	loop_run(loop);
	assert_memory_equal(&right.tokens[2], "why", 4);	/* in a token's place */
	post_free(post);
	channel_free(left.channel);
	channel_free(right.channel);
	loop_free(loop);
}

static void
dead_peer_is_told_once(void **state)
{
	struct loop *loop = loop_new();
	struct message message = { .type = MSG_STOP };

	open_pair(&left, &right, loop);
	channel_free(left.channel);
	loop_run(loop);
	assert_string_equal(right.reason, "closed");
	assert_int_equal(channel_send(right.channel, &message, -1), -EPIPE);
	channel_free(right.channel);
	loop_free(loop);
}

/* One that ends with messages unread has broken no rule, and what it said before is not lost. */
static void
last_words_of_a_peer_that_did_not_read_all(void **state)
{
	struct loop *loop = loop_new();
	struct message message = { .type = MSG_EVENT_KEPT };

	open_pair(&left, &right, loop);
	message.u.token.token = 7;
	assert_int_equal(channel_send(right.channel, &message, -1), 0);
	message.u.token.token = 8;
	assert_int_equal(channel_send(left.channel, &message, -1), 0);
	channel_free(left.channel);
	loop_run(loop);
	assert_int_equal(right.n, 1);
	assert_int_equal(right.tokens[0], 8);
	assert_string_equal(right.reason, "closed");
	channel_free(right.channel);
	loop_free(loop);
}

/* The same with more waiting for it than the socket holds. */
static void
peer_that_ends_behind_a_queue(void **state)
{
	struct loop *loop = loop_new();
	struct message message = { .type = MSG_EVENT_KEPT };

	open_pair(&left, &right, loop);
	while (channel_queued(right.channel) == 0)
		assert_int_equal(channel_send(right.channel, &message, -1), 0);
	message.u.token.token = 9;
	assert_int_equal(channel_send(left.channel, &message, -1), 0);
	channel_free(left.channel);
	loop_run(loop);
	assert_int_equal(right.n, 1);
	assert_int_equal(right.tokens[0], 9);
	assert_string_equal(right.reason, "closed");
	channel_free(right.channel);
	loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_keeps_order),
		cmocka_unit_test(full_queue_is_refused),
		cmocka_unit_test(descriptor_travels_sealed),
		cmocka_unit_test(breaches_end_it),
		cmocka_unit_test(keys_are_posted),
		cmocka_unit_test(dead_peer_is_told_once),
		cmocka_unit_test(last_words_of_a_peer_that_did_not_read_all),
		cmocka_unit_test(peer_that_ends_behind_a_queue),
	};

	return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
