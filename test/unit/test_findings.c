/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From sightings and counts to findings and their updates, with virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/aggregate.h"
#include "core/findings.h"
#include "threatlistd/enforce.h"
#include "findings_world.h"

/* Vectors by: printf %s 'TEXT' | openssl dgst -sha256 | cut to 32 digits. */
static void
ids_are_the_contracts(void **state)
{
	static const struct {
		const char *remote;
		bool aggregated;
		uint8_t direction;
		const char *id;
	} vectors[] = {
		{ "203.0.113.9", false, FLOW_INBOUND,
		    "f7e89efd5030f1d8e0914af82a1ea51b" },
		{ "203.0.113.9", false, FLOW_OUTBOUND,
		    "2b716ae28e03b015237ca6a23708fc02" },
		{ "2001:db8::1", false, FLOW_INBOUND,
		    "00766dce6ce830947a13a682e3c139a2" },
		{ "203.0.113.0/24", true, FLOW_INBOUND,
		    "75b084f8a6ebb346354ae1d4aac3b436" },
		{ "2001:db8::/32", true, FLOW_OUTBOUND,
		    "1bd4a391d3b6d97145a12bc0aaa804ff" },
	};
	char id[FINDING_ID_SIZE];
	size_t i;

	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct range range = prefix(vectors[i].remote);

		finding_id(id, "i-0abc", FINDING_TYPE, &range, vectors[i].aggregated,
		    vectors[i].direction);
		assert_string_equal(id, vectors[i].id);
	}
}

static void
severities_are_the_contracts(void **state)
{
	assert_int_equal(finding_severity(FLOW_INBOUND, true), 2);
	assert_int_equal(finding_severity(FLOW_INBOUND, false), 5);
	assert_int_equal(finding_severity(FLOW_OUTBOUND, true), 5);
	assert_int_equal(finding_severity(FLOW_OUTBOUND, false), 8);
}

static void
first_count_tells_a_sighted_one(void **state)
{
	struct world world = begin();
	const struct finding *finding;

	see(&world, "203.0.113.9", FLOW_INBOUND, DIR_IN);
	pass(&world, 100);
	finding = must_find(&world, "203.0.113.9", FLOW_INBOUND);
	assert_int_equal(finding->revision, 0);
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 3, 3);
	pass(&world, 0);
	assert_int_equal(finding->revision, 1);
	assert_int_equal(finding->count, 1);
	assert_int_equal(finding->in.packets, 3);
	assert_int_equal(finding->in.bytes, 300);
	assert_int_equal(finding->in.dropped, 3);
	assert_true(finding->blocked);
	assert_int_equal(finding->severity, 2);
	assert_int_equal(finding->first_ms, START);
	assert_int_equal(finding->last_ms, START + 100);
	assert_int_equal(findings_changed(world.findings), CHANGE_ACTIVITY | CHANGE_UPDATE);
	findings_free(world.findings);
}

/* Well within a second, with what the mode lets expect. */
static void
sighting_alone_is_told(void **state)
{
	static const struct {
		uint8_t mode, action, verdict;
		bool blocked;
	} cases[] = {
		{ ENFORCE_DROP, LIST_DROP, VERDICT_DROPPED, true },
		{ ENFORCE_DROP, LIST_REJECT, VERDICT_REJECTED, true },
		{ ENFORCE_DROP, LIST_WATCH, VERDICT_WATCHED, false },
		{ ENFORCE_WATCH, LIST_DROP, VERDICT_WATCHED, false },
		{ ENFORCE_OFF, LIST_DROP, VERDICT_WATCHED, false },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct findings_conf conf = defaults();
		const struct finding *finding;
		struct sighting sighting;
		struct world world;

		conf.mode = cases[i].mode;
		world = begin_with(&conf);
		sighting = sighting_of(&world, "203.0.113.9", FLOW_OUTBOUND, DIR_OUT);
		sighting.action = cases[i].action;
		findings_sighting(world.findings, &sighting, world.now);
		assert_int_equal(findings_next_ms(world.findings), START + OPEN_WAIT_MS);
		pass(&world, OPEN_WAIT_MS);
		finding = must_find(&world, "203.0.113.9", FLOW_OUTBOUND);
		assert_int_equal(finding->revision, 1);
		assert_int_equal(finding->verdict, cases[i].verdict);
		assert_int_equal(finding->blocked, cases[i].blocked);
		assert_int_equal(finding->in.packets + finding->out.packets, 0);
		findings_free(world.findings);
	}
}

