/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The layers below IP: Ethernet with its tags, PPPoE, Linux cooked captures, raw IP, BSD loopback. */
#include "core/decode.h"

#include <string.h>

#include "core/decode_layer.h"

#define ETHERNET_HEADER		14
#define ETHERNET_LENGTH_MAX	1500	/* up to here the type field is a length, IEEE 802.3 */
#define SNAP_HEADER		8	/* LLC AA AA 03, OUI 0, then an EtherType, RFC 1042 */
#define VLAN_TAG		4
#define PPPOE_HEADER		6	/* version and type, code, session, length */
#define PPP_PROTOCOL		2
#define PPP_IPV4		0x0021	/* RFC 1332 */
#define PPP_IPV6		0x0057	/* RFC 5072 */
#define SLL_HEADER		16
#define SLL2_HEADER		20
#define LOOPBACK_HEADER		4
#define ARPHRD_NETLINK		824	/* the protocol field is a netlink family then */

/* Address families of DLT_NULL: ours, and IPv6 as the BSDs and macOS number it. */
enum {
	FAMILY_IPV4 = 2,
	FAMILY_IPV6_LINUX = 10,
	FAMILY_IPV6_NETBSD = 24,
	FAMILY_IPV6_FREEBSD = 28,
	FAMILY_IPV6_DARWIN = 30,
};

bool
link_known(int link)
{
	return link == LINK_NULL || link == LINK_ETHERNET || link == LINK_RAW ||
	    link == LINK_LOOP || link == LINK_SLL || link == LINK_IPV4 || link == LINK_IPV6 ||
	    link == LINK_NFLOG || link == LINK_SLL2;
}

static bool
is_vlan(uint16_t type)
{
	return type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ || type == ETHERTYPE_QINQ_OLD;
}

/* What a line to a provider looks like on the interface below ppp0. */
static void
decode_pppoe(struct decoded *out, struct span span, uint8_t kind)
{
	uint16_t proto;

	if (span.left < PPPOE_HEADER + PPP_PROTOCOL) {
		skip(out, SKIP_LINK_CUT);
		return;
	}
	if (span.at[0] != 0x11 || span.at[1] != 0 || be16(span.at + 4) < PPP_PROTOCOL) {
		skip(out, SKIP_NOT_IP);
		return;
	}
	span = span_cut(span, PPPOE_HEADER + (size_t)be16(span.at + 4));
	proto = be16(span.at + PPPOE_HEADER);
	span = span_after(span, PPPOE_HEADER + PPP_PROTOCOL);
	if (proto == PPP_IPV4)
		decode_ip(out, span, 4, kind);
	else if (proto == PPP_IPV6)
		decode_ip(out, span, 6, kind);
	else
		skip(out, SKIP_NOT_IP);
}

void
decode_ethertype(struct decoded *out, uint16_t type, struct span span, uint8_t kind)
{
	unsigned int tags;

	for (tags = 0; is_vlan(type); tags++) {
		if (tags == DECODE_VLANS_MAX) {
			skip(out, SKIP_VLAN_DEPTH);
			return;
		}
		if (span.left < VLAN_TAG) {
			skip(out, SKIP_LINK_CUT);
			return;
		}
		type = be16(span.at + 2);
		span = span_after(span, VLAN_TAG);
	}
	if (type == ETHERTYPE_IPV4)
		decode_ip(out, span, 4, kind);
	else if (type == ETHERTYPE_IPV6)
		decode_ip(out, span, 6, kind);
	else if (type == ETHERTYPE_PPPOE)
		decode_pppoe(out, span, kind);
	else
		skip(out, SKIP_NOT_IP);
}

void
decode_ethernet(struct decoded *out, struct span span, uint8_t kind)
{
	static const uint8_t snap[6] = { 0xaa, 0xaa, 0x03, 0, 0, 0 };
	uint16_t type;

	if (span.left < ETHERNET_HEADER) {
		skip(out, SKIP_LINK_CUT);
		return;
	}
	type = be16(span.at + 12);
	span = span_after(span, ETHERNET_HEADER);
	if (type <= ETHERNET_LENGTH_MAX) {
		if (span.left < SNAP_HEADER || memcmp(span.at, snap, sizeof(snap)) != 0) {
			skip(out, SKIP_NOT_IP);
			return;
		}
		type = be16(span.at + 6);
		span = span_after(span, SNAP_HEADER);
	}
	decode_ethertype(out, type, span, kind);
}

