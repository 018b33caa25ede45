/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the sinks that are services of AWS have in common: the call, and what its outcome means. */
#ifndef REPORT_SINK_AWS_H
#define REPORT_SINK_AWS_H

#include <cjson/cJSON.h>

#include "report/sink.h"

#define SINK_AWS_OFF_MS		INT64_C(900000)	/* between tries of a service that is switched off */
#define SINK_AWS_ANSWER_BYTES	(1u << 20)	/* one refusal for each body, with a long sentence */

/* The way of one sink's thread to the service. */
struct sink_aws {
	struct aws *aws;		/* borrowed */
	struct http *http;		/* NULL: a test brought the transport */
	struct aws_transport via;
	const char *region;		/* borrowed; NULL: the agent's */
};

bool sink_aws_open(struct sink_aws *way, const struct sink_setting *setting);
void sink_aws_close(struct sink_aws *way);

/*
 * Sends it.  True: the service answered 2xx, and the answer says the rest;
 * false: *result is filled.  aws_answer_free in both cases.
 */
bool sink_aws_call(struct sink_aws *way, struct aws_request *request, struct aws_answer *answer,
    struct sink_result *result);

/* The same batch later, and why. */
void sink_aws_again(struct sink_result *result, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* After all parts are added: none is acceptance; the first to come again tells the error. */
void sink_aws_end(struct sink_result *result);

/* A text of a JSON object; empty: there is none. */
const char *sink_aws_text(const cJSON *object, const char *name);

#endif
