/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The reporter: takes sightings, counts and events from the parent, keeps
 * findings in the spool and gives them to the sinks.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "threatlistd/log.h"
#include "runtime/announce.h"
#include "runtime/channel.h"
#include "runtime/conf.h"
#include "runtime/confine.h"
#include "runtime/loop.h"
#include "runtime/post.h"
#include "runtime/preload.h"
#include "runtime/sandbox.h"
#include "roles.h"
#include "report/answer.h"
#include "report/keep.h"
#include "report/ssm.h"

#define STOP_LIMIT_MS	2000	/* for one last delivery */
#define STOP_POLL_MS	20

struct reporter {
	struct loop *loop;
	struct channel *channel;
	struct announcer *announcer;	/* the sinks' threads use it */
	struct ssm *ssm;
	struct post *post;		/* and this one */
	struct conf *conf;
	struct keep *keep;		/* NULL until facts came */
	struct list *lists[3];		/* current, previous, on the way out */
	uint64_t generation;
	struct loop_timer *stop;
	int64_t stop_ms;		/* when to give up waiting; 0: not stopping */
	int exit_code;
};

static void
end(struct reporter *reporter, int code)
{
	reporter->exit_code = code;
	loop_stop(reporter->loop);
}

static void
send_message(struct reporter *reporter, const struct message *message, int fd)
{
	int error = channel_send(reporter->channel, message, fd);

	if (error != 0)
		log_error("message not sent type=%u error=\"%s\"", message->type,
		    strerror(-error));
}

static void
on_kept(uint64_t event_id, void *arg)
{
	struct message message = { .type = MSG_EVENT_KEPT };

	message.u.token.token = event_id;
	send_message(arg, &message, -1);
}

static void
take_conf(struct reporter *reporter, int fd)
{
	struct message confined = { .type = MSG_CONFINED };
	struct conf_error error;

	if (reporter->conf != NULL) {
		/* a new config is a new start */
		end(reporter, EXIT_REOPEN);
		return;
	}
	if (conf_from_fd(&reporter->conf, fd, &error) != 0) {
		log_error("config not read error=\"%s\"", error.text);
		end(reporter, 1);
		return;
	}
	preload_online();
	confine(FILTER_REPORTER, reporter->conf, &confined.u.confined);
	send_message(reporter, &confined, -1);
}

static void
look_at_own(struct reporter *reporter)
{
	if (reporter->keep != NULL && reporter->lists[0] != NULL)
		keep_look_at_own(reporter->keep, reporter->lists[0]);
}

/* The images are the findings' until two later ones came. */
static void
name_list(struct reporter *reporter)
{
	if (reporter->keep != NULL && reporter->lists[0] != NULL)
		findings_set_list(keep_findings(reporter->keep), reporter->generation,
		    reporter->lists[0]);
	look_at_own(reporter);
}

static void
take_facts(struct reporter *reporter, const struct host_facts *facts)
{
	struct keep_conf conf = {
		.loop = reporter->loop, .conf = reporter->conf, .facts = facts,
		.announcer = reporter->announcer, .post = reporter->post, .kept = on_kept, .arg = reporter,
	};
	int error;

	if (reporter->conf == NULL || facts->host_id[0] == '\0') {
		log_error("host facts came before the config, or without a host id");
		end(reporter, 1);
		return;
	}
	/* elsewhere nobody comes in by it */
	ssm_set_region(reporter->ssm, facts->on_ec2 ? facts->region : "");
	if (reporter->keep == NULL) {
		error = keep_open(&reporter->keep, &conf);
		if (error != 0) {
			log_error("reporter not started error=\"%s\"", strerror(-error));
			end(reporter, 1);
		}
		name_list(reporter);
	} else if (strcmp(keep_facts(reporter->keep)->host_id, facts->host_id) != 0) {
		log_notice("host id changed from=%s to=%s", keep_facts(reporter->keep)->host_id,
		    facts->host_id);
		keep_commit(reporter->keep);
		end(reporter, EXIT_REOPEN);
	} else {
		keep_set_facts(reporter->keep, facts);
		look_at_own(reporter);
	}
}

