/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

#include "runtime/passing.h"

#define MESSAGES_AT_ONCE	64	/* then other fds get their turn */

enum fd_rule { NO_FD, WITH_FD, MAY_FD };

/* Indexed by type; size 0 in the union means the type alone. */
static const struct {
	uint32_t size;
	enum fd_rule fd;
} shapes[MSG_END] = {
	[MSG_CONF] = { 0, WITH_FD },
	[MSG_FACTS] = { sizeof(struct host_facts), NO_FD },
	[MSG_LIST] = { sizeof(struct msg_list), WITH_FD },
	[MSG_STATUS_ASK] = { sizeof(struct msg_token), NO_FD },
	[MSG_STOP] = { 0, NO_FD },
	[MSG_KEYS] = { sizeof(struct msg_keys), NO_FD },
	[MSG_KEYS_ASK] = { sizeof(struct msg_keys_ask), NO_FD },
	[MSG_NO_KEYS] = { sizeof(struct msg_no_keys), NO_FD },
	[MSG_FETCH] = { sizeof(struct msg_fetch), NO_FD },
	[MSG_GO] = { 0, NO_FD },
	[MSG_DOMAINS] = { sizeof(struct msg_domains), WITH_FD },
	[MSG_FETCHED] = { sizeof(struct msg_fetched), MAY_FD },
	[MSG_HOST_FOUND] = { sizeof(struct host_facts), NO_FD },
	[MSG_DISCOVERED] = { sizeof(struct msg_discovered), NO_FD },
	[MSG_MODE] = { sizeof(struct msg_mode), NO_FD },
	[MSG_CHECK] = { sizeof(struct msg_check), NO_FD },
	[MSG_PLAN] = { sizeof(struct msg_plan), WITH_FD },
	[MSG_RECOUNT] = { 0, NO_FD },
	[MSG_APPLIED] = { sizeof(struct msg_applied), NO_FD },
	[MSG_MODE_DONE] = { sizeof(struct msg_mode_done), NO_FD },
	[MSG_CHECKED] = { sizeof(struct msg_checked), NO_FD },
	[MSG_PLANNED] = { sizeof(struct msg_planned), NO_FD },
	[MSG_VERIFY] = { sizeof(struct msg_token), NO_FD },
	[MSG_VERIFIED] = { sizeof(struct msg_verified), NO_FD },
	[MSG_ENFORCER_STATUS] = { sizeof(struct msg_enforcer_status), NO_FD },
	[MSG_SENSOR_STATUS] = { sizeof(struct msg_sensor_status), NO_FD },
	[MSG_SIGHTING] = { sizeof(struct sighting), NO_FD },
	[MSG_COUNTS] = { sizeof(struct msg_counts), NO_FD },
	[MSG_EVENT] = { sizeof(struct event), NO_FD },
	[MSG_HEARTBEAT] = { sizeof(struct msg_heartbeat), WITH_FD },
	[MSG_QUERY] = { sizeof(struct msg_query), NO_FD },
	[MSG_EVENT_KEPT] = { sizeof(struct msg_token), NO_FD },
	[MSG_ANSWER] = { sizeof(struct msg_answer), WITH_FD },
	[MSG_REPORTER_STATUS] = { sizeof(struct msg_reporter_status), NO_FD },
	[MSG_SINK_STATUS] = { sizeof(struct msg_sink_status), NO_FD },
	[MSG_ENDPOINT] = { sizeof(struct msg_endpoint), NO_FD },
	[MSG_ENDPOINT_DONE] = { sizeof(struct msg_endpoint), NO_FD },
	[MSG_CONFINED] = { sizeof(struct msg_confined), NO_FD },
};

#define HEAD	offsetof(struct message, u)

struct waiting {
	struct message message;
	size_t size;
	int fd;			/* -1: none */
	STAILQ_ENTRY(waiting) link;
};

struct channel {
	struct loop *loop;
	int fd;
	bool dead, freed, busy;
	uint64_t queued;
	channel_message_fn *message;
	channel_closed_fn *closed;
	void *arg;
	STAILQ_HEAD(, waiting) queue;
};

