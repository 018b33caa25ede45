/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keys, or that there are none, on their way from a role to the parent, out of
 * whichever thread was handed them.  Nobody waits; of several the last one is sent.
 */
#ifndef RUNTIME_POST_H
#define RUNTIME_POST_H

#include "runtime/channel.h"
#include "runtime/loop.h"

struct post;

/* Made by the loop's thread; both are borrowed.  NULL: errno. */
struct post *post_new(struct loop *loop, struct channel *channel);
/* When no other thread posts any more.  What was not sent is wiped. */
void post_free(struct post *post);

/* A credentials_taken_fn (arg: the post), for any thread. */
void post_keys(const struct msg_keys *keys, void *arg);
/* There are none, and why. */
void post_no_keys(struct post *post, const char *reason);

#endif
