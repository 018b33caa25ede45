/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From frames to sightings: which side is remote, which way, told once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/compile.h"
#include "core/repeat.h"
#include "core/sight.h"

#define SECOND	INT64_C(1000000)
#define LISTED	"198.51.100.2", "203.0.113.0/24"
/* 192.0.2.1 is ours, 198.51.100.2 and 203.0.113.9 are listed */
#define US	192, 0, 2, 1
#define THEM	198, 51, 100, 2
#define OTHER	203, 0, 113, 9
#define IPV4_UDP(...)	/* source, destination */ \
	0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, __VA_ARGS__, 0xc0, 0, 0x30, 0x39, 0, 8, 0, 0

static struct list *list;
static void *list_bytes_owned;
static struct sight_hit hits[64];
static unsigned int nhits;

static int
make_list(void **state)
{
	static const char *const texts[] = { LISTED };
	struct list_source source = { .name = "test", .action = LIST_REJECT };
	struct image one = { NULL, 0 }, all = { NULL, 0 };
	struct entries *entries = entries_new();
	struct compile_notes notes;
	struct list_error error;
	struct list *alone;
	unsigned int i, seen = 0;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct range range;

		assert_null(range_parse(&range, texts[i], strlen(texts[i]), &seen));
		assert_int_equal(entries_add(entries, &range, i + 1), 0);
	}
	assert_int_equal(compile_source(entries, &source, &one), 0);
	assert_int_equal(list_open_memory(&alone, one.bytes, one.size, &error), 0);
	assert_int_equal(compile_union((const struct list *const[]){ alone }, 1, SCOPE_ANY, &all,
	    &notes), 0);
	assert_int_equal(list_open_memory(&list, all.bytes, all.size, &error), 0);
	list_bytes_owned = all.bytes;
	list_free(alone);
	image_free(&one);
	entries_free(entries);
	return 0;
}

static int
drop_list(void **state)
{
	list_free(list);
	free(list_bytes_owned);
	return 0;
}

static void
take_hit(const struct sight_hit *hit, void *arg)
{
	assert_true(nhits < sizeof(hits) / sizeof(hits[0]));
	hits[nhits++] = *hit;
}

static struct sight *
open_sight(bool repeats)
{
	const struct sight_conf conf = {
		.max_flows = 64, .sightings_per_s = 100, .seed = 1, .repeats = repeats,
	};
	struct sight *sight = sight_new(&conf);

	assert_non_null(sight);
	assert_int_equal(sight_set_list(sight, list, 7, true), 0);
	return sight;
}

static void
see_at(struct sight *sight, int link, const uint8_t *bytes, size_t size, int64_t time_us)
{
	nhits = 0;
	sight_frame(sight, link, bytes, size, time_us, take_hit, NULL);
}

/* A frame that is overwritten as soon as it was taken, as a ring of packets is. */
static void
queue_udp(struct sight *sight, unsigned int from, size_t size, int64_t time_us)
{
	static const uint8_t head[] = { IPV4_UDP(THEM, US) };
	uint8_t bytes[600] = { 0 };

	memcpy(bytes, head, sizeof(head));
	bytes[sizeof(head) - 8] = (uint8_t)from;	/* its source port's upper half */
	sight_queue(sight, LINK_RAW, bytes, size, time_us, take_hit, NULL);
	memset(bytes, 0xff, sizeof(bytes));
}