static size_t
message_size(uint32_t type)
{
	return HEAD + shapes[type].size;
}

#define TEXT(type, member)	\
	{ type, offsetof(struct message, u.member), sizeof(((struct message *)0)->u.member) }

/* Every text of every message; MSG_HOST_FOUND has those of MSG_FACTS. */
static const struct {
	uint32_t type;
	size_t at, size;
} texts[] = {
	TEXT(MSG_FACTS, facts.host_id), TEXT(MSG_FACTS, facts.instance_id),
	TEXT(MSG_FACTS, facts.account), TEXT(MSG_FACTS, facts.region),
	TEXT(MSG_FACTS, facts.partition), TEXT(MSG_FACTS, facts.zone),
	TEXT(MSG_FACTS, facts.instance_type), TEXT(MSG_FACTS, facts.image_id),
	TEXT(MSG_FACTS, facts.profile_arn), TEXT(MSG_FACTS, facts.profile_id),
	TEXT(MSG_FACTS, facts.interface_id), TEXT(MSG_FACTS, facts.vpc_id),
	TEXT(MSG_FACTS, facts.subnet_id), TEXT(MSG_FACTS, facts.security_group_id),
	TEXT(MSG_FACTS, facts.security_group), TEXT(MSG_FACTS, facts.detector_id),
	TEXT(MSG_FACTS, facts.own[0].interface_id), TEXT(MSG_FACTS, facts.own[1].interface_id),
	TEXT(MSG_FACTS, facts.own[2].interface_id), TEXT(MSG_FACTS, facts.own[3].interface_id),
	TEXT(MSG_FACTS, facts.own[4].interface_id), TEXT(MSG_FACTS, facts.own[5].interface_id),
	TEXT(MSG_FACTS, facts.own[6].interface_id), TEXT(MSG_FACTS, facts.own[7].interface_id),
	TEXT(MSG_KEYS, keys.id), TEXT(MSG_KEYS, keys.secret), TEXT(MSG_KEYS, keys.token),
	TEXT(MSG_KEYS, keys.role),
	TEXT(MSG_KEYS_ASK, keys_ask.refused),
	TEXT(MSG_NO_KEYS, no_keys.reason),
	TEXT(MSG_FETCH, fetch.region), TEXT(MSG_FETCH, fetch.etag),
	TEXT(MSG_FETCH, fetch.last_modified), TEXT(MSG_FETCH, fetch.set.id),
	TEXT(MSG_FETCH, fetch.set.name), TEXT(MSG_FETCH, fetch.set.location),
	TEXT(MSG_FETCH, fetch.set.owner), TEXT(MSG_FETCH, fetch.set.format),
	TEXT(MSG_FETCHED, fetched.region), TEXT(MSG_FETCHED, fetched.etag),
	TEXT(MSG_FETCHED, fetched.last_modified), TEXT(MSG_FETCHED, fetched.reason),
	TEXT(MSG_FETCHED, fetched.rejects[0]), TEXT(MSG_FETCHED, fetched.rejects[1]),
	TEXT(MSG_FETCHED, fetched.rejects[2]),
	TEXT(MSG_DISCOVERED, discovered.detector), TEXT(MSG_DISCOVERED, discovered.reason),
	TEXT(MSG_DISCOVERED, discovered.note), TEXT(MSG_DISCOVERED, discovered.set.id),
	TEXT(MSG_DISCOVERED, discovered.set.name),
	TEXT(MSG_DISCOVERED, discovered.set.location),
	TEXT(MSG_DISCOVERED, discovered.set.owner), TEXT(MSG_DISCOVERED, discovered.set.format),
	TEXT(MSG_EVENT, event.source), TEXT(MSG_EVENT, event.reason),
	TEXT(MSG_EVENT, event.program), TEXT(MSG_EVENT, event.by),
	TEXT(MSG_MODE_DONE, mode_done.reason),
	TEXT(MSG_APPLIED, applied.reason),
	TEXT(MSG_PLANNED, planned.reason), TEXT(MSG_PLANNED, planned.plan.reason),
	TEXT(MSG_VERIFIED, verified.reason),
	TEXT(MSG_ENFORCER_STATUS, enforcer.warning),
	TEXT(MSG_SENSOR_STATUS, sensor.warning),
	TEXT(MSG_QUERY, query.id),
	TEXT(MSG_REPORTER_STATUS, reporter.spool), TEXT(MSG_REPORTER_STATUS, reporter.warning),
	TEXT(MSG_SINK_STATUS, sink.error),
};

