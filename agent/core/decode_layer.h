/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the layers of the decoder share: bytes that remain, and who reads on. */
#ifndef CORE_DECODE_LAYER_H
#define CORE_DECODE_LAYER_H

#include "core/decode.h"

/* Captured bytes from here on.  Every read asks left first. */
struct span {
	const uint8_t *at;
	size_t left;
};

enum ethertype {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_VLAN = 0x8100,	/* IEEE 802.1Q */
	ETHERTYPE_QINQ = 0x88a8,	/* IEEE 802.1ad */
	ETHERTYPE_QINQ_OLD = 0x9100,
	ETHERTYPE_PPPOE = 0x8864,	/* a session, RFC 2516 */
	ETHERTYPE_BRIDGED = 0x6558,	/* an Ethernet frame inside GRE, Geneve */
};

static inline uint16_t
be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t
be32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t
be64(const uint8_t *at)
{
	return (uint64_t)be32(at) << 32 | be32(at + 4);
}

/* Drops n bytes that are known to be there. */
static inline struct span
span_after(struct span span, size_t n)
{
	return (struct span){ span.at + n, span.left - n };
}

static inline struct span
span_cut(struct span span, size_t most)
{
	return (struct span){ span.at, span.left < most ? span.left : most };
}

/* Keeps the first reason of a frame. */
static inline void
skip(struct decoded *out, enum decode_skip reason)
{
	if (out->skip == SKIP_NONE)
		out->skip = reason;
}

/* decode.c: an IP packet of either version; version 0: as its first byte says */
void decode_ip(struct decoded *out, struct span span, unsigned int version, uint8_t kind);

/* decode_link.c: what an EtherType announces, VLAN tags first; and a whole Ethernet frame */
void decode_ethertype(struct decoded *out, uint16_t type, struct span span, uint8_t kind);
void decode_ethernet(struct decoded *out, struct span span, uint8_t kind);

/* decode_nflog.c */
void decode_nflog(struct decoded *out, struct span span);

/* decode_tunnel.c: what the body of this packet carries, if it is a tunnel */
void decode_tunnel(struct decoded *out, const struct packet *packet);

#endif