static void
take_list(struct reporter *reporter, const struct msg_list *told, int fd)
{
	struct list_error error;
	struct list *list;

	if (list_open(&list, fd, true, &error) != 0) {
		log_error("list refused generation=%llu error=\"%s\"",
		    (unsigned long long)told->generation, error.text);
		return;
	}
	if (memcmp(list_hash(list), told->hash, LIST_HASH_LEN) != 0) {
		log_error("list refused generation=%llu error=\"its hash is not the announced one\"",
		    (unsigned long long)told->generation);
		list_free(list);
		return;
	}
	list_free(reporter->lists[2]);
	reporter->lists[2] = reporter->lists[1];
	reporter->lists[1] = reporter->lists[0];
	reporter->lists[0] = list;
	reporter->generation = told->generation;
	name_list(reporter);
}

static void
take_sighting(struct reporter *reporter, const struct sighting *sighting)
{
	if (reporter->keep == NULL || sighting->remote.family == ADDR_NONE)
		return;
	findings_sighting(keep_findings(reporter->keep), sighting, loop_wall_ms());
	keep_soon(reporter->keep);
}

static bool
count_is_sound(const struct count *count)
{
	const struct addr *key = (count->flags & COUNT_AGGREGATED) != 0 ? &count->entry.first :
	    &count->remote;

	return key->family != ADDR_NONE && count->dir <= DIR_OUT;
}

static void
take_counts(struct reporter *reporter, const struct msg_counts *counts)
{
	uint32_t i;

	if (reporter->keep == NULL)
		return;
	for (i = 0; i < counts->n; i++) {
		if (count_is_sound(&counts->counts[i]))
			findings_count(keep_findings(reporter->keep), &counts->counts[i],
			    loop_wall_ms());
	}
	keep_soon(reporter->keep);
}

static void
answer(struct reporter *reporter, const struct msg_query *query)
{
	struct message message = { .type = MSG_ANSWER };
	int fd, error;

	if (reporter->keep == NULL)
		return;
	keep_commit(reporter->keep);
	error = answer_query(keep_spool(reporter->keep), keep_facts(reporter->keep), query,
	    &message.u.answer, &fd);
	if (error != 0) {
		log_error("query not answered error=\"%s\"", strerror(-error));
		return;
	}
	send_message(reporter, &message, fd);
	close(fd);
}

static void
pass_heartbeat(struct reporter *reporter, const struct msg_heartbeat *told, int fd)
{
	char *text = malloc(told->size);

	if (text == NULL || pread(fd, text, told->size, 0) != (ssize_t)told->size)
		log_error("heartbeat not taken error=\"it cannot be read\"");
	else
		keep_heartbeat(reporter->keep, told->sinks, text, told->size);
	free(text);
}

static void
tell_status(struct reporter *reporter, uint64_t token)
{
	struct message message = { .type = MSG_SINK_STATUS };
	uint32_t i;

	if (reporter->keep == NULL)
		return;
	for (i = 0; keep_sink_status(reporter->keep, i, &message.u.sink); i++) {
		message.u.sink.token = token;
		message.u.sink.sink = i;
		send_message(reporter, &message, -1);
		memset(&message.u, 0, sizeof(message.u));
	}
	memset(&message, 0, sizeof(message));
	message.type = MSG_REPORTER_STATUS;
	message.u.reporter.token = token;
	message.u.reporter.pss = sandbox_pss();
	keep_status(reporter->keep, &message.u.reporter);
	send_message(reporter, &message, -1);
}

/* Waits for what is on its way to the sinks, for a while. */
static void
on_stop(void *arg)
{
	struct reporter *reporter = arg;

	if (keep_idle(reporter->keep) || loop_now_ms() >= reporter->stop_ms)
		end(reporter, 0);
	else
		loop_timer_start(reporter->loop, reporter->stop, STOP_POLL_MS);
}

static void
begin_stop(struct reporter *reporter)
{
	if (reporter->stop_ms != 0)
		return;
	reporter->stop_ms = loop_now_ms() + STOP_LIMIT_MS;
	if (reporter->keep == NULL) {
		end(reporter, 0);
		return;
	}
	keep_finish(reporter->keep);
	on_stop(reporter);
}

