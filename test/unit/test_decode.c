/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Frames byte by byte: what is read, what is said about the rest, nothing past the end. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/decode.h"

/* 192.0.2.1:4660 > 198.51.100.2:80 */
#define IPV4_TCP_HEAD	0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2
#define TCP_SYN_80	0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 1, 0, 0, 0, 0, 0
#define IPV4_TCP	IPV4_TCP_HEAD, TCP_SYN_80
#define MACS		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2
#define V6(last)	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last
/* 2001:db8::1 > 2001:db8::2 */
#define IPV6_HEAD(length, next)	0x60, 0, 0, 0, 0, length, next, 64, V6(1), V6(2)
#define UDP_53		0xc0, 0x00, 0, 53, 0, 8, 0, 0
#define IPV4_UDP(length, port)	\
	0x45, 0, 0, (length), 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2, \
	0xc0, 0x00, (port) >> 8, (port) & 0xff, 0, (length) - 20, 0, 0
/* 10.0.0.1 > 10.0.0.2, echo request with identifier 0x0102 */
#define INNER_PING	0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, \
	8, 0, 0, 0, 1, 2, 0, 1

static struct decoded out;

#define DECODE(link, ...) do {						\
	const uint8_t bytes_[] = { __VA_ARGS__ };			\
	decode_exactly(link, bytes_, sizeof(bytes_));			\
	decode_all_cuts(link, bytes_, sizeof(bytes_));			\
	decode_exactly(link, bytes_, sizeof(bytes_));			\
} while (0)

static uint8_t *last;

/* In memory of exactly this size, where a sanitizer sees one byte too many. */
static void
decode_exactly(int link, const uint8_t *bytes, size_t size)
{
	free(last);
	last = malloc(size > 0 ? size : 1);
	assert_non_null(last);
	memcpy(last, bytes, size);
	decode_frame(link, last, size, &out);
}

/* Every cut gives a prefix of the packets of the whole, and bodies inside the bytes. */
static void
decode_all_cuts(int link, const uint8_t *bytes, size_t size)
{
	struct decoded whole = out;
	size_t cut;
	unsigned int i;

	for (cut = 0; cut < size; cut++) {
		decode_exactly(link, bytes, cut);
		assert_true(out.npackets <= whole.npackets);
		for (i = 0; i < out.npackets; i++) {
			const struct packet *packet = &out.packets[i];

			assert_memory_equal(&packet->src, &whole.packets[i].src,
			    sizeof(packet->src));
			assert_memory_equal(&packet->dst, &whole.packets[i].dst,
			    sizeof(packet->dst));
			assert_true(packet->body == NULL || (packet->body >= last &&
			    packet->body + packet->body_size <= last + cut));
			if (packet->has_ports) {
				assert_int_equal(packet->src_port, whole.packets[i].src_port);
				assert_int_equal(packet->dst_port, whole.packets[i].dst_port);
			}
		}
	}
}

static void
assert_addr(const struct addr *addr, const char *text)
{
	char got[INET6_ADDRSTRLEN];

	inet_ntop(addr->family == ADDR_V6 ? AF_INET6 : AF_INET, addr->bytes, got, sizeof(got));
	assert_string_equal(got, text);
}

static void
assert_packet(unsigned int i, enum packet_kind kind, const char *src, const char *dst, int proto,
    int src_port, int dst_port)
{
	const struct packet *packet = &out.packets[i];

	assert_true(i < out.npackets);
	assert_int_equal(packet->kind, kind);
	assert_addr(&packet->src, src);
	assert_addr(&packet->dst, dst);
	assert_int_equal(packet->proto, proto);
	assert_int_equal(packet->has_ports, src_port >= 0);
	if (src_port >= 0) {
		assert_int_equal(packet->src_port, src_port);
		assert_int_equal(packet->dst_port, dst_port);
	}
}

static void
assert_tcp_v4(void)
{
	assert_int_equal(out.npackets, 1);
	assert_int_equal(out.skip, SKIP_NONE);
	assert_packet(0, KIND_OUTER, "192.0.2.1", "198.51.100.2", 6, 0x1234, 80);
	assert_int_equal(out.packets[0].tcp_flags, TCP_SYN);
	assert_int_equal(out.packets[0].length, 40);
}

