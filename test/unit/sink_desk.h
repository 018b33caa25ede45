/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A sink that is a service of AWS, on a network of canned answers. */
#ifndef SINK_DESK_H
#define SINK_DESK_H

#include "report/sink.h"
#include "fake_aws.h"

#define DESK_BODIES	16

struct desk {
	struct fake_aws fake;
	struct aws_transport via;
	struct aws *aws;
	struct conf_sink conf;
	const struct sink_kind *kind;
	void *state;
	struct sink_result result;
};

static inline void
desk_open(struct desk *desk, const struct sink_kind *kind, const struct conf_sink *conf)
{
	static const struct aws_wishes wishes = { .region = "eu-central-1" };
	struct sink_setting setting = { .conf = &desk->conf, .host_id = "i-0abc", .spool_id = "s" };

	memset(desk, 0, sizeof(*desk));
	fake_clear_environment();
	setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI", 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	desk->fake.now_ms = FAKE_START_MS;
	desk->via = fake_transport(&desk->fake);
	desk->conf = *conf;
	desk->kind = kind;
	desk->aws = aws_new(&desk->via, &wishes, "/nowhere");
	setting.aws = desk->aws;
	setting.via = &desk->via;
	desk->state = kind->open(&setting);
}

static inline void
desk_close(struct desk *desk)
{
	desk->kind->close(desk->state);
	aws_free(desk->aws);
	free(desk->result.parts);
}

/* Hands over n bodies that say no more than their sequence. */
static inline void
desk_deliver(struct desk *desk, uint64_t first, unsigned int n)
{
	struct spool_body bodies[DESK_BODIES];
	char texts[DESK_BODIES][128];
	unsigned int i;

	for (i = 0; i < n; i++) {
		bodies[i].sequence = first + i;
		bodies[i].text = texts[i];
		bodies[i].size = (size_t)snprintf(texts[i], sizeof(texts[i]),
		    "{\"id\":\"f%u\",\"updatedAt\":\"2026-03-01T00:00:00.500Z\",\"title\":\"t\"}",
		    (unsigned int)first + i);
	}
	free(desk->result.parts);
	memset(&desk->result, 0, sizeof(desk->result));
	desk->kind->deliver(desk->state, bodies, n, &desk->result);
}

#endif
