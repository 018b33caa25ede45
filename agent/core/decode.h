/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the bytes of a captured frame to the IP packets in it: the packet
 * itself, what a tunnel carries, what an ICMP error quotes.
 *
 * The bytes are hostile.  Nothing is read past the captured length, nesting and
 * header chains are bounded, checksums are not looked at (offloads make them
 * wrong on the sending side).  What could not be read is said by one reason a
 * frame; what was read before that stays valid.
 */
#ifndef CORE_DECODE_H
#define CORE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "threatlistd/addr.h"
#include "threatlistd/sighting.h"

/* Link layers, by the numbers that libpcap gives them on Linux (pcap-linktype(7)). */
enum link_type {
	LINK_NULL = 0,		/* address family in the capturing host's order */
	LINK_ETHERNET = 1,
	LINK_RAW = 12,		/* starts with the IP header */
	LINK_LOOP = 108,	/* address family in network order */
	LINK_SLL = 113,		/* Linux "any", version 1 */
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
	LINK_NFLOG = 239,
	LINK_SLL2 = 276,
};

bool link_known(int link);

/* Why (a part of) a frame was not read. */
enum decode_skip {
	SKIP_NONE = 0,
	SKIP_LINK_UNKNOWN,	/* not one of enum link_type */
	SKIP_LINK_CUT,		/* captured bytes end inside the link header */
	SKIP_NOT_IP,		/* ARP, LLDP, … */
	SKIP_VLAN_DEPTH,	/* more tags than DECODE_VLANS_MAX */
	SKIP_NFLOG,		/* attributes that contradict themselves */
	SKIP_IP_CUT,		/* captured bytes end inside the IP header */
	SKIP_IP_VERSION,	/* neither 4 nor 6, or not what the layer below says */
	SKIP_IP_HEADER,		/* impossible header length or total length */
	SKIP_EXTENSIONS,	/* IPv6 extension headers: too many, or cut */
	SKIP_TRANSPORT_CUT,	/* captured bytes end before the ports or the ICMP type */
	SKIP_TUNNEL,		/* a tunnel header that is cut or not of a kind we read */
	SKIP_DEPTH,		/* nested deeper than DECODE_PACKETS_MAX */
	SKIP_END
};
const char *decode_skip_text(enum decode_skip skip);

#define DECODE_PACKETS_MAX	5	/* the packet and four more inside each other */
#define DECODE_VLANS_MAX	3
#define DECODE_EXTENSIONS_MAX	10

/* IANA protocol numbers that mean something to us. */
enum {
	PROTO_ICMP = 1,
	PROTO_IPIP = 4,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_DCCP = 33,
	PROTO_IPV6 = 41,
	PROTO_GRE = 47,
	PROTO_ICMPV6 = 58,
	PROTO_SCTP = 132,
	PROTO_UDPLITE = 136,
};

enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
};

struct packet {
	struct addr src, dst;
	uint8_t kind;		/* enum packet_kind */
	uint8_t proto;		/* of the last header that was reached */
	bool has_ports;
	bool has_icmp;		/* type and code are known */
	bool has_icmp_id;	/* an echo or another query with its identifier */
	bool first_fragment;	/* others follow */
	bool later_fragment;	/* not the first: no ports, no ICMP type */
	uint8_t tcp_flags;	/* TCP_…; 0 when not TCP or cut */
	uint8_t icmp_type, icmp_code;
	uint16_t icmp_id;
	uint16_t src_port, dst_port;	/* host byte order */
	uint32_t length;	/* of the IP packet as its header says, headers included */
	const uint8_t *body;	/* captured bytes after the IP headers; borrowed from the frame */
	size_t body_size;
};

/* Netfilter hooks (enum nf_inet_hooks of the kernel). */
enum frame_hook {
	HOOK_PREROUTING = 0,
	HOOK_INPUT = 1,
	HOOK_FORWARD = 2,
	HOOK_OUTPUT = 3,
	HOOK_POSTROUTING = 4,
	HOOK_UNKNOWN = 255,
};

/* Packet types of SLL (packet(7)). */
enum frame_type {
	FRAME_TO_US = 0,
	FRAME_BROADCAST = 1,
	FRAME_MULTICAST = 2,
	FRAME_TO_OTHERS = 3,
	FRAME_OUTGOING = 4,
	FRAME_UNKNOWN = 255,
};

#define FRAME_PREFIX_MAX	64	/* bytes of an NFLOG prefix that are kept, with NUL */

/* What the layers below IP know. */
struct frame {
	uint8_t hook;			/* enum frame_hook */
	uint8_t type;			/* enum frame_type */
	uint32_t ifindex_in, ifindex_out;	/* 0: unknown */
	uint32_t uid, gid;		/* of the sender, or SIGHTING_UNKNOWN_ID */
	int64_t time_us;		/* since 1970, 0: unknown */
	char prefix[FRAME_PREFIX_MAX];
};

struct decoded {
	struct frame frame;
	enum decode_skip skip;		/* the first thing that could not be read */
	unsigned int npackets;		/* each but the first is inside the one before it */
	struct packet packets[DECODE_PACKETS_MAX];
};

/* Fills *out from size captured bytes; data must live as long as *out is used. */
void decode_frame(int link, const uint8_t *data, size_t size, struct decoded *out);

/* Does an ICMP message of this family's protocol and type quote a packet? */
bool icmp_is_error(uint8_t proto, uint8_t type);

/* The type that answers (or asks for) this one: echo, timestamp, …; -1: none. */
int icmp_partner(uint8_t proto, uint8_t type);
/* Is it the answer of such a pair? */
bool icmp_is_reply(uint8_t proto, uint8_t type);

#endif
