/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/delivery.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/render_asff.h"
#include "threatlistd/log.h"
#include "report/backoff.h"

#define NO_ACCOUNT	"000000000000"	/* facts of a host that knows of none */
#define NO_REGION	"local"
#define FREEZE_LESS	8	/* times fewer bodies are frozen when there is no room */
#define SPOOL_RETRY_MS	2000	/* until an outcome is tried to be kept again */

struct delivery {
	struct delivery_conf conf;
	const struct sink_kind *kind;
	struct sink *sink;
	unsigned int batch, limit;	/* bodies at once: as configured, and for now */
	uint64_t first, last;		/* on its way; first 0: nothing */
	unsigned int n;			/* bodies of those */
	char *heartbeat;		/* that waits; owned, NULL: none */
	size_t heartbeat_size;
	bool beating;			/* one is on its way */
	struct sink_result result;	/* that could not be kept yet; outcome 0: none */
	unsigned int failures;
	bool spread;			/* the delay of what waits is over */
	bool unowned;			/* waits for the account to be known */
	bool formed;			/* what was frozen before us is in the sink's form */
	enum sink_state state;
	char error[256];
	struct loop_timer *timer;	/* running: do not try before */
};

static void on_done(const struct sink_result *result, void *arg);
static void on_timer(void *arg);

struct delivery *
delivery_new(const struct delivery_conf *conf)
{
	const struct conf_sink *sink = conf->sink.conf;
	struct delivery *delivery;
	int error;

	delivery = calloc(1, sizeof(*delivery));
	if (delivery == NULL)
		return NULL;
	delivery->conf = *conf;
	delivery->kind = sink_kind_of(sink->type);
	delivery->batch = delivery->kind->batch != 0 ? delivery->kind->batch : sink->batch;
	if (delivery->batch == 0)
		delivery->batch = 1;
	delivery->limit = delivery->batch;
	delivery->timer = loop_timer_new(conf->loop, on_timer, delivery);
	delivery->sink = sink_new(conf->loop, &conf->sink, on_done, delivery);
	error = delivery->timer == NULL ? ENOMEM : delivery->sink == NULL ? errno : 0;
	if (error != 0) {
		sink_free(delivery->sink);
		loop_timer_free(conf->loop, delivery->timer);
		free(delivery);
		errno = error;
		return NULL;
	}
	return delivery;
}

bool
delivery_free(struct delivery *delivery)
{
	bool ended;

	if (delivery == NULL)
		return true;
	ended = sink_free(delivery->sink);
	loop_timer_free(delivery->conf.loop, delivery->timer);
	free(delivery->result.parts);
	free(delivery->heartbeat);
	free(delivery);
	return ended;
}

static const char *
name_of(const struct delivery *delivery)
{
	return delivery->conf.sink.conf->name;
}

static uint64_t
random_number(void)
{
	uint64_t number = 0;

	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number))
		number = (uint64_t)loop_now_ms();
	return number;
}

/* 413 and refusals come for whole batches: the next one is as large as configured again. */
static void
widen(struct delivery *delivery)
{
	delivery->limit = delivery->batch;
}

static char *
to_asff(char *native, void *arg)
{
	const struct delivery *delivery = arg;
	const struct host_facts *facts = delivery->conf.facts;
	const struct conf_sink *sink = delivery->conf.sink.conf;
	const struct asff_owner owner = {
		.account = facts->account[0] != '\0' ? facts->account : NO_ACCOUNT,
		.region = facts->region[0] != '\0' ? facts->region : NO_REGION,
		.partition = facts->partition[0] != '\0' ? facts->partition : "aws",
		.product_arn = sink->product_arn, .product_region = sink->region,
	};
	char *body = render_asff(native, &owner);

	free(native);
	return body;
}

/* What makes a body of the native form; NULL: it is one. */
static spool_form_fn *
form_of(enum sink_format format)
{
	switch (format) {
	case SINK_FORMAT_GUARDDUTY:
		return NULL;
	case SINK_FORMAT_ASFF:
		return to_asff;
	}
	assert(!"a form without what makes it");
	return NULL;
}

static bool
is_native(const char *body)
{
	return !render_is_asff(body);
}