static void
counts_alone_find_their_direction(void **state)
{
	static const struct {
		uint8_t verdict;
		uint64_t in, out;	/* packets told */
		int64_t inbound, outbound;	/* packets in the findings, -1: none */
	} cases[] = {
		{ VERDICT_DROPPED, 5, 0, 5, -1 },
		{ VERDICT_DROPPED, 0, 5, -1, 5 },
		{ VERDICT_REJECTED, 4, 5, 4, 5 },
		{ VERDICT_WATCHED, 5, 0, 5, -1 },
		{ VERDICT_ALLOWED, 0, 5, -1, 5 },
		{ VERDICT_WATCHED, 4, 5, 9, -1 },
		{ VERDICT_PROTECTED, 4, 5, 9, -1 },
	};
	const struct finding *in, *out;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world world = begin();
		bool stopped = cases[i].verdict == VERDICT_DROPPED ||
		    cases[i].verdict == VERDICT_REJECTED;

		if (cases[i].in > 0)
			tell(&world, "203.0.113.9", DIR_IN, cases[i].verdict, cases[i].in,
			    stopped ? cases[i].in : 0);
		if (cases[i].out > 0)
			tell(&world, "203.0.113.9", DIR_OUT, cases[i].verdict, cases[i].out,
			    stopped ? cases[i].out : 0);
		pass(&world, COUNT_WAIT_MS - 1);
		assert_int_equal(findings_live(world.findings), 0);
		pass(&world, 1);
		in = find(&world, "203.0.113.9", false, FLOW_INBOUND);
		out = find(&world, "203.0.113.9", false, FLOW_OUTBOUND);
		assert_int_equal(in != NULL ? (int64_t)(in->in.packets + in->out.packets) : -1,
		    cases[i].inbound);
		assert_int_equal(out != NULL ? (int64_t)(out->in.packets + out->out.packets) : -1,
		    cases[i].outbound);
		/* told in the same tick */
		assert_int_equal(in != NULL ? in->revision : out->revision, 1);
		findings_free(world.findings);
	}
}

/* Counted before and after the mode changed: both are told, and nothing falls between them. */
static void
a_mode_that_changes_loses_no_direction(void **state)
{
	static const uint8_t verdicts[2] = { VERDICT_WATCHED, VERDICT_DROPPED };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct world world = begin();
		const struct finding *in, *out;

		tell(&world, "203.0.113.9", DIR_IN, verdicts[i], 3, i * 3);
		tell(&world, "203.0.113.9", DIR_OUT, verdicts[1 - i], 2, (1 - i) * 2);
		pass(&world, COUNT_WAIT_MS);
		in = must_find(&world, "203.0.113.9", FLOW_INBOUND);
		out = must_find(&world, "203.0.113.9", FLOW_OUTBOUND);
		assert_int_equal(in->in.packets, 3);
		assert_int_equal(out->out.packets, 2);
		findings_free(world.findings);
	}
}

/* What we send to a remote that we drop is no reply to what it sent. */
static void
stopped_packets_open_their_own_direction(void **state)
{
	struct world world = begin();

	see(&world, "203.0.113.1", FLOW_INBOUND, DIR_IN);
	tell(&world, "203.0.113.1", DIR_IN, VERDICT_DROPPED, 3, 3);
	tell(&world, "203.0.113.1", DIR_OUT, VERDICT_DROPPED, 2, 2);
	assert_null(find(&world, "203.0.113.1", false, FLOW_OUTBOUND));
	pass(&world, 1000);
	assert_int_equal(must_find(&world, "203.0.113.1", FLOW_INBOUND)->in.packets, 3);
	assert_int_equal(must_find(&world, "203.0.113.1", FLOW_INBOUND)->out.packets, 0);
	assert_int_equal(must_find(&world, "203.0.113.1", FLOW_OUTBOUND)->out.packets,
	    2);
	findings_free(world.findings);
}

/* A flow of ours that is cut in its middle: its answers are dropped, too, and stay its own. */
static void
answers_of_a_cut_flow_are_not_inbound(void **state)
{
	struct world world = begin();

	see(&world, "203.0.113.2", FLOW_OUTBOUND, DIR_OUT);
	see(&world, "203.0.113.2", FLOW_OUTBOUND, DIR_IN);
	tell(&world, "203.0.113.2", DIR_IN, VERDICT_DROPPED, 4, 4);
	pass(&world, 1000);
	assert_null(find(&world, "203.0.113.2", false, FLOW_INBOUND));
	assert_int_equal(must_find(&world, "203.0.113.2", FLOW_OUTBOUND)->in.packets,
	    4);
	findings_free(world.findings);
}

