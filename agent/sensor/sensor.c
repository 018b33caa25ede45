/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sensor: opens its captures, gives up every capability, and from then on
 * turns frames of listed remotes into sightings.
 *
 * NFLOG is the main eye: the kernel's table logs what is listed, and counts
 * it.  Interface capture takes over where NFLOG cannot be had.  With mode = off
 * there is no table: nothing logs, so the interface is looked at, and nothing
 * counts, so the sensor does.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/sight.h"
#include "core/tally.h"
#include "roles.h"
#include "runtime/channel.h"
#include "runtime/conf.h"
#include "runtime/confine.h"
#include "runtime/sandbox.h"
#include "sensor/capture.h"
#include "sensor/local.h"
#include "threatlistd/log.h"

#define FLOWS_MAX		32768	/* listed flows followed at once; 3 MiB when all are in use */
#define SIGHTINGS_PER_S		2000	/* of all flows together */
#define REMOTES_MAX		16384u	/* counted by ourselves, each direction by itself */
#define COUNTS_MS		1000	/* our own counts are sent */
#define TICK_MS			(3 * 1000)	/* losses, addresses and interface of this host */
#define MESSAGES_AT_ONCE	64	/* of CHANNEL_COUNTS counts each */
#define RETRY_BLIND_MS		(30 * 1000)	/* nothing could be opened: again */
#define RETRY_PARTLY_MS		(5 * 60 * 1000)	/* something could, but not what was asked for */
#define LOST_LOG_MS		(60 * 1000)
#define UNCOUNTED_SAID_MS	(3600 * 1000)
#define FLUSH_MS		2000	/* for the last counts, before the exit */

enum eye { EYE_NFLOG, EYE_INTERFACE, EYES };

struct sensor {
	struct loop *loop;
	struct channel *channel;
	struct conf *conf;		/* NULL: not yet told */
	struct list *list;
	struct sight *sight;
	struct tally *tally;		/* NULL: the kernel counts */
	struct capture *captures[EYES];	/* NULL: not open */
	struct loop_timer *tick, *counts, *retry;
	bool worth_retrying;		/* what could not be opened may be there later */
	uint64_t sighted, unsent, lost, uncounted;
	int64_t uncounted_ms;		/* loop_now_ms, 0: never */
	struct log_limit lost_limit, unsent_limit, uncounted_limit;
	char warning[256];		/* why it is not as configured; empty: it is */
	int exit_code;
};

static void
leave(struct sensor *sensor, int exit_code)
{
	sensor->exit_code = exit_code;
	loop_stop(sensor->loop);
}

static void
send_message(struct sensor *sensor, const struct message *message)
{
	unsigned int skipped;

	if (channel_send(sensor->channel, message, -1) != -ENOBUFS)
		return;
	sensor->unsent++;
	if (log_allowed(&sensor->unsent_limit, loop_now_ms(), LOST_LOG_MS, &skipped))
		log_warn("message lost type=%u reason=\"the parent does not listen\" skipped=%u",
		    message->type, skipped);
}

static void
on_hit(const struct sight_hit *hit, void *arg)
{
	struct sensor *sensor = arg;
	struct message message = { .type = MSG_SIGHTING };

	/* as the kernel would: the packet itself, not what is inside it */
	if (sensor->tally != NULL && hit->remote && hit->packet->kind == KIND_OUTER)
		tally_add(sensor->tally, &hit->sighting, hit->packet->length);
	if (!hit->tell)
		return;
	message.u.sighting = hit->sighting;
	sensor->sighted++;
	send_message(sensor, &message);
}

static void
on_frame(int link, const uint8_t *data, size_t size, int64_t time_us, void *arg)
{
	struct sensor *sensor = arg;

	sight_queue(sensor->sight, link, data, size, time_us, on_hit, sensor);
}

/* Without capabilities it cannot be opened again here. */
static void
end_capture(struct sensor *sensor, struct capture *capture, const char *why)
{
	log_warn("capture ended error=\"%s\"", why);
	loop_del_fd(sensor->loop, capture_fd(capture));
	leave(sensor, EXIT_REOPEN);
}

/* Everything that is open, together. */
static void
capture_totals(const struct sensor *sensor, uint64_t *received, uint64_t *lost)
{
	uint64_t one_received, one_lost;
	unsigned int i;

	*received = *lost = 0;
	for (i = 0; i < EYES; i++) {
		if (sensor->captures[i] == NULL)
			continue;
		capture_stat(sensor->captures[i], &one_received, &one_lost);
		*received += one_received;
		*lost += one_lost;
	}
}

