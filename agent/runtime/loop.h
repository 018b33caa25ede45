/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One thread, one loop: file descriptors, timers and signals of a role.
 * Callbacks may add and remove anything, themselves included.
 */
#ifndef RUNTIME_LOOP_H
#define RUNTIME_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct loop_timer;

typedef void loop_fd_fn(int fd, uint32_t events, void *arg);
typedef void loop_timer_fn(void *arg);
typedef void loop_signal_fn(int signo, void *arg);

/* NULL when the kernel refuses (errno is set). */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* Watches fd (borrowed) for EPOLLIN, EPOLLOUT…; one callback per fd.  0 or -errno. */
int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn *call, void *arg);
int loop_set_events(struct loop *loop, int fd, uint32_t events);
/* Before fd is closed.  Unknown fds are ignored. */
void loop_del_fd(struct loop *loop, int fd);

/* A timer that is not running.  Owned by the loop, freed with it.  NULL: no memory. */
struct loop_timer *loop_timer_new(struct loop *loop, loop_timer_fn *call, void *arg);
/* Fires once, delay_ms from now; starting again moves it. */
void loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t delay_ms);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_running(const struct loop_timer *timer);
void loop_timer_free(struct loop *loop, struct loop_timer *timer);

/* Takes a signal over signalfd(2); blocks its normal delivery.  0 or -errno. */
int loop_add_signal(struct loop *loop, int signo, loop_signal_fn *call, void *arg);

/* Runs until loop_stop; returns 0, or -errno when epoll fails. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Clocks in milliseconds: monotonic (CLOCK_BOOTTIME) and wall (since 1970, UTC). */
int64_t loop_now_ms(void);
int64_t loop_wall_ms(void);

#endif