static void
what_waits_is_told_in_order_and_whole(void **state)
{
	struct sight *sight = open_sight(false);
	struct sight_stat stat;
	unsigned int i;

	nhits = 0;
	for (i = 0; i < 10; i++)
		queue_udp(sight, i + 1, 28, (5 + i) * SECOND);
	assert_int_equal(nhits, 0);
	sight_stat(sight, &stat);
	assert_int_equal(stat.frames, 10);
	sight_flush(sight, take_hit, NULL);
	assert_int_equal(nhits, 10);
	for (i = 0; i < 10; i++) {
		assert_int_equal(hits[i].sighting.remote_port >> 8, i + 1);
		assert_int_equal(hits[i].sighting.time_us, (5 + i) * SECOND);
	}
	/* one too long to wait, and those before it */
	nhits = 0;
	queue_udp(sight, 1, 28, 20 * SECOND);
	queue_udp(sight, 2, 513, 21 * SECOND);
	assert_int_equal(nhits, 2);
	assert_int_equal(hits[0].sighting.remote_port >> 8, 1);
	/* so many are not kept waiting */
	for (i = 0; i < 40; i++)
		queue_udp(sight, 3, 512, 22 * SECOND);
	assert_in_range(nhits, 2 + 32, 2 + 40);
	sight_flush(sight, take_hit, NULL);
	assert_int_equal(nhits, 2 + 40);
	nhits = 0;
	sight_flush(sight, take_hit, NULL);
	assert_int_equal(nhits, 0);
	sight_free(sight);
}

#define SEE(sight, link, ...) do {					\
	static const uint8_t bytes_[] = { __VA_ARGS__ };		\
	see_at(sight, link, bytes_, sizeof(bytes_), 5 * SECOND);	\
} while (0)

static void
see_nflog(struct sight *sight, uint8_t hook, const uint8_t *packet, uint16_t size)
{
	uint8_t bytes[256] = { 2, 0, 0, 7 };
	uint16_t hook_head[2] = { 8, 1 }, payload_head[2] = { (uint16_t)(size + 4), 9 };
	uint16_t uid_head[2] = { 8, 11 };
	const uint8_t hook_value[4] = { 0x08, 0x00, hook, 0 }, uid[4] = { 0, 0, 3, 0xe8 };

	memcpy(bytes + 4, hook_head, 4);
	memcpy(bytes + 8, hook_value, 4);
	memcpy(bytes + 12, uid_head, 4);
	memcpy(bytes + 16, uid, 4);
	memcpy(bytes + 20, payload_head, 4);
	memcpy(bytes + 24, packet, size);
	see_at(sight, LINK_NFLOG, bytes, 24u + size, 5 * SECOND);
}

#define SEE_NFLOG(sight, hook, ...) do {				\
	static const uint8_t bytes_[] = { __VA_ARGS__ };		\
	see_nflog(sight, hook, bytes_, sizeof(bytes_));			\
} while (0)

static void
sighting_is_whole(void **state)
{
	struct sight *sight = open_sight(false);
	const struct sighting *sighting = &hits[0].sighting;
	const uint8_t them[4] = { THEM }, us[4] = { US };

	SEE(sight, LINK_RAW, IPV4_UDP(THEM, US));
	assert_int_equal(nhits, 1);
	assert_true(hits[0].src && hits[0].remote && hits[0].tell);
	assert_memory_equal(sighting->remote.bytes, them, 4);
	assert_memory_equal(sighting->local.bytes, us, 4);
	assert_int_equal(sighting->time_us, 5 * SECOND);
	assert_int_equal(sighting->remote_port, 49152);
	assert_int_equal(sighting->local_port, 12345);
	assert_int_equal(sighting->has_ports, 1);
	assert_int_equal(sighting->proto, 17);
	assert_int_equal(sighting->dir, DIR_IN);
	assert_int_equal(sighting->flow, FLOW_INBOUND);
	assert_int_equal(sighting->action, LIST_REJECT);
	assert_int_equal(sighting->uid, SIGHTING_UNKNOWN_ID);
	assert_int_equal(sighting->packets, 1);
	assert_int_equal(sighting->lists, 1);
	assert_int_equal(sighting->generation, 7);
	assert_true(addr_equal(&sighting->entry.first, &sighting->remote));
	/* the answer: the other way, the same beginning, nothing to tell yet */
	SEE(sight, LINK_RAW, 0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, US, THEM, 0x30, 0x39, 0xc0, 0,
	    0, 8, 0, 0);
	assert_int_equal(nhits, 1);
	assert_true(!hits[0].src && hits[0].remote && !hits[0].tell);
	assert_int_equal(sighting->dir, DIR_OUT);
	assert_int_equal(sighting->flow, FLOW_INBOUND);
	assert_int_equal(sighting->remote_port, 49152);
	sight_free(sight);
}

