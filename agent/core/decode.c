/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IP, its extension headers, ports, ICMP and what ICMP errors quote. */
#include "core/decode.h"

#include <string.h>

#include "core/decode_layer.h"

#define IPV4_HEADER_MIN	20
#define IPV6_HEADER	40
#define TCP_FLAGS_AT	13
#define ICMP_HEADER	8	/* before the quote of an error, RFC 792, RFC 4443 */
#define ICMP_ID_AT	4

/* IPv6 extension headers that we walk through, RFC 8200 §4. */
enum {
	EXTENSION_HOP_BY_HOP = 0,
	EXTENSION_ROUTING = 43,
	EXTENSION_FRAGMENT = 44,
	EXTENSION_AUTHENTICATION = 51,
	EXTENSION_DESTINATION = 60,
};

enum {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_QUENCH = 4,
	ICMP_REDIRECT = 5,
	ICMP_ECHO = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER = 12,
	ICMP_TIMESTAMP = 13,
	ICMP_TIMESTAMP_REPLY = 14,
	ICMP_INFORMATION = 15,
	ICMP_INFORMATION_REPLY = 16,
	ICMP_MASK = 17,
	ICMP_MASK_REPLY = 18,
	ICMPV6_UNREACHABLE = 1,
	ICMPV6_PARAMETER = 4,
	ICMPV6_ECHO = 128,
	ICMPV6_ECHO_REPLY = 129,
};

const char *
decode_skip_text(enum decode_skip reason)
{
	static const char *const texts[SKIP_END] = {
		[SKIP_NONE] = "none",
		[SKIP_LINK_UNKNOWN] = "unknown link type",
		[SKIP_LINK_CUT] = "link header is cut",
		[SKIP_NOT_IP] = "not IP",
		[SKIP_VLAN_DEPTH] = "too many VLAN tags",
		[SKIP_NFLOG] = "NFLOG attributes are malformed",
		[SKIP_IP_CUT] = "IP header is cut",
		[SKIP_IP_VERSION] = "wrong IP version",
		[SKIP_IP_HEADER] = "impossible IP header",
		[SKIP_EXTENSIONS] = "IPv6 extension headers are cut or too many",
		[SKIP_TRANSPORT_CUT] = "transport header is cut",
		[SKIP_TUNNEL] = "tunnel header is cut or unknown",
		[SKIP_DEPTH] = "nested too deeply",
	};

	return reason < SKIP_END ? texts[reason] : "unknown";
}

bool
icmp_is_error(uint8_t proto, uint8_t type)
{
	if (proto == PROTO_ICMPV6)
		return type >= ICMPV6_UNREACHABLE && type <= ICMPV6_PARAMETER;
	return proto == PROTO_ICMP && (type == ICMP_UNREACHABLE || type == ICMP_QUENCH ||
	    type == ICMP_REDIRECT || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER);
}

int
icmp_partner(uint8_t proto, uint8_t type)
{
	if (proto == PROTO_ICMPV6)
		return type == ICMPV6_ECHO || type == ICMPV6_ECHO_REPLY ? type ^ 1 : -1;
	if (proto != PROTO_ICMP)
		return -1;
	switch (type) {
	case ICMP_ECHO:
		return ICMP_ECHO_REPLY;
	case ICMP_ECHO_REPLY:
		return ICMP_ECHO;
	case ICMP_TIMESTAMP:
	case ICMP_INFORMATION:
	case ICMP_MASK:
		return type + 1;
	case ICMP_TIMESTAMP_REPLY:
	case ICMP_INFORMATION_REPLY:
	case ICMP_MASK_REPLY:
		return type - 1;
	default:
		return -1;
	}
}

bool
icmp_is_reply(uint8_t proto, uint8_t type)
{
	if (proto == PROTO_ICMPV6)
		return type == ICMPV6_ECHO_REPLY;
	return icmp_partner(proto, type) >= 0 && (type == ICMP_ECHO_REPLY ||
	    (type >= ICMP_TIMESTAMP && type % 2 == 0));
}

