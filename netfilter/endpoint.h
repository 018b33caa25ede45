/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Addresses and TCP ports that the agent itself talks to: members of protect_ep4
 * and protect_ep6, each for a while.
 */
#ifndef NETFILTER_ENDPOINT_H
#define NETFILTER_ENDPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "threatlistd/enforce.h"
#include "batch.h"
#include "keys.h"

/* The key as the kernel compares it: the address, the port, and what fills its register. */
#define ENDPOINT_KEY_MAX	(KEY_MAX + 4u)

struct endpoint {
	unsigned int family;			/* FAMILY_V4, FAMILY_V6 */
	uint8_t key[ENDPOINT_KEY_MAX];
	int64_t until_ms;			/* of armed_now_ms */
};

/* Those that were announced, kept for a table that is made anew. */
struct endpoints {
	struct endpoint all[ENFORCE_ENDPOINTS_MAX];
	size_t n;
};

/* Appends messages that add all that have not expired. */
void endpoints_put(struct batch *batch, const struct endpoints *endpoints);

#endif
