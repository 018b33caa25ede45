/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NFLOG: a header of 4 bytes, then attributes of {length, type} in the host's
 * byte order and a value in network order, each padded to 4.
 */
#include "core/decode.h"

#include <string.h>

#include "core/decode_layer.h"

#define NFLOG_HEADER	4
#define ATTR_HEADER	4

/* enum nfulnl_attr_type of the kernel; newer ones are passed over. */
enum {
	ATTR_PACKET_HDR = 1,	/* be16 EtherType, u8 hook, pad */
	ATTR_TIMESTAMP = 3,	/* be64 seconds, be64 microseconds */
	ATTR_IFINDEX_IN = 4,
	ATTR_IFINDEX_OUT = 5,
	ATTR_PAYLOAD = 9,	/* from the network header on */
	ATTR_PREFIX = 10,	/* text with NUL */
	ATTR_UID = 11,
	ATTR_GID = 14,
};

struct attr {
	uint16_t type;
	struct span value;
};

/* Cuts the next attribute off *span.  False at the end, *broken set if it is not a clean one. */
static bool
next_attr(struct span *span, struct attr *attr, bool *broken)
{
	uint16_t head[2];
	size_t length, padded;

	if (span->left == 0)
		return false;
	*broken = true;
	if (span->left < ATTR_HEADER)
		return false;
	memcpy(head, span->at, sizeof(head));
	length = head[0];
	if (length < ATTR_HEADER)
		return false;
	attr->type = head[1];
	/* a value that was cut by the capture is still worth its beginning */
	attr->value = span_cut(span_after(*span, ATTR_HEADER), length - ATTR_HEADER);
	padded = (length + 3) & ~(size_t)3;
	*span = padded < span->left ? span_after(*span, padded) : span_after(*span, span->left);
	*broken = false;
	return true;
}

static void
take_prefix(struct frame *frame, struct span value)
{
	size_t i;

	for (i = 0; i < value.left && i + 1 < sizeof(frame->prefix) && value.at[i] != '\0'; i++)
		frame->prefix[i] = (char)value.at[i];
	frame->prefix[i] = '\0';
}

static void
take_time(struct frame *frame, struct span value)
{
	uint64_t seconds = be64(value.at), micros = be64(value.at + 8);

	/* what does not fit is no time */
	if (seconds <= INT64_MAX / 1000000 - 1 && micros < 1000000)
		frame->time_us = (int64_t)(seconds * 1000000 + micros);
}

static void
take_attr(struct frame *frame, const struct attr *attr, uint16_t *ethertype, struct span *payload)
{
	struct span value = attr->value;

	if (attr->type == ATTR_PAYLOAD)
		*payload = value;
	else if (attr->type == ATTR_PREFIX)
		take_prefix(frame, value);
	else if (attr->type == ATTR_TIMESTAMP && value.left >= 16)
		take_time(frame, value);
	if (value.left < 4)
		return;
	switch (attr->type) {
	case ATTR_PACKET_HDR:
		*ethertype = be16(value.at);
		frame->hook = value.at[2] <= HOOK_POSTROUTING ? value.at[2] : HOOK_UNKNOWN;
		break;
	case ATTR_IFINDEX_IN:
		frame->ifindex_in = be32(value.at);
		break;
	case ATTR_IFINDEX_OUT:
		frame->ifindex_out = be32(value.at);
		break;
	case ATTR_UID:
		frame->uid = be32(value.at);
		break;
	case ATTR_GID:
		frame->gid = be32(value.at);
		break;
	}
}

void
decode_nflog(struct decoded *out, struct span span)
{
	struct span payload = { NULL, 0 };
	uint16_t ethertype = 0;
	struct attr attr;
	bool broken = false;

	if (span.left < NFLOG_HEADER) {
		skip(out, SKIP_LINK_CUT);
		return;
	}
	span = span_after(span, NFLOG_HEADER);
	while (next_attr(&span, &attr, &broken))
		take_attr(&out->frame, &attr, &ethertype, &payload);
	if (payload.at == NULL)
		skip(out, SKIP_NFLOG);
	/* output hooks may leave the EtherType open: the packet says what it is */
	else if (ethertype == 0)
		decode_ip(out, payload, 0, KIND_OUTER);
	else
		decode_ethertype(out, ethertype, payload, KIND_OUTER);
	if (broken)
		skip(out, SKIP_NFLOG);
}
