/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "groups.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "threatlistd/log.h"

#define GROUP_FILE	"/etc/group"	/* group(5) */

struct groups {
	struct agent *agent;
	struct groups_ask names;
	bool known[GROUPS_END];		/* to the name services; /etc/group is read each time */
	gid_t ids[GROUPS_END];
	pid_t pid;			/* of who asks, or was ended and is not gone yet; 0: nobody */
	int fd;				/* -1: nobody */
	struct loop_timer *limit, *again;
	int64_t asked_ms;		/* loop_now_ms of the last question, 0: none */
	int64_t backoff_ms;
	bool renamed;			/* the question under way is of another name */
	char trouble[128];
};

static void ask(void *arg);
static void on_answer(int fd, uint32_t events, void *arg);
static void too_late(void *arg);

struct groups *
groups_new(struct agent *agent)
{
	struct groups *groups = calloc(1, sizeof(*groups));

	if (groups == NULL)
		return NULL;
	groups->agent = agent;
	groups->fd = -1;
	groups->limit = loop_timer_new(agent->loop, too_late, groups);
	groups->again = loop_timer_new(agent->loop, ask, groups);
	if (groups->limit == NULL || groups->again == NULL) {
		groups_free(groups);
		return NULL;
	}
	snprintf(groups->names.names[GROUPS_READERS], GROUPS_NAME_MAX, "%s", GROUPS_READERS_NAME);
	return groups;
}

static void
hang_up(struct groups *groups)
{
	if (groups->fd < 0)
		return;
	loop_del_fd(groups->agent->loop, groups->fd);
	close(groups->fd);
	groups->fd = -1;
	loop_timer_stop(groups->limit);
}

void
groups_free(struct groups *groups)
{
	if (groups == NULL)
		return;
	hang_up(groups);
	if (groups->pid > 0)
		kill(groups->pid, SIGKILL);
	loop_timer_free(groups->agent->loop, groups->limit);
	loop_timer_free(groups->agent->loop, groups->again);
	free(groups);
}

/* By the file alone, which nobody is asked for. */
static bool
find_local(const char *name, gid_t *id)
{
	FILE *file = fopen(GROUP_FILE, "re");
	const struct group *group = NULL;

	if (file == NULL)
		return false;
	do {
		group = fgetgrent(file);
	} while (group != NULL && strcmp(group->gr_name, name) != 0);
	if (group != NULL)
		*id = group->gr_gid;
	fclose(file);
	return group != NULL;
}

bool
groups_id(const struct groups *groups, enum groups_which which, gid_t *id)
{
	if (find_local(groups->names.names[which], id))
		return true;
	*id = groups->ids[which];
	return groups->known[which];
}

/* Is there one that only name services can know, and how many of these do not? */
static bool
wants_answer(const struct groups *groups, unsigned int *missing)
{
	bool wants = false;
	gid_t id;
	int i;

	*missing = 0;
	for (i = 0; i < GROUPS_END; i++) {
		if (find_local(groups->names.names[i], &id))
			continue;
		wants = true;
		*missing += !groups->known[i];
	}
	return wants;
}

/* Sets the timer to the next question. */
static void
plan(struct groups *groups, bool answered)
{
	int64_t wait = GROUPS_AGAIN_MS;
	unsigned int missing;

	(void)wants_answer(groups, &missing);
	if (missing > 0 || !answered) {
		wait = groups->backoff_ms == 0 ? GROUPS_FIRST_MS : groups->backoff_ms * 2;
		if (wait > GROUPS_AGAIN_MS)
			wait = GROUPS_AGAIN_MS;
		groups->backoff_ms = wait;
	} else {
		groups->backoff_ms = 0;
	}
	loop_timer_start(groups->agent->loop, groups->again, wait);
}

/* There is no answer, and none comes. */
static void
fail(struct groups *groups, const char *reason)
{
	if (groups->trouble[0] == '\0')
		log_warn("groups not looked up error=\"%s\"; those known before hold", reason);
	snprintf(groups->trouble, sizeof(groups->trouble), "%s", reason);
	plan(groups, false);
}

static void
too_late(void *arg)
{
	struct groups *groups = arg;

	if (groups->pid > 0)
		kill(groups->pid, SIGKILL);
	hang_up(groups);
	fail(groups, "the name services of this host do not answer");
}

static void
ask(void *arg)
{
	struct groups *groups = arg;
	struct loop *loop = groups->agent->loop;
	unsigned int missing;
	int error;

	loop_timer_stop(groups->again);
	if (groups->fd >= 0 || groups->agent->stopping)
		return;
	if (groups->pid > 0) {
		plan(groups, false);	/* it cannot even be ended: no second one beside it */
		return;
	}
	groups->renamed = false;
	if (!wants_answer(groups, &missing)) {
		groups->trouble[0] = '\0';
		plan(groups, true);
		return;
	}
	groups->asked_ms = loop_now_ms();
	error = role_spawn("groups", SIGKILL, &groups->pid, &groups->fd);
	if (error == 0 && send(groups->fd, &groups->names, sizeof(groups->names),
	    MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		error = -errno;
	if (error == 0)
		error = loop_add_fd(loop, groups->fd, EPOLLIN, on_answer, groups);
	if (error != 0) {
		hang_up(groups);	/* it ends at the end of its channel */
		fail(groups, strerror(-error));
		return;
	}
	loop_timer_start(loop, groups->limit, GROUPS_LIMIT_MS);
}

/* Of the names of now, as far as it says anything. */
static void
take(struct groups *groups, const struct groups_answer *answer)
{
	int i;

	for (i = 0; i < GROUPS_END; i++) {
		if (answer->group[i].state == GROUPS_UNKNOWN)
			continue;
		groups->known[i] = answer->group[i].state == GROUPS_THERE;
		groups->ids[i] = answer->group[i].id;
	}
	groups->trouble[0] = '\0';
	plan(groups, true);
}

static void
on_answer(int fd, uint32_t events, void *arg)
{
	struct groups *groups = arg;
	struct groups_answer answer;
	ssize_t n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	hang_up(groups);
	groups->pid = 0;
	if (groups->renamed)
		ask(groups);
	else if (n == (ssize_t)sizeof(answer))
		take(groups, &answer);
	else
		fail(groups, "the process that asks name services ended without an answer");
}

void
groups_configure(struct groups *groups)
{
	const char *name = groups->agent->conf->agent.admin_group;
	char *old = groups->names.names[GROUPS_ADMIN];

	if (strcmp(old, name) != 0) {
		/* a longer one is not there */
		snprintf(old, GROUPS_NAME_MAX, "%s", strlen(name) < GROUPS_NAME_MAX ? name : "");
		groups->known[GROUPS_ADMIN] = false;
		groups->renamed = true;
	}
	groups->backoff_ms = 0;
	ask(groups);
}

void
groups_missed(struct groups *groups)
{
	unsigned int missing;

	if (groups->fd < 0 && loop_now_ms() - groups->asked_ms >= GROUPS_FIRST_MS &&
	    wants_answer(groups, &missing))
		ask(groups);
}

void
groups_reaped(struct groups *groups, pid_t pid)
{
	if (groups != NULL && groups->pid == pid)
		groups->pid = 0;
}

const char *
groups_trouble(const struct groups *groups)
{
	return groups->trouble;
}