static void
link_layers(void **state)
{
	DECODE(LINK_RAW, IPV4_TCP);
	assert_tcp_v4();
	DECODE(LINK_IPV4, IPV4_TCP);
	assert_tcp_v4();
	DECODE(LINK_ETHERNET, MACS, 0x08, 0x00, IPV4_TCP);
	assert_tcp_v4();
	/* padded to the least length of a frame: the padding is not the packet's */
	DECODE(LINK_ETHERNET, MACS, 0x08, 0x00, IPV4_TCP, 0, 0, 0, 0, 0, 0);
	assert_tcp_v4();
	assert_int_equal(out.packets[0].body_size, 20);
	DECODE(LINK_ETHERNET, MACS, 0x81, 0x00, 0, 5, 0x08, 0x00, IPV4_TCP);
	assert_tcp_v4();
	DECODE(LINK_ETHERNET, MACS, 0x88, 0xa8, 0, 5, 0x91, 0, 0, 6, 0x81, 0, 0, 7, 0x08, 0x00,
	    IPV4_TCP);
	assert_tcp_v4();
	DECODE(LINK_ETHERNET, MACS, 0, 48, 0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00, IPV4_TCP);
	assert_tcp_v4();
	DECODE(LINK_ETHERNET, MACS, 0x88, 0x64, 0x11, 0, 0, 9, 0, 42, 0, 0x21, IPV4_TCP);
	assert_tcp_v4();
	DECODE(LINK_ETHERNET, MACS, 0x81, 0x00, 0, 7, 0x88, 0x64, 0x11, 0, 0, 9, 0, 42, 0, 0x21, IPV4_TCP,
	    0, 0, 0, 0);
	assert_tcp_v4();
	DECODE(LINK_NULL, 2, 0, 0, 0, IPV4_TCP);
	assert_tcp_v4();
	DECODE(LINK_NULL, 0, 0, 0, 2, IPV4_TCP);
	assert_tcp_v4();
	DECODE(LINK_LOOP, 0, 0, 0, 2, IPV4_TCP);
	assert_tcp_v4();
}

/* An echo of LCP, a discovery, and lengths that cannot be. */
static void
pppoe_without_ip(void **state)
{
	DECODE(LINK_ETHERNET, MACS, 0x88, 0x64, 0x11, 0, 0, 9, 0, 10, 0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0);
	assert_int_equal(out.npackets, 0);
	assert_int_equal(out.skip, SKIP_NOT_IP);
	DECODE(LINK_ETHERNET, MACS, 0x88, 0x63, 0x11, 9, 0, 0, 0, 4, 1, 1, 0, 0);
	assert_int_equal(out.skip, SKIP_NOT_IP);
	DECODE(LINK_ETHERNET, MACS, 0x88, 0x64, 0x11, 0, 0, 9, 0, 1, 0, 0x21, IPV4_TCP);
	assert_int_equal(out.skip, SKIP_NOT_IP);
	DECODE(LINK_ETHERNET, MACS, 0x88, 0x64, 0x11, 0, 0, 9, 0, 12, 0, 0x21, IPV4_TCP);
	assert_int_equal(out.npackets, 0);
	assert_int_equal(out.skip, SKIP_IP_CUT);
	DECODE(LINK_ETHERNET, MACS, 0x88, 0x64, 0x11, 0, 0, 9, 0, 42, 0, 0x57, IPV4_TCP);
	assert_int_equal(out.skip, SKIP_IP_VERSION);
}

static void
cooked_layers(void **state)
{
	DECODE(LINK_SLL, 0, 4, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x08, 0x00, IPV4_TCP);
	assert_tcp_v4();
	assert_int_equal(out.frame.type, FRAME_OUTGOING);
	DECODE(LINK_SLL2, 0x08, 0x00, 0, 0, 0, 0, 0, 7, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0,
	    IPV4_TCP);
	assert_tcp_v4();
	assert_int_equal(out.frame.type, FRAME_TO_US);
	assert_int_equal(out.frame.ifindex_in, 7);
	DECODE(LINK_SLL2, 0x81, 0x00, 0, 0, 0, 0, 0, 7, 0, 1, 4, 6, 1, 2, 3, 4, 5, 6, 0, 0,
	    0, 9, 0x08, 0x00, IPV4_TCP);
	assert_tcp_v4();
	assert_int_equal(out.frame.ifindex_out, 7);
	/* a netlink message is no packet */
	DECODE(LINK_SLL2, 0x08, 0x00, 0, 0, 0, 0, 0, 7, 3, 56, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    IPV4_TCP);
	assert_int_equal(out.npackets, 0);
	assert_int_equal(out.skip, SKIP_NOT_IP);
}