/* The config may say another form than it did when they were frozen. */
static int
reform(struct delivery *delivery)
{
	enum sink_format format = delivery->conf.sink.conf->format;
	int error = 0;

	if (!delivery->formed)
		error = spool_reform(delivery->conf.spool, delivery->conf.row,
		    format == SINK_FORMAT_ASFF ? render_is_asff : is_native, form_of(format),
		    delivery);
	delivery->formed = error == 0;
	return error;
}

/* A spool that is nearly full may still hold a few bodies more. */
static int
freeze(struct delivery *delivery, unsigned int max, unsigned int *waiting)
{
	int error = reform(delivery);

	if (error != 0)
		return error;
	do {
		error = spool_freeze(delivery->conf.spool, delivery->conf.row, max,
		    form_of(delivery->conf.sink.conf->format), delivery, waiting);
		max /= FREEZE_LESS;
	} while (error == -ENOSPC && max > 0);
	return error;
}

/* Does the service know whose findings these would be? */
static bool
has_owner(struct delivery *delivery)
{
	const struct host_facts *facts = delivery->conf.facts;
	bool known = facts->account[0] != '\0' && strcmp(facts->account, NO_ACCOUNT) != 0 &&
	    facts->region[0] != '\0' && strcmp(facts->region, NO_REGION) != 0;

	if (known && delivery->unowned) {
		delivery->error[0] = '\0';
		delivery->state = SINK_IDLE;
	} else if (!known) {
		snprintf(delivery->error, sizeof(delivery->error), "account and region are not "
		    "known yet: on EC2 its metadata service tells them, elsewhere [agent] must");
		delivery->state = SINK_RETRYING;
	}
	delivery->unowned = !known;
	return known;
}

/* Many hosts see the same thing at once: each waits a while of its own before it tells. */
static bool
is_spread(struct delivery *delivery)
{
	int64_t spread_ms = delivery->conf.sink.conf->spread_ms;

	if (spread_ms == 0 || delivery->spread ||
	    !spool_has_more(delivery->conf.spool, delivery->conf.row))
		return true;
	delivery->spread = true;
	loop_timer_start(delivery->conf.loop, delivery->timer,
	    (int64_t)(random_number() % (uint64_t)spread_ms));
	return false;
}

/* How many the sink takes now; 0: it waits, and nothing more is frozen until then. */
static unsigned int
room_for(struct delivery *delivery)
{
	unsigned int room;
	int64_t wait_ms;

	if (delivery->kind->room == NULL)
		return delivery->batch;
	if (!spool_has_more(delivery->conf.spool, delivery->conf.row))
		return 0;
	room = sink_room(delivery->sink, delivery->batch, &wait_ms);
	if (room == 0) {
		log_info("sink holds sink=%s seconds=%" PRId64, name_of(delivery), wait_ms / 1000);
		loop_timer_start(delivery->conf.loop, delivery->timer, wait_ms);
	}
	return room;
}

/* True: it is on its way. */
static bool
send_heartbeat(struct delivery *delivery)
{
	struct spool_body *body;

	/* while the sink fails it waits like everything else */
	if (delivery->heartbeat == NULL ||
	    (delivery->failures > 0 && loop_timer_running(delivery->timer)))
		return false;
	body = calloc(1, sizeof(*body));
	if (body == NULL)
		return false;
	body->text = delivery->heartbeat;
	body->size = delivery->heartbeat_size;
	delivery->heartbeat = NULL;
	delivery->beating = true;
	sink_submit(delivery->sink, body, 1);
	return true;
}

void
delivery_heartbeat(struct delivery *delivery, const char *text, size_t size)
{
	char *copy = malloc(size + 1);

	if (copy == NULL)
		return;
	memcpy(copy, text, size);
	copy[size] = '\0';
	free(delivery->heartbeat);
	delivery->heartbeat = copy;
	delivery->heartbeat_size = size;
	delivery_kick(delivery);
}

