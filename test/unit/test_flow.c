/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables of packets: who began, and which packet is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/flow.h"

#define US	UINT8_C(1)	/* 192.0.2.1 */
#define THEM	UINT8_C(9)
#define ROUTER	UINT8_C(7)
#define SECOND	INT64_C(1000000)
#define SEED	UINT64_C(0x1234567890abcdef)
#define RATE	2000

static const uint8_t no_sequence[20];
static const uint8_t some_sequence[20] = { 0, 0, 0, 0, 1, 2, 3, 4 };

static struct addr
host(uint8_t last)
{
	struct addr addr = { .family = ADDR_V4, .bytes = { 192, 0, 2, last } };

	return addr;
}

static struct packet
packet_of(uint8_t src, uint8_t dst, uint8_t proto)
{
	struct packet packet = { .src = host(src), .dst = host(dst), .proto = proto };

	packet.body = some_sequence;
	packet.body_size = sizeof(some_sequence);
	return packet;
}

static struct packet
with_ports(uint8_t src, uint16_t src_port, uint8_t dst, uint16_t dst_port, uint8_t proto)
{
	struct packet packet = packet_of(src, dst, proto);

	packet.has_ports = true;
	packet.src_port = src_port;
	packet.dst_port = dst_port;
	return packet;
}

static struct packet
tcp(uint8_t src, uint16_t src_port, uint8_t dst, uint16_t dst_port, uint8_t flags)
{
	struct packet packet = with_ports(src, src_port, dst, dst_port, PROTO_TCP);

	packet.tcp_flags = flags;
	return packet;
}

static struct packet
udp(uint8_t src, uint16_t src_port, uint8_t dst, uint16_t dst_port)
{
	return with_ports(src, src_port, dst, dst_port, PROTO_UDP);
}

static struct packet
icmp(uint8_t src, uint8_t dst, uint8_t type, uint16_t id)
{
	struct packet packet = packet_of(src, dst, PROTO_ICMP);

	packet.has_icmp = true;
	packet.icmp_type = type;
	packet.has_icmp_id = icmp_partner(PROTO_ICMP, type) >= 0;
	packet.icmp_id = packet.has_icmp_id ? id : 0;
	return packet;
}

/* The address of who began the flow of this packet, 0: unknown. */
static uint8_t
began(struct flow_table *table, struct packet packet, int64_t now_us)
{
	struct flow_report report;

	flow_see(table, &packet, NULL, now_us, &report);
	if (report.initiator == INITIATOR_UNKNOWN)
		return 0;
	return report.initiator == INITIATOR_SRC ? packet.src.bytes[3] : packet.dst.bytes[3];
}

static uint8_t
alone(struct packet packet)
{
	struct flow_table *table = flow_table_new(16, RATE, SEED);
	uint8_t who;

	assert_non_null(table);
	who = began(table, packet, SECOND);
	flow_table_free(table);
	return who;
}

static uint8_t
error_began(struct flow_table *table, struct packet error, struct packet quote)
{
	struct flow_report report;

	flow_see(table, &error, &quote, SECOND, &report);
	assert_int_not_equal(report.initiator, INITIATOR_UNKNOWN);
	return report.initiator == INITIATOR_SRC ? error.src.bytes[3] : error.dst.bytes[3];
}

static uint8_t
told(struct flow_table *table, struct packet packet, int64_t now_us)
{
	struct flow_report report;

	flow_see(table, &packet, NULL, now_us, &report);
	return report.sight ? (uint8_t)report.packets : 0;
}