static void
link_layers_refused(void **state)
{
	DECODE(LINK_ETHERNET, MACS, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1);
	assert_int_equal(out.skip, SKIP_NOT_IP);
	DECODE(LINK_ETHERNET, MACS, 0x81, 0, 0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3, 0x81, 0, 0, 4,
	    0x08, 0, IPV4_TCP);
	assert_int_equal(out.skip, SKIP_VLAN_DEPTH);
	DECODE(LINK_ETHERNET, MACS, 0x86, 0xdd, IPV4_TCP);
	assert_int_equal(out.skip, SKIP_IP_VERSION);
	DECODE(LINK_RAW, 0x55, IPV4_TCP);
	assert_int_equal(out.skip, SKIP_IP_VERSION);
	DECODE(9999, IPV4_TCP);
	assert_int_equal(out.skip, SKIP_LINK_UNKNOWN);
	DECODE(LINK_NULL, 7, 0, 0, 0, IPV4_TCP);
	assert_int_equal(out.skip, SKIP_NOT_IP);
	decode_frame(LINK_ETHERNET, NULL, 0, &out);
	assert_int_equal(out.skip, SKIP_LINK_CUT);
	decode_frame(LINK_RAW, NULL, 0, &out);
	assert_int_equal(out.skip, SKIP_IP_CUT);
}

static void
ipv4_headers(void **state)
{
	/* options are passed over */
	DECODE(LINK_RAW, 0x46, 0, 0, 44, 0, 1, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2,
	    1, 1, 1, 0, TCP_SYN_80);
	assert_packet(0, KIND_OUTER, "192.0.2.1", "198.51.100.2", 6, 0x1234, 80);
	/* a first fragment has ports, a later one has none */
	DECODE(LINK_RAW, 0x45, 0, 0, 40, 0, 1, 0x20, 0, 64, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2,
	    TCP_SYN_80);
	assert_packet(0, KIND_OUTER, "192.0.2.1", "198.51.100.2", 6, 0x1234, 80);
	assert_true(out.packets[0].first_fragment);
	DECODE(LINK_RAW, 0x45, 0, 0, 40, 0, 1, 0x20, 1, 64, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2,
	    TCP_SYN_80);
	assert_packet(0, KIND_OUTER, "192.0.2.1", "198.51.100.2", 6, -1, -1);
	assert_true(out.packets[0].later_fragment && !out.packets[0].first_fragment);
	assert_int_equal(out.skip, SKIP_NONE);
	/* total length 0: left to the card */
	DECODE(LINK_RAW, 0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2,
	    TCP_SYN_80);
	assert_packet(0, KIND_OUTER, "192.0.2.1", "198.51.100.2", 6, 0x1234, 80);
	assert_int_equal(out.packets[0].length, 40);
	/* the total length ends before the ports */
	DECODE(LINK_RAW, 0x45, 0, 0, 22, 0, 1, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2,
	    TCP_SYN_80);
	assert_packet(0, KIND_OUTER, "192.0.2.1", "198.51.100.2", 6, -1, -1);
	assert_int_equal(out.skip, SKIP_TRANSPORT_CUT);
	DECODE(LINK_RAW, 0x45, 0, 0, 19, 0, 1, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2);
	assert_int_equal(out.skip, SKIP_IP_HEADER);
	DECODE(LINK_RAW, 0x44, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2);
	assert_int_equal(out.skip, SKIP_IP_HEADER);
	assert_int_equal(out.npackets, 0);
}