static bool
proto_has_ports(uint8_t proto)
{
	return proto == PROTO_TCP || proto == PROTO_UDP || proto == PROTO_SCTP ||
	    proto == PROTO_DCCP || proto == PROTO_UDPLITE;
}

static void
read_ports(struct decoded *out, struct packet *packet)
{
	const uint8_t *body = packet->body;

	if (packet->body_size < 4) {
		skip(out, SKIP_TRANSPORT_CUT);
		return;
	}
	packet->has_ports = true;
	packet->src_port = be16(body);
	packet->dst_port = be16(body + 2);
	if (packet->proto != PROTO_TCP)
		return;
	if (packet->body_size > TCP_FLAGS_AT)
		packet->tcp_flags = body[TCP_FLAGS_AT];
	else
		skip(out, SKIP_TRANSPORT_CUT);
}

static void
read_icmp(struct decoded *out, struct packet *packet)
{
	const uint8_t *body = packet->body;

	if (packet->body_size < 2) {
		skip(out, SKIP_TRANSPORT_CUT);
		return;
	}
	packet->has_icmp = true;
	packet->icmp_type = body[0];
	packet->icmp_code = body[1];
	if (icmp_partner(packet->proto, packet->icmp_type) < 0)
		return;
	if (packet->body_size >= ICMP_ID_AT + 2) {
		packet->has_icmp_id = true;
		packet->icmp_id = be16(body + ICMP_ID_AT);
	} else {
		skip(out, SKIP_TRANSPORT_CUT);
	}
}

/* What follows the IP headers: ports or ICMP, then whatever is inside. */
static void
read_body(struct decoded *out, struct packet *packet)
{
	if (packet->later_fragment)
		return;
	if (proto_has_ports(packet->proto))
		read_ports(out, packet);
	else if (packet->proto == PROTO_ICMP || packet->proto == PROTO_ICMPV6)
		read_icmp(out, packet);
	/* a quote holds the head of a packet only: nothing inside it is whole */
	if (packet->kind == KIND_EMBEDDED)
		return;
	if (packet->has_icmp && icmp_is_error(packet->proto, packet->icmp_type)) {
		struct span quote = { packet->body, packet->body_size };

		if (quote.left <= ICMP_HEADER)
			skip(out, SKIP_TRANSPORT_CUT);
		else
			decode_ip(out, span_after(quote, ICMP_HEADER), 0, KIND_EMBEDDED);
		return;
	}
	decode_tunnel(out, packet);
}

/* A new packet of the frame, or NULL when it is nested too deeply. */
static struct packet *
next_packet(struct decoded *out, uint8_t kind)
{
	struct packet *packet;

	if (out->npackets == DECODE_PACKETS_MAX) {
		skip(out, SKIP_DEPTH);
		return NULL;
	}
	packet = &out->packets[out->npackets++];
	memset(packet, 0, sizeof(*packet));
	packet->kind = kind;
	return packet;
}

static void
take_fragment(struct packet *packet, unsigned int offset, bool more)
{
	packet->later_fragment = offset != 0;
	packet->first_fragment = offset == 0 && more;
}

static void
decode_ipv4(struct decoded *out, struct span span, uint8_t kind)
{
	struct packet *packet;
	size_t header, total;

	if (span.left < IPV4_HEADER_MIN) {
		skip(out, SKIP_IP_CUT);
		return;
	}
	header = (size_t)(span.at[0] & 0x0f) * 4;
	total = be16(span.at + 2);
	/* segmentation offload leaves the total length zero: as long as what came */
	if (total == 0)
		total = span.left;
	if (header < IPV4_HEADER_MIN || total < header) {
		skip(out, SKIP_IP_HEADER);
		return;
	}
	packet = next_packet(out, kind);
	if (packet == NULL)
		return;
	packet->src.family = packet->dst.family = ADDR_V4;
	memcpy(packet->src.bytes, span.at + 12, 4);
	memcpy(packet->dst.bytes, span.at + 16, 4);
	packet->proto = span.at[9];
	packet->length = (uint32_t)total;
	take_fragment(packet, be16(span.at + 6) & 0x1fff, (span.at[6] & 0x20) != 0);
	if (span.left < header) {
		skip(out, SKIP_IP_CUT);
		return;
	}
	span = span_after(span_cut(span, total), header);
	packet->body = span.at;
	packet->body_size = span.left;
	read_body(out, packet);
}

