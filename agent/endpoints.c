/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Endpoints: what feed and reporter are about to connect to, on its way to the
 * enforcer.  Both touch foreign bytes: what the config does not name for them is
 * refused, counted, and said in status.
 */
#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/admission.h"
#include "runtime/announce.h"
#include "threatlistd/log.h"

#define PENDING_MAX	64		/* asked of the enforcer, not answered yet */
#define PROXY_PORT	1080		/* libcurl's for a proxy without one */
#define HTTPS_PORT	443
#define SAID_MS		(3600 * 1000)	/* how long status tells of a refusal */
#define LOG_EVERY_MS	(60 * 1000)

struct pending {
	uint64_t token;			/* ours, 0: free */
	uint64_t asked_token;		/* theirs */
	int64_t asked_ms;		/* loop_now_ms */
	enum role_kind kind;
};

struct endpoints {
	struct agent *agent;
	struct admission feed, reporter;
	struct pending pending[PENDING_MAX];	/* ring, by token */
	uint64_t token;
	uint64_t refused, unanswered;
	int64_t refused_ms;		/* loop_now_ms of the last one, 0: never */
	char refusal[160];		/* what it was */
	struct log_limit refusals;
};

struct endpoints *
endpoints_new(struct agent *agent)
{
	struct endpoints *endpoints = calloc(1, sizeof(*endpoints));

	if (endpoints != NULL)
		endpoints->agent = agent;
	return endpoints;
}

void
endpoints_free(struct endpoints *endpoints)
{
	free(endpoints);
}

/* --- what the config names ------------------------------------------------------------- */

/* "http://PROXY", as "PROXY" alone, does not mean port 80 here. */
static uint16_t
proxy_port(const char *proxy)
{
	const char *rest = strncmp(proxy, "http://", 7) == 0 ? proxy + 7 : proxy;

	return admission_url_port(rest, PROXY_PORT);
}

/* Those that libcurl reads: it has no HTTP_PROXY, which CGI gives to strangers. */
static void
allow_environment_proxy(struct admission *admission)
{
	static const char *const names[] = {
		"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *proxy = getenv(names[i]);

		if (proxy != NULL && proxy[0] != '\0')
			admission_allow(admission, proxy_port(proxy));
	}
}

static void
allow_proxy(struct admission *admission, const char *proxy)
{
	if (proxy == NULL || strcmp(proxy, "env") == 0)
		allow_environment_proxy(admission);
	else if (strcmp(proxy, "none") != 0)
		admission_allow(admission, proxy_port(proxy));
}

/* Services of AWS: at 443, or where the environment says. */
static void
allow_aws(struct admission *admission)
{
	static const char prefix[] = "AWS_ENDPOINT_URL";
	size_t i;

	admission_allow(admission, HTTPS_PORT);
	for (i = 0; environ[i] != NULL; i++) {
		const char *value = strchr(environ[i], '=');

		if (value != NULL && strncmp(environ[i], prefix, sizeof(prefix) - 1) == 0)
			admission_allow(admission, admission_url_port(value + 1, 0));
	}
}

static void
configure_feed(struct admission *admission, const struct conf *conf)
{
	bool network = false;
	size_t i;

	for (i = 0; i < conf->nsources; i++) {
		const struct conf_source *source = &conf->sources[i];

		if (source->type == SOURCE_FILE)
			continue;
		network = true;
		if (source->type == SOURCE_HTTPS) {
			admission_allow(admission, admission_url_port(source->location, 0));
			/* a redirect may lead to where https is at home */
			admission_allow(admission, HTTPS_PORT);
		} else {
			allow_aws(admission);
		}
	}
	if (network)
		allow_proxy(admission, conf->agent.proxy);
}

/* Keys for sources and sinks at AWS may come from a container endpoint with https. */
static void
allow_keys(struct admission *admission, const struct conf *conf)
{
	const char *url = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");

	if (url != NULL && conf_calls_aws(conf))
		admission_allow(admission, admission_url_port(url, 0));
}

static void
configure_reporter(struct admission *admission, const struct conf *conf, bool on_ec2)
{
	size_t i;

	for (i = 0; i < conf->nsinks; i++) {
		const struct conf_sink *sink = &conf->sinks[i];

		if (sink->type == SINK_FILE || sink->type == SINK_STDOUT)
			continue;
		if (sink->type == SINK_HTTP)
			admission_allow(admission, admission_url_port(sink->url, 0));
		else
			allow_aws(admission);
		allow_proxy(admission, sink->proxy != NULL ? sink->proxy : conf->agent.proxy);
	}
	allow_keys(admission, conf);
	/* Systems Manager, by which the host can be reached */
	if (on_ec2)
		admission_allow(admission, HTTPS_PORT);
}