void
delivery_kick(struct delivery *delivery)
{
	struct spool_body *bodies = NULL;
	unsigned int waiting, room, n = 0;
	int error;

	if (delivery->first != 0 || delivery->beating || send_heartbeat(delivery) ||
	    loop_timer_running(delivery->timer))
		return;
	if (delivery->kind->owned && !has_owner(delivery))
		return;
	if (!is_spread(delivery))
		return;
	room = room_for(delivery);
	if (room == 0)
		return;
	error = freeze(delivery, room, &waiting);
	if (error == 0 && waiting > 0)
		error = spool_waiting(delivery->conf.spool, delivery->conf.row,
		    room < delivery->limit ? room : delivery->limit,
		    delivery->kind->batch_bytes, delivery->kind->gaps, &bodies, &n);
	if (error != 0 || n == 0) {
		spool_bodies_free(bodies, n);
		delivery->spread = false;
		if (error != 0)
			delivery->conf.failed(error, delivery->conf.arg);
		else if (delivery->failures == 0)
			delivery->state = SINK_IDLE;
		return;
	}
	delivery->first = bodies[0].sequence;
	delivery->last = bodies[n - 1].sequence;
	delivery->n = n;
	if (delivery->failures == 0)
		delivery->state = SINK_SENDING;
	sink_submit(delivery->sink, bodies, n);
}

static void
recovered(struct delivery *delivery)
{
	if (delivery->failures > 0)
		log_notice("sink delivers again sink=%s failures=%u", name_of(delivery),
		    delivery->failures);
	delivery->failures = 0;
	delivery->error[0] = '\0';
	delivery->state = SINK_IDLE;
}

static void
retry_later(struct delivery *delivery, const struct sink_result *result)
{
	int64_t delay;

	delivery->failures++;
	delay = backoff_ms(delivery->failures, result->retry_after_ms, random_number());
	if (delivery->failures == 1)
		log_warn("sink retries sink=%s error=\"%s\"", name_of(delivery), result->error);
	snprintf(delivery->error, sizeof(delivery->error), "%s", result->error);
	delivery->state = SINK_RETRYING;
	loop_timer_start(delivery->conf.loop, delivery->timer, delay);
}

static int
keep_refused(struct delivery *delivery, uint64_t sequence, const char *why)
{
	int error = spool_refused(delivery->conf.spool, delivery->conf.row, sequence,
	    loop_wall_ms(), why);
	char id[FINDING_ID_SIZE];

	if (error != 0)
		return error;
	spool_id_of(delivery->conf.spool, delivery->conf.row, sequence, id);
	log_error("finding refused sink=%s sequence=%" PRIu64 " id=%s error=\"%s\"",
	    name_of(delivery), sequence, id, why);
	return 0;
}

static void
show_refused(struct delivery *delivery, const char *why)
{
	recovered(delivery);
	snprintf(delivery->error, sizeof(delivery->error), "refused: %.240s", why);
	delivery->state = SINK_FAILED;
}

/* A batch that was refused, or is too large, is halved; a single body is refused for good. */
static int
split(struct delivery *delivery, const struct sink_result *result)
{
	int error;

	if (delivery->n > 1) {
		delivery->limit = delivery->n / 2;
		return 0;
	}
	error = keep_refused(delivery, delivery->first, result->error);
	if (error == 0)
		show_refused(delivery, result->error);
	return error;
}

/* What lies between two parts is delivered. */
static int
keep_accepted(struct delivery *delivery, const struct sink_result *result)
{
	uint64_t next = delivery->first;
	unsigned int i;
	int error = 0;

	for (i = 0; i <= result->nparts && error == 0; i++) {
		uint64_t end = i < result->nparts ? result->parts[i].sequence :
		    delivery->last + 1;

		if (end > next)
			error = spool_delivered(delivery->conf.spool, delivery->conf.row, next,
			    end - 1, loop_wall_ms());
		next = end + 1;
	}
	return error;
}

/*
 * Of a batch some were accepted.  Everything here may be written down twice:
 * after a failure of the spool it is done again from the beginning.
 */