static void
ipv6_headers(void **state)
{
	DECODE(LINK_ETHERNET, MACS, 0x86, 0xdd, IPV6_HEAD(8, 17), UDP_53);
	assert_packet(0, KIND_OUTER, "2001:db8::1", "2001:db8::2", 17, 49152, 53);
	assert_int_equal(out.packets[0].length, 48);
	DECODE(LINK_LOOP, 0, 0, 0, 30, IPV6_HEAD(8, 17), UDP_53);
	assert_packet(0, KIND_OUTER, "2001:db8::1", "2001:db8::2", 17, 49152, 53);
	/* hop-by-hop, destination (16 bytes), routing, AH (16 bytes), first fragment, UDP */
	DECODE(LINK_IPV6, IPV6_HEAD(72, 0),
	    60, 0, 1, 4, 0, 0, 0, 0,
	    43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    51, 0, 0, 0, 0, 0, 0, 0,
	    44, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0,
	    17, 0, 0, 1, 0, 0, 0, 9,
	    UDP_53);
	assert_packet(0, KIND_OUTER, "2001:db8::1", "2001:db8::2", 17, 49152, 53);
	assert_true(out.packets[0].first_fragment);
	assert_int_equal(out.skip, SKIP_NONE);
	/* later fragment */
	DECODE(LINK_IPV6, IPV6_HEAD(16, 44), 17, 0, 0, 8, 0, 0, 0, 9, UDP_53);
	assert_packet(0, KIND_OUTER, "2001:db8::1", "2001:db8::2", 17, -1, -1);
	assert_true(out.packets[0].later_fragment);
	/* no next header */
	DECODE(LINK_IPV6, IPV6_HEAD(8, 59), UDP_53);
	assert_packet(0, KIND_OUTER, "2001:db8::1", "2001:db8::2", 59, -1, -1);
	assert_int_equal(out.skip, SKIP_NONE);
	/* an extension header longer than the packet: the addresses still count */
	DECODE(LINK_IPV6, IPV6_HEAD(16, 0), 17, 9, 1, 4, 0, 0, 0, 0, UDP_53);
	assert_packet(0, KIND_OUTER, "2001:db8::1", "2001:db8::2", 0, -1, -1);
	assert_int_equal(out.skip, SKIP_EXTENSIONS);
}

static void
ipv6_chain_is_bounded(void **state)
{
	uint8_t bytes[40 + 12 * 8 + 8] = { IPV6_HEAD(104, 60) };
	unsigned int i;

	for (i = 0; i < 12; i++)
		bytes[40 + i * 8] = i == 11 ? 17 : 60;
	decode_exactly(LINK_RAW, bytes, sizeof(bytes));
	assert_int_equal(out.skip, SKIP_EXTENSIONS);
	assert_packet(0, KIND_OUTER, "2001:db8::1", "2001:db8::2", 60, -1, -1);
}

static void
transports(void **state)
{
	static const uint8_t with_ports[] = { 6, 17, 33, 132, 136 };
	uint8_t bytes[] = { IPV4_TCP };
	unsigned int proto;

	for (proto = 0; proto < 256; proto++) {
		bool ports = memchr(with_ports, (int)proto, sizeof(with_ports)) != NULL;

		if (proto == PROTO_IPIP || proto == PROTO_IPV6 || proto == PROTO_GRE)
			continue;
		bytes[9] = (uint8_t)proto;
		decode_exactly(LINK_RAW, bytes, sizeof(bytes));
		assert_packet(0, KIND_OUTER, "192.0.2.1", "198.51.100.2", (int)proto,
		    ports ? 0x1234 : -1, 80);
		assert_int_equal(out.npackets, 1);
	}
}

static void
icmp(void **state)
{
	DECODE(LINK_RAW, INNER_PING);
	assert_packet(0, KIND_OUTER, "10.0.0.1", "10.0.0.2", 1, -1, -1);
	assert_true(out.packets[0].has_icmp && out.packets[0].has_icmp_id);
	assert_int_equal(out.packets[0].icmp_type, 8);
	assert_int_equal(out.packets[0].icmp_id, 0x0102);
	/* port unreachable with the 8 bytes of TCP that RFC 792 asks for */
	DECODE(LINK_RAW, 0x45, 0, 0, 56, 0, 1, 0, 0, 64, 1, 0, 0, 203, 0, 113, 9, 192, 0, 2, 1,
	    3, 3, 0, 0, 0, 0, 0, 0, IPV4_TCP_HEAD, 0x12, 0x34, 0, 80, 0, 0, 0, 1);
	assert_int_equal(out.npackets, 2);
	assert_packet(0, KIND_OUTER, "203.0.113.9", "192.0.2.1", 1, -1, -1);
	assert_packet(1, KIND_EMBEDDED, "192.0.2.1", "198.51.100.2", 6, 0x1234, 80);
	assert_int_equal(out.packets[1].tcp_flags, 0);
	DECODE(LINK_RAW, IPV6_HEAD(56, 58), 1, 4, 0, 0, 0, 0, 0, 0, IPV6_HEAD(8, 17), UDP_53);
	assert_packet(0, KIND_OUTER, "2001:db8::1", "2001:db8::2", 58, -1, -1);
	assert_packet(1, KIND_EMBEDDED, "2001:db8::1", "2001:db8::2", 17, 49152, 53);
	/* a quote is not looked into: a quoted error quotes nothing, a quoted tunnel carries nothing */
	DECODE(LINK_RAW, 0x45, 0, 0, 76, 0, 1, 0, 0, 64, 1, 0, 0, 203, 0, 113, 9, 192, 0, 2, 1,
	    11, 0, 0, 0, 0, 0, 0, 0,
	    0x45, 0, 0, 48, 0, 1, 0, 0, 64, 4, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2, INNER_PING);
	assert_int_equal(out.npackets, 2);
	assert_packet(1, KIND_EMBEDDED, "192.0.2.1", "198.51.100.2", 4, -1, -1);
}

