/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers the parent's question for keys of AWS, from a thread: whoever hands them
 * out may be slow.  One question at a time; a later one takes an earlier one's place.
 */
#ifndef REPORT_GIVER_H
#define REPORT_GIVER_H

#include <stdbool.h>

#include "aws/call.h"
#include "runtime/post.h"

struct giver;

/* Both are borrowed.  NULL: no memory. */
struct giver *giver_new(struct aws *aws, struct post *post);

void giver_ask(struct giver *giver, const struct msg_keys_ask *ask);

/* False: a thread still asks, and what it needs must stay; nothing was freed. */
bool giver_free(struct giver *giver);

#endif
