/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the control*.c share: the clients of the control socket, and their places. */
#ifndef AGENT_CONTROL_INSIDE_H
#define AGENT_CONTROL_INSIDE_H

#include <sys/un.h>

#include "agent.h"
#include "peer.h"
#include "runtime/control.h"
#include "threatlistd/log.h"

#define CLIENTS_MAX		32
#define ROOT_CLIENTS		8	/* of these, for root alone */
#define USER_CLIENTS_MAX	8	/* of one uid other than root's */

struct client {
	struct control *control;
	int fd;				/* -1: free slot */
	uint64_t number;		/* in the order they came */
	struct peer peer;
	struct control_request request;	/* kind 0: not sent yet */
	uint64_t token;			/* of the question to a role, 0: none */
	enum role_kind asked;		/* whom, with a token */
	bool asked_status;
	int store_error;		/* an order that was done but not kept on disk */
	struct loop_timer *limit;
};

struct control {
	struct agent *agent;
	int fd;				/* negative: not yet */
	bool told;			/* that it could not be made */
	struct loop_timer *again;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool full;			/* who comes now waits in the backlog */
	uint64_t next_token, next_number;
	struct log_limit refused;
	struct client clients[CLIENTS_MAX];
};

/* control.c: a client has one answer, and is gone with it. */
void client_tell(struct client *client, int exit_code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Takes the text over; NULL: there was no memory for it. */
void client_tell_json(struct client *client, char *json);
/* Of JSON text; the descriptor stays the caller's.  partly: what is missing of it; NULL: nothing. */
void client_tell_fd(struct client *client, int fd, const char *partly);
/* Of "check", from the list alone: the kernel cannot be asked now. */
void client_tell_check(struct client *client);
/* Without an answer. */
void client_hang_up(struct client *client);

/*
 * A place for one more.  Who holds all it may have loses the one that has been
 * silent longest: a crowd costs other users nothing, and itself no answer.  One
 * with fd >= 0 is that one, to be sent away first.  NULL: there is none.
 */
struct client *control_room(struct control *control, const struct peer *peer);

/* Every place is taken by one that is being served: only root's own can come to that. */
bool control_is_full(const struct control *control);

#endif
