/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The way to the network and the clock for everything in this folder: tests bring their own. */
#ifndef AWS_TRANSPORT_H
#define AWS_TRANSPORT_H

#include <stdint.h>

#include "runtime/http.h"

struct aws_transport {
	/* as http_do: the answer is to be freed in every case */
	int (*fetch)(const struct http_request *request, struct http_answer *answer, void *arg);
	int64_t (*now_ms)(void *arg);		/* CLOCK_REALTIME */
	uint32_t (*random)(void *arg);		/* any 32 bits */
	void *arg;
};

/* The real one; http is borrowed for as long as the transport is used. */
struct aws_transport aws_transport_real(struct http *http);

int64_t aws_now_ms(const struct aws_transport *transport);

/* base ± a quarter of it */
int64_t aws_jitter_ms(const struct aws_transport *transport, int64_t base_ms);

#endif
