/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers to MSG_QUERY, from the spool. */
#ifndef REPORT_ANSWER_H
#define REPORT_ANSWER_H

#include "runtime/channel.h"
#include "report/spool.h"

/*
 * Fills answer and *fd, a read-only memfd with JSON lines (empty after an
 * error).  0 or -errno: there is no descriptor.
 */
int answer_query(struct spool *spool, const struct host_facts *facts,
    const struct msg_query *query, struct msg_answer *answer, int *fd);

#endif