static void
icmp_pairs(void **state)
{
	assert_int_equal(icmp_partner(1, 8), 0);
	assert_int_equal(icmp_partner(1, 0), 8);
	assert_int_equal(icmp_partner(1, 13), 14);
	assert_int_equal(icmp_partner(1, 18), 17);
	assert_int_equal(icmp_partner(1, 3), -1);
	assert_int_equal(icmp_partner(58, 128), 129);
	assert_int_equal(icmp_partner(58, 129), 128);
	assert_int_equal(icmp_partner(58, 8), -1);
	assert_int_equal(icmp_partner(17, 8), -1);
	assert_true(icmp_is_reply(1, 0) && icmp_is_reply(1, 14) && icmp_is_reply(58, 129));
	assert_false(icmp_is_reply(1, 8) || icmp_is_reply(1, 13) || icmp_is_reply(58, 128));
	assert_true(icmp_is_error(1, 3) && icmp_is_error(1, 11) && icmp_is_error(58, 2));
	assert_false(icmp_is_error(1, 8) || icmp_is_error(58, 128) || icmp_is_error(58, 0));
}

static void
assert_carries_ping(uint8_t outer_proto)
{
	assert_int_equal(out.npackets, 2);
	assert_int_equal(out.packets[0].proto, outer_proto);
	assert_packet(1, KIND_INNER, "10.0.0.1", "10.0.0.2", 1, -1, -1);
	assert_int_equal(out.skip, SKIP_NONE);
}

static void
tunnels(void **state)
{
	DECODE(LINK_RAW, 0x45, 0, 0, 48, 0, 1, 0, 0, 64, 4, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2,
	    INNER_PING);
	assert_carries_ping(4);
	/* IPv6 in IPv4, IPv4 in IPv6, IPv6 in IPv6 */
	DECODE(LINK_RAW, 0x45, 0, 0, 68, 0, 1, 0, 0, 64, 41, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2,
	    IPV6_HEAD(8, 17), UDP_53);
	assert_packet(1, KIND_INNER, "2001:db8::1", "2001:db8::2", 17, 49152, 53);
	DECODE(LINK_RAW, IPV6_HEAD(28, 4), INNER_PING);
	assert_carries_ping(4);
	DECODE(LINK_RAW, IPV6_HEAD(48, 41), IPV6_HEAD(8, 17), UDP_53);
	assert_packet(1, KIND_INNER, "2001:db8::1", "2001:db8::2", 17, 49152, 53);
	/* VXLAN and Geneve (one option of 4 bytes) */
	DECODE(LINK_RAW, IPV4_UDP(78, 4789), 8, 0, 0, 0, 0, 0, 1, 0, MACS, 0x08, 0x00, INNER_PING);
	assert_carries_ping(17);
	DECODE(LINK_RAW, IPV4_UDP(68, 6081), 1, 0, 0x08, 0x00, 0, 0, 1, 0, 9, 9, 9, 9, INNER_PING);
	assert_carries_ping(17);
	/* not VXLAN: the bit that says so is missing */
	DECODE(LINK_RAW, IPV4_UDP(78, 4789), 0, 0, 0, 0, 0, 0, 1, 0, MACS, 0x08, 0x00, INNER_PING);
	assert_int_equal(out.npackets, 1);
	assert_int_equal(out.skip, SKIP_TUNNEL);
}

#define GRE_HEAD(length)	0x45, 0, 0, length, 0, 1, 0, 0, 64, 47, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2

static void
gre(void **state)
{
	DECODE(LINK_RAW, GRE_HEAD(52), 0, 0, 0x08, 0x00, INNER_PING);
	assert_carries_ping(47);
	DECODE(LINK_RAW, GRE_HEAD(64), 0xb0, 0, 0x08, 0x00, 1, 2, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1,
	    INNER_PING);
	assert_carries_ping(47);
	DECODE(LINK_RAW, GRE_HEAD(66), 0, 0, 0x65, 0x58, MACS, 0x08, 0x00, INNER_PING);
	assert_carries_ping(47);
	/* version 1 is PPTP's, source routing is dead */
	DECODE(LINK_RAW, GRE_HEAD(52), 0, 1, 0x08, 0x00, INNER_PING);
	assert_int_equal(out.skip, SKIP_TUNNEL);
	DECODE(LINK_RAW, GRE_HEAD(52), 0x40, 0, 0x08, 0x00, INNER_PING);
	assert_int_equal(out.skip, SKIP_TUNNEL);
}