/* A packet without any history. */
static void
first_packets(void **state)
{
	struct packet reset = tcp(THEM, 50000, US, 60000, TCP_RST | TCP_ACK);
	struct packet neighbour = packet_of(THEM, US, PROTO_ICMPV6);

	assert_int_equal(alone(tcp(THEM, 50000, US, 22, TCP_SYN)), THEM);
	assert_int_equal(alone(tcp(THEM, 22, US, 50000, TCP_SYN)), THEM);
	assert_int_equal(alone(tcp(THEM, 443, US, 50000, TCP_SYN | TCP_ACK)), US);
	assert_int_equal(alone(tcp(US, 50000, THEM, 443, TCP_SYN | TCP_ACK)), THEM);
	/* a reset that answers a SYN has no sequence number; any other says what its ports say */
	reset.body = no_sequence;
	assert_int_equal(alone(reset), US);
	reset.body = some_sequence;
	assert_int_equal(alone(reset), 0);
	assert_int_equal(alone(tcp(US, 50000, THEM, 443, TCP_RST | TCP_ACK)), US);
	/* the beginning was missed */
	assert_int_equal(alone(tcp(THEM, 443, US, 50000, TCP_ACK)), US);
	assert_int_equal(alone(tcp(THEM, 50000, US, 22, TCP_ACK)), THEM);
	assert_int_equal(alone(tcp(THEM, 8080, US, 50000, TCP_ACK)), US);
	assert_int_equal(alone(tcp(THEM, 443, US, 8080, TCP_ACK)), US);
	assert_int_equal(alone(tcp(THEM, 50000, US, 60000, TCP_ACK)), 0);
	assert_int_equal(alone(udp(THEM, 40000, US, 53)), THEM);
	assert_int_equal(alone(udp(THEM, 5000, US, 5000)), THEM);
	assert_int_equal(alone(udp(THEM, 53, US, 53)), THEM);
	assert_int_equal(alone(udp(THEM, 53, US, 40000)), US);
	assert_int_equal(alone(with_ports(THEM, 40000, US, 2905, PROTO_SCTP)), THEM);
	assert_int_equal(alone(icmp(THEM, US, 8, 1)), THEM);
	assert_int_equal(alone(icmp(THEM, US, 0, 1)), US);
	assert_int_equal(alone(icmp(THEM, US, 13, 1)), THEM);
	assert_int_equal(alone(icmp(THEM, US, 14, 1)), US);
	assert_int_equal(alone(icmp(THEM, US, 3, 0)), 0);
	assert_int_equal(alone(packet_of(THEM, US, PROTO_GRE)), THEM);
	/* neighbour solicitation and its answer */
	neighbour.has_icmp = true;
	neighbour.icmp_type = 135;
	assert_int_equal(alone(neighbour), THEM);
	neighbour.icmp_type = 136;
	assert_int_equal(alone(neighbour), US);
}

static void
replies_keep_the_initiator(void **state)
{
	struct flow_table *table = flow_table_new(64, RATE, SEED);

	assert_int_equal(began(table, tcp(US, 50000, THEM, 60000, TCP_SYN), 1), US);
	assert_int_equal(began(table, tcp(THEM, 60000, US, 50000, TCP_SYN | TCP_ACK), 2), US);
	assert_int_equal(began(table, tcp(US, 50000, THEM, 60000, TCP_ACK), 3), US);
	assert_int_equal(began(table, tcp(THEM, 60000, US, 50000, TCP_RST), 4), US);
	assert_int_equal(began(table, udp(US, 7000, THEM, 7000), 5), US);
	assert_int_equal(began(table, udp(THEM, 7000, US, 7000), 6), US);
	assert_int_equal(began(table, icmp(US, THEM, 8, 5), 7), US);
	assert_int_equal(began(table, icmp(THEM, US, 0, 5), 8), US);
	/* the same identifier the other way round is another ping */
	assert_int_equal(began(table, icmp(THEM, US, 8, 5), 9), THEM);
	assert_int_equal(began(table, icmp(US, THEM, 0, 5), 10), THEM);
	/* the same ports again, from the other side */
	assert_int_equal(began(table, tcp(THEM, 60000, US, 50000, TCP_SYN), 11), THEM);
	assert_int_equal(began(table, tcp(US, 50000, THEM, 60000, TCP_RST | TCP_ACK), 12), THEM);
	flow_table_free(table);
}

static void
seen_replaces_guessed(void **state)
{
	struct flow_table *table = flow_table_new(64, RATE, SEED);

	/* the ports deceive: a client that binds a low port */
	assert_int_equal(began(table, tcp(THEM, 700, US, 50000, TCP_ACK), 1), US);
	assert_int_equal(began(table, tcp(THEM, 700, US, 50000, TCP_SYN), 2), THEM);
	assert_int_equal(began(table, tcp(THEM, 700, US, 50000, TCP_ACK), 3), THEM);
	/* nothing known, then the ports of nobody, then an answer */
	assert_int_equal(began(table, tcp(THEM, 50001, US, 50000, TCP_ACK), 4), 0);
	assert_int_equal(began(table, tcp(THEM, 50001, US, 50000, TCP_SYN | TCP_ACK), 5), US);
	/* a SYN-ACK cannot take back a SYN */
	assert_int_equal(began(table, tcp(THEM, 50002, US, 50000, TCP_SYN), 6), THEM);
	assert_int_equal(began(table, tcp(THEM, 50002, US, 50000, TCP_SYN | TCP_ACK), 7), THEM);
	flow_table_free(table);
}