static void
nothing_listed_nothing_seen(void **state)
{
	struct sight *sight = open_sight(false);
	struct sight_stat stat;

	SEE(sight, LINK_RAW, IPV4_UDP(US, US));
	assert_int_equal(nhits, 0);
	assert_int_equal(sight_set_list(sight, NULL, 0, true), 0);
	SEE(sight, LINK_RAW, IPV4_UDP(THEM, US));
	assert_int_equal(nhits, 0);
	SEE(sight, LINK_RAW, 0x45, 0);
	SEE(sight, LINK_ETHERNET, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 8, 6, 0, 0);
	sight_stat(sight, &stat);
	assert_int_equal(stat.frames, 4);
	assert_int_equal(stat.undecodable, 1);
	assert_int_equal(stat.skipped[SKIP_NOT_IP], 1);
	assert_int_equal(stat.skipped[SKIP_IP_CUT], 1);
	assert_int_equal(stat.flows, 0);
	sight_free(sight);
}

/* A packet between two listed addresses, at each hook that logs it. */
static void
hooks_say_who_is_remote(void **state)
{
	struct sight *sight = open_sight(false);

	SEE_NFLOG(sight, HOOK_PREROUTING, IPV4_UDP(THEM, OTHER));
	assert_int_equal(nhits, 2);
	assert_true(hits[0].src && hits[0].remote && hits[0].tell);
	assert_true(!hits[1].src && !hits[1].remote && !hits[1].tell);
	assert_int_equal(hits[0].sighting.uid, 1000);
	SEE_NFLOG(sight, HOOK_FORWARD, IPV4_UDP(THEM, OTHER));
	assert_true(!hits[0].remote && hits[1].remote);
	SEE_NFLOG(sight, HOOK_OUTPUT, IPV4_UDP(THEM, OTHER));
	assert_true(!hits[0].remote && hits[1].remote);
	/* forwarded out of a listed address: nothing else would tell of it here */
	SEE_NFLOG(sight, HOOK_FORWARD, IPV4_UDP(THEM, US));
	assert_int_equal(nhits, 1);
	assert_true(hits[0].src && hits[0].remote);
	sight_free(sight);
}

static void
own_addresses_are_not_remote(void **state)
{
	struct sight *sight = open_sight(false);
	struct range own;
	unsigned int notes = 0;

	SEE(sight, LINK_RAW, IPV4_UDP(THEM, OTHER));
	assert_true(nhits == 2 && hits[0].remote && hits[1].remote);
	assert_null(range_parse(&own, "203.0.113.9", 11, &notes));
	sight_set_local(sight, &own, 1);
	SEE(sight, LINK_RAW, IPV4_UDP(THEM, OTHER));
	assert_true(nhits == 2 && hits[0].remote && !hits[1].remote && !hits[1].tell);
	sight_free(sight);
}

#define ROUTER	192, 0, 2, 77
#define ERROR_TO_US(...)	/* quoted source, destination */ \
	0x45, 0, 0, 56, 0, 1, 0, 0, 64, 1, 0, 0, ROUTER, US, 11, 0, 0, 0, 0, 0, 0, 0, \
	IPV4_UDP(__VA_ARGS__)

static void
quotes_are_outbound_or_nothing(void **state)
{
	struct sight *sight = open_sight(false);

	SEE(sight, LINK_RAW, ERROR_TO_US(US, THEM));
	assert_int_equal(nhits, 1);
	assert_int_equal(hits[0].sighting.kind, KIND_EMBEDDED);
	assert_int_equal(hits[0].sighting.flow, FLOW_OUTBOUND);
	assert_true(hits[0].tell);
	SEE(sight, LINK_RAW, ERROR_TO_US(OTHER, US));
	assert_int_equal(nhits, 1);
	assert_int_equal(hits[0].sighting.flow, FLOW_INBOUND);
	assert_true(hits[0].remote && !hits[0].tell);
	sight_free(sight);
}

