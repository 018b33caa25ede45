/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE	16

struct watch {
	int fd;			/* -1: deleted, freed when no event can point to it */
	loop_fd_fn *call;
	void *arg;
	TAILQ_ENTRY(watch) link;
};

struct loop_timer {
	int64_t due_ms;
	bool running;
	bool dead;		/* freed inside the timers' own walk */
	loop_timer_fn *call;
	void *arg;
	TAILQ_ENTRY(loop_timer) link;
};

struct loop {
	int epoll_fd, signal_fd;
	bool stop;
	sigset_t signals;
	struct { loop_signal_fn *call; void *arg; } on_signal[NSIG];
	TAILQ_HEAD(, watch) watches;
	TAILQ_HEAD(, loop_timer) timers;
};

int64_t
loop_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

int64_t
loop_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

struct loop *
loop_new(void)
{
	struct loop *loop;

	loop = calloc(1, sizeof(*loop));
	if (loop == NULL)
		return NULL;
	TAILQ_INIT(&loop->watches);
	TAILQ_INIT(&loop->timers);
	sigemptyset(&loop->signals);
	loop->signal_fd = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

void
loop_free(struct loop *loop)
{
	struct loop_timer *timer;
	struct watch *watch;

	if (loop == NULL)
		return;
	while ((watch = TAILQ_FIRST(&loop->watches)) != NULL) {
		TAILQ_REMOVE(&loop->watches, watch, link);
		free(watch);
	}
	while ((timer = TAILQ_FIRST(&loop->timers)) != NULL) {
		TAILQ_REMOVE(&loop->timers, timer, link);
		free(timer);
	}
	if (loop->signal_fd >= 0)
		close(loop->signal_fd);
	close(loop->epoll_fd);
	free(loop);
}

static struct watch *
find_watch(struct loop *loop, int fd)
{
	struct watch *watch;

	TAILQ_FOREACH(watch, &loop->watches, link) {
		if (watch->fd == fd)
			return watch;
	}
	return NULL;
}

int
loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn *call, void *arg)
{
	struct epoll_event event = { .events = events };
	struct watch *watch;
	int error;

	watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return -ENOMEM;
	watch->fd = fd;
	watch->call = call;
	watch->arg = arg;
	event.data.ptr = watch;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
		error = -errno;
		free(watch);
		return error;
	}
	TAILQ_INSERT_TAIL(&loop->watches, watch, link);
	return 0;
}

int
loop_set_events(struct loop *loop, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };

	event.data.ptr = find_watch(loop, fd);
	if (event.data.ptr == NULL)
		return -ENOENT;
	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : -errno;
}

void
loop_del_fd(struct loop *loop, int fd)
{
	struct watch *watch = find_watch(loop, fd);

	if (watch == NULL)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	watch->fd = -1;
}

struct loop_timer *
loop_timer_new(struct loop *loop, loop_timer_fn *call, void *arg)
{
	struct loop_timer *timer;

	timer = calloc(1, sizeof(*timer));
	if (timer == NULL)
		return NULL;
	timer->call = call;
	timer->arg = arg;
	TAILQ_INSERT_TAIL(&loop->timers, timer, link);
	return timer;
}

void
loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
	timer->due_ms = loop_now_ms() + (delay_ms > 0 ? delay_ms : 0);
	timer->running = true;
}

void
loop_timer_stop(struct loop_timer *timer)
{
	timer->running = false;
}

bool
loop_timer_running(const struct loop_timer *timer)
{
	return timer->running;
}

void
loop_timer_free(struct loop *loop, struct loop_timer *timer)
{
	if (timer == NULL)
		return;
	timer->running = false;
	timer->dead = true;
}

static void
take_signals(int fd, uint32_t events, void *arg)
{
	struct loop *loop = arg;
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo < NSIG && loop->on_signal[info.ssi_signo].call != NULL)
			loop->on_signal[info.ssi_signo].call((int)info.ssi_signo,
			    loop->on_signal[info.ssi_signo].arg);
	}
}

int
loop_add_signal(struct loop *loop, int signo, loop_signal_fn *call, void *arg)
{
	bool first = loop->signal_fd < 0;
	int fd;

	sigaddset(&loop->signals, signo);
	if (sigprocmask(SIG_BLOCK, &loop->signals, NULL) != 0)
		return -errno;
	fd = signalfd(loop->signal_fd, &loop->signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	loop->signal_fd = fd;
	loop->on_signal[signo].call = call;
	loop->on_signal[signo].arg = arg;
	return first ? loop_add_fd(loop, fd, EPOLLIN, take_signals, loop) : 0;
}

/* Milliseconds until the next timer, -1: none. */
static int
next_due(const struct loop *loop)
{
	const struct loop_timer *timer;
	int64_t now = loop_now_ms(), wait = -1;

	TAILQ_FOREACH(timer, &loop->timers, link) {
		int64_t left;

		if (!timer->running)
			continue;
		left = timer->due_ms > now ? timer->due_ms - now : 0;
		if (wait < 0 || left < wait)
			wait = left;
	}
	return wait > 1000000 ? 1000000 : (int)wait;
}

static void
run_timers(struct loop *loop)
{
	struct loop_timer *timer, *next;
	int64_t now = loop_now_ms();

	/* the list only grows at its tail and shrinks below: a walk is safe */
	TAILQ_FOREACH(timer, &loop->timers, link) {
		if (timer->running && timer->due_ms <= now && !loop->stop) {
			timer->running = false;
			timer->call(timer->arg);
		}
	}
	for (timer = TAILQ_FIRST(&loop->timers); timer != NULL; timer = next) {
		next = TAILQ_NEXT(timer, link);
		if (timer->dead) {
			TAILQ_REMOVE(&loop->timers, timer, link);
			free(timer);
		}
	}
}

/* Deleted watches are freed only here, when no fetched event points to one. */
static void
sweep_watches(struct loop *loop)
{
	struct watch *watch, *next;

	for (watch = TAILQ_FIRST(&loop->watches); watch != NULL; watch = next) {
		next = TAILQ_NEXT(watch, link);
		if (watch->fd < 0) {
			TAILQ_REMOVE(&loop->watches, watch, link);
			free(watch);
		}
	}
}

int
loop_run(struct loop *loop)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n, i;

	loop->stop = false;
	while (!loop->stop) {
		n = epoll_wait(loop->epoll_fd, events, EVENTS_AT_ONCE, next_due(loop));
		if (n < 0 && errno != EINTR)
			return -errno;
		for (i = 0; i < n && !loop->stop; i++) {
			struct watch *watch = events[i].data.ptr;

			if (watch->fd >= 0)
				watch->call(watch->fd, events[i].events, watch->arg);
		}
		sweep_watches(loop);
		run_timers(loop);
	}
	return 0;
}

void
loop_stop(struct loop *loop)
{
	loop->stop = true;
}
