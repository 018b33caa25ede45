/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The control socket: what the roles say of what they were asked. */
#include "agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control_inside.h"
#include "status_json.h"

#define KIND(kind)	(1u << (kind))

/* A role answers what it was asked, whatever numbers it may guess: kinds has a bit for each such. */
static struct client *
by_token(struct control *control, uint64_t token, uint32_t kinds)
{
	int i;

	for (i = 0; i < CLIENTS_MAX && token != 0; i++) {
		struct client *client = &control->clients[i];

		if (client->fd >= 0 && client->token == token &&
		    (kinds & KIND(client->request.kind)) != 0)
			return client;
	}
	return NULL;
}

void
control_answered(struct control *control, const struct msg_answer *result, int fd)
{
	struct client *client = by_token(control, result->token, KIND(CONTROL_FINDINGS) |
	    KIND(CONTROL_SHOW));
	char cut[CONTROL_TEXT_MAX];

	if (client == NULL)
		return;
	if (result->error == -ENOENT) {
		client_tell(client, 1, "no finding has this id");
	} else if (result->error != 0) {
		client_tell(client, 1, "the spool could not be read: %s", strerror(-result->error));
	} else {
		snprintf(cut, sizeof(cut), "only the newest %u findings are shown: there are more "
		    "than one answer has room for", result->rows);
		client_tell_fd(client, fd, result->cut != 0 ? cut : NULL);
	}
}

void
control_checked(struct control *control, const struct msg_checked *checked)
{
	struct client *client = by_token(control, checked->token, KIND(CONTROL_CHECK));

	if (client != NULL)
		client_tell_json(client, check_json(control->agent, &checked->addr,
		    checked->error == 0 ? checked : NULL));
}

/* Takes json over, which is NULL with an error. */
static void
answer_found(struct client *client, int error, const char *reason, char *json)
{
	if (client == NULL)
		free(json);
	else if (error != 0)
		client_tell(client, 1, "%s failed: %.200s", control_name(client->request.kind), reason);
	else
		client_tell_json(client, json);
}

void
control_planned(struct control *control, const struct msg_planned *planned)
{
	answer_found(by_token(control, planned->token, KIND(CONTROL_PLAN)), planned->error, planned->reason,
	    planned->error == 0 ? plan_json(control->agent, &planned->plan) : NULL);
}

void
control_verified(struct control *control, const struct msg_verified *verified)
{
	answer_found(by_token(control, verified->token, KIND(CONTROL_VERIFY)), verified->error, verified->reason,
	    verified->error == 0 ? verified_json(verified) : NULL);
}

/* What has come of an order that waits for nothing. */
static const char *
outcome_of(const struct client *client)
{
	switch (client->request.kind) {
	case CONTROL_PANIC:
		return "everything is lifted until \"threatlistctl resume\"";
	case CONTROL_PURGE:
		return "the table is deleted until \"threatlistctl resume\"";
	case CONTROL_RESUME:
		return "nothing is lifted any more";
	default:
		return agent_mode(client->control->agent) == ENFORCE_DROP ?
		    "what is listed is dropped" : "what is listed is counted, nothing is dropped";
	}
}

void
control_mode_done(struct control *control, const struct msg_mode_done *done, int kept)
{
	struct client *client = by_token(control, done->token, KIND(CONTROL_ENFORCE) |
	    KIND(CONTROL_PANIC) | KIND(CONTROL_RESUME) | KIND(CONTROL_PURGE) |
	    KIND(CONTROL_CONFIRM) | KIND(CONTROL_ISOLATE));
	char text[ISOLATION_TEXT_MAX];

	if (client == NULL)
		return;
	if (client->store_error == 0)
		client->store_error = kept;
	if (done->error != 0)
		client_tell(client, 1, "not done: %.200s", done->reason);
	else if (client->store_error != 0)
		client_tell(client, 1, "done, but it will not outlive a restart: %s",
		    strerror(-client->store_error));
	else if (client->request.kind == CONTROL_CONFIRM)
		client_tell(client, 0, "confirmed:%s%s%s", (done->confirmed & CONFIRMED_DROP) != 0 ?
		    " mode stays drop" : "", done->confirmed == (CONFIRMED_DROP |
		    CONFIRMED_ISOLATION) ? "," : "", (done->confirmed &
		    CONFIRMED_ISOLATION) != 0 ? " the host stays isolated" : "");
	else if (client->request.kind == CONTROL_ISOLATE)
		client_tell(client, 0, "%s", isolation_text(control->agent, text));
	else if (client->request.kind == CONTROL_ENFORCE &&
	    agent_confirm_until(control->agent) != 0)
		client_tell(client, 0, "done; falls back to watch in %u s unless you run "
		    "\"threatlistctl confirm\"", control->agent->state.confirm.s);
	else
		client_tell(client, 0, "done: %s", outcome_of(client));
}

/* An order is kept by the parent, which gives it to the next enforcer; a confirmation is not. */
static bool
is_kept(const struct client *client)
{
	switch (client->request.kind) {
	case CONTROL_ENFORCE:
	case CONTROL_PANIC:
	case CONTROL_RESUME:
	case CONTROL_PURGE:
	case CONTROL_ISOLATE:
		return true;
	default:
		return false;
	}
}

static void
tell_of_end(struct client *client)
{
	const struct role *role = client->control->agent->roles[client->asked];
	const char *name = role_name(client->asked), *how = role_trouble(role);

	if (client->request.kind == CONTROL_CHECK)
		client_tell_check(client);
	else if (is_kept(client))
		client_tell(client, 1, "ordered; the %s ended meanwhile and does it when it is back",
		    name);
	else
		client_tell(client, 1, "%s: the %s ended before it answered%s%s, try again",
		    control_name(client->request.kind), name, how[0] != '\0' ? ": " : "", how);
}

void
control_role_ended(struct control *control, enum role_kind kind)
{
	int i;

	for (i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &control->clients[i];

		if (client->fd >= 0 && client->token != 0 && client->asked == kind)
			tell_of_end(client);
	}
}
