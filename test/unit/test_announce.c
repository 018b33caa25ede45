/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A role's announcements, with a parent in a thread of its own. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "threatlistd/log.h"
#include "runtime/announce.h"
#include "runtime/passing.h"

#define CLIENTS		8

struct desk {
	struct loop *loop;
	struct channel *channel;
	struct announcer *announcer;
	int parent;			/* fd */
	pthread_t thread;
	unsigned int asked, others, deaf;	/* deaf: so many are not answered */
	struct msg_endpoint last;
};

static struct desk desk;

static void
on_message(const struct message *message, int *fd, void *arg)
{
	if (message->type == MSG_ENDPOINT_DONE)
		announcer_answered(desk.announcer, &message->u.endpoint);
	else
		desk.others++;
	if (message->type == MSG_STOP)
		loop_stop(desk.loop);
}

static void
on_closed(const char *reason, void *arg)
{
	loop_stop(desk.loop);
}

/* Answers until the other end is closed; before each answer something else comes. */
static void *
be_parent(void *arg)
{
	struct message message, other = { .type = MSG_RECOUNT };
	ssize_t n;
	int fd;

	while ((n = passing_receive(desk.parent, &message, sizeof(message), &fd, true)) > 0) {
		if (message.type != MSG_ENDPOINT)
			continue;
		desk.asked++;
		desk.last = message.u.endpoint;
		if (desk.deaf > 0) {
			desk.deaf--;
			continue;
		}
		passing_send(desk.parent, &other, sizeof(other.type) + 4, -1);
		message.type = MSG_ENDPOINT_DONE;
		passing_send(desk.parent, &message, (size_t)n, -1);
	}
	return NULL;
}

static int
open_desk(void **state)
{
	int fds[2];

	memset(&desk, 0, sizeof(desk));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	desk.parent = fds[1];
	desk.loop = loop_new();
	desk.channel = channel_new(desk.loop, fds[0], on_message, on_closed, NULL);
	desk.announcer = announcer_new(desk.loop, desk.channel);
	assert_non_null(desk.announcer);
	assert_int_equal(pthread_create(&desk.thread, NULL, be_parent, NULL), 0);
	return 0;
}

static int
close_desk(void **state)
{
	announcer_free(desk.announcer);
	channel_free(desk.channel);
	shutdown(desk.parent, SHUT_RDWR);
	pthread_join(desk.thread, NULL);
	close(desk.parent);
	loop_free(desk.loop);
	return 0;
}

static void
tell(const char *text, uint16_t port)
{
	struct addr addr;

	assert_null(addr_parse(&addr, text, strlen(text)));
	announcer_tell(&addr, port, desk.announcer);
}

static void
a_role_that_blocks_is_answered(void **state)
{
	int64_t begun = loop_now_ms();

	tell("198.51.100.7", 443);
	tell("2001:db8::1", 8443);
	assert_true(loop_now_ms() - begun < ANNOUNCE_WAIT_MS);
	assert_int_equal(desk.asked, 2);
	assert_int_equal(desk.others, 2);
	assert_int_equal(desk.last.port, 8443);
	assert_int_equal(desk.last.addr.family, ADDR_V6);
}

static void
what_is_near_is_not_told(void **state)
{
	static const char *const near[] = {
		"127.0.0.1", "127.9.9.9", "169.254.169.254", "::1", "fe80::1", "fd00:ec2::254",
	};
	size_t i;

	for (i = 0; i < sizeof(near) / sizeof(near[0]); i++)
		tell(near[i], 80);
	assert_int_equal(desk.asked, 0);
	tell("128.0.0.1", 80);
	tell("fd00:ec3::254", 80);
	assert_int_equal(desk.asked, 2);
}

static void
silence_is_waited_for_a_second(void **state)
{
	int64_t begun = loop_now_ms(), took;

	desk.deaf = 1;
	tell("198.51.100.7", 443);
	took = loop_now_ms() - begun;
	assert_true(took >= ANNOUNCE_WAIT_MS - 5 && took < 3 * ANNOUNCE_WAIT_MS);
	begun = loop_now_ms();
	tell("198.51.100.7", 443);
	assert_true(loop_now_ms() - begun < ANNOUNCE_WAIT_MS);
	assert_int_equal(desk.asked, 2);
}

static void
a_parent_that_is_gone_is_not_waited_for(void **state)
{
	int64_t begun = loop_now_ms();

	shutdown(desk.parent, SHUT_RDWR);
	tell("198.51.100.7", 443);
	assert_true(loop_now_ms() - begun < ANNOUNCE_WAIT_MS);
}

static void *
be_client(void *arg)
{
	const struct addr addr = addr_from_v4(0xc6336400u + (uint32_t)(uintptr_t)arg);
	unsigned int i;

	for (i = 0; i < 20; i++)
		announcer_tell(&addr, 443, desk.announcer);
	return NULL;
}

static void *
wait_for_clients(void *arg)
{
	struct message stop = { .type = MSG_STOP };
	pthread_t clients[CLIENTS];
	uintptr_t i;

	for (i = 0; i < CLIENTS; i++)
		pthread_create(&clients[i], NULL, be_client, (void *)i);
	for (i = 0; i < CLIENTS; i++)
		pthread_join(clients[i], NULL);
	passing_send(desk.parent, &stop, sizeof(stop.type) + 4, -1);
	return NULL;
}

static void
threads_are_answered_by_the_loop(void **state)
{
	int64_t begun = loop_now_ms();
	pthread_t waiter;

	assert_int_equal(pthread_create(&waiter, NULL, wait_for_clients, NULL), 0);
	assert_int_equal(loop_run(desk.loop), 0);
	pthread_join(waiter, NULL);
	assert_int_equal(desk.asked, 20 * CLIENTS);
	assert_true(loop_now_ms() - begun < 20 * ANNOUNCE_WAIT_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_role_that_blocks_is_answered, open_desk, close_desk),
		cmocka_unit_test_setup_teardown(what_is_near_is_not_told, open_desk, close_desk),
		cmocka_unit_test_setup_teardown(silence_is_waited_for_a_second, open_desk, close_desk),
		cmocka_unit_test_setup_teardown(a_parent_that_is_gone_is_not_waited_for, open_desk,
		    close_desk),
		cmocka_unit_test_setup_teardown(threads_are_answered_by_the_loop, open_desk,
		    close_desk),
	};

	log_init("test", LOG_STYLE_SILENT);
	return cmocka_run_group_tests_name("announce", tests, NULL, NULL);
}