static void
on_message(const struct message *message, int *fd, void *arg)
{
	struct reporter *reporter = arg;

	switch (message->type) {
	case MSG_CONF:
		take_conf(reporter, *fd);
		break;
	case MSG_FACTS:
		take_facts(reporter, &message->u.facts);
		break;
	case MSG_LIST:
		take_list(reporter, &message->u.list, *fd);
		break;
	case MSG_SIGHTING:
		take_sighting(reporter, &message->u.sighting);
		break;
	case MSG_COUNTS:
		take_counts(reporter, &message->u.counts);
		break;
	case MSG_EVENT:
		if (reporter->keep != NULL)
			keep_event(reporter->keep, &message->u.event);
		break;
	case MSG_KEYS:
		if (reporter->keep != NULL)
			keep_seed(reporter->keep, &message->u.keys);
		break;
	case MSG_KEYS_ASK:
		if (reporter->keep != NULL)
			keep_give_keys(reporter->keep, &message->u.keys_ask);
		break;
	case MSG_HEARTBEAT:
		if (reporter->keep != NULL)
			pass_heartbeat(reporter, &message->u.heartbeat, *fd);
		break;
	case MSG_QUERY:
		answer(reporter, &message->u.query);
		break;
	case MSG_ENDPOINT_DONE:
		announcer_answered(reporter->announcer, &message->u.endpoint);
		break;
	case MSG_STATUS_ASK:
		tell_status(reporter, message->u.token.token);
		break;
	case MSG_STOP:
		begin_stop(reporter);
		break;
	default:
		log_error("unexpected message type=%u", message->type);
		end(reporter, 1);
		break;
	}
}

/* The parent is gone: what is accepted is finished, as with MSG_STOP. */
static void
on_closed(const char *reason, void *arg)
{
	begin_stop(arg);
}

static void
on_term(int signo, void *arg)
{
	begin_stop(arg);
}

static int
start(struct reporter *reporter)
{
	int error;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);	/* of a terminal: the parent says when to end */
	error = sandbox_begin();
	if (error == 0)
		error = sandbox_keep_capabilities(0);
	if (error != 0)
		return error;
	reporter->loop = loop_new();
	if (reporter->loop == NULL)
		return -errno;
	reporter->stop = loop_timer_new(reporter->loop, on_stop, reporter);
	if (reporter->stop == NULL)
		return -ENOMEM;
	error = loop_add_signal(reporter->loop, SIGTERM, on_term, reporter);
	if (error != 0)
		return error;
	reporter->channel = channel_new(reporter->loop, CHANNEL_FD, on_message, on_closed,
	    reporter);
	if (reporter->channel == NULL)
		return -errno;
	reporter->announcer = announcer_new(reporter->loop, reporter->channel);
	if (reporter->announcer == NULL)
		return -errno;
	reporter->ssm = ssm_new(reporter->loop, reporter->announcer);
	if (reporter->ssm == NULL)
		return -ENOMEM;
	reporter->post = post_new(reporter->loop, reporter->channel);
	return reporter->post != NULL ? 0 : -errno;
}

int
reporter_main(void)
{
	struct reporter reporter = { .exit_code = 0 };
	size_t i;
	int error;

	error = start(&reporter);
	if (error == 0)
		error = loop_run(reporter.loop);
	if (error != 0) {
		log_error("reporter failed error=\"%s\"", strerror(-error));
		reporter.exit_code = 1;
	}
	if (reporter.keep != NULL && keep_wants_restart(reporter.keep))
		reporter.exit_code = EXIT_REOPEN;
	if (reporter.channel != NULL)
		channel_flush(reporter.channel, STOP_LIMIT_MS / 2);
	/* a thread in the middle of a request must not meet the exit handlers of its libraries */
	if (!keep_free(reporter.keep) || !ssm_free(reporter.ssm))
		_exit(reporter.exit_code);
	announcer_free(reporter.announcer);
	post_free(reporter.post);
	channel_free(reporter.channel);
	for (i = 0; i < sizeof(reporter.lists) / sizeof(reporter.lists[0]); i++)
		list_free(reporter.lists[i]);
	loop_free(reporter.loop);
	conf_free(reporter.conf);
	return reporter.exit_code;
}
