/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tunnels: IP in IP, GRE, VXLAN, Geneve. */
#include "core/decode.h"

#include "core/decode_layer.h"

#define UDP_HEADER	8
#define VXLAN_PORT	4789	/* RFC 7348 */
#define VXLAN_HEADER	8
#define VXLAN_HAS_ID	0x08
#define GENEVE_PORT	6081	/* RFC 8926 */
#define GENEVE_HEADER	8

/* GRE flags of version 0, RFC 2784, RFC 2890; routing (RFC 1701) is long dead. */
#define GRE_CHECKSUM	0x8000
#define GRE_ROUTING	0x4000
#define GRE_KEY		0x2000
#define GRE_SEQUENCE	0x1000
#define GRE_VERSION	0x0007

/* What GRE and Geneve announce by EtherType. */
static void
decode_carried(struct decoded *out, uint16_t type, struct span span)
{
	if (type == ETHERTYPE_BRIDGED)
		decode_ethernet(out, span, KIND_INNER);
	else
		decode_ethertype(out, type, span, KIND_INNER);
}

static void
decode_gre(struct decoded *out, struct span span)
{
	size_t header = 4;
	uint16_t flags;

	if (span.left < header) {
		skip(out, SKIP_TUNNEL);
		return;
	}
	flags = be16(span.at);
	header += (flags & GRE_CHECKSUM) != 0 ? 4 : 0;
	header += (flags & GRE_KEY) != 0 ? 4 : 0;
	header += (flags & GRE_SEQUENCE) != 0 ? 4 : 0;
	if ((flags & (GRE_ROUTING | GRE_VERSION)) != 0 || span.left < header)
		skip(out, SKIP_TUNNEL);
	else
		decode_carried(out, be16(span.at + 2), span_after(span, header));
}

static void
decode_vxlan(struct decoded *out, struct span span)
{
	if (span.left < VXLAN_HEADER || (span.at[0] & VXLAN_HAS_ID) == 0)
		skip(out, SKIP_TUNNEL);
	else
		decode_ethernet(out, span_after(span, VXLAN_HEADER), KIND_INNER);
}

static void
decode_geneve(struct decoded *out, struct span span)
{
	size_t header;

	if (span.left < GENEVE_HEADER || span.at[0] >> 6 != 0) {
		skip(out, SKIP_TUNNEL);
		return;
	}
	header = GENEVE_HEADER + (size_t)(span.at[0] & 0x3f) * 4;
	if (span.left < header)
		skip(out, SKIP_TUNNEL);
	else
		decode_carried(out, be16(span.at + 2), span_after(span, header));
}

void
decode_tunnel(struct decoded *out, const struct packet *packet)
{
	struct span span = { packet->body, packet->body_size };

	switch (packet->proto) {
	case PROTO_IPIP:
		decode_ip(out, span, 4, KIND_INNER);
		break;
	case PROTO_IPV6:
		decode_ip(out, span, 6, KIND_INNER);
		break;
	case PROTO_GRE:
		decode_gre(out, span);
		break;
	case PROTO_UDP:
		if (!packet->has_ports || span.left < UDP_HEADER)
			break;
		if (packet->dst_port == VXLAN_PORT)
			decode_vxlan(out, span_after(span, UDP_HEADER));
		else if (packet->dst_port == GENEVE_PORT)
			decode_geneve(out, span_after(span, UDP_HEADER));
		break;
	}
}