static void
errors_follow_what_they_quote(void **state)
{
	struct flow_table *table = flow_table_new(64, RATE, SEED);
	struct packet quote, error;

	/* them and a router on the way, over what we sent */
	quote = tcp(US, 50000, THEM, 443, 0);
	assert_int_equal(error_began(table, icmp(THEM, US, 3, 0), quote), US);
	assert_int_equal(error_began(table, icmp(ROUTER, US, 11, 0), quote), US);
	/* our port unreachable over what they sent */
	assert_int_equal(error_began(table, icmp(US, THEM, 3, 0), udp(THEM, 40000, US, 9)), THEM);
	/* they began, we answered, and that could not be delivered to them */
	assert_int_equal(began(table, udp(THEM, 6000, US, 6000), SECOND), THEM);
	assert_int_equal(error_began(table, icmp(THEM, US, 3, 0), udp(US, 6000, THEM, 6000)), THEM);
	/* of unknown ports: who sent what is quoted */
	assert_int_equal(error_began(table, icmp(THEM, US, 3, 0), tcp(US, 50000, THEM, 50001, 0)), US);
	/* the quote itself, when the router is not the listed one */
	quote = tcp(US, 50009, THEM, 443, 0);
	quote.kind = KIND_EMBEDDED;
	assert_int_equal(began(table, quote, SECOND), US);
	/* and it is no traffic of that flow */
	error = tcp(THEM, 443, US, 50009, TCP_SYN);
	assert_int_equal(told(table, error, SECOND), 1);
	flow_table_free(table);
}

static void
fragments_follow_the_first(void **state)
{
	struct flow_table *table = flow_table_new(64, RATE, SEED);
	struct packet first = udp(THEM, 6000, US, 6000), later = packet_of(THEM, US, PROTO_UDP);

	first.first_fragment = true;
	later.later_fragment = true;
	assert_int_equal(alone(later), 0);
	assert_int_equal(began(table, udp(US, 6000, THEM, 6000), 1), US);
	assert_int_equal(began(table, first, 2), US);
	assert_int_equal(began(table, later, 3), US);
	flow_table_free(table);
}

static void
told_at_once_then_rarely(void **state)
{
	struct flow_table *table = flow_table_new(64, RATE, SEED);
	int64_t now = 5 * SECOND;
	unsigned int i;

	assert_int_equal(told(table, udp(THEM, 40000, US, 53), now), 1);
	for (i = 1; i < 10; i++)
		assert_int_equal(told(table, udp(THEM, 40000, US, 53), now + i * SECOND), 0);
	assert_int_equal(told(table, udp(US, 53, THEM, 40000), now + 10 * SECOND), 10);
	assert_int_equal(told(table, udp(THEM, 40000, US, 53), now + 10 * SECOND), 0);
	/* another port is another flow */
	assert_int_equal(told(table, udp(THEM, 40000, US, 54), now + 10 * SECOND), 1);
	/* a clock set back by an hour does not silence it for an hour */
	assert_int_equal(told(table, udp(THEM, 40000, US, 53), now - 3600 * SECOND), 2);
	/* nor is the beginning of time special */
	assert_int_equal(told(table, udp(THEM, 40000, US, 55), 0), 1);
	assert_int_equal(told(table, udp(THEM, 40000, US, 55), 0), 0);
	flow_table_free(table);
}

static void
a_turn_of_direction_is_told(void **state)
{
	struct flow_table *table = flow_table_new(64, RATE, SEED);

	assert_int_equal(told(table, tcp(THEM, 700, US, 50000, TCP_ACK), 1), 1);
	assert_int_equal(told(table, tcp(THEM, 700, US, 50000, TCP_SYN), 2), 1);
	assert_int_equal(told(table, tcp(THEM, 700, US, 50000, TCP_SYN), 3), 0);
	flow_table_free(table);
}

static void
idle_flows_end(void **state)
{
	struct flow_table *table = flow_table_new(64, RATE, SEED);

	assert_int_equal(began(table, udp(US, 7000, THEM, 7000), SECOND), US);
	assert_int_equal(began(table, udp(THEM, 7000, US, 7000), 180 * SECOND), US);
	assert_int_equal(began(table, udp(THEM, 7000, US, 7000), 361 * SECOND), THEM);
	assert_int_equal(began(table, icmp(US, THEM, 8, 1), 361 * SECOND), US);
	assert_int_equal(flow_count(table), 2);
	/* what ended makes room as new ones come */
	began(table, udp(US, 1, THEM, 1), 5000 * SECOND);
	began(table, udp(US, 2, THEM, 1), 5000 * SECOND);
	began(table, udp(US, 3, THEM, 1), 5000 * SECOND);
	assert_int_equal(flow_count(table), 3);
	flow_table_free(table);
}

