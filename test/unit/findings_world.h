/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A world of findings with virtual time, for the tests of findings; after cmocka.h. */
#ifndef UNIT_FINDINGS_WORLD_H
#define UNIT_FINDINGS_WORLD_H

#include "core/findings.h"
#include "threatlistd/enforce.h"

#define START		INT64_C(1700000000000)
#define INTERVAL	(15 * 60 * 1000)
/* Updates are looked for at most once a second. */
#define SCAN_SLACK_MS	1000
#define ENTRY		"203.0.113.0/24"

struct world {
	struct findings *findings;
	int64_t now;
};

static inline struct addr
address(const char *text)
{
	struct addr addr;

	assert_null(addr_parse(&addr, text, strlen(text)));
	return addr;
}

static inline struct range
prefix(const char *text)
{
	struct range range;
	unsigned int notes = 0;

	assert_null(range_parse(&range, text, strlen(text), &notes));
	return range;
}

static inline struct findings_conf
defaults(void)
{
	return (struct findings_conf){
		.host_id = "i-0abc", .update_interval_ms = INTERVAL, .max_findings = 1000,
		.mode = ENFORCE_DROP, .seed = 42,
	};
}

static inline struct world
begin_with(const struct findings_conf *conf)
{
	struct world world = { findings_new(conf), START };

	assert_non_null(world.findings);
	return world;
}

static inline struct world
begin(void)
{
	struct findings_conf conf = defaults();

	return begin_with(&conf);
}

static inline void
pass(struct world *world, int64_t ms)
{
	world->now += ms;
	findings_tick(world->findings, world->now);
}

static inline struct sighting
sighting_of(const struct world *world, const char *remote, uint8_t flow, uint8_t dir)
{
	return (struct sighting){
		.time_us = world->now * 1000, .local = address("10.0.0.5"),
		.remote = address(remote), .local_port = 22, .remote_port = 40000, .has_ports = 1,
		.proto = 6, .dir = dir, .flow = flow, .action = LIST_DROP,
		.uid = SIGHTING_UNKNOWN_ID, .gid = SIGHTING_UNKNOWN_ID, .packets = 1, .lists = 1,
		.generation = 1, .entry = prefix(ENTRY),
	};
}

static inline void
see(struct world *world, const char *remote, uint8_t flow, uint8_t dir)
{
	struct sighting sighting = sighting_of(world, remote, flow, dir);

	findings_sighting(world->findings, &sighting, world->now);
}

static inline struct count
count_of(const struct world *world, const char *remote, uint8_t dir, uint8_t verdict,
    uint64_t packets, uint64_t dropped)
{
	return (struct count){
		.remote = address(remote), .dir = dir, .verdict = verdict, .action = LIST_DROP,
		.entry = prefix(ENTRY), .lists = 1, .generation = 1, .epoch = 9,
		.packets = packets, .bytes = packets * 100, .dropped = dropped,
		.first_ms = world->now - 50, .last_ms = world->now,
	};
}

static inline void
tell(struct world *world, const char *remote, uint8_t dir, uint8_t verdict, uint64_t packets,
    uint64_t dropped)
{
	struct count count = count_of(world, remote, dir, verdict, packets, dropped);

	findings_count(world->findings, &count, world->now);
}

/* The live finding of a remote, NULL: none. */
static inline const struct finding *
find(const struct world *world, const char *remote, bool aggregated, uint8_t direction)
{
	struct range range = prefix(remote);
	char id[FINDING_ID_SIZE];

	finding_id(id, "i-0abc", FINDING_TYPE, &range, aggregated, direction);
	return findings_by_id(world->findings, id);
}

static inline const struct finding *
must_find(const struct world *world, const char *remote, uint8_t direction)
{
	const struct finding *finding = find(world, remote, false, direction);

	assert_non_null(finding);
	return finding;
}

#endif