static enum capture_state
state_of(const struct sensor *sensor)
{
	bool nflog = sensor->captures[EYE_NFLOG] != NULL;
	bool interface = sensor->captures[EYE_INTERFACE] != NULL;

	if (nflog && interface)
		return CAPTURE_BOTH;
	if (nflog || interface)
		return nflog ? CAPTURE_NFLOG : CAPTURE_INTERFACE;
	return sensor->conf == NULL || sensor->conf->capture.method == METHOD_OFF ? CAPTURE_OFF :
	    CAPTURE_FAILED;
}

/* What is not as it should be now, on top of what was not when it began. */
static void
warn_of_now(const struct sensor *sensor, char text[static sizeof(sensor->warning)])
{
	size_t at = strlen(sensor->warning);

	memcpy(text, sensor->warning, sizeof(sensor->warning));
	if (sensor->uncounted_ms != 0 && loop_now_ms() < sensor->uncounted_ms + UNCOUNTED_SAID_MS)
		snprintf(text + at, sizeof(sensor->warning) - at, "%s%llu packets of listed "
		    "remotes are in no count: of so many at once the sensor counts %u",
		    at > 0 ? "; " : "", (unsigned long long)sensor->uncounted, REMOTES_MAX);
}

static void
tell_status(struct sensor *sensor, uint64_t token)
{
	struct message message = { .type = MSG_SENSOR_STATUS };
	struct msg_sensor_status *status = &message.u.sensor;
	struct sight_stat stat = { 0 };

	if (sensor->sight != NULL)
		sight_stat(sensor->sight, &stat);
	status->token = token;
	status->pss = sandbox_pss();
	capture_totals(sensor, &status->received, &status->lost);
	status->undecodable = stat.undecodable;
	status->flows = stat.flows;
	status->sighted = sensor->sighted;
	status->state = (uint8_t)state_of(sensor);
	warn_of_now(sensor, status->warning);
	send_message(sensor, &message);
}

static void
on_readable(struct sensor *sensor, enum eye eye)
{
	struct capture *capture = sensor->captures[eye];
	struct capture_error err = { "" };
	int error;

	error = capture_read(capture, on_frame, sensor, &err);
	sight_flush(sensor->sight, on_hit, sensor);
	if (error != 0)
		end_capture(sensor, capture, err.text);
}

static void
on_nflog(int fd, uint32_t events, void *arg)
{
	on_readable(arg, EYE_NFLOG);
}

static void
on_interface(int fd, uint32_t events, void *arg)
{
	on_readable(arg, EYE_INTERFACE);
}

/* True: there are more. */
static bool
send_counts(struct sensor *sensor)
{
	struct message message;
	struct msg_counts *counts = &message.u.counts;
	unsigned int i;

	for (i = 0; sensor->tally != NULL && i < MESSAGES_AT_ONCE; i++) {
		memset(&message, 0, sizeof(message));
		message.type = MSG_COUNTS;
		while (counts->n < CHANNEL_COUNTS &&
		    tally_next(sensor->tally, &counts->counts[counts->n]))
			counts->n++;
		if (counts->n == 0)
			return false;
		send_message(sensor, &message);
	}
	return sensor->tally != NULL;
}

/* What was counted since the last time, however we end: nobody else has it. */
static void
send_last_counts(struct sensor *sensor)
{
	int64_t until = loop_now_ms() + FLUSH_MS;
	int64_t left = FLUSH_MS;

	while (send_counts(sensor) && left > 0) {
		channel_flush(sensor->channel, (int)left);
		left = until - loop_now_ms();
	}
	channel_flush(sensor->channel, left > 0 ? (int)left : 0);
}

static void
look_at_losses(struct sensor *sensor)
{
	uint64_t received, lost;
	unsigned int skipped;

	capture_totals(sensor, &received, &lost);
	if (lost > sensor->lost &&
	    log_allowed(&sensor->lost_limit, loop_now_ms(), LOST_LOG_MS, &skipped)) {
		log_warn("packets lost by the capture lost=%llu received=%llu",
		    (unsigned long long)lost, (unsigned long long)received);
		sensor->lost = lost;
	}
}

static void
look_at_uncounted(struct sensor *sensor)
{
	uint64_t uncounted = sensor->tally != NULL ? tally_lost(sensor->tally) : 0;
	unsigned int skipped;

	if (uncounted == sensor->uncounted)
		return;
	sensor->uncounted = uncounted;
	sensor->uncounted_ms = loop_now_ms();
	if (log_allowed(&sensor->uncounted_limit, loop_now_ms(), LOST_LOG_MS, &skipped))
		log_warn("packets not counted packets=%llu reason=\"of more than %u remotes at once\"",
		    (unsigned long long)uncounted, REMOTES_MAX);
}

