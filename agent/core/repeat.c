/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/repeat.h"

#include <stdlib.h>

#define BODY_COMPARED	40	/* bytes after the IP headers: TCP with its sequence numbers */

struct past {
	uint64_t hash;
	int64_t time_us;
	uint32_t ifindex;		/* 0: unused */
};

/* A ring: the oldest is overwritten. */
struct repeat {
	uint64_t seed;
	unsigned int next;
	struct past past[REPEAT_KEPT];
};

struct repeat *
repeat_new(uint64_t seed)
{
	struct repeat *repeat;

	repeat = calloc(1, sizeof(*repeat));
	if (repeat != NULL)
		repeat->seed = seed;
	return repeat;
}

void
repeat_free(struct repeat *repeat)
{
	free(repeat);
}

/* FNV-1a: few bytes, and a collision costs one illustration within 20 ms. */
static uint64_t
hash_bytes(uint64_t hash, const uint8_t *bytes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* Of all that stays the same on the way: neither TTL nor checksum of the IP header. */
static uint64_t
hash_packet(uint64_t seed, const struct packet *packet)
{
	uint8_t length[4] = {
		(uint8_t)(packet->length >> 24), (uint8_t)(packet->length >> 16),
		(uint8_t)(packet->length >> 8), (uint8_t)packet->length,
	};
	uint64_t hash = seed ^ UINT64_C(0xcbf29ce484222325);

	hash = hash_bytes(hash, packet->src.bytes, sizeof(packet->src.bytes));
	hash = hash_bytes(hash, packet->dst.bytes, sizeof(packet->dst.bytes));
	hash = hash_bytes(hash, &packet->proto, 1);
	hash = hash_bytes(hash, length, sizeof(length));
	return hash_bytes(hash, packet->body,
	    packet->body_size < BODY_COMPARED ? packet->body_size : BODY_COMPARED);
}

bool
repeat_seen(struct repeat *repeat, const struct packet *packet, uint32_t ifindex, int64_t time_us)
{
	uint64_t hash = hash_packet(repeat->seed, packet);
	unsigned int i;

	for (i = 0; i < REPEAT_KEPT; i++) {
		const struct past *past = &repeat->past[i];
		int64_t passed = time_us - past->time_us;

		if (past->ifindex != 0 && past->ifindex != ifindex && past->hash == hash &&
		    passed >= -REPEAT_WITHIN_US && passed <= REPEAT_WITHIN_US)
			return true;
	}
	repeat->past[repeat->next] = (struct past){ hash, time_us, ifindex };
	repeat->next = (repeat->next + 1) % REPEAT_KEPT;
	return false;
}
