/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A role as a process: fork and exec of ourselves or of threatlistd-online (a
 * fresh address space, no inherited memory), one socket pair, restarts with back-off.
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "groups.h"
#include "permit.h"
#include "roles.h"
#include "runtime/program.h"
#include "threatlistd/log.h"

#define BACKOFF_FIRST_MS	200
#define BACKOFF_MAX_MS		30000
#define STEADY_MS		60000	/* a role that lived this long begins anew */
#define REOPEN_MS		500
#define STOP_LIMIT_MS		10000	/* then SIGKILL */
#define RECOUNT_MS		1000	/* while the reporter has not taken what waits for it */
#define FEED_LIMIT_MS		600000	/* a whole refresh */

struct role {
	struct agent *agent;
	enum role_kind kind;
	pid_t pid;			/* 0: not running */
	struct channel *channel;	/* NULL: none, or dead */
	struct loop_timer *again, *limit;
	int64_t started_ms, backoff_ms;
	unsigned int restarts;
	bool wanted;			/* start it again when it ends */
	bool restart_now;		/* it was asked to end in order to start again */
	char trouble[128];
	struct msg_confined confined;
	bool said_confined;
};

static const char *const names[ROLE_END] = {
	[ROLE_ENFORCER] = "enforcer", [ROLE_SENSOR] = "sensor",
	[ROLE_REPORTER] = "reporter", [ROLE_FEED] = "feed",
};

const char *
role_name(enum role_kind kind)
{
	return names[kind];
}

static void
start_again(void *arg)
{
	struct role *role = arg;

	if (role->wanted && role->pid == 0)
		role_start(role);
}

/* How long to wait now; longer the next time. */
static int64_t
next_delay(struct role *role)
{
	int64_t delay = role->backoff_ms;

	role->backoff_ms = delay * 2 < BACKOFF_MAX_MS ? delay * 2 : BACKOFF_MAX_MS;
	return delay;
}

static void
too_slow(void *arg)
{
	struct role *role = arg;

	if (role->pid == 0)
		return;
	log_error("role killed role=%s pid=%d reason=\"did not end in time\"",
	    names[role->kind], (int)role->pid);
	kill(role->pid, SIGKILL);
}

struct role *
role_new(struct agent *agent, enum role_kind kind)
{
	struct role *role;

	role = calloc(1, sizeof(*role));
	if (role == NULL)
		return NULL;
	role->agent = agent;
	role->kind = kind;
	role->backoff_ms = BACKOFF_FIRST_MS;
	role->again = loop_timer_new(agent->loop, start_again, role);
	role->limit = loop_timer_new(agent->loop, too_slow, role);
	if (role->again == NULL || role->limit == NULL) {
		role_free(role);
		return NULL;
	}
	return role;
}

void
role_free(struct role *role)
{
	if (role == NULL)
		return;
	channel_free(role->channel);
	loop_timer_free(role->agent->loop, role->again);
	loop_timer_free(role->agent->loop, role->limit);
	free(role);
}

/* Half the reporter's queue is for everything else that has to be said: events, questions. */
static int
pass_traffic(struct agent *agent, const struct message *message)
{
	struct role *reporter = agent->roles[ROLE_REPORTER];

	if (role_queued(reporter) >= CHANNEL_QUEUE_MAX / 2)
		return -ENOBUFS;
	return role_send(reporter, message, -1);
}

static void
pass_event(struct agent *agent, const struct event *from)
{
	struct event event = *from;

	/* lifted or put back by hand with nft: as lasting as by threatlistctl */
	if (event.name == EVENT_PANIC || event.name == EVENT_RESUME)
		agent_note_panic(agent, event.name == EVENT_PANIC);
	if (event.name == EVENT_MODE_CHANGED) {
		agent_note_disarmed(agent, &event);
		return;
	}
	if (event.name == EVENT_BYPASS || event.name == EVENT_BYPASS_OVER) {
		agent_note_bypass(agent, &event);
		return;
	}
	if (event.name == EVENT_ISOLATE) {
		agent_note_released(agent, &event);
		return;
	}
	if (event.name == EVENT_TABLE_RESTORED)
		agent->restores++;
	events_raise(agent->events, &event);
}