static void
read_local(struct sensor *sensor)
{
	struct range *ranges;

	if (sensor->captures[EYE_INTERFACE] == NULL)
		return;
	ranges = calloc(SIGHT_LOCAL_MAX, sizeof(*ranges));
	if (ranges == NULL)
		return;
	sight_set_local(sensor->sight, ranges, local_addresses(ranges, SIGHT_LOCAL_MAX));
	free(ranges);
}

static void
look_for_interface(struct sensor *sensor)
{
	struct capture *capture = sensor->captures[EYE_INTERFACE];

	if (capture != NULL && capture_gone(capture))
		end_capture(sensor, capture, "the interface was removed");
}

static void
on_tick(void *arg)
{
	struct sensor *sensor = arg;

	look_for_interface(sensor);
	look_at_losses(sensor);
	look_at_uncounted(sensor);
	read_local(sensor);
	loop_timer_start(sensor->loop, sensor->tick, TICK_MS);
}

static void
on_counts(void *arg)
{
	struct sensor *sensor = arg;

	send_counts(sensor);
	loop_timer_start(sensor->loop, sensor->counts, COUNTS_MS);
}

static void
on_retry(void *arg)
{
	leave(arg, EXIT_REOPEN);
}

/* Adds a sentence to the warning, as far as there is room. */
static void
warn(struct sensor *sensor, const char *text)
{
	size_t at = strlen(sensor->warning);

	snprintf(sensor->warning + at, sizeof(sensor->warning) - at, "%s%s", at > 0 ? "; " : "",
	    text);
}

static int
open_eye(struct sensor *sensor, enum eye eye)
{
	const struct conf *conf = sensor->conf;
	struct capture_error err = { "" };
	int error;

	error = eye == EYE_NFLOG ?
	    capture_open_nflog(&sensor->captures[eye], conf->enforce.nflog_group, &err) :
	    capture_open_interface(&sensor->captures[eye], conf->capture.interface, &err);
	if (error == 0)
		return loop_add_fd(sensor->loop, capture_fd(sensor->captures[eye]), EPOLLIN,
		    eye == EYE_NFLOG ? on_nflog : on_interface, sensor);
	warn(sensor, err.text);
	if (error != -EPERM)
		sensor->worth_retrying = true;
	return error;
}

static void
open_eyes(struct sensor *sensor)
{
	const struct conf *conf = sensor->conf;
	enum capture_method method = conf->capture.method;
	bool missed = false;
	char text[100];

	/* without a table nothing is logged to any group */
	if (method == METHOD_NFLOG && conf->enforce.mode == ENFORCE_OFF)
		method = METHOD_INTERFACE;
	if (method == METHOD_NFLOG || method == METHOD_BOTH)
		missed = open_eye(sensor, EYE_NFLOG) != 0;
	if ((method == METHOD_INTERFACE || method == METHOD_BOTH || missed) &&
	    open_eye(sensor, EYE_INTERFACE) == 0 && missed) {
		snprintf(text, sizeof(text), "capturing on interface %.32s instead",
		    conf->capture.interface);
		warn(sensor, text);
	}
}

/* What could not be opened needs capabilities: a new sensor has them. */
static void
retry_later(struct sensor *sensor)
{
	if (sensor->worth_retrying)
		loop_timer_start(sensor->loop, sensor->retry,
		    state_of(sensor) == CAPTURE_FAILED ? RETRY_BLIND_MS : RETRY_PARTLY_MS);
}

/* Random numbers from the kernel; early in boot they may not be there yet, time will do. */
static void
fill_random(uint64_t *numbers, size_t n)
{
	if (getrandom(numbers, n * sizeof(*numbers), GRND_NONBLOCK) !=
	    (ssize_t)(n * sizeof(*numbers)))
		while (n-- > 0)
			numbers[n] = (uint64_t)loop_wall_ms() * UINT64_C(0x9e3779b97f4a7c15) + n;
}

static int
make_core(struct sensor *sensor)
{
	struct sight_conf conf = {
		.max_flows = FLOWS_MAX, .sightings_per_s = SIGHTINGS_PER_S,
		.repeats = strcmp(sensor->conf->capture.interface, CAPTURE_ANY) == 0,
	};
	uint64_t random[3];

	fill_random(random, 3);
	conf.seed = random[0];
	sensor->sight = sight_new(&conf);
	if (sensor->sight == NULL)
		return -ENOMEM;
	if (sensor->conf->enforce.mode != ENFORCE_OFF)
		return 0;
	sensor->tally = tally_new(REMOTES_MAX, random[1], random[2]);
	return sensor->tally != NULL ? 0 : -ENOMEM;
}

