/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "enforce/enforcer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "roles.h"
#include "runtime/confine.h"
#include "runtime/exceptions.h"
#include "runtime/sandbox.h"

#define OVERFLOW_SAID_MS	(3600 * 1000)	/* as long as elements of the seen sets last */
#define ENDPOINT_SAID_MS	(60 * 1000)
#define FLUSH_MS	2000	/* for the last counts, before the exit */
#define CAP_NET_ADMIN_NUMBER	12	/* capabilities(7) */

void
enforcer_send(struct enforcer *enforcer, const struct message *message)
{
	int error = channel_send(enforcer->channel, message, -1);

	if (error == -ENOBUFS)
		log_warn("message lost type=%u reason=\"the parent does not listen\"",
		    message->type);
}

void
enforcer_event(struct enforcer *enforcer, const struct event *event)
{
	struct message message = { .type = MSG_EVENT };

	message.u.event = *event;
	if (message.u.event.time_ms == 0)
		message.u.event.time_ms = loop_wall_ms();
	enforcer_send(enforcer, &message);
}

static void
leave(struct enforcer *enforcer, int exit_code)
{
	enforcer->exit_code = exit_code;
	loop_stop(enforcer->loop);
}

/* Sentences of what is wrong, joined as far as there is room. */
static void
warn(struct msg_enforcer_status *status, const char *text)
{
	size_t at = strlen(status->warning);

	if (text[0] == '\0' || at + 3 >= sizeof(status->warning))
		return;
	snprintf(status->warning + at, sizeof(status->warning) - at, "%s%.200s",
	    at > 0 ? "; " : "", text);
}

static void
warn_of_counts(const struct enforcer *enforcer, struct msg_enforcer_status *status)
{
	const struct overflow *overflow = &enforcer->sweep.overflow;
	struct ledger_stat stat;
	char text[120];

	warn(status, enforcer->sweep.file.trouble);
	if (overflow->grown_ms != 0 && loop_now_ms() < overflow->grown_ms + OVERFLOW_SAID_MS) {
		snprintf(text, sizeof(text), "%llu packets of listed remotes are told of no "
		    "remote: the seen sets were full", (unsigned long long)overflow->total);
		warn(status, text);
	}
	if (enforcer->sweep.file.ledger == NULL)
		return;
	ledger_stat(enforcer->sweep.file.ledger, &stat);
	if (stat.refused > 0) {
		snprintf(text, sizeof(text), "the ledger was full %llu times, some remotes are "
		    "told late", (unsigned long long)stat.refused);
		warn(status, text);
	}
}

static bool
wants_log(const struct conf *conf)
{
	return conf->capture.method == METHOD_NFLOG || conf->capture.method == METHOD_BOTH;
}

static void
warn_of_log(const struct enforcer *enforcer, struct msg_enforcer_status *status)
{
	if (enforcer->conf != NULL && wants_log(enforcer->conf) && status->stat.table && !status->log)
		warn(status, "the rules have no log statements, the kernel refuses them (no "
		    "nfnetlink_log?): remotes are told from the counters alone");
}

static void
count_endpoint(const struct addr *addr, uint16_t port, void *arg)
{
	(*(uint32_t *)arg)++;
}

static void
tell_status(struct enforcer *enforcer, uint64_t token, const char *warning)
{
	struct message message = { .type = MSG_ENFORCER_STATUS };
	struct msg_enforcer_status *status = &message.u.enforcer;
	struct enforce_error err = { "" };

	status->token = token;
	status->pss = sandbox_pss();
	status->generation = enforcer->in_force ? enforcer->now.generation : 0;
	status->last_change_ms = enforcer->last_change_ms;
	status->seen_overflow = enforcer->sweep.overflow.total;
	warn(status, warning);
	if (enforcer->enforce != NULL && enforce_stat(enforcer->enforce, &status->stat, &err) != 0)
		warn(status, err.text);
	if (enforcer->enforce != NULL && enforce_endpoints(enforcer->enforce, count_endpoint,
	    &status->endpoints, &err) != 0)
		warn(status, err.text);
	status->log = status->stat.log;
	warn(status, enforcer->guard.trouble);
	warn(status, enforcer->guard.protect_trouble);
	warn_of_log(enforcer, status);
	warn(status, enforcer->guard.isolate_trouble);
	warn_of_counts(enforcer, status);
	enforcer_send(enforcer, &message);
}