static void
on_message(const struct message *message, int *fd, void *arg)
{
	struct role *role = arg;
	struct agent *agent = role->agent;

	if (!permit_message(role->kind, message->type)) {
		log_error("role killed role=%s pid=%d reason=\"sent message %u, which is not its to send\"",
		    names[role->kind], (int)role->pid, message->type);
		role_kill(role, SIGKILL);
		return;
	}
	switch (message->type) {
	case MSG_DOMAINS:
		sources_domains(agent->sources, &message->u.domains, *fd);
		break;
	case MSG_FETCHED:
		sources_fetched(agent->sources, &message->u.fetched, *fd);
		break;
	case MSG_DISCOVERED:
		sources_discovered(agent->sources, &message->u.discovered);
		break;
	case MSG_HOST_FOUND:
		agent_set_facts(agent, &message->u.facts);
		break;
	case MSG_KEYS:
		handout_given(agent->handout, &message->u.keys);
		break;
	case MSG_NO_KEYS:
		handout_has_none(agent->handout, &message->u.no_keys);
		break;
	case MSG_KEYS_ASK:
		handout_asked(agent->handout, &message->u.keys_ask);
		break;
	case MSG_ENDPOINT:
		endpoints_announced(agent->endpoints, role->kind, &message->u.endpoint);
		break;
	case MSG_ENDPOINT_DONE:
		endpoints_done(agent->endpoints, &message->u.endpoint);
		break;
	case MSG_APPLIED:
		status_applied(agent->status, &message->u.applied);
		break;
	case MSG_MODE_DONE:
		control_mode_done(agent->control, &message->u.mode_done,
		    agent_mode_done(agent, &message->u.mode_done));
		break;
	case MSG_CHECKED:
		control_checked(agent->control, &message->u.checked);
		break;
	case MSG_PLANNED:
		control_planned(agent->control, &message->u.planned);
		break;
	case MSG_VERIFIED:
		control_verified(agent->control, &message->u.verified);
		break;
	case MSG_ENFORCER_STATUS:
		status_enforcer(agent->status, &message->u.enforcer);
		break;
	case MSG_SENSOR_STATUS:
		status_sensor(agent->status, &message->u.sensor);
		break;
	case MSG_EVENT:
		pass_event(agent, &message->u.event);
		break;
	case MSG_COUNTS:
		/* without a reporter nothing is lost: a new one has all of them sent again */
		if (pass_traffic(agent, message) == -ENOBUFS &&
		    !loop_timer_running(agent->recount))
			loop_timer_start(agent->loop, agent->recount, RECOUNT_MS);
		break;
	case MSG_SIGHTING:
		/* only illustrates */
		pass_traffic(agent, message);
		break;
	case MSG_EVENT_KEPT:
		events_kept(agent->events, message->u.token.token);
		break;
	case MSG_ANSWER:
		control_answered(agent->control, &message->u.answer, *fd);
		break;
	case MSG_REPORTER_STATUS:
		status_reporter(agent->status, &message->u.reporter);
		break;
	case MSG_SINK_STATUS:
		status_sink(agent->status, &message->u.sink);
		break;
	case MSG_CONFINED:
		role->confined = message->u.confined;
		role->said_confined = true;
		break;
	default:
		break;
	}
}

static void
on_closed(const char *reason, void *arg)
{
	struct role *role = arg;

	channel_free(role->channel);
	role->channel = NULL;
	/* its process ends by itself, or broke the protocol and is ended */
	if (strcmp(reason, "closed") != 0) {
		log_error("role killed role=%s pid=%d reason=\"channel: %s\"",
		    names[role->kind], (int)role->pid, reason);
		role_kill(role, SIGKILL);
	}
}

/* Where keys of AWS come from: the reporter's to read. */
static const char *const of_keys[] = {
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
	"AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
};

/* In the child, between fork and exec. */
static void __attribute__((noreturn))
become(const char *role, int signo, int fd, pid_t parent)
{
	char *argv[] = { NULL, NULL, NULL, NULL, NULL };
	static char program[] = "threatlistd", online[] = "threatlistd-online";
	static char option[] = "--role", person[] = "-f";
	bool is_reporter = strcmp(role, names[ROLE_REPORTER]) == 0;
	bool is_online = is_reporter || strcmp(role, names[ROLE_FEED]) == 0;
	char name[16];
	sigset_t none;
	size_t i;
	int n = 0;

	snprintf(name, sizeof(name), "%s", role);
	argv[n++] = is_online ? online : program;
	argv[n++] = option;
	argv[n++] = name;
	if (log_style() == LOG_STYLE_PERSON)
		argv[n++] = person;
	for (i = 0; !is_reporter && i < sizeof(of_keys) / sizeof(of_keys[0]); i++)
		unsetenv(of_keys[i]);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, signo);
	if (getppid() != parent)
		_exit(1);
	if (fd == CHANNEL_FD)
		fcntl(fd, F_SETFD, 0);
	else if (dup2(fd, CHANNEL_FD) < 0)
		_exit(1);
	execv(is_online ? program_online() : "/proc/self/exe", argv);
	_exit(127);
}

