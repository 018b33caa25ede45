/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/announce.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "threatlistd/log.h"

#define ASKS_MAX	64	/* threads that wait at the same time */
#define LOG_EVERY_MS	(60 * 1000)

enum ask_state { ASK_FREE = 0, ASK_NEW, ASK_SENT, ASK_DONE };

struct ask {
	enum ask_state state;
	struct msg_endpoint endpoint;
};

struct announcer {
	struct loop *loop;
	struct channel *channel;
	pthread_t home;			/* the loop's thread */
	int fd;				/* eventfd: something is to be sent */
	pthread_mutex_t lock;		/* guards all below */
	pthread_cond_t answered;
	struct ask asks[ASKS_MAX];
	uint64_t token;
	struct log_limit silent;
};

/* In the loop's thread, with the lock held. */
static void
send_new(struct announcer *announcer)
{
	struct message message = { .type = MSG_ENDPOINT };
	size_t i;

	for (i = 0; i < ASKS_MAX; i++) {
		struct ask *ask = &announcer->asks[i];

		if (ask->state != ASK_NEW)
			continue;
		message.u.endpoint = ask->endpoint;
		/* without a parent there is nothing to wait for */
		ask->state = channel_send(announcer->channel, &message, -1) == 0 ? ASK_SENT :
		    ASK_DONE;
	}
	pthread_cond_broadcast(&announcer->answered);
}

static void
on_new(int fd, uint32_t events, void *arg)
{
	struct announcer *announcer = arg;
	uint64_t count;

	if (read(fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
		return;
	pthread_mutex_lock(&announcer->lock);
	send_new(announcer);
	pthread_mutex_unlock(&announcer->lock);
}

struct announcer *
announcer_new(struct loop *loop, struct channel *channel)
{
	struct announcer *announcer = calloc(1, sizeof(*announcer));
	pthread_condattr_t clock;
	int error;

	if (announcer == NULL)
		return NULL;
	announcer->loop = loop;
	announcer->channel = channel;
	announcer->home = pthread_self();
	announcer->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = announcer->fd < 0 ? -errno :
	    loop_add_fd(loop, announcer->fd, EPOLLIN, on_new, announcer);
	if (error != 0) {
		if (announcer->fd >= 0)
			close(announcer->fd);
		free(announcer);
		errno = -error;
		return NULL;
	}
	pthread_mutex_init(&announcer->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&announcer->answered, &clock);
	pthread_condattr_destroy(&clock);
	return announcer;
}

void
announcer_free(struct announcer *announcer)
{
	if (announcer == NULL)
		return;
	loop_del_fd(announcer->loop, announcer->fd);
	close(announcer->fd);
	pthread_cond_destroy(&announcer->answered);
	pthread_mutex_destroy(&announcer->lock);
	free(announcer);
}

void
announcer_answered(struct announcer *announcer, const struct msg_endpoint *endpoint)
{
	size_t i;

	pthread_mutex_lock(&announcer->lock);
	for (i = 0; i < ASKS_MAX; i++) {
		if (announcer->asks[i].state == ASK_SENT &&
		    announcer->asks[i].endpoint.token == endpoint->token)
			announcer->asks[i].state = ASK_DONE;
	}
	pthread_cond_broadcast(&announcer->answered);
	pthread_mutex_unlock(&announcer->lock);
}

static bool
is_near(const struct addr *addr)
{
	static const uint8_t loopback[16] = { [15] = 1 };
	static const uint8_t metadata[4] = { 0xfd, 0x00, 0x0e, 0xc2 };	/* fd00:ec2::254 … */

	if (addr->family == ADDR_V4)
		return addr->bytes[0] == 127 || (addr->bytes[0] == 169 && addr->bytes[1] == 254);
	return memcmp(addr->bytes, loopback, sizeof(loopback)) == 0 ||
	    memcmp(addr->bytes, metadata, sizeof(metadata)) == 0 ||
	    (addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80);
}

/* With the lock held.  NULL: more threads wait than there is room for. */
static struct ask *
new_ask(struct announcer *announcer, const struct addr *addr, uint16_t port)
{
	size_t i;

	for (i = 0; i < ASKS_MAX; i++) {
		struct ask *ask = &announcer->asks[i];

		if (ask->state != ASK_FREE)
			continue;
		memset(ask, 0, sizeof(*ask));
		ask->state = ASK_NEW;
		ask->endpoint.token = ++announcer->token;
		ask->endpoint.addr = *addr;
		ask->endpoint.port = port;
		return ask;
	}
	return NULL;
}

/* With the lock held, in another thread than the loop's. */
static void
wait_for(struct announcer *announcer, const struct ask *ask)
{
	const uint64_t one = 1;
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ANNOUNCE_WAIT_MS / 1000;
	if (write(announcer->fd, &one, sizeof(one)) < 0)
		return;
	while (ask->state != ASK_DONE && error == 0)
		error = pthread_cond_timedwait(&announcer->answered, &announcer->lock, &until);
}

/* With the lock held, in the loop's thread: nobody else reads the channel meanwhile. */
static void
wait_at_home(struct announcer *announcer, const struct ask *ask)
{
	int64_t until = loop_now_ms() + ANNOUNCE_WAIT_MS, left;
	bool going = true;

	send_new(announcer);
	while (going && ask->state != ASK_DONE && (left = until - loop_now_ms()) > 0) {
		pthread_mutex_unlock(&announcer->lock);
		going = channel_wait(announcer->channel, (int)left);
		pthread_mutex_lock(&announcer->lock);
	}
}

void
announcer_tell(const struct addr *addr, uint16_t port, void *arg)
{
	struct announcer *announcer = arg;
	char text[ADDR_TEXT_MAX];
	unsigned int skipped;
	struct ask *ask;

	if (is_near(addr))
		return;
	pthread_mutex_lock(&announcer->lock);
	ask = new_ask(announcer, addr, port);
	if (ask != NULL && pthread_equal(pthread_self(), announcer->home))
		wait_at_home(announcer, ask);
	else if (ask != NULL)
		wait_for(announcer, ask);
	if ((ask == NULL || ask->state != ASK_DONE) &&
	    log_allowed(&announcer->silent, loop_now_ms(), LOG_EVERY_MS, &skipped))
		log_warn("connecting unprotected address=%s port=%u reason=\"the enforcer did not "
		    "answer in time\" skipped=%u", addr_text(addr, text), port, skipped);
	if (ask != NULL)
		ask->state = ASK_FREE;
	pthread_mutex_unlock(&announcer->lock);
}