/* The sighting comes a little later than the counts: replies are no inbound finding. */
static void
late_sighting_gives_the_direction(void **state)
{
	struct world world = begin();
	const struct finding *finding;

	tell(&world, "203.0.113.9", DIR_OUT, VERDICT_WATCHED, 3, 0);
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_WATCHED, 2, 0);
	pass(&world, 100);
	see(&world, "203.0.113.9", FLOW_OUTBOUND, DIR_OUT);
	pass(&world, COUNT_WAIT_MS);
	assert_int_equal(findings_live(world.findings), 1);
	finding = must_find(&world, "203.0.113.9", FLOW_OUTBOUND);
	assert_int_equal(finding->out.packets, 3);
	assert_int_equal(finding->in.packets, 2);
	assert_int_equal(finding->severity, 8);
	/* from now on the remote begins something itself */
	see(&world, "203.0.113.9", FLOW_INBOUND, DIR_IN);
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_WATCHED, 10, 0);
	tell(&world, "203.0.113.9", DIR_OUT, VERDICT_WATCHED, 4, 0);
	assert_int_equal(must_find(&world, "203.0.113.9", FLOW_INBOUND)->in.packets, 8);
	assert_int_equal(finding->in.packets, 2);
	assert_int_equal(finding->out.packets, 4);
	findings_free(world.findings);
}

static void
unknown_flow_follows_the_packet(void **state)
{
	struct world world = begin();

	see(&world, "203.0.113.9", FLOW_UNKNOWN, DIR_OUT);
	must_find(&world, "203.0.113.9", FLOW_OUTBOUND);
	/* an answer to it opens nothing */
	see(&world, "203.0.113.9", FLOW_UNKNOWN, DIR_IN);
	assert_int_equal(findings_live(world.findings), 1);
	findings_free(world.findings);
}

static void
counts_are_cumulative(void **state)
{
	static const struct {
		uint64_t epoch, packets, sum;
	} cases[] = {
		{ 9, 5, 5 }, { 9, 5, 5 }, { 9, 8, 8 },
		{ 9, 6, 8 },	/* smaller: never subtracts */
		{ 9, 9, 9 },
		{ 10, 4, 13 },	/* a new epoch starts from zero */
		{ 10, 4, 13 }, { 10, 5, 14 },
	};
	struct world world = begin();
	size_t i;

	see(&world, "203.0.113.9", FLOW_INBOUND, DIR_IN);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct count count = count_of(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED,
		    cases[i].packets, cases[i].packets);

		count.epoch = cases[i].epoch;
		findings_count(world.findings, &count, world.now);
		assert_int_equal(must_find(&world, "203.0.113.9", FLOW_INBOUND)->in.packets,
		    cases[i].sum);
	}
	findings_free(world.findings);
}

static void
updates_keep_their_interval(void **state)
{
	struct world world = begin();
	const struct finding *finding;

	see(&world, "203.0.113.9", FLOW_OUTBOUND, DIR_OUT);
	tell(&world, "203.0.113.9", DIR_OUT, VERDICT_DROPPED, 1, 1);
	pass(&world, 0);
	finding = must_find(&world, "203.0.113.9", FLOW_OUTBOUND);
	assert_int_equal(finding->revision, 1);
	assert_true(finding->blocked);
	pass(&world, INTERVAL - 1000);
	tell(&world, "203.0.113.9", DIR_OUT, VERDICT_WATCHED, 3, 1);
	pass(&world, 999);
	assert_int_equal(finding->revision, 1);
	assert_true(findings_next_ms(world.findings) <= START + INTERVAL + SCAN_SLACK_MS);
	pass(&world, 1 + SCAN_SLACK_MS);
	assert_int_equal(finding->revision, 2);
	assert_int_equal(finding->count, 2);
	/* of this stretch alone: two packets, none dropped */
	assert_false(finding->blocked);
	assert_int_equal(finding->severity, 8);
	/* silence makes no update */
	pass(&world, 3 * INTERVAL);
	assert_int_equal(finding->revision, 2);
	/* the first activity after it is told at once */
	tell(&world, "203.0.113.9", DIR_OUT, VERDICT_DROPPED, 4, 2);
	pass(&world, SCAN_SLACK_MS);
	assert_int_equal(finding->revision, 3);
	assert_true(finding->blocked);
	findings_free(world.findings);
}