int
enforcer_engine(struct enforcer *enforcer, struct enforce_error *err)
{
	const struct conf *conf = enforcer->conf;
	struct enforce_conf wanted = {
		.mode = enforcer->mode,
		.log = wants_log(conf),
		.nflog_group = conf->enforce.nflog_group,
		.admin = conf->enforce.admin,
		.nadmin = conf->enforce.nadmin,
		.retired = sweep_retired,
		.retired_arg = enforcer,
	};
	struct enforce_allow *allow;
	struct enforce_stat stat;
	int error;

	if (enforcer->enforce != NULL)
		return 0;
	wanted.nallow = exceptions_load(conf->agent.state_dir, &allow);
	wanted.allow = allow;
	error = enforce_open(&enforcer->enforce, &wanted, err);
	free(allow);
	if (error != 0) {
		enforcer->enforce = NULL;
		return error;
	}
	error = guard_start(enforcer);
	if (error != 0) {
		snprintf(err->text, sizeof(err->text), "events of the kernel: %s",
		    strerror(-error));
		enforce_free(enforcer->enforce);
		enforcer->enforce = NULL;
		return error;
	}
	/* a panic by hand holds, whoever was there to see it */
	if (enforce_stat(enforcer->enforce, &stat, NULL) == 0 && stat.table) {
		enforcer->panic_found = stat.dormant && !enforcer->panic;
		enforcer->panic = enforcer->panic || stat.dormant;
		exceptions_keep(enforcer->enforce, conf->agent.state_dir);
		if (enforcer->sweep.file.anew)
			ledger_inherits(enforcer->sweep.file.ledger);
	}
	return 0;
}

/* The kernel cannot be had: says why before it ends, so that a restart is no riddle. */
static void
give_up(struct enforcer *enforcer, int error, const struct enforce_error *err)
{
	char text[256];

	if (error == -EPERM && !sandbox_has_capability(CAP_NET_ADMIN_NUMBER))
		snprintf(text, sizeof(text), "nothing is enforced: CAP_NET_ADMIN is missing");
	else
		snprintf(text, sizeof(text), "nothing is enforced: %.200s",
		    err->text[0] != '\0' ? err->text : strerror(-error));
	log_error("kernel not opened error=\"%s\"", text);
	tell_status(enforcer, 0, text);
	channel_flush(enforcer->channel, FLUSH_MS);
	leave(enforcer, 1);
}

static void
take_conf(struct enforcer *enforcer, int fd)
{
	struct message confined = { .type = MSG_CONFINED };
	struct enforce_error err = { "" };
	struct conf_error conf_err;
	int error;

	error = conf_from_fd(&enforcer->conf, fd, &conf_err);
	if (error != 0) {
		log_error("config not understood error=\"%s\"", conf_err.text);
		leave(enforcer, 1);
		return;
	}
	if (enforcer->confine) {
		confine(FILTER_ENFORCER, enforcer->conf, &confined.u.confined);
		enforcer_send(enforcer, &confined);
	}
	enforcer->mode = enforcer->conf->enforce.mode;
	error = sweep_start(enforcer);
	if (error != 0) {
		log_error("ledger not opened error=\"%s\"", strerror(-error));
		leave(enforcer, 1);
		return;
	}
	error = enforcer_engine(enforcer, &err);
	/* with mode = off nothing is asked of the kernel before an order does */
	if (error != 0 && enforcer->mode != ENFORCE_OFF)
		give_up(enforcer, error, &err);
}

static void
take_check(struct enforcer *enforcer, const struct msg_check *check)
{
	struct message message = { .type = MSG_CHECKED };
	struct msg_checked *checked = &message.u.checked;
	struct enforce_error err = { "" };

	checked->token = check->token;
	checked->addr = check->addr;
	checked->error = enforcer_engine(enforcer, &err);
	if (checked->error == 0)
		checked->error = enforce_check(enforcer->enforce, &check->addr, &checked->check,
		    &err);
	enforcer_send(enforcer, &message);
}

/* Somebody is about to connect and waits for this. */
static void
take_endpoint(struct enforcer *enforcer, const struct msg_endpoint *wanted)
{
	struct message message = { .type = MSG_ENDPOINT_DONE };
	struct enforce_error err = { "there is no table" };
	char text[ADDR_TEXT_MAX];
	unsigned int skipped;
	int error = -ENOENT;

	if (enforcer->enforce != NULL)
		error = enforce_endpoint(enforcer->enforce, &wanted->addr, wanted->port, &err);
	/* a table that is gone just now comes back with it */
	if (error != 0 && error != -ENOENT &&
	    log_allowed(&enforcer->endpoint_failed, loop_now_ms(), ENDPOINT_SAID_MS, &skipped))
		log_warn("endpoint not put in force address=%s port=%u error=\"%s\" skipped=%u",
		    addr_text(&wanted->addr, text), wanted->port, err.text, skipped);
	if (wanted->token == 0)
		return;
	message.u.endpoint = *wanted;
	message.u.endpoint.error = error;
	enforcer_send(enforcer, &message);
}