void
endpoints_configure(struct endpoints *endpoints)
{
	const struct agent *agent = endpoints->agent;

	admission_forget_ports(&endpoints->feed);
	admission_forget_ports(&endpoints->reporter);
	configure_feed(&endpoints->feed, agent->conf);
	configure_reporter(&endpoints->reporter, agent->conf, agent->facts.on_ec2);
}

/* --- announcements --------------------------------------------------------------------- */

static void
answer(struct endpoints *endpoints, enum role_kind kind, uint64_t token,
    const struct msg_endpoint *about, int error)
{
	struct message message = { .type = MSG_ENDPOINT_DONE };

	message.u.endpoint = *about;
	message.u.endpoint.token = token;
	message.u.endpoint.error = error;
	/* who does not wait any more has connected without */
	role_send(endpoints->agent->roles[kind], &message, -1);
}

static const char *
reason_text(int error)
{
	switch (error) {
	case -EACCES:
		return "the config does not name this port";
	case -EINVAL:
		return "it is no single host";
	case -EAGAIN:
		return "too many announcements";
	default:
		return "too many endpoints";
	}
}

static void
refuse(struct endpoints *endpoints, enum role_kind kind, const struct msg_endpoint *asked,
    int error)
{
	char text[ADDR_TEXT_MAX];
	unsigned int skipped;

	endpoints->refused++;
	endpoints->refused_ms = loop_now_ms();
	snprintf(endpoints->refusal, sizeof(endpoints->refusal), "%s asked for %s port %u: %s",
	    role_name(kind), addr_text(&asked->addr, text), asked->port, reason_text(error));
	if (log_allowed(&endpoints->refusals, endpoints->refused_ms, LOG_EVERY_MS, &skipped))
		log_warn("endpoint not protected role=%s address=%s port=%u reason=\"%s\" "
		    "skipped=%u", role_name(kind), text, asked->port, reason_text(error), skipped);
	answer(endpoints, kind, asked->token, asked, error);
}

static int
pass_on(struct endpoints *endpoints, const struct addr *addr, uint16_t port, uint64_t token)
{
	struct message message = { .type = MSG_ENDPOINT };

	message.u.endpoint.token = token;
	message.u.endpoint.addr = *addr;
	message.u.endpoint.port = port;
	return role_send(endpoints->agent->roles[ROLE_ENFORCER], &message, -1);
}

void
endpoints_announced(struct endpoints *endpoints, enum role_kind kind,
    const struct msg_endpoint *asked)
{
	struct admission *admission = kind == ROLE_FEED ? &endpoints->feed : &endpoints->reporter;
	struct pending *pending;
	int error;

	error = admission_judge(admission, &asked->addr, asked->port, loop_now_ms(),
	    ENFORCE_ENDPOINT_MS);
	if (error != 0) {
		refuse(endpoints, kind, asked, error);
		return;
	}
	pending = &endpoints->pending[++endpoints->token % PENDING_MAX];
	/* of the one that waited longest the asker has given up */
	endpoints->unanswered += pending->token != 0;
	*pending = (struct pending){ endpoints->token, asked->token, loop_now_ms(), kind };
	error = pass_on(endpoints, &asked->addr, asked->port, pending->token);
	if (error != 0) {
		/* the next enforcer is told when it starts */
		pending->token = 0;
		endpoints->unanswered++;
		answer(endpoints, kind, asked->token, asked, error);
	}
}

void
endpoints_done(struct endpoints *endpoints, const struct msg_endpoint *done)
{
	struct pending *pending = &endpoints->pending[done->token % PENDING_MAX];

	if (done->token == 0 || pending->token != done->token)
		return;
	pending->token = 0;
	endpoints->unanswered += loop_now_ms() > pending->asked_ms + ANNOUNCE_WAIT_MS;
	answer(endpoints, pending->kind, pending->asked_token, done, done->error);
}

static void
send_live(struct endpoints *endpoints, const struct admission *admission)
{
	int64_t now = loop_now_ms();
	size_t i;

	for (i = 0; i < admission->nlive; i++) {
		if (admission->live[i].until_ms > now)
			pass_on(endpoints, &admission->live[i].addr, admission->live[i].port, 0);
	}
}

void
endpoints_send_all(struct endpoints *endpoints)
{
	send_live(endpoints, &endpoints->feed);
	send_live(endpoints, &endpoints->reporter);
}

void
endpoints_view(const struct endpoints *endpoints, struct endpoints_view *view)
{
	view->refused = endpoints->refused;
	view->unanswered = endpoints->unanswered;
	view->trouble = endpoints->refused_ms != 0 &&
	    loop_now_ms() < endpoints->refused_ms + SAID_MS ? endpoints->refusal : "";
}
