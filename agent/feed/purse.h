/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keys of AWS as a feed gets them: it asks the parent, who has them of the reporter,
 * and waits for the answer, but not for ever.
 */
#ifndef FEED_PURSE_H
#define FEED_PURSE_H

#include "aws/credentials.h"
#include "runtime/channel.h"

/* The parent answers after ten seconds in any case; it would have to hang. */
#define PURSE_WAIT_MS	30000

struct purse;

/* The channel is borrowed.  NULL: no memory. */
struct purse *purse_new(struct channel *channel);
void purse_free(struct purse *purse);

/* A credentials_give_fn (arg: the purse), in the thread that has the channel. */
int purse_ask(const char *refused, struct msg_keys *keys,
    char reason[static CREDENTIALS_REASON_MAX], void *arg);

/* MSG_KEYS or MSG_NO_KEYS came. */
void purse_answered(struct purse *purse, const struct message *message);

#endif