/* Is there a NUL in each text of the message? */
static bool
check_texts(uint32_t type, const void *data)
{
	size_t i;

	if (type == MSG_HOST_FOUND)
		type = MSG_FACTS;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].type == type &&
		    memchr((const char *)data + texts[i].at, '\0', texts[i].size) == NULL)
			return false;
	}
	return true;
}

static const char *
check_verified(const struct enforce_verify *verify)
{
	uint32_t i;

	if (verify->nsets > ENFORCE_VERIFY_SETS_MAX ||
	    verify->nexamples > ENFORCE_VERIFY_EXAMPLES)
		return "number of sets out of bounds";
	for (i = 0; i < verify->nsets; i++) {
		if (memchr(verify->sets[i].name, '\0', sizeof(verify->sets[i].name)) == NULL)
			return "text without end";
	}
	for (i = 0; i < verify->nexamples; i++) {
		const struct range *range = &verify->examples[i].range;

		if (verify->examples[i].set >= verify->nsets || range->first.family == ADDR_NONE ||
		    range->first.family > ADDR_V6 || range->last.family != range->first.family)
			return "no example";
	}
	return NULL;
}


/* Only keys that somebody wrote down have no end. */
static const char *
check_keys(const struct msg_keys *keys)
{
	if (keys->origin < KEYS_ENVIRONMENT || keys->origin > KEYS_INSTANCE)
		return "keys from nowhere";
	if (keys->expires_ms < 0 || (keys->expires_ms == 0) != (keys->origin < KEYS_CONTAINER))
		return "keys without an end, or with one that they cannot have";
	return NULL;
}

static const char *
check_numbers(const struct message *message)
{
	uint32_t i;

	switch (message->type) {
	case MSG_COUNTS:
		if (message->u.counts.n == 0 || message->u.counts.n > CHANNEL_COUNTS)
			return "number of counts out of bounds";
		break;
	case MSG_ENFORCER_STATUS:
		if (message->u.enforcer.stat.nsets > ENFORCE_SETS_MAX)
			return "number of sets out of bounds";
		for (i = 0; i < message->u.enforcer.stat.nsets; i++) {
			if (memchr(message->u.enforcer.stat.sets[i].name, '\0',
			    sizeof(message->u.enforcer.stat.sets[i].name)) == NULL)
				return "text without end";
		}
		break;
	case MSG_HEARTBEAT:
		if (message->u.heartbeat.size == 0 ||
		    message->u.heartbeat.size > HEARTBEAT_BYTES)
			return "size out of bounds";
		break;
	case MSG_KEYS:
		return check_keys(&message->u.keys);
	case MSG_PLANNED:
		if (message->u.planned.plan.nsets > ENFORCE_SETS_MAX)
			return "number of sets out of bounds";
		for (i = 0; i < message->u.planned.plan.nsets; i++) {
			if (memchr(message->u.planned.plan.sets[i].name, '\0',
			    sizeof(message->u.planned.plan.sets[i].name)) == NULL)
				return "text without end";
		}
		break;
	case MSG_VERIFIED:
		return check_verified(&message->u.verified.verify);
	case MSG_EVENT:
		if (message->u.event.name == 0 || message->u.event.name >= EVENT_NAME_END)
			return "unknown event";
		if (message->u.event.way >= ENFORCE_WAYS)
			return "unknown way";
		break;
	case MSG_ENDPOINT:
	case MSG_ENDPOINT_DONE:
		if (message->u.endpoint.addr.family != ADDR_V4 &&
		    message->u.endpoint.addr.family != ADDR_V6)
			return "no address";
		if (message->u.endpoint.port == 0)
			return "no port";
		break;
	case MSG_CONFINED:
		if (message->u.confined.seccomp > 1)
			return "neither confined nor not";
		break;
	default:
		break;
	}
	return NULL;
}

