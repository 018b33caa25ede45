/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One datagram with at most one descriptor over a Unix socket (SCM_RIGHTS, unix(7)). */
#ifndef RUNTIME_PASSING_H
#define RUNTIME_PASSING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Sends without blocking; fd is -1 or borrowed.  0, -EAGAIN or another -errno. */
int passing_send(int to, const void *data, size_t size, int fd);

/*
 * Receives up to size bytes; *fd is -1 or the caller's (close-on-exec).  Returns
 * the bytes, 0 at the end, -EMSGSIZE for a datagram that is longer or brings more
 * than one descriptor (which are then closed), or -errno.  wait: block for it.
 */
ssize_t passing_receive(int from, void *data, size_t size, int *fd, bool wait);

#endif
