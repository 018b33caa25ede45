/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A role tells of each address before it connects to it, so that no list cuts
 * it off from there: the parent judges, the enforcer puts it into the kernel.
 * The role waits for the answer, but not for long: it connects in any case.
 */
#ifndef RUNTIME_ANNOUNCE_H
#define RUNTIME_ANNOUNCE_H

#include <stdint.h>

#include "threatlistd/addr.h"
#include "runtime/channel.h"
#include "runtime/loop.h"

#define ANNOUNCE_WAIT_MS	1000

struct announcer;

/* Made by the loop's thread; both are borrowed.  NULL: errno. */
struct announcer *announcer_new(struct loop *loop, struct channel *channel);
/* When no other thread tells any more. */
void announcer_free(struct announcer *announcer);

/*
 * From any thread, an http_connect_fn (arg: the announcer).  Loopback and
 * link-local addresses (the metadata service) are protected anyway.  Called by
 * the loop's own thread it hands what else comes to the channel's callback.
 */
void announcer_tell(const struct addr *addr, uint16_t port, void *arg);

/* MSG_ENDPOINT_DONE came. */
void announcer_answered(struct announcer *announcer, const struct msg_endpoint *endpoint);

#endif
