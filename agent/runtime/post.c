/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/post.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "threatlistd/log.h"

struct post {
	struct loop *loop;
	struct channel *channel;
	pthread_t home;			/* the loop's thread */
	int fd;				/* eventfd: something is to be sent */
	pthread_mutex_t lock;		/* guards waiting */
	struct message waiting;		/* type 0: nothing */
};

static void
send_waiting(struct post *post)
{
	pthread_mutex_lock(&post->lock);
	if (post->waiting.type != 0 && channel_send(post->channel, &post->waiting, -1) != 0)
		log_error("message not sent type=%u error=\"no way to the parent\"",
		    post->waiting.type);
	explicit_bzero(&post->waiting, sizeof(post->waiting));
	pthread_mutex_unlock(&post->lock);
}

static void
on_posted(int fd, uint32_t events, void *arg)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count))
		send_waiting(arg);
}

struct post *
post_new(struct loop *loop, struct channel *channel)
{
	struct post *post = calloc(1, sizeof(*post));
	int error;

	if (post == NULL)
		return NULL;
	post->loop = loop;
	post->channel = channel;
	post->home = pthread_self();
	post->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = post->fd < 0 ? -errno : loop_add_fd(loop, post->fd, EPOLLIN, on_posted, post);
	if (error != 0) {
		if (post->fd >= 0)
			close(post->fd);
		free(post);
		errno = -error;
		return NULL;
	}
	pthread_mutex_init(&post->lock, NULL);
	return post;
}

void
post_free(struct post *post)
{
	if (post == NULL)
		return;
	loop_del_fd(post->loop, post->fd);
	close(post->fd);
	pthread_mutex_destroy(&post->lock);
	explicit_bzero(post, sizeof(*post));
	free(post);
}

static void
send_soon(struct post *post)
{
	const uint64_t one = 1;

	if (pthread_equal(pthread_self(), post->home))
		send_waiting(post);
	else if (write(post->fd, &one, sizeof(one)) < 0)
		log_error("message not sent error=\"%s\"", strerror(errno));
}

void
post_keys(const struct msg_keys *keys, void *arg)
{
	struct post *post = arg;

	pthread_mutex_lock(&post->lock);
	post->waiting.type = MSG_KEYS;
	post->waiting.u.keys = *keys;
	pthread_mutex_unlock(&post->lock);
	send_soon(post);
}

void
post_no_keys(struct post *post, const char *reason)
{
	pthread_mutex_lock(&post->lock);
	explicit_bzero(&post->waiting, sizeof(post->waiting));
	post->waiting.type = MSG_NO_KEYS;
	snprintf(post->waiting.u.no_keys.reason, sizeof(post->waiting.u.no_keys.reason), "%s",
	    reason);
	pthread_mutex_unlock(&post->lock);
	send_soon(post);
}