static void
tunnels_are_looked_into(void **state)
{
	struct sight *sight = open_sight(false);

	SEE(sight, LINK_RAW, 0x45, 0, 0, 48, 0, 1, 0, 0, 64, 4, 0, 0, THEM, US, IPV4_UDP(US, OTHER));
	assert_int_equal(nhits, 2);
	assert_int_equal(hits[0].sighting.kind, KIND_OUTER);
	assert_int_equal(hits[0].sighting.dir, DIR_IN);
	assert_int_equal(hits[1].sighting.kind, KIND_INNER);
	assert_int_equal(hits[1].sighting.dir, DIR_OUT);
	sight_free(sight);
}

#define SLL2_HEAD(ifindex)	\
	0x08, 0x00, 0, 0, 0, 0, 0, ifindex, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0

static void
other_interfaces_repeat(void **state)
{
	static const uint8_t again[] = { SLL2_HEAD(3), IPV4_UDP(THEM, US) };
	struct sight *sight = open_sight(true);
	struct sight_stat stat;

	SEE(sight, LINK_SLL2, SLL2_HEAD(2), IPV4_UDP(THEM, US));
	assert_int_equal(nhits, 1);
	assert_int_equal(hits[0].sighting.ifindex, 2);
	see_at(sight, LINK_SLL2, again, sizeof(again), 5 * SECOND + 100);
	assert_int_equal(nhits, 0);
	/* the same interface sends it twice: two packets */
	SEE(sight, LINK_SLL2, SLL2_HEAD(2), IPV4_UDP(THEM, US));
	assert_int_equal(nhits, 1);
	/* long after: another packet */
	see_at(sight, LINK_SLL2, again, sizeof(again), 6 * SECOND);
	assert_int_equal(nhits, 1);
	sight_stat(sight, &stat);
	assert_int_equal(stat.repeated, 1);
	sight_free(sight);
}

static void
repeats_are_the_same_packet(void **state)
{
	static const uint8_t body[4] = { 1, 2, 3, 4 }, other[4] = { 1, 2, 3, 5 };
	struct repeat *repeat = repeat_new(1);
	struct packet packet = { .proto = 17, .length = 24, .body = body, .body_size = 4 };
	unsigned int i;

	assert_non_null(repeat);
	assert_false(repeat_seen(repeat, &packet, 1, 0));
	assert_true(repeat_seen(repeat, &packet, 2, REPEAT_WITHIN_US));
	packet.body = other;
	assert_false(repeat_seen(repeat, &packet, 2, 10));
	packet.body = body;
	packet.length = 25;
	assert_false(repeat_seen(repeat, &packet, 2, 10));
	/* the ring forgets */
	for (i = 0; i < REPEAT_KEPT; i++) {
		packet.length = 100 + i;
		assert_false(repeat_seen(repeat, &packet, 1, 10));
	}
	packet.length = 24;
	assert_false(repeat_seen(repeat, &packet, 2, 10));
	repeat_free(repeat);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sighting_is_whole),
		cmocka_unit_test(nothing_listed_nothing_seen),
		cmocka_unit_test(what_waits_is_told_in_order_and_whole),
		cmocka_unit_test(hooks_say_who_is_remote),
		cmocka_unit_test(own_addresses_are_not_remote),
		cmocka_unit_test(quotes_are_outbound_or_nothing),
		cmocka_unit_test(tunnels_are_looked_into),
		cmocka_unit_test(other_interfaces_repeat),
		cmocka_unit_test(repeats_are_the_same_packet),
	};

	return cmocka_run_group_tests_name("sight", tests, make_list, drop_list);
}
