/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The delivery of one sink: freezes what it wants, hands it over, and decides
 * by the outcome: next, again later, smaller, or refused for good.
 */
#ifndef REPORT_DELIVERY_H
#define REPORT_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/channel.h"
#include "runtime/loop.h"
#include "report/sink.h"
#include "report/spool.h"

struct delivery;

/* The spool failed (-errno as in spool.h): its owner decides what that means. */
typedef void delivery_failed_fn(int error, void *arg);

struct delivery_conf {
	struct loop *loop;
	struct spool *spool;
	int64_t row;			/* of the sink in the spool */
	struct sink_setting sink;
	const struct host_facts *facts;	/* as they are when a body is frozen; borrowed */
	delivery_failed_fn *failed;
	void *arg;
};

struct delivery *delivery_new(const struct delivery_conf *conf);	/* NULL: errno */
/* false as sink_free. */
bool delivery_free(struct delivery *delivery);

/* There may be something to do. */
void delivery_kick(struct delivery *delivery);

/*
 * A sign of life: goes before what waits, without a sequence and without the
 * spool.  One that cannot go while the sink fails is replaced by the next.
 */
void delivery_heartbeat(struct delivery *delivery, const char *text, size_t size);

/* Nothing is on its way now. */
bool delivery_idle(const struct delivery *delivery);

/* All but token and sink (index) of its status. */
void delivery_status(struct delivery *delivery, struct msg_sink_status *status);

#endif