const char *
message_check(const void *data, uint64_t size, bool has_fd)
{
	uint32_t type;

	if (size < sizeof(type))
		return "shorter than a message type";
	memcpy(&type, data, sizeof(type));
	if (type == 0 || type >= MSG_END)
		return "unknown message type";
	if (size != message_size(type))
		return "wrong message size";
	if (shapes[type].fd == WITH_FD && !has_fd)
		return "descriptor missing";
	if (shapes[type].fd == NO_FD && has_fd)
		return "unexpected descriptor";
	if (!check_texts(type, data))
		return "text without end";
	return check_numbers(data);
}

static void
die(struct channel *channel, const char *reason)
{
	if (channel->dead)
		return;
	channel->dead = true;
	loop_del_fd(channel->loop, channel->fd);
	if (!channel->freed)
		channel->closed(reason, channel->arg);
}

/* Leaves no secret behind in memory that is used for something else next. */
static void
wipe(struct message *message)
{
	if (message->type == MSG_KEYS)
		explicit_bzero(message, sizeof(*message));
}

static void
free_waiting(struct waiting *waiting)
{
	if (waiting->fd >= 0)
		close(waiting->fd);
	wipe(&waiting->message);
	free(waiting);
}

static void
drop_queue(struct channel *channel)
{
	struct waiting *waiting;

	while ((waiting = STAILQ_FIRST(&channel->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&channel->queue, link);
		free_waiting(waiting);
	}
	channel->queued = 0;
}

static void
destroy(struct channel *channel)
{
	drop_queue(channel);
	close(channel->fd);
	free(channel);
}

static void
write_queue(struct channel *channel)
{
	struct waiting *waiting;
	int error;

	while ((waiting = STAILQ_FIRST(&channel->queue)) != NULL) {
		error = passing_send(channel->fd, &waiting->message, waiting->size, waiting->fd);
		if (error == -EAGAIN)
			return;
		if (error == -EPIPE || error == -ECONNRESET) {
			/* what it said before it ended is still to be read */
			drop_queue(channel);
			break;
		}
		if (error != 0) {
			die(channel, strerror(-error));
			return;
		}
		STAILQ_REMOVE_HEAD(&channel->queue, link);
		channel->queued -= waiting->size;
		free_waiting(waiting);
	}
	loop_set_events(channel->loop, channel->fd, EPOLLIN);
}

static bool
read_one(struct channel *channel)
{
	struct message message;
	const char *wrong;
	ssize_t n;
	int fd;

	n = passing_receive(channel->fd, &message, sizeof(message), &fd, false);
	if (n == -EAGAIN || n == -EINTR)
		return false;
	if (n == -ECONNRESET)
		/* once, from a peer that ended before it read all: what it said is still here, then the end */
		return true;
	if (n <= 0 && n != -EMSGSIZE) {
		die(channel, n == 0 ? "closed" : strerror((int)-n));
		return false;
	}
	wrong = n == -EMSGSIZE ? "too large" : message_check(&message, (uint64_t)n, fd >= 0);
	if (wrong != NULL)
		die(channel, wrong);
	else
		channel->message(&message, &fd, channel->arg);
	wipe(&message);
	if (fd >= 0)
		close(fd);
	return !channel->dead && !channel->freed;
}

static void
on_ready(int fd, uint32_t events, void *arg)
{
	struct channel *channel = arg;
	int i;

	channel->busy = true;
	if ((events & EPOLLOUT) != 0)
		write_queue(channel);
	for (i = 0; i < MESSAGES_AT_ONCE && !channel->dead && !channel->freed; i++) {
		if (!read_one(channel))
			break;
	}
	channel->busy = false;
	if (channel->freed)
		destroy(channel);
}

struct channel *
channel_new(struct loop *loop, int fd, channel_message_fn *message, channel_closed_fn *closed,
    void *arg)
{
	struct channel *channel;
	int error;

	channel = calloc(1, sizeof(*channel));
	if (channel == NULL)
		return NULL;
	channel->loop = loop;
	channel->fd = fd;
	channel->message = message;
	channel->closed = closed;
	channel->arg = arg;
	STAILQ_INIT(&channel->queue);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	error = loop_add_fd(loop, fd, EPOLLIN, on_ready, channel);
	if (error != 0) {
		free(channel);
		errno = -error;
		return NULL;
	}
	return channel;
}

void
channel_free(struct channel *channel)
{
	if (channel == NULL || channel->freed)
		return;
	if (!channel->dead)
		loop_del_fd(channel->loop, channel->fd);
	channel->freed = true;
	if (!channel->busy)
		destroy(channel);
}

int
channel_send(struct channel *channel, const struct message *message, int fd)
{
	size_t size = message_size(message->type);
	struct waiting *waiting;
	int error;

	if (channel->dead || channel->freed)
		return -EPIPE;
	if (STAILQ_EMPTY(&channel->queue)) {
		error = passing_send(channel->fd, message, size, fd);
		if (error == 0)
			return 0;
		/* a dead peer is told of by its read side, in the loop */
		if (error != -EAGAIN)
			return -EPIPE;
	}
	if (channel->queued + size > CHANNEL_QUEUE_MAX)
		return -ENOBUFS;
	waiting = malloc(sizeof(*waiting));
	if (waiting == NULL)
		return -ENOBUFS;
	memcpy(&waiting->message, message, size);
	waiting->size = size;
	waiting->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (fd >= 0 && waiting->fd < 0) {
		free(waiting);
		return -ENOBUFS;
	}
	if (STAILQ_EMPTY(&channel->queue))
		loop_set_events(channel->loop, channel->fd, EPOLLIN | EPOLLOUT);
	STAILQ_INSERT_TAIL(&channel->queue, waiting, link);
	channel->queued += size;
	return 0;
}

bool
channel_wait(struct channel *channel, int timeout_ms)
{
	struct pollfd ready = { .fd = channel->fd, .events = POLLIN };
	int64_t until = loop_now_ms() + timeout_ms;

	if (channel->dead || channel->freed)
		return false;
	if (!STAILQ_EMPTY(&channel->queue))
		channel_flush(channel, timeout_ms);
	while (!channel->dead) {
		int64_t left = until - loop_now_ms();
		int n = poll(&ready, 1, left > 0 ? (int)left : 0);

		if (n > 0)
			return read_one(channel);
		if (n == 0 || errno != EINTR)
			return false;
	}
	return false;
}

void
channel_drain(struct channel *channel)
{
	if (channel == NULL || channel->busy)
		return;
	channel->busy = true;
	while (!channel->dead && !channel->freed && read_one(channel))
		;
	channel->busy = false;
	if (channel->freed)
		destroy(channel);
}

uint64_t
channel_queued(const struct channel *channel)
{
	return channel->queued;
}

void
channel_flush(struct channel *channel, int timeout_ms)
{
	int64_t until = loop_now_ms() + timeout_ms;

	while (!channel->dead && !STAILQ_EMPTY(&channel->queue)) {
		struct pollfd ready = { .fd = channel->fd, .events = POLLOUT };
		int64_t left = until - loop_now_ms();

		if (left <= 0 || poll(&ready, 1, (int)left) <= 0)
			return;
		write_queue(channel);
	}
}

int
memfd_with(const char *name, const void *data, uint64_t size)
{
	const char *at = data;
	uint64_t left = size;
	int fd, error;

	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	while (left > 0) {
		ssize_t n = write(fd, at, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			error = n < 0 ? -errno : -EIO;
			close(fd);
			return error;
		}
		at += n;
		left -= (uint64_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}