static void
ask_recount(struct agent *agent)
{
	struct message message = { .type = MSG_RECOUNT };

	role_send(agent->roles[ROLE_ENFORCER], &message, -1);
	role_send(agent->roles[ROLE_SENSOR], &message, -1);
}

void
roles_recount(void *arg)
{
	struct agent *agent = arg;

	if (role_queued(agent->roles[ROLE_REPORTER]) > 0)
		loop_timer_start(agent->loop, agent->recount, RECOUNT_MS);
	else
		ask_recount(agent);
}

/* The first things a role hears. */
static void
brief(struct role *role)
{
	struct agent *agent = role->agent;
	struct message message = { .type = MSG_CONF };

	role_send(role, &message, agent->conf_fd);
	message.type = MSG_FACTS;
	message.u.facts = agent->facts;
	role_send(role, &message, -1);
	switch (role->kind) {
	case ROLE_ENFORCER:
		agent_mode_message(agent, agent->state.panic ? ORDER_PANIC :
		    agent->state.purged ? ORDER_PURGE : ORDER_MODE, 0, &message);
		role_send(role, &message, -1);
		endpoints_send_all(agent->endpoints);
		break;
	case ROLE_REPORTER:
		handout_brief_reporter(agent->handout);
		events_send_all(agent->events);
		ask_recount(agent);
		break;
	default:
		break;
	}
	if (role->kind == ROLE_FEED)
		sources_brief_feed(agent->sources);
	else
		sources_send_list(agent->sources, role);
}

int
role_spawn(const char *name, int signo, pid_t *pid, int *fd)
{
	pid_t parent = getpid(), child;
	int fds[2], error;

	*fd = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return -errno;
	child = fork();
	if (child == 0)
		become(name, signo, fds[1], parent);
	error = errno;
	close(fds[1]);
	if (child < 0) {
		close(fds[0]);
		log_error("role not started role=%s error=\"%s\"", name, strerror(error));
		return -error;
	}
	*pid = child;
	*fd = fds[0];
	return 0;
}

static int
try_start(struct role *role)
{
	int fd, error;

	error = role_spawn(names[role->kind], role->kind == ROLE_REPORTER ? SIGTERM : SIGKILL,
	    &role->pid, &fd);
	if (error != 0)
		return error;
	role->channel = channel_new(role->agent->loop, fd, on_message, on_closed, role);
	if (role->channel == NULL) {
		error = errno;
		close(fd);
		kill(role->pid, SIGKILL);
		return -error;
	}
	role->started_ms = loop_now_ms();
	role->restart_now = false;
	role->said_confined = role->said_confined && role->kind == ROLE_FEED;
	if (role->kind == ROLE_FEED)
		loop_timer_start(role->agent->loop, role->limit, FEED_LIMIT_MS);
	else
		log_info("role started role=%s pid=%d", names[role->kind], (int)role->pid);
	brief(role);
	return 0;
}

int
role_start(struct role *role)
{
	int error = try_start(role);

	role->wanted = role->kind != ROLE_FEED;
	if (error != 0 && role->wanted) {
		snprintf(role->trouble, sizeof(role->trouble), "%s", strerror(-error));
		loop_timer_start(role->agent->loop, role->again, next_delay(role));
	}
	return error;
}

static void
ask_to_stop(struct role *role)
{
	struct message message = { .type = MSG_STOP };

	if (role->pid == 0)
		return;
	if (role_send(role, &message, -1) != 0)
		kill(role->pid, SIGKILL);
	loop_timer_start(role->agent->loop, role->limit, STOP_LIMIT_MS);
}

void
role_stop(struct role *role)
{
	role->wanted = false;
	loop_timer_stop(role->again);
	ask_to_stop(role);
}

void
role_restart(struct role *role)
{
	role->restart_now = true;
	if (role->pid == 0) {
		start_again(role);
	} else if (role->kind == ROLE_ENFORCER) {
		/* its MSG_STOP may take the table away (on_stop); a closed channel never does */
		channel_free(role->channel);
		role->channel = NULL;
		loop_timer_start(role->agent->loop, role->limit, STOP_LIMIT_MS);
	} else {
		ask_to_stop(role);
	}
}

