/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/sink.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENT_SECURITY	5	/* "security": this severity and more, contract §4 */

/* The mailbox of the thread: one batch in, one result out. */
struct sink {
	const struct sink_kind *kind;
	void *state;			/* of the kind; the thread's alone */
	struct loop *loop;
	sink_done_fn *done;
	void *arg;
	int fd;				/* eventfd: a result is there */
	bool busy;			/* seen from the loop: no result was taken yet */
	pthread_t thread;
	pthread_mutex_t lock;		/* guards all below */
	pthread_cond_t call;
	bool end, working;
	struct spool_body *bodies;
	unsigned int n;
	struct sink_result result;
};

const struct sink_kind *
sink_kind_of(enum sink_type type)
{
	switch (type) {
	case SINK_HTTP:
		return &sink_http;
	case SINK_FILE:
		return &sink_file;
	case SINK_EVENTBRIDGE:
		return &sink_eventbridge;
	case SINK_SECURITYHUB:
		return &sink_securityhub;
	case SINK_SNS:
		return &sink_sns;
	case SINK_STDOUT:
		return &sink_stdout;
	}
	assert(!"a type of sink without its kind");
	abort();
}

bool
sink_result_part(struct sink_result *result, uint64_t sequence, enum sink_outcome outcome,
    const char *error)
{
	struct sink_part *more;

	assert(result->nparts == 0 || result->parts[result->nparts - 1].sequence < sequence);
	more = reallocarray(result->parts, result->nparts + 1, sizeof(*more));
	if (more == NULL)
		return false;
	result->parts = more;
	more += result->nparts++;
	more->sequence = sequence;
	more->outcome = outcome;
	snprintf(more->error, sizeof(more->error), "%s", error);
	result->outcome = OUTCOME_PARTLY;
	return true;
}

bool
sink_wants(const struct conf_sink *conf, bool event, uint8_t severity)
{
	if (severity < conf->min_severity)
		return false;
	if (!event)
		return true;
	return conf->events == EVENTS_ALL ||
	    (conf->events == EVENTS_SECURITY && severity >= EVENT_SECURITY);
}

/* With the lock held and given back for the time of the delivery. */
static void
deliver(struct sink *sink)
{
	struct spool_body *bodies = sink->bodies;
	struct sink_result result = { .outcome = OUTCOME_AGAIN };
	uint64_t one = 1;
	unsigned int n = sink->n;

	sink->bodies = NULL;
	sink->working = true;
	pthread_mutex_unlock(&sink->lock);
	sink->kind->deliver(sink->state, bodies, n, &result);
	spool_bodies_free(bodies, n);
	pthread_mutex_lock(&sink->lock);
	sink->working = false;
	sink->result = result;
	if (write(sink->fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);	/* the counter is full: it is readable anyway */
}

static void *
run(void *arg)
{
	struct sink *sink = arg;

	pthread_mutex_lock(&sink->lock);
	while (!sink->end) {
		if (sink->bodies != NULL)
			deliver(sink);
		else
			pthread_cond_wait(&sink->call, &sink->lock);
	}
	pthread_mutex_unlock(&sink->lock);
	return NULL;
}

static void
on_result(int fd, uint32_t events, void *arg)
{
	struct sink *sink = arg;
	struct sink_result result;
	uint64_t count;

	if (read(fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
		return;
	pthread_mutex_lock(&sink->lock);
	result = sink->result;
	sink->result.parts = NULL;	/* they go with it */
	pthread_mutex_unlock(&sink->lock);
	sink->busy = false;
	sink->done(&result, sink->arg);
}

/* Signals are the loop's business. */
static int
start_thread(struct sink *sink)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	/* says what the filter refused (runtime/filter.h): blocked, it would end the process */
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&sink->thread, NULL, run, sink);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

struct sink *
sink_new(struct loop *loop, const struct sink_setting *setting, sink_done_fn *done, void *arg)
{
	struct sink *sink;
	int error;

	sink = calloc(1, sizeof(*sink));
	if (sink == NULL)
		return NULL;
	sink->kind = sink_kind_of(setting->conf->type);
	sink->loop = loop;
	sink->done = done;
	sink->arg = arg;
	pthread_mutex_init(&sink->lock, NULL);
	pthread_cond_init(&sink->call, NULL);
	sink->state = sink->kind->open(setting);
	sink->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = sink->state == NULL ? ENOMEM : sink->fd < 0 ? errno : 0;
	if (error == 0)
		error = -loop_add_fd(loop, sink->fd, EPOLLIN, on_result, sink);
	if (error == 0) {
		error = start_thread(sink);
		if (error == 0)
			return sink;
		loop_del_fd(loop, sink->fd);
	}
	if (sink->state != NULL)
		sink->kind->close(sink->state);
	if (sink->fd >= 0)
		close(sink->fd);
	free(sink);
	errno = error;
	return NULL;
}

void
sink_submit(struct sink *sink, struct spool_body *bodies, unsigned int n)
{
	assert(!sink->busy && n > 0);
	sink->busy = true;
	pthread_mutex_lock(&sink->lock);
	sink->bodies = bodies;
	sink->n = n;
	pthread_cond_signal(&sink->call);
	pthread_mutex_unlock(&sink->lock);
}

bool
sink_busy(const struct sink *sink)
{
	return sink->busy;
}

unsigned int
sink_room(struct sink *sink, unsigned int batch, int64_t *wait_ms)
{
	unsigned int room;

	assert(!sink->busy);
	*wait_ms = 0;
	if (sink->kind->room == NULL)
		return batch;
	room = sink->kind->room(sink->state, wait_ms);
	return room < batch ? room : batch;
}

bool
sink_free(struct sink *sink)
{
	bool working;

	if (sink == NULL)
		return true;
	pthread_mutex_lock(&sink->lock);
	sink->end = true;
	working = sink->working;
	pthread_cond_signal(&sink->call);
	pthread_mutex_unlock(&sink->lock);
	loop_del_fd(sink->loop, sink->fd);
	if (working)
		return false;
	pthread_join(sink->thread, NULL);
	spool_bodies_free(sink->bodies, sink->bodies != NULL ? sink->n : 0);
	free(sink->result.parts);
	sink->kind->close(sink->state);
	close(sink->fd);
	pthread_cond_destroy(&sink->call);
	pthread_mutex_destroy(&sink->lock);
	free(sink);
	return true;
}