static void
decode_sll(struct decoded *out, struct span span)
{
	if (span.left < SLL_HEADER) {
		skip(out, SKIP_LINK_CUT);
		return;
	}
	out->frame.type = be16(span.at) <= FRAME_OUTGOING ? span.at[1] : FRAME_UNKNOWN;
	if (be16(span.at + 2) == ARPHRD_NETLINK)
		skip(out, SKIP_NOT_IP);
	else
		decode_ethertype(out, be16(span.at + 14), span_after(span, SLL_HEADER), KIND_OUTER);
}

static void
decode_sll2(struct decoded *out, struct span span)
{
	if (span.left < SLL2_HEADER) {
		skip(out, SKIP_LINK_CUT);
		return;
	}
	out->frame.type = span.at[10] <= FRAME_OUTGOING ? span.at[10] : FRAME_UNKNOWN;
	if (out->frame.type == FRAME_OUTGOING)
		out->frame.ifindex_out = be32(span.at + 4);
	else
		out->frame.ifindex_in = be32(span.at + 4);
	if (be16(span.at + 8) == ARPHRD_NETLINK)
		skip(out, SKIP_NOT_IP);
	else
		decode_ethertype(out, be16(span.at), span_after(span, SLL2_HEADER), KIND_OUTER);
}

static void
decode_loopback(struct decoded *out, struct span span, bool network_order)
{
	uint32_t family;

	if (span.left < LOOPBACK_HEADER) {
		skip(out, SKIP_LINK_CUT);
		return;
	}
	family = be32(span.at);
	/* the other byte order shows in the upper half: families are small numbers */
	if (!network_order && (family & 0xffff0000) != 0)
		family = __builtin_bswap32(family);
	span = span_after(span, LOOPBACK_HEADER);
	switch (family) {
	case FAMILY_IPV4:
		decode_ip(out, span, 4, KIND_OUTER);
		break;
	case FAMILY_IPV6_LINUX:
	case FAMILY_IPV6_NETBSD:
	case FAMILY_IPV6_FREEBSD:
	case FAMILY_IPV6_DARWIN:
		decode_ip(out, span, 6, KIND_OUTER);
		break;
	default:
		skip(out, SKIP_NOT_IP);
	}
}

void
decode_frame(int link, const uint8_t *data, size_t size, struct decoded *out)
{
	struct span span = { data, size };

	/* packets[] is set one by one as they are found */
	out->npackets = 0;
	out->skip = SKIP_NONE;
	/* each by itself: the room for a prefix is most of it, and all others have none */
	out->frame.hook = HOOK_UNKNOWN;
	out->frame.type = FRAME_UNKNOWN;
	out->frame.ifindex_in = out->frame.ifindex_out = 0;
	out->frame.uid = out->frame.gid = SIGHTING_UNKNOWN_ID;
	out->frame.time_us = 0;
	out->frame.prefix[0] = '\0';
	switch (link) {
	case LINK_ETHERNET:
		decode_ethernet(out, span, KIND_OUTER);
		break;
	case LINK_SLL:
		decode_sll(out, span);
		break;
	case LINK_SLL2:
		decode_sll2(out, span);
		break;
	case LINK_RAW:
		decode_ip(out, span, 0, KIND_OUTER);
		break;
	case LINK_IPV4:
		decode_ip(out, span, 4, KIND_OUTER);
		break;
	case LINK_IPV6:
		decode_ip(out, span, 6, KIND_OUTER);
		break;
	case LINK_NULL:
	case LINK_LOOP:
		decode_loopback(out, span, link == LINK_LOOP);
		break;
	case LINK_NFLOG:
		decode_nflog(out, span);
		break;
	default:
		skip(out, SKIP_LINK_UNKNOWN);
	}
}
