/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ids of the two groups whose members may ask the control socket.
 *
 * A name service (LDAP, sssd) may take minutes to answer, and the parent must not
 * wait: it reads /etc/group itself, each time, and what is not in there is asked by
 * a process that does nothing else ("threatlistd --role groups"): at start, at a
 * reload, every GROUPS_AGAIN_MS, and when somebody was sent away.  Until it has
 * answered the ids of before hold, none at first.
 */
#ifndef AGENT_GROUPS_H
#define AGENT_GROUPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define GROUPS_READERS_NAME	"threatlistd"	/* the group that may read */
#define GROUPS_NAME_MAX		256		/* bytes with the NUL; the kernel has no names */
#define GROUPS_LIMIT_MS		(60 * 1000)	/* who asks and has no answer by then is ended */
#define GROUPS_FIRST_MS		(10 * 1000)	/* then asked again, doubling up to: */
#define GROUPS_AGAIN_MS		(5 * 60 * 1000)

enum groups_which { GROUPS_ADMIN, GROUPS_READERS, GROUPS_END };

/* Over the channel of who asks: the question, then the answer. */
struct groups_ask {
	char names[GROUPS_END][GROUPS_NAME_MAX];
};

struct groups_answer {
	struct {
		enum { GROUPS_UNKNOWN, GROUPS_NONE, GROUPS_THERE } state;
		gid_t id;
	} group[GROUPS_END];
};

struct agent;
struct groups;

struct groups *groups_new(struct agent *agent);	/* NULL: no memory */
void groups_free(struct groups *groups);

/* Takes over the name of agent->conf, and asks. */
void groups_configure(struct groups *groups);

/* False: there is no such group, as far as is known now. */
bool groups_id(const struct groups *groups, enum groups_which which, gid_t *id);

/* Somebody was in none of them: asks soon if what is known is not new. */
void groups_missed(struct groups *groups);

/* A child of ours is no more. */
void groups_reaped(struct groups *groups, pid_t pid);

/* For status; "" when there is nothing to say. */
const char *groups_trouble(const struct groups *groups);

#endif