static void
one_passing_packet_is_not_blocked(void **state)
{
	struct world world = begin();

	see(&world, "203.0.113.9", FLOW_INBOUND, DIR_IN);
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 100, 99);
	pass(&world, 0);
	assert_false(must_find(&world, "203.0.113.9", FLOW_INBOUND)->blocked);
	assert_int_equal(must_find(&world, "203.0.113.9", FLOW_INBOUND)->severity, 5);
	findings_free(world.findings);
}

static void
scan_is_one_finding(void **state)
{
	struct world world = begin();
	const struct finding *finding;
	struct sighting sighting;
	unsigned int port;

	for (port = 1; port <= 1000; port++) {
		sighting = sighting_of(&world, "203.0.113.9", FLOW_INBOUND, DIR_IN);
		sighting.local_port = (uint16_t)port;
		findings_sighting(world.findings, &sighting, world.now);
	}
	assert_int_equal(findings_live(world.findings), 1);
	finding = must_find(&world, "203.0.113.9", FLOW_INBOUND);
	assert_int_equal(finding->local_ports.n, FINDING_PORTS);
	assert_true(finding->local_ports.more);
	assert_int_equal(finding->local_ports.port[31], 32);
	assert_int_equal(finding->remote_ports.n, 1);
	assert_false(finding->remote_ports.more);
	findings_free(world.findings);
}

/* More than 64 new remotes a minute: the entry stands for the rest, and no packet is lost. */
static void
flood_is_its_entry(void **state)
{
	struct world world = begin();
	const struct finding **sorted, *entry;
	uint64_t packets = 0;
	char remote[32];
	unsigned int i;
	size_t n;

	for (i = 1; i <= 200; i++) {
		snprintf(remote, sizeof(remote), "203.0.113.%u", i);
		if (i % 2 == 0)
			see(&world, remote, FLOW_INBOUND, DIR_IN);
		tell(&world, remote, DIR_IN, VERDICT_DROPPED, 2, 2);
		pass(&world, 10);
	}
	pass(&world, 1000);
	entry = find(&world, ENTRY, true, FLOW_INBOUND);
	assert_non_null(entry);
	assert_true(entry->aggregated);
	assert_int_equal(findings_live(world.findings), AGGREGATE_REMOTES + 1);
	assert_int_equal(entry->in.packets, 2 * (200 - AGGREGATE_REMOTES));
	/* repeated values of single remotes add nothing, and later ones still do */
	tell(&world, "203.0.113.200", DIR_IN, VERDICT_DROPPED, 2, 2);
	tell(&world, "203.0.113.199", DIR_IN, VERDICT_DROPPED, 5, 5);
	sorted = findings_sorted(world.findings);
	n = findings_live(world.findings);
	for (i = 0; i < n; i++)
		packets += sorted[i]->in.packets;
	assert_int_equal(packets, 2 * 200 + 3);
	free(sorted);
	findings_free(world.findings);
}

static void
aggregated_counts_are_the_entrys(void **state)
{
	struct world world = begin();
	struct count count = count_of(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 7, 7);
	const struct finding *finding;

	memset(&count.remote, 0, sizeof(count.remote));
	count.flags = COUNT_AGGREGATED | COUNT_APPROXIMATE;
	findings_count(world.findings, &count, world.now);
	pass(&world, 0);
	finding = find(&world, ENTRY, true, FLOW_INBOUND);
	assert_non_null(finding);
	assert_int_equal(finding->in.packets, 7);
	assert_int_equal(finding->revision, 1);
	assert_true(finding->approximate);
	findings_free(world.findings);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_the_contracts),
		cmocka_unit_test(severities_are_the_contracts),
		cmocka_unit_test(first_count_tells_a_sighted_one),
		cmocka_unit_test(sighting_alone_is_told),
		cmocka_unit_test(counts_alone_find_their_direction),
		cmocka_unit_test(a_mode_that_changes_loses_no_direction),
		cmocka_unit_test(stopped_packets_open_their_own_direction),
		cmocka_unit_test(answers_of_a_cut_flow_are_not_inbound),
		cmocka_unit_test(late_sighting_gives_the_direction),
		cmocka_unit_test(unknown_flow_follows_the_packet),
		cmocka_unit_test(counts_are_cumulative),
		cmocka_unit_test(updates_keep_their_interval),
		cmocka_unit_test(one_passing_packet_is_not_blocked),
		cmocka_unit_test(scan_is_one_finding),
		cmocka_unit_test(flood_is_its_entry),
		cmocka_unit_test(aggregated_counts_are_the_entrys),
	};

	return cmocka_run_group_tests_name("findings", tests, NULL, NULL);
}