static void
nesting_is_bounded(void **state)
{
	uint8_t bytes[8 * 20];
	static const uint8_t head[20] = {
		0x45, 0, 0, 0, 0, 1, 0, 0, 64, 4, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2
	};
	unsigned int i;

	for (i = 0; i < 8; i++)
		memcpy(bytes + i * 20, head, 20);
	decode_exactly(LINK_RAW, bytes, sizeof(bytes));
	assert_int_equal(out.npackets, DECODE_PACKETS_MAX);
	assert_int_equal(out.skip, SKIP_DEPTH);
}

/* Attributes carry their numbers in the host's order, so they are put together here. */
static size_t
put_attr(uint8_t *at, uint16_t type, const void *value, uint16_t size)
{
	uint16_t head[2] = { (uint16_t)(size + 4), type };
	size_t padded = ((size_t)size + 3) & ~(size_t)3;

	memset(at, 0, 4 + padded);
	memcpy(at, head, 4);
	memcpy(at + 4, value, size);
	return 4 + padded;
}

static size_t
make_nflog(uint8_t *bytes)
{
	static const uint8_t packet[] = { IPV4_TCP };
	static const uint8_t hook[] = { 0x08, 0x00, HOOK_OUTPUT, 0 };
	static const uint8_t ifindex[] = { 0, 0, 0, 3 }, uid[] = { 0, 0, 3, 0xe8 };
	static const uint8_t when[] = { 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9 };
	size_t n = 4;

	memset(bytes, 0, n);
	bytes[0] = 2;
	n += put_attr(bytes + n, 1, hook, sizeof(hook));
	n += put_attr(bytes + n, 10, "out-1", 6);
	n += put_attr(bytes + n, 5, ifindex, sizeof(ifindex));
	n += put_attr(bytes + n, 11, uid, sizeof(uid));
	n += put_attr(bytes + n, 14, uid, sizeof(uid));
	n += put_attr(bytes + n, 3, when, sizeof(when));
	n += put_attr(bytes + n, 99, "unknown", 7);
	n += put_attr(bytes + n, 9, packet, sizeof(packet));
	return n;
}

static void
nflog(void **state)
{
	uint8_t bytes[256];
	size_t n = make_nflog(bytes);

	decode_exactly(LINK_NFLOG, bytes, n);
	assert_tcp_v4();
	decode_all_cuts(LINK_NFLOG, bytes, n);
	decode_exactly(LINK_NFLOG, bytes, n);
	assert_int_equal(out.frame.hook, HOOK_OUTPUT);
	assert_int_equal(out.frame.ifindex_out, 3);
	assert_int_equal(out.frame.ifindex_in, 0);
	assert_int_equal(out.frame.uid, 1000);
	assert_int_equal(out.frame.gid, 1000);
	assert_int_equal(out.frame.time_us, 7000009);
	assert_string_equal(out.frame.prefix, "out-1");
	/* a length below its own header would never end */
	memset(bytes + 12, 0, 2);
	decode_exactly(LINK_NFLOG, bytes, n);
	assert_int_equal(out.npackets, 0);
	assert_int_equal(out.skip, SKIP_NFLOG);
}

static void
every_skip_has_a_text(void **state)
{
	int i;

	for (i = 0; i < SKIP_END; i++)
		assert_non_null(decode_skip_text(i));
}

static int
free_last(void **state)
{
	free(last);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(link_layers),
		cmocka_unit_test(pppoe_without_ip),
		cmocka_unit_test(cooked_layers),
		cmocka_unit_test(link_layers_refused),
		cmocka_unit_test(ipv4_headers),
		cmocka_unit_test(ipv6_headers),
		cmocka_unit_test(ipv6_chain_is_bounded),
		cmocka_unit_test(transports),
		cmocka_unit_test(icmp),
		cmocka_unit_test(icmp_pairs),
		cmocka_unit_test(tunnels),
		cmocka_unit_test(gre),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(nflog),
		cmocka_unit_test(every_skip_has_a_text),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, free_last);
}
