/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Frames: the first byte is the link type (the low byte of SLL2's), the rest is the frame. */
#include "core/decode.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct decoded out;
	unsigned int i;
	int link;

	if (size == 0)
		return 0;
	link = data[0] == (LINK_SLL2 & 0xff) ? LINK_SLL2 : data[0];
	decode_frame(link, data + 1, size - 1, &out);
	assert(out.npackets <= DECODE_PACKETS_MAX && out.skip < SKIP_END);
	assert(link_known(link) || out.npackets == 0);
	for (i = 0; i < out.npackets; i++) {
		const struct packet *packet = &out.packets[i];

		assert((packet->kind == KIND_OUTER) == (i == 0));
		assert(packet->src.family == packet->dst.family);
		assert(packet->body == NULL || (packet->body > data &&
		    packet->body + packet->body_size <= data + size));
		assert(!packet->later_fragment || (!packet->has_ports && !packet->has_icmp));
	}
	return 0;
}
