/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/flow_begin.h"

#include <string.h>

#define PORT_WELL_KNOWN_END	1024	/* RFC 6335 */
#define PORT_EPHEMERAL		32768	/* Linux' ip_local_port_range begins here */
#define TCP_SEQUENCE_AT		4
#define NEIGHBOUR_ADVERTISEMENT	136	/* answers a solicitation, RFC 4861 */

static int
port_class(uint16_t port)
{
	return port < PORT_WELL_KNOWN_END ? 0 : port < PORT_EPHEMERAL ? 1 : 2;
}

/* The side with the lower class of port serves, the other one began. */
static struct flow_begin
begin_by_ports(const struct packet *packet)
{
	int src = port_class(packet->src_port), dst = port_class(packet->dst_port);

	if (!packet->has_ports || src == dst)
		return (struct flow_begin){ .initiator = INITIATOR_UNKNOWN };
	return (struct flow_begin){
		.initiator = src > dst ? INITIATOR_SRC : INITIATOR_DST,
		.evidence = EVIDENCE_GUESS,
	};
}

/* A reset that answers a SYN has sequence number 0, RFC 9293 §3.5.2. */
static bool
answers_syn(const struct packet *packet)
{
	static const uint8_t zero[4];

	return (packet->tcp_flags & (TCP_RST | TCP_ACK)) == (TCP_RST | TCP_ACK) &&
	    packet->body_size >= TCP_SEQUENCE_AT + sizeof(zero) &&
	    memcmp(packet->body + TCP_SEQUENCE_AT, zero, sizeof(zero)) == 0;
}

static struct flow_begin
begin_of_tcp(const struct packet *packet)
{
	unsigned int flags = packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST);

	if (flags == TCP_SYN)
		return (struct flow_begin){ INITIATOR_SRC, EVIDENCE_SEEN, true };
	if (flags == (TCP_SYN | TCP_ACK) || answers_syn(packet))
		return (struct flow_begin){ INITIATOR_DST, EVIDENCE_SEEN, false };
	return begin_by_ports(packet);
}

static struct flow_begin
begin_of_icmp(const struct packet *packet)
{
	if (packet->has_icmp && (icmp_is_reply(packet->proto, packet->icmp_type) ||
	    (packet->proto == PROTO_ICMPV6 && packet->icmp_type == NEIGHBOUR_ADVERTISEMENT)))
		return (struct flow_begin){ INITIATOR_DST, EVIDENCE_SEEN, false };
	/* an error that quotes nothing readable: not the beginning of anything */
	if (!packet->has_icmp || icmp_is_error(packet->proto, packet->icmp_type))
		return (struct flow_begin){ .initiator = INITIATOR_UNKNOWN };
	return (struct flow_begin){ INITIATOR_SRC, EVIDENCE_GUESS, false };
}

struct flow_begin
flow_begin(const struct packet *packet)
{
	struct flow_begin begin = { INITIATOR_SRC, EVIDENCE_GUESS, false };

	if (packet->later_fragment)
		return (struct flow_begin){ .initiator = INITIATOR_UNKNOWN };
	if (packet->proto == PROTO_TCP)
		return begin_of_tcp(packet);
	if (packet->proto == PROTO_ICMP || packet->proto == PROTO_ICMPV6)
		return begin_of_icmp(packet);
	/* an answer of a service whose question was missed */
	if (packet->has_ports && port_class(packet->src_port) == 0 &&
	    port_class(packet->dst_port) == 2)
		begin.initiator = INITIATOR_DST;
	return begin;
}
