/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "feed/purse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct purse {
	struct channel *channel;
	struct message answer;		/* type 0: none came */
};

struct purse *
purse_new(struct channel *channel)
{
	struct purse *purse = calloc(1, sizeof(*purse));

	if (purse != NULL)
		purse->channel = channel;
	return purse;
}

void
purse_free(struct purse *purse)
{
	if (purse != NULL)
		explicit_bzero(&purse->answer, sizeof(purse->answer));
	free(purse);
}

void
purse_answered(struct purse *purse, const struct message *message)
{
	explicit_bzero(&purse->answer, sizeof(purse->answer));
	purse->answer.type = message->type;
	if (message->type == MSG_KEYS)
		purse->answer.u.keys = message->u.keys;
	else
		purse->answer.u.no_keys = message->u.no_keys;
}

/* Other messages that come meanwhile take their usual way. */
static void
wait_for_answer(struct purse *purse)
{
	int64_t until = loop_now_ms() + PURSE_WAIT_MS, left;

	while (purse->answer.type == 0 && (left = until - loop_now_ms()) > 0) {
		if (!channel_wait(purse->channel, (int)left))
			break;
	}
}

int
purse_ask(const char *refused, struct msg_keys *keys,
    char reason[static CREDENTIALS_REASON_MAX], void *arg)
{
	struct message message = { .type = MSG_KEYS_ASK };
	struct purse *purse = arg;
	int error = -ENOENT;

	purse->answer.type = 0;
	snprintf(message.u.keys_ask.refused, sizeof(message.u.keys_ask.refused), "%s", refused);
	if (channel_send(purse->channel, &message, -1) == 0)
		wait_for_answer(purse);
	if (purse->answer.type == MSG_KEYS) {
		*keys = purse->answer.u.keys;
		error = 0;
	} else if (purse->answer.type == MSG_NO_KEYS) {
		snprintf(reason, CREDENTIALS_REASON_MAX, "%s", purse->answer.u.no_keys.reason);
	} else {
		snprintf(reason, CREDENTIALS_REASON_MAX, "no credentials: the parent does not "
		    "answer");
	}
	explicit_bzero(&purse->answer, sizeof(purse->answer));
	return error;
}