static void
take_conf(struct sensor *sensor, int fd)
{
	struct message confined = { .type = MSG_CONFINED };
	struct conf_error err;
	int error;

	error = conf_from_fd(&sensor->conf, fd, &err);
	if (error != 0) {
		log_error("config not understood error=\"%s\"", err.text);
		leave(sensor, 1);
		return;
	}
	error = make_core(sensor);
	if (error == 0) {
		open_eyes(sensor);
		error = sandbox_keep_capabilities(0);
	}
	if (error != 0) {
		log_error("sensor not started error=\"%s\"", strerror(-error));
		leave(sensor, 1);
		return;
	}
	confine(FILTER_SENSOR, sensor->conf, &confined.u.confined);
	send_message(sensor, &confined);
	if (sensor->warning[0] != '\0')
		log_warn("capture not as configured reason=\"%s\"", sensor->warning);
	on_tick(sensor);
	if (sensor->tally != NULL)
		loop_timer_start(sensor->loop, sensor->counts, COUNTS_MS);
	retry_later(sensor);
	tell_status(sensor, 0);
}

static void
take_list(struct sensor *sensor, const struct msg_list *told, int fd)
{
	struct list_error err = { "" };
	struct list *list = NULL;
	int error;

	error = list_open(&list, fd, true, &err);
	if (error == 0 && memcmp(list_hash(list), told->hash, LIST_HASH_LEN) != 0) {
		snprintf(err.text, sizeof(err.text), "it is not the image that was announced");
		error = -EINVAL;
	}
	if (error == 0) {
		error = sight_set_list(sensor->sight, list, told->generation,
		    sensor->captures[EYE_INTERFACE] != NULL);
		if (error != 0)
			snprintf(err.text, sizeof(err.text), "%s", strerror(-error));
	}
	if (error != 0) {
		log_error("list refused generation=%llu error=\"%s\"",
		    (unsigned long long)told->generation, err.text);
		list_free(list);
		return;
	}
	list_free(sensor->list);
	sensor->list = list;
}

static void
on_message(const struct message *message, int *fd, void *arg)
{
	struct sensor *sensor = arg;

	if (message->type != MSG_STOP && message->type != MSG_FACTS &&
	    (sensor->conf == NULL) != (message->type == MSG_CONF)) {
		log_error("message %u out of order: the config comes first, and once",
		    message->type);
		leave(sensor, 1);
		return;
	}
	switch (message->type) {
	case MSG_CONF:
		take_conf(sensor, *fd);
		break;
	case MSG_LIST:
		take_list(sensor, &message->u.list, *fd);
		break;
	case MSG_RECOUNT:
		if (sensor->tally != NULL)
			tally_again(sensor->tally);
		break;
	case MSG_STATUS_ASK:
		tell_status(sensor, message->u.token.token);
		break;
	case MSG_STOP:
		leave(sensor, 0);
		break;
	case MSG_FACTS:
		break;
	default:
		log_error("message %u is not for the sensor", message->type);
		leave(sensor, 1);
		break;
	}
}

static void
on_closed(const char *reason, void *arg)
{
	log_notice("parent gone reason=\"%s\"", reason);
	leave(arg, 1);
}

static void
sensor_free(struct sensor *sensor)
{
	unsigned int i;

	for (i = 0; i < EYES; i++)
		capture_close(sensor->captures[i]);
	channel_free(sensor->channel);
	sight_free(sensor->sight);
	tally_free(sensor->tally);
	list_free(sensor->list);
	conf_free(sensor->conf);
	loop_free(sensor->loop);
}

/* 0 or -errno. */
static int
begin(struct sensor *sensor)
{
	int error;

	/* signals to the whole group are the parent's to answer: it says MSG_STOP */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	error = sandbox_begin();
	if (error == 0)
		error = sandbox_keep_capabilities(SANDBOX_CAP_NET_ADMIN | SANDBOX_CAP_NET_RAW);
	if (error != 0)
		return error;
	sensor->loop = loop_new();
	if (sensor->loop == NULL)
		return -errno;
	sensor->tick = loop_timer_new(sensor->loop, on_tick, sensor);
	sensor->counts = loop_timer_new(sensor->loop, on_counts, sensor);
	sensor->retry = loop_timer_new(sensor->loop, on_retry, sensor);
	if (sensor->tick == NULL || sensor->counts == NULL || sensor->retry == NULL)
		return -ENOMEM;
	sensor->channel = channel_new(sensor->loop, CHANNEL_FD, on_message, on_closed, sensor);
	return sensor->channel != NULL ? 0 : -errno;
}

int
sensor_main(void)
{
	struct sensor sensor = { .exit_code = 1 };
	int error;

	error = begin(&sensor);
	if (error == 0)
		error = loop_run(sensor.loop);
	if (error != 0) {
		log_error("sensor ended error=\"%s\"", strerror(-error));
		sensor.exit_code = 1;
	}
	if (sensor.channel != NULL)
		send_last_counts(&sensor);
	sensor_free(&sensor);
	return sensor.exit_code;
}