void
roles_restart(struct agent *agent)
{
	agent->reporter_last = role_running(agent->roles[ROLE_SENSOR]);
	role_restart(agent->roles[ROLE_ENFORCER]);
	role_restart(agent->roles[ROLE_SENSOR]);
	if (!agent->reporter_last)
		role_restart(agent->roles[ROLE_REPORTER]);
}

void
role_kill(struct role *role, int signo)
{
	if (role->pid > 0)
		kill(role->pid, signo);
}

void
role_abandon(struct role *role)
{
	channel_free(role->channel);
	role->channel = NULL;
	role_kill(role, SIGKILL);
}

bool
role_running(const struct role *role)
{
	return role->pid > 0;
}

pid_t
role_pid(const struct role *role)
{
	return role->pid;
}

unsigned int
role_restarts(const struct role *role)
{
	return role->restarts;
}

const struct msg_confined *
role_confined(const struct role *role)
{
	return role->said_confined ? &role->confined : NULL;
}

const char *
role_trouble(const struct role *role)
{
	return role->trouble;
}

uint64_t
role_queued(const struct role *role)
{
	return role->channel != NULL ? channel_queued(role->channel) : 0;
}

int
role_send(struct role *role, const struct message *message, int fd)
{
	if (role->channel == NULL)
		return -EPIPE;
	return channel_send(role->channel, message, fd);
}

static void
describe_end(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "ended by signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		snprintf(text, size, "ended with code %d", WEXITSTATUS(status));
}

static void
schedule_again(struct role *role, int status)
{
	bool reopen = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_REOPEN;
	int64_t delay;

	if (loop_now_ms() - role->started_ms > STEADY_MS) {
		role->backoff_ms = BACKOFF_FIRST_MS;
		role->trouble[0] = '\0';
	}
	if (role->restart_now) {
		delay = 0;
	} else if (reopen) {
		delay = REOPEN_MS;
	} else {
		delay = next_delay(role);
		role->restarts++;
		describe_end(status, role->trouble, sizeof(role->trouble));
		log_warn("role ended role=%s pid=%d how=\"%s\" again_in_ms=%lld",
		    names[role->kind], (int)role->pid, role->trouble, (long long)delay);
	}
	loop_timer_start(role->agent->loop, role->again, delay);
}

/* Sent by somebody: the parent, or to the whole group. */
static bool
is_order_to_end(int signo)
{
	return signo == SIGKILL || signo == SIGTERM || signo == SIGINT || signo == SIGHUP;
}

/* It was to end, but not like this. */
static void
warn_of_end(const struct role *role, int status)
{
	char how[128];

	describe_end(status, how, sizeof(how));
	log_warn("role ended role=%s pid=%d how=\"%s\"", names[role->kind], (int)role->pid, how);
}

static void
role_ended(struct role *role, int status)
{
	char how[128] = "";

	loop_timer_stop(role->limit);
	/* what it said last is still in the socket */
	if (role->kind == ROLE_FEED && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		describe_end(status, how, sizeof(how));
	if (role->wanted && !role->agent->stopping)
		schedule_again(role, status);
	else if (WIFSIGNALED(status) && !is_order_to_end(WTERMSIG(status)))
		warn_of_end(role, status);
	role->pid = 0;
	if (role->kind == ROLE_FEED) {
		channel_drain(role->channel);
		channel_free(role->channel);
		role->channel = NULL;
		handout_feed_ended(role->agent->handout);
		if (!role->agent->stopping)
			sources_feed_ended(role->agent->sources, how);
	}
	if (role->channel != NULL) {
		channel_drain(role->channel);
		channel_free(role->channel);
		role->channel = NULL;
	}
	if (role->kind == ROLE_SENSOR && role->agent->reporter_last && !role->agent->stopping) {
		role->agent->reporter_last = false;
		role_restart(role->agent->roles[ROLE_REPORTER]);
	}
	/* who asks while all ends is told that, by control_free() */
	if (!role->agent->stopping)
		control_role_ended(role->agent->control, role->kind);
}

void
roles_reap(struct agent *agent)
{
	int status, i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		groups_reaped(agent->groups, pid);
		for (i = 0; i < ROLE_END; i++) {
			if (agent->roles[i] != NULL && agent->roles[i]->pid == pid) {
				role_ended(agent->roles[i], status);
				break;
			}
		}
	}
}

bool
roles_stopped(const struct agent *agent)
{
	int i;

	for (i = 0; i < ROLE_END; i++) {
		if (agent->roles[i] != NULL && agent->roles[i]->pid > 0)
			return false;
	}
	return true;
}