static void
full_table_forgets_the_quietest(void **state)
{
	struct flow_table *table = flow_table_new(100, RATE, SEED);
	uint16_t port;

	assert_int_equal(began(table, udp(US, 7000, THEM, 7000), 1), US);
	assert_int_equal(began(table, udp(US, 7001, THEM, 7001), 1), US);
	for (port = 10000; port < 10500; port++) {
		began(table, udp(THEM, 40000, US, port), 2);
		assert_int_equal(began(table, udp(THEM, 7000, US, 7000), 2), US);
	}
	assert_int_equal(flow_count(table), 100);
	assert_int_equal(began(table, udp(THEM, 7001, US, 7001), 3), THEM);
	flow_table_free(table);
}

static void
rate_is_bounded(void **state)
{
	struct flow_table *table = flow_table_new(4096, 100, SEED);
	unsigned int i, n = 0;

	for (i = 0; i < 1000; i++)
		n += told(table, udp(THEM, 40000, US, (uint16_t)(i + 1)), 5 * SECOND) != 0;
	assert_int_equal(n, 100);
	assert_int_equal(flow_untold(table), 900);
	/* what found no room is told with its next packet */
	assert_int_equal(told(table, udp(THEM, 40000, US, 1000), 6 * SECOND), 2);
	assert_int_equal(told(table, udp(THEM, 40000, US, 1), 6 * SECOND), 0);
	flow_table_free(table);
}

/* Against a plain array: the same flows, whatever is evicted or chained. */
static void
behaves_as_a_plain_array(void **state)
{
	enum { FLOWS = 64, STEPS = 20000 };
	struct flow_table *table = flow_table_new(2 * FLOWS, STEPS, SEED);
	uint8_t model[FLOWS] = { 0 };
	unsigned int i;

	srandom(1);
	for (i = 0; i < STEPS; i++) {
		unsigned int flow = (unsigned int)random() % FLOWS;
		uint8_t src = random() % 2 == 0 ? US : THEM;
		uint16_t port = (uint16_t)(2000 + flow);

		if (model[flow] == 0)
			model[flow] = src;
		assert_int_equal(began(table, udp(src, port, src == US ? THEM : US, port), i),
		    model[flow]);
	}
	assert_int_equal(flow_count(table), FLOWS);
	flow_table_free(table);
}

static struct packet
any_packet(void)
{
	uint8_t src = (uint8_t)(random() % 6), dst = (uint8_t)(random() % 6);
	struct packet packet;

	switch (random() % 4) {
	case 0:
		packet = tcp(src, (uint16_t)(random() % 9), dst, (uint16_t)(random() % 9),
		    (uint8_t)random());
		break;
	case 1:
		packet = udp(src, (uint16_t)(random() % 9), dst, (uint16_t)(random() % 9));
		packet.first_fragment = random() % 3 == 0;
		break;
	case 2:
		packet = icmp(src, dst, (uint8_t)(random() % 20), (uint16_t)(random() % 3));
		break;
	default:
		packet = packet_of(src, dst, PROTO_UDP);
		packet.later_fragment = true;
	}
	packet.kind = random() % 5 == 0 ? KIND_EMBEDDED : KIND_OUTER;
	return packet;
}

/* Far more flows than room, clocks that jump: the bounds hold, and memory stays whole. */
static void
anything_may_come(void **state)
{
	struct flow_table *table = flow_table_new(7, 50, SEED);
	int64_t now = 1000 * SECOND;
	unsigned int i;

	srandom(2);
	for (i = 0; i < 50000; i++) {
		struct packet packet = any_packet(), quote = any_packet();
		struct flow_report report = { 0xff, false, 0 };
		bool error = packet.has_icmp && icmp_is_error(PROTO_ICMP, packet.icmp_type);

		now += random() % 5 == 0 ? (random() % 800 - 300) * SECOND : random() % 1000;
		flow_see(table, &packet, error ? &quote : NULL, now, &report);
		assert_true(report.initiator <= INITIATOR_DST);
		assert_true(report.packets >= 1);
		assert_true(flow_count(table) >= 1 && flow_count(table) <= 7);
	}
	flow_table_free(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_packets),
		cmocka_unit_test(replies_keep_the_initiator),
		cmocka_unit_test(seen_replaces_guessed),
		cmocka_unit_test(errors_follow_what_they_quote),
		cmocka_unit_test(fragments_follow_the_first),
		cmocka_unit_test(told_at_once_then_rarely),
		cmocka_unit_test(a_turn_of_direction_is_told),
		cmocka_unit_test(idle_flows_end),
		cmocka_unit_test(full_table_forgets_the_quietest),
		cmocka_unit_test(rate_is_bounded),
		cmocka_unit_test(behaves_as_a_plain_array),
		cmocka_unit_test(anything_may_come),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