static void
stop(struct enforcer *enforcer)
{
	struct enforce_error err = { "" };
	bool remove = enforcer->conf != NULL && enforcer->conf->enforce.remove_on_stop;
	int error = 0;

	if (enforcer->enforce != NULL && remove) {
		error = orders_remove_table(enforcer, &err);
		log_notice("table removed on stop error=\"%s\"", error != 0 ? err.text : "none");
	} else if (enforcer->enforce != NULL) {
		sweep_now(enforcer);
	}
	channel_flush(enforcer->channel, FLUSH_MS);
	leave(enforcer, error == 0 ? 0 : 1);
}

static void
on_message(const struct message *message, int *fd, void *arg)
{
	struct enforcer *enforcer = arg;

	if ((enforcer->conf == NULL) != (message->type == MSG_CONF) && message->type != MSG_STOP &&
	    message->type != MSG_FACTS) {
		log_error("message %u out of order: the config comes first, and once",
		    message->type);
		leave(enforcer, 1);
		return;
	}
	switch (message->type) {
	case MSG_CONF:
		take_conf(enforcer, *fd);
		break;
	case MSG_LIST:
		lists_take(enforcer, &message->u.list, *fd);
		break;
	case MSG_MODE:
		orders_take(enforcer, &message->u.mode);
		break;
	case MSG_CHECK:
		take_check(enforcer, &message->u.check);
		break;
	case MSG_PLAN:
		lists_plan(enforcer, &message->u.plan, *fd);
		break;
	case MSG_VERIFY:
		verify_take(enforcer, message->u.token.token);
		break;
	case MSG_ENDPOINT:
		take_endpoint(enforcer, &message->u.endpoint);
		break;
	case MSG_RECOUNT:
		ledger_send_all(enforcer->sweep.file.ledger);
		sweep_send(enforcer);
		break;
	case MSG_STATUS_ASK:
		tell_status(enforcer, message->u.token.token, "");
		break;
	case MSG_STOP:
		stop(enforcer);
		break;
	case MSG_FACTS:
		break;
	default:
		log_error("message %u is not for the enforcer", message->type);
		leave(enforcer, 1);
		break;
	}
}

static void
on_closed(const char *reason, void *arg)
{
	struct enforcer *enforcer = arg;

	log_notice("parent gone reason=\"%s\"", reason);
	leave(enforcer, 1);
}

struct enforcer *
enforcer_new(struct loop *loop, int fd)
{
	struct enforcer *enforcer;

	enforcer = calloc(1, sizeof(*enforcer));
	if (enforcer == NULL) {
		close(fd);
		return NULL;
	}
	enforcer->loop = loop;
	enforcer->exit_code = 1;
	enforcer->sweep.file.fd = -1;
	enforcer->channel = channel_new(loop, fd, on_message, on_closed, enforcer);
	if (enforcer->channel == NULL) {
		close(fd);
		free(enforcer);
		return NULL;
	}
	return enforcer;
}

void
enforcer_free(struct enforcer *enforcer)
{
	if (enforcer == NULL)
		return;
	guard_stop(enforcer);
	verify_stop(enforcer);
	sweep_stop(enforcer);
	lists_free(enforcer);
	enforce_free(enforcer->enforce);
	channel_free(enforcer->channel);
	conf_free(enforcer->conf);
	free(enforcer);
}

int
enforcer_exit_code(const struct enforcer *enforcer)
{
	return enforcer->exit_code;
}

int
enforcer_main(void)
{
	struct enforcer *enforcer = NULL;
	struct loop *loop = NULL;
	int error, exit_code = 1;

	/* signals to the whole group are the parent's to answer: it says MSG_STOP */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	error = sandbox_begin();
	if (error == 0)
		error = sandbox_keep_capabilities(SANDBOX_CAP_NET_ADMIN);
	if (error != 0) {
		log_error("sandbox not entered error=\"%s\"", strerror(-error));
		goto out;
	}
	loop = loop_new();
	if (loop != NULL)
		enforcer = enforcer_new(loop, CHANNEL_FD);
	if (enforcer == NULL) {
		log_error("enforcer not started error=\"%s\"", strerror(errno));
		goto out;
	}
	enforcer->confine = true;
	error = loop_run(loop);
	if (error != 0)
		log_error("loop ended error=\"%s\"", strerror(-error));
	else
		exit_code = enforcer_exit_code(enforcer);
out:
	enforcer_free(enforcer);
	loop_free(loop);
	return exit_code;
}
