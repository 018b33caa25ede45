/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/giver.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "threatlistd/log.h"

_Static_assert(KEYS_REASON_MAX == CREDENTIALS_REASON_MAX, "a reason fits into its message");

struct giver {
	struct aws *aws;
	struct post *post;
	pthread_mutex_t lock;		/* guards all below */
	bool running, wanted;
	struct msg_keys_ask ask;
};

/* False: there is no question, and the thread that asked ends. */
static bool
next(struct giver *giver, struct msg_keys_ask *ask)
{
	pthread_mutex_lock(&giver->lock);
	giver->running = giver->wanted;
	giver->wanted = false;
	*ask = giver->ask;
	pthread_mutex_unlock(&giver->lock);
	return giver->running;
}

static void
answer(struct giver *giver, const struct msg_keys_ask *ask)
{
	char reason[CREDENTIALS_REASON_MAX];
	struct msg_keys keys;

	if (aws_give_keys(giver->aws, ask->refused, &keys, reason) == 0)
		post_keys(&keys, giver->post);
	else
		post_no_keys(giver->post, reason);
	explicit_bzero(&keys, sizeof(keys));
}

static void *
run(void *arg)
{
	struct giver *giver = arg;
	struct msg_keys_ask ask;

	while (next(giver, &ask))
		answer(giver, &ask);
	return NULL;
}

struct giver *
giver_new(struct aws *aws, struct post *post)
{
	struct giver *giver = calloc(1, sizeof(*giver));

	if (giver == NULL)
		return NULL;
	giver->aws = aws;
	giver->post = post;
	pthread_mutex_init(&giver->lock, NULL);
	return giver;
}

void
giver_ask(struct giver *giver, const struct msg_keys_ask *ask)
{
	pthread_t thread;
	bool start;
	int error;

	pthread_mutex_lock(&giver->lock);
	giver->ask = *ask;
	giver->wanted = true;
	start = !giver->running;
	giver->running = true;
	pthread_mutex_unlock(&giver->lock);
	if (!start)
		return;
	error = pthread_create(&thread, NULL, run, giver);
	if (error == 0) {
		pthread_detach(thread);
		return;
	}
	pthread_mutex_lock(&giver->lock);
	giver->running = giver->wanted = false;
	pthread_mutex_unlock(&giver->lock);
	post_no_keys(giver->post, strerror(error));
}

bool
giver_free(struct giver *giver)
{
	bool running;

	if (giver == NULL)
		return true;
	pthread_mutex_lock(&giver->lock);
	running = giver->running;
	pthread_mutex_unlock(&giver->lock);
	if (running)
		return false;
	pthread_mutex_destroy(&giver->lock);
	free(giver);
	return true;
}