static int
settle_parts(struct delivery *delivery, const struct sink_result *result)
{
	const char *refused = NULL;
	bool again = false;
	unsigned int i;
	int error = 0;

	for (i = 0; i < result->nparts && error == 0; i++) {
		const struct sink_part *part = &result->parts[i];

		again |= part->outcome == OUTCOME_AGAIN;
		if (part->outcome != OUTCOME_REFUSED)
			continue;
		refused = part->error;
		error = keep_refused(delivery, part->sequence, part->error);
	}
	if (error == 0)
		error = keep_accepted(delivery, result);
	if (error == 0 && again)
		error = spool_tried(delivery->conf.spool, delivery->conf.row, delivery->first,
		    delivery->last, result->error);
	if (error != 0)
		return error;
	if (again)
		retry_later(delivery, result);
	else
		show_refused(delivery, refused);
	return 0;
}

/* Writes down what became of the batch.  0, or -errno: nothing is written yet. */
static int
settle(struct delivery *delivery, const struct sink_result *result)
{
	struct spool *spool = delivery->conf.spool;
	int error;

	switch (result->outcome) {
	case OUTCOME_ACCEPTED:
		error = spool_delivered(spool, delivery->conf.row, delivery->first, delivery->last,
		    loop_wall_ms());
		if (error == 0)
			recovered(delivery);
		return error;
	case OUTCOME_AGAIN:
		error = spool_tried(spool, delivery->conf.row, delivery->first, delivery->last,
		    result->error);
		if (error == 0)
			retry_later(delivery, result);
		return error;
	case OUTCOME_PARTLY:
		return settle_parts(delivery, result);
	default:
		return split(delivery, result);
	}
}

/* Is the frozen set done with? */
static bool
set_is_empty(struct delivery *delivery)
{
	struct spool_body *bodies;
	unsigned int n;
	int error;

	error = spool_waiting(delivery->conf.spool, delivery->conf.row, 1, 0, true, &bodies, &n);
	spool_bodies_free(bodies, n);
	return error == 0 && n == 0;
}

static void
go_on(struct delivery *delivery)
{
	struct sink_result result = delivery->result;
	int error = settle(delivery, &result);

	if (error != 0) {
		/* the outcome is not forgotten: the disk may be back soon */
		loop_timer_start(delivery->conf.loop, delivery->timer, SPOOL_RETRY_MS);
		delivery->conf.failed(error, delivery->conf.arg);
		return;
	}
	free(delivery->result.parts);
	memset(&delivery->result, 0, sizeof(delivery->result));
	delivery->first = delivery->last = 0;
	if (delivery->limit != delivery->batch && set_is_empty(delivery))
		widen(delivery);
	delivery_kick(delivery);
}

/* Nothing is to be written down: the next one tells all that this one would have. */
static void
end_heartbeat(struct delivery *delivery, const struct sink_result *result)
{
	delivery->beating = false;
	free(result->parts);
	if (result->outcome == OUTCOME_ACCEPTED && delivery->failures > 0) {
		loop_timer_stop(delivery->timer);
		recovered(delivery);
	} else if (result->outcome == OUTCOME_AGAIN) {
		retry_later(delivery, result);
	} else if (result->outcome != OUTCOME_ACCEPTED) {
		snprintf(delivery->error, sizeof(delivery->error), "heartbeat refused: %.200s",
		    result->error);
		delivery->state = SINK_FAILED;
	}
	delivery_kick(delivery);
}

static void
on_done(const struct sink_result *result, void *arg)
{
	struct delivery *delivery = arg;

	if (delivery->beating) {
		end_heartbeat(delivery, result);
		return;
	}
	delivery->result = *result;
	go_on(delivery);
}

static void
on_timer(void *arg)
{
	struct delivery *delivery = arg;

	if (delivery->result.outcome != 0)
		go_on(delivery);
	else
		delivery_kick(delivery);
}

bool
delivery_idle(const struct delivery *delivery)
{
	return !sink_busy(delivery->sink);
}

void
delivery_status(struct delivery *delivery, struct msg_sink_status *status)
{
	struct spool_sink kept;

	status->state = (uint8_t)delivery->state;
	snprintf(status->error, sizeof(status->error), "%s", delivery->error);
	if (spool_sink_stat(delivery->conf.spool, delivery->conf.row, &kept) != 0)
		return;
	status->sequence = kept.sequence;
	status->pending = kept.pending;
	status->refused = kept.refused;
	status->oldest_pending_ms = kept.oldest_pending_ms;
	status->last_ok_ms = kept.last_ok_ms;
}
