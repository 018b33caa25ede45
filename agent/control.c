/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The control socket: who may ask what, and the answers. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_inside.h"
#include "groups.h"
#include "runtime/passing.h"
#include "status_json.h"
#include "threatlistd/log.h"

#define SAY_REFUSED_MS		1000	/* a log line about those who may not, at most every */
#define SAY_TEXT_MAX		96	/* of what a command says, in the log */
#define ASK_LIMIT_MS		5000	/* for a client to send its request */
#define ANSWER_LIMIT_MS		30000	/* for a role to do what was asked: a first load takes seconds */
#define CHECK_LIMIT_MS		2000
#define LISTEN_AGAIN_MS		5000	/* where the socket could not be made */
#define VERIFY_LIMIT_MS		110000	/* above the enforcer's own */

/* What was sent and not read would make the kernel reset, and the answer could get lost. */
static void
part_from(int fd)
{
	char rest[sizeof(struct control_request)];

	shutdown(fd, SHUT_RD);
	while (recv(fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
		continue;
	close(fd);
}

static void on_client(int listening, uint32_t events, void *arg);

void
client_hang_up(struct client *client)
{
	struct control *control = client->control;

	if (client->asked_status)
		status_forget(client->control->agent->status, client);
	client->asked_status = false;
	loop_timer_stop(client->limit);
	loop_del_fd(client->control->agent->loop, client->fd);
	part_from(client->fd);
	client->fd = -1;
	client->token = 0;
	client->store_error = 0;
	if (control->full && loop_add_fd(control->agent->loop, control->fd, EPOLLIN, on_client,
	    control) == 0)
		control->full = false;
}

static void
send_reply(int to, const struct control_reply *reply, int fd)
{
	struct control_reply copy = *reply;

	copy.has_json = fd >= 0;
	/* a client that does not read its one answer has lost it */
	(void)passing_send(to, &copy, sizeof(copy), fd);
}

void
client_tell(struct client *client, int exit_code, const char *fmt, ...)
{
	struct control_reply reply = { .exit_code = exit_code };
	va_list args;

	va_start(args, fmt);
	vsnprintf(reply.message, sizeof(reply.message), fmt, args);
	va_end(args);
	send_reply(client->fd, &reply, -1);
	client_hang_up(client);
}

void
client_tell_fd(struct client *client, int fd, const char *partly)
{
	struct control_reply reply = { .exit_code = partly != NULL };

	if (partly != NULL)
		snprintf(reply.message, sizeof(reply.message), "%s", partly);
	send_reply(client->fd, &reply, fd);
	client_hang_up(client);
}

void
client_tell_json(struct client *client, char *json)
{
	int fd = json != NULL ? memfd_with("threatlistd-answer", json, strlen(json)) : -ENOMEM;

	free(json);
	if (fd < 0) {
		client_tell(client, 1, "no answer: %s", strerror(-fd));
		return;
	}
	client_tell_fd(client, fd, NULL);
	close(fd);
}

void
client_tell_check(struct client *client)
{
	struct addr addr;

	client->token = 0;
	if (addr_parse(&addr, client->request.text, strlen(client->request.text)) == NULL)
		client_tell_json(client, check_json(client->control->agent, &addr, NULL));
}

static void
too_late(void *arg)
{
	struct client *client = arg;

	if (client->fd < 0)
		return;
	if (client->request.kind == CONTROL_CHECK && client->token != 0) {
		client_tell_check(client);
		return;
	}
	client_tell(client, 1, "%s: no answer within %d s", control_name(client->request.kind),
	    (client->request.kind == 0 ? ASK_LIMIT_MS : client->request.kind == CONTROL_VERIFY ?
	    VERIFY_LIMIT_MS : ANSWER_LIMIT_MS) / 1000);
}

/* The client waits for this role from now on.  Returns the number of the question. */
static uint64_t
await(struct client *client, enum role_kind kind, int limit_ms)
{
	loop_timer_start(client->control->agent->loop, client->limit, limit_ms);
	client->asked = kind;
	client->token = ++client->control->next_token;
	return client->token;
}

/* Why a role could not be asked. */
static void
tell_unasked(struct client *client, enum role_kind kind)
{
	const struct role *role = client->control->agent->roles[kind];
	const char *trouble = role_trouble(role);

	if (role_running(role))
		client_tell(client, 1, "the %s has more to do than it takes in: ask again",
		    role_name(kind));
	else
		client_tell(client, 1, "the %s is not running%s%s", role_name(kind),
		    trouble[0] != '\0' ? ": " : "", trouble);
}

/* Asks a role; token points into message.  False: it is not running, or takes no more. */
static bool
ask_role(struct client *client, enum role_kind kind, const struct message *message,
    uint64_t *token, int limit_ms)
{
	*token = await(client, kind, limit_ms);
	if (role_send(client->control->agent->roles[kind], message, -1) == 0)
		return true;
	client->token = 0;
	return false;
}

static void
take_status(char *json, void *arg)
{
	struct client *client = arg;

	client->asked_status = false;
	client_tell_json(client, json);
}

static void
ask_findings(struct client *client)
{
	struct message message = { .type = MSG_QUERY };

	message.u.query.kind = client->request.kind == CONTROL_SHOW ? QUERY_SHOW : QUERY_FINDINGS;
	message.u.query.undelivered = (client->request.flags & CONTROL_UNDELIVERED) != 0;
	message.u.query.since_ms = client->request.number;
	if (client->request.kind == CONTROL_SHOW) {
		if (strlen(client->request.text) >= sizeof(message.u.query.id)) {
			client_tell(client, 1, "no finding has this id");
			return;
		}
		snprintf(message.u.query.id, sizeof(message.u.query.id), "%.39s",
		    client->request.text);
	}
	if (!ask_role(client, ROLE_REPORTER, &message, &message.u.query.token, ANSWER_LIMIT_MS))
		tell_unasked(client, ROLE_REPORTER);
}

static void
ask_check(struct client *client)
{
	struct message message = { .type = MSG_CHECK };
	const char *wrong;

	wrong = addr_parse(&message.u.check.addr, client->request.text,
	    strlen(client->request.text));
	if (wrong != NULL) {
		client_tell(client, 2, "%s: %.100s", wrong, client->request.text);
		return;
	}
	if (!ask_role(client, ROLE_ENFORCER, &message, &message.u.check.token, CHECK_LIMIT_MS))
		client_tell_json(client, check_json(client->control->agent, &message.u.check.addr, NULL));
}

static void
order(struct client *client, uint8_t what, uint8_t mode, uint32_t confirm_s)
{
	const struct mode_change change = { what, mode, confirm_s };
	struct agent *agent = client->control->agent;

	await(client, ROLE_ENFORCER, ANSWER_LIMIT_MS);
	client->store_error = agent_change_mode(agent, &change, client->peer.by, client->token);
	if (client->fd >= 0 && !role_running(agent->roles[ROLE_ENFORCER]))
		client_tell(client, 1, "ordered; the enforcer is not running and does it when it is back");
}

static void
ask_plan(struct client *client)
{
	struct message message = { .type = MSG_PLAN };
	struct agent *agent = client->control->agent;
	int fd, rc;

	fd = sources_candidate(agent->sources, message.u.plan.hash);
	if (fd < 0) {
		client_tell(client, 1, "nothing to plan: %s", fd == -ENODATA ?
		    "no list has been read yet" : strerror(-fd));
		return;
	}
	message.u.plan.token = await(client, ROLE_ENFORCER, ANSWER_LIMIT_MS);
	rc = role_send(agent->roles[ROLE_ENFORCER], &message, fd);
	close(fd);
	if (rc != 0)
		tell_unasked(client, ROLE_ENFORCER);
}

static void
ask_verify(struct client *client)
{
	struct message message = { .type = MSG_VERIFY };

	if (!ask_role(client, ROLE_ENFORCER, &message, &message.u.token.token, VERIFY_LIMIT_MS))
		tell_unasked(client, ROLE_ENFORCER);
}

static void
refresh(struct client *client)
{
	const char *name = client->request.text;
	bool discover = (client->request.flags & CONTROL_DISCOVER) != 0;

	if (sources_refresh(client->control->agent->sources, name[0] != '\0' ? name : NULL,
	    discover) != 0)
		client_tell(client, 1, "there is no source %.100s", name);
	else
		client_tell(client, 0, "%s of %.100s started", discover ? "discovery and refresh" :
		    "refresh", name[0] != '\0' ? name : "all sources");
}

static void
accept_held(struct client *client)
{
	const char *name = client->request.text;
	int rc = sources_accept(client->control->agent->sources, name);

	if (rc == -ENOENT)
		client_tell(client, 1, "there is no source %.100s", name);
	else if (rc != 0)
		client_tell(client, 1, "source %.100s has no list that is held back", name);
	else
		client_tell(client, 0, "the list of %.100s is in force", name);
}

static void
enforce(struct client *client)
{
	struct agent *agent = client->control->agent;
	const char *mode = client->request.text;

	if (strcmp(mode, "drop") != 0 && strcmp(mode, "watch") != 0)
		client_tell(client, 2, "enforce takes drop or watch, not %.100s", mode);
	else if (agent->state.panic)
		client_tell(client, 1, "in panic: \"threatlistctl resume\" first");
	else if (client->request.number < 0 || client->request.number > CONTROL_CONFIRM_MAX)
		client_tell(client, 2, "--confirm takes 1 to %d seconds", CONTROL_CONFIRM_MAX);
	else
		order(client, ORDER_MODE, mode[0] == 'd' ? ENFORCE_DROP : ENFORCE_WATCH,
		    (uint32_t)client->request.number);
}

static void
confirm(struct client *client)
{
	struct agent *agent = client->control->agent;
	int rc;

	await(client, ROLE_ENFORCER, ANSWER_LIMIT_MS);
	rc = agent_confirm(agent, client->peer.by, client->token);
	if (rc == -ENOENT)
		client_tell(client, 1, "nothing waits for a confirmation: mode is %s%s",
		    mode_name(agent_mode(agent)), agent->state.isolate ? ", isolated" : "");
	else if (rc != 0)
		client_tell(client, 1, "not confirmed: the enforcer is not running, try again");
}

static void
isolate(struct client *client)
{
	const struct control_request *request = &client->request;
	struct isolate_order order = { .confirm_s = (uint32_t)request->number };
	struct agent *agent = client->control->agent;

	order.on = strncmp(request->text, "on", 2) == 0;
	if (order.on ? !isolation_take_session(&order, request->text + 2) :
	    strcmp(request->text, "off") != 0) {
		client_tell(client, 2, "isolate takes on or off, not %.100s", request->text);
		return;
	}
	if (request->number < 0 || request->number > CONTROL_CONFIRM_MAX || (order.on &&
	    (request->number == 0) != ((request->flags & CONTROL_LASTING) != 0))) {
		client_tell(client, 2, "isolate on takes --confirm with 1 to %d seconds, or --lasting",
		    CONTROL_CONFIRM_MAX);
		return;
	}
	if (order.on && agent->state.panic) {
		client_tell(client, 1, "in panic: \"threatlistctl resume\" first");
		return;
	}
	await(client, ROLE_ENFORCER, ANSWER_LIMIT_MS);
	client->store_error = agent_isolate(agent, &order, client->peer.by, client->token);
	if (client->fd >= 0 && !role_running(agent->roles[ROLE_ENFORCER]))
		client_tell(client, 1, "ordered; the enforcer is not running and does it when it is back");
}

static void
serve(struct client *client)
{
	struct agent *agent = client->control->agent;

	switch (client->request.kind) {
	case CONTROL_STATUS:
		client->asked_status = true;
		loop_timer_start(agent->loop, client->limit, ANSWER_LIMIT_MS);
		status_ask(agent->status, take_status, client);
		break;
	case CONTROL_LISTS:
		client_tell_json(client, lists_json(agent));
		break;
	case CONTROL_FINDINGS:
	case CONTROL_SHOW:
		ask_findings(client);
		break;
	case CONTROL_CHECK:
		ask_check(client);
		break;
	case CONTROL_REFRESH:
		refresh(client);
		break;
	case CONTROL_ACCEPT:
		accept_held(client);
		break;
	case CONTROL_ENFORCE:
		enforce(client);
		break;
	case CONTROL_PANIC:
		order(client, ORDER_PANIC, 0, 0);
		break;
	case CONTROL_RESUME:
		order(client, ORDER_RESUME, 0, 0);
		break;
	case CONTROL_PURGE:
		order(client, ORDER_PURGE, 0, 0);
		break;
	case CONTROL_CONFIRM:
		confirm(client);
		break;
	case CONTROL_PLAN:
		ask_plan(client);
		break;
	case CONTROL_VERIFY:
		ask_verify(client);
		break;
	case CONTROL_ISOLATE:
		isolate(client);
		break;
	default:
		break;
	}
}

static void
refuse(struct client *client)
{
	struct control *control = client->control;
	unsigned int skipped;

	if (log_allowed(&control->refused, loop_now_ms(), SAY_REFUSED_MS, &skipped))
		log_warn("command refused command=%s peer=\"%s\" pid=%d program=\"%s\" skipped=%u",
		    control_name(client->request.kind), client->peer.by,
		    (int)client->peer.who.pid, client->peer.program, skipped);
	client_tell(client, 4, "%s is for root and members of group %.100s",
	    control_name(client->request.kind), control->agent->conf->agent.admin_group);
}

/* Who asked is in quotes, and the text is what he chose: it must not end its own. */
static void
log_command(const struct client *client)
{
	char text[SAY_TEXT_MAX + 1];
	size_t i;

	snprintf(text, sizeof(text), "%.*s", SAY_TEXT_MAX, client->request.text);
	for (i = 0; text[i] != '\0'; i++) {
		if (text[i] < ' ' || text[i] > '~' || text[i] == '"')
			text[i] = '?';
	}
	log_notice("command command=%s text=\"%s\" number=%lld flags=%u peer=\"%s\" pid=%d "
	    "program=\"%s\"", control_name(client->request.kind), text,
	    (long long)client->request.number, client->request.flags, client->peer.by,
	    (int)client->peer.who.pid, client->peer.program);
}

static void
on_request(int fd, uint32_t events, void *arg)
{
	struct client *client = arg;
	char data[sizeof(struct control_request) + 1];
	const char *wrong;
	ssize_t n;

	n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || client->request.kind != 0) {
		client_hang_up(client);	/* gone, or more than the one request */
		return;
	}
	wrong = control_check(data, (uint64_t)n);
	if (wrong != NULL) {
		client_tell(client, 2, "%s", wrong);
		return;
	}
	memcpy(&client->request, data, sizeof(client->request));
	if (control_operates(client->request.kind)) {
		if (!client->peer.operates) {
			refuse(client);
			return;
		}
		log_command(client);
	}
	serve(client);
}

static void
turn_away(int fd, int exit_code, const char *message)
{
	struct control_reply reply = { .exit_code = exit_code };

	snprintf(reply.message, sizeof(reply.message), "%s", message);
	send_reply(fd, &reply, -1);
	part_from(fd);
}

static void
on_client(int listening, uint32_t events, void *arg)
{
	struct control *control = arg;
	const char *admins = control->agent->conf->agent.admin_group;
	struct client *client;
	struct peer peer;
	char message[CONTROL_TEXT_MAX];
	int fd;

	if (control_is_full(control)) {
		/* each is answered soon; the next one is taken then */
		loop_del_fd(control->agent->loop, listening);
		control->full = true;
		return;
	}
	fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	peer_know(&peer, fd, control->agent->groups);
	if (!peer.reads) {
		groups_missed(control->agent->groups);
		snprintf(message, sizeof(message), "only root, group %.100s and group "
		    GROUPS_READERS_NAME " may ask", admins);
		turn_away(fd, 4, message);
		return;
	}
	client = control_room(control, &peer);
	if (client != NULL && client->fd >= 0)
		client_tell(client, 1, "busy: others asked, try again");
	if (client == NULL) {
		turn_away(fd, 1, "busy: as many clients as can be are being served, try again");
		return;
	}
	if (loop_add_fd(control->agent->loop, fd, EPOLLIN, on_request, client) != 0) {
		close(fd);
		return;
	}
	memset(&client->request, 0, sizeof(client->request));
	client->fd = fd;
	client->peer = peer;
	client->number = ++control->next_number;
	loop_timer_start(control->agent->loop, client->limit, ASK_LIMIT_MS);
	/* most have sent it by now, and are served however many come behind them */
	on_request(fd, EPOLLIN, client);
}

/* A run directory that is full, read-only or occupied: the rest of the agent goes on. */
static void
begin_listening(void *arg)
{
	struct control *control = arg;
	int fd = control_listen(control->path);

	control->fd = fd;
	if (fd >= 0) {
		loop_add_fd(control->agent->loop, fd, EPOLLIN, on_client, control);
		if (control->told)
			log_notice("control socket opened path=%s", control->path);
		return;
	}
	if (!control->told)
		log_error("control socket not opened path=%s error=\"%s\"", control->path,
		    strerror(-fd));
	control->told = true;
	loop_timer_start(control->agent->loop, control->again, LISTEN_AGAIN_MS);
}

struct control *
control_new(struct agent *agent)
{
	struct control *control;
	int i;

	control = calloc(1, sizeof(*control));
	if (control == NULL)
		return NULL;
	control->agent = agent;
	control->next_token = (uint64_t)loop_wall_ms() << 16;
	for (i = 0; i < CLIENTS_MAX; i++) {
		control->clients[i].control = control;
		control->clients[i].fd = -1;
		control->clients[i].limit = loop_timer_new(agent->loop, too_late,
		    &control->clients[i]);
	}
	control->again = loop_timer_new(agent->loop, begin_listening, control);
	if (snprintf(control->path, sizeof(control->path), "%s/" CONTROL_SOCKET,
	    agent->conf->agent.run_dir) >= (int)sizeof(control->path))
		control->path[0] = '\0';	/* said by control_listen */
	begin_listening(control);
	return control;
}

void
control_free(struct control *control)
{
	int i;

	if (control == NULL)
		return;
	for (i = 0; i < CLIENTS_MAX; i++) {
		if (control->clients[i].fd >= 0)
			client_tell(&control->clients[i], 3, "the agent is ending");
		loop_timer_free(control->agent->loop, control->clients[i].limit);
	}
	loop_timer_free(control->agent->loop, control->again);
	if (control->fd >= 0) {
		loop_del_fd(control->agent->loop, control->fd);
		close(control->fd);
		unlink(control->path);
	}
	free(control);
}
