/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "aws/transport.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

static int
fetch(const struct http_request *request, struct http_answer *answer, void *arg)
{
	return http_do(arg, request, answer);
}

static int64_t
now_ms(void *arg)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint32_t
random_bits(void *arg)
{
	uint32_t bits = 0;

	/* short only before the kernel's pool is ready: then without jitter */
	if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != (ssize_t)sizeof(bits))
		bits = UINT32_MAX / 2;
	return bits;
}

struct aws_transport
aws_transport_real(struct http *http)
{
	const struct aws_transport transport = { fetch, now_ms, random_bits, http };

	return transport;
}

int64_t
aws_now_ms(const struct aws_transport *transport)
{
	return transport->now_ms(transport->arg);
}

int64_t
aws_jitter_ms(const struct aws_transport *transport, int64_t base_ms)
{
	uint64_t part = transport->random(transport->arg);

	return base_ms - base_ms / 4 + (int64_t)((uint64_t)base_ms / 2 * part / UINT32_MAX);
}