/* Bytes of the extension header at span, 0: proto is not one. */
static size_t
extension_size(uint8_t proto, struct span span)
{
	switch (proto) {
	case EXTENSION_HOP_BY_HOP:
	case EXTENSION_ROUTING:
	case EXTENSION_DESTINATION:
		return 8 + (size_t)span.at[1] * 8;
	case EXTENSION_FRAGMENT:
		return 8;
	case EXTENSION_AUTHENTICATION:
		return ((size_t)span.at[1] + 2) * 4;
	default:
		return 0;
	}
}

static bool
is_extension(uint8_t proto)
{
	return proto == EXTENSION_HOP_BY_HOP || proto == EXTENSION_ROUTING ||
	    proto == EXTENSION_FRAGMENT || proto == EXTENSION_AUTHENTICATION ||
	    proto == EXTENSION_DESTINATION;
}

/*
 * Walks to the transport header, or to the fragment header of a later
 * fragment.  False when the chain cannot be followed; packet->proto is then
 * the header that stopped it.
 */
static bool
walk_extensions(struct decoded *out, struct packet *packet, struct span *span)
{
	unsigned int i;

	for (i = 0; is_extension(packet->proto) && !packet->later_fragment; i++) {
		size_t size = span->left < 8 ? 0 : extension_size(packet->proto, *span);

		if (size == 0 || size > span->left || i == DECODE_EXTENSIONS_MAX) {
			skip(out, SKIP_EXTENSIONS);
			return false;
		}
		if (packet->proto == EXTENSION_FRAGMENT)
			take_fragment(packet, be16(span->at + 2) & 0xfff8, span->at[3] & 1);
		packet->proto = span->at[0];
		*span = span_after(*span, size);
	}
	return true;
}

static void
decode_ipv6(struct decoded *out, struct span span, uint8_t kind)
{
	struct packet *packet;
	size_t payload;

	if (span.left < IPV6_HEADER) {
		skip(out, SKIP_IP_CUT);
		return;
	}
	packet = next_packet(out, kind);
	if (packet == NULL)
		return;
	packet->src.family = packet->dst.family = ADDR_V6;
	memcpy(packet->src.bytes, span.at + 8, 16);
	memcpy(packet->dst.bytes, span.at + 24, 16);
	packet->proto = span.at[6];
	payload = be16(span.at + 4);
	span = span_after(span, IPV6_HEADER);
	/* zero: a jumbogram (RFC 2675) or segmentation offload */
	if (payload == 0)
		payload = span.left;
	packet->length = (uint32_t)(IPV6_HEADER + payload);
	span = span_cut(span, payload);
	if (!walk_extensions(out, packet, &span))
		return;
	packet->body = span.at;
	packet->body_size = span.left;
	read_body(out, packet);
}

void
decode_ip(struct decoded *out, struct span span, unsigned int version, uint8_t kind)
{
	unsigned int said;

	if (span.left == 0) {
		skip(out, SKIP_IP_CUT);
		return;
	}
	said = span.at[0] >> 4;
	if (version != 0 && said != version)
		skip(out, SKIP_IP_VERSION);
	else if (said == 4)
		decode_ipv4(out, span, kind);
	else if (said == 6)
		decode_ipv6(out, span, kind);
	else
		skip(out, SKIP_IP_VERSION);
}
