/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What of findings stays in memory, what is called back, and that nothing is counted twice. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/compile.h"
#include "core/findings.h"
#include "findings_world.h"

/* A remote that is an entry by itself: none of them is folded. */
static void
see_alone(struct world *world, const char *remote)
{
	struct sighting sighting = sighting_of(world, remote, FLOW_INBOUND, DIR_IN);

	sighting.entry = prefix(remote);
	findings_sighting(world->findings, &sighting, world->now);
}

static void
live_findings_are_bounded(void **state)
{
	struct findings_conf conf = defaults();
	struct world world;
	char remote[32];
	unsigned int i;

	conf.max_findings = 10;
	world = begin_with(&conf);
	for (i = 1; i <= 15; i++) {
		snprintf(remote, sizeof(remote), "203.0.113.%u", i);
		see(&world, remote, FLOW_INBOUND, DIR_IN);
	}
	assert_int_equal(findings_live(world.findings), 10);
	assert_int_equal(findings_lost(world.findings), 5);
	findings_free(world.findings);
}

static int
recall_nothing(const char *id, struct finding *finding, void *arg)
{
	return 0;
}

/* Who began is another one now: what made it known is not put out for that. */
static void
a_remote_makes_no_room_for_itself(void **state)
{
	struct findings_conf conf = defaults();
	struct world world;

	conf.max_findings = 1;
	conf.recall.finding = recall_nothing;
	world = begin_with(&conf);
	see(&world, "203.0.113.9", FLOW_INBOUND, DIR_IN);
	pass(&world, OPEN_WAIT_MS);
	findings_saved(world.findings);
	see(&world, "203.0.113.9", FLOW_OUTBOUND, DIR_OUT);
	assert_int_equal(findings_lost(world.findings), 1);
	assert_non_null(find(&world, "203.0.113.9", false, FLOW_INBOUND));
	see(&world, "203.0.113.10", FLOW_OUTBOUND, DIR_OUT);
	pass(&world, OPEN_WAIT_MS);
	assert_int_equal(findings_lost(world.findings), 1);
	assert_non_null(find(&world, "203.0.113.10", false, FLOW_OUTBOUND));
	findings_free(world.findings);
}

/* However many have something to tell: those that do not make room. */
static void
quiet_ones_make_room(void **state)
{
	struct findings_conf conf = defaults();
	struct world world;
	char remote[32];
	unsigned int i;

	conf.max_findings = 200;
	conf.recall.finding = recall_nothing;
	world = begin_with(&conf);
	for (i = 1; i <= 200; i++) {
		snprintf(remote, sizeof(remote), "198.18.%u.1", i);
		see_alone(&world, remote);
	}
	pass(&world, OPEN_WAIT_MS);
	findings_saved(world.findings);
	/* of the first 150 there is something to tell, and soon they come before all others */
	for (i = 1; i <= 200; i++) {
		snprintf(remote, sizeof(remote), "198.18.%u.1", i);
		if (i <= 150)
			see_alone(&world, remote);
	}
	findings_saved(world.findings);
	for (i = 151; i <= 200; i++) {
		snprintf(remote, sizeof(remote), "198.19.%u.1", i);
		see_alone(&world, remote);
		pass(&world, OPEN_WAIT_MS);
		findings_saved(world.findings);
	}
	assert_int_equal(findings_live(world.findings), 200);
	assert_int_equal(findings_lost(world.findings), 0);
	see_alone(&world, "198.19.1.1");
	assert_int_equal(findings_lost(world.findings), 0);
	assert_null(find(&world, "198.19.151.1", false, FLOW_INBOUND));
	assert_non_null(find(&world, "198.18.1.1", false, FLOW_INBOUND));
	findings_free(world.findings);
}

/* A spool with one finding and one counter. */
struct kept {
	struct finding finding;
	struct counter counter;
	unsigned int asked;
	bool unreadable;
};

static int
recall_finding(const char *id, struct finding *finding, void *arg)
{
	struct kept *kept = arg;

	if (kept->unreadable || strcmp(id, kept->finding.id) != 0)
		return kept->unreadable ? -EIO : 0;
	kept->asked++;
	*finding = kept->finding;
	return 1;
}

static int
recall_counter(struct counter *counter, void *arg)
{
	struct kept *kept = arg;

	if (kept->unreadable)
		return -EIO;
	if (!range_equal(&counter->remote, &kept->counter.remote) ||
	    counter->dir != kept->counter.dir)
		return 0;
	*counter = kept->counter;
	return 1;
}

static struct kept
kept_one(void)
{
	struct range remote = prefix("203.0.113.9");
	struct kept kept;

	memset(&kept, 0, sizeof(kept));
	finding_init(&kept.finding, &remote, false, FLOW_INBOUND, START - 5 * INTERVAL);
	finding_id(kept.finding.id, "i-0abc", FINDING_TYPE, &remote, false, FLOW_INBOUND);
	kept.finding.first_ms = kept.finding.last_ms = START - 5 * INTERVAL;
	kept.finding.in.packets = kept.finding.in.dropped = 40;
	kept.finding.verdict = VERDICT_DROPPED;
	kept.finding.active = true;
	finding_accept(&kept.finding, START - 5 * INTERVAL);
	kept.counter = (struct counter){ .remote = remote, .dir = DIR_IN, .known = true,
		.epoch = 9, .value = { 40, 4000, 40 }, .last_ms = START - 5 * INTERVAL };
	return kept;
}

/* A restart neither doubles nor loses: the spool's values are called back. */
static void
counters_are_called_back(void **state)
{
	struct findings_conf conf = defaults();
	struct kept kept = kept_one();
	const struct finding *finding;
	struct world world;

	conf.recall = (struct findings_recall){ recall_finding, recall_counter, &kept };
	world = begin_with(&conf);
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 40, 40);
	pass(&world, 1000);
	assert_int_equal(findings_live(world.findings), 0);
	assert_int_equal(findings_changed(world.findings), CHANGE_NONE);
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 43, 43);
	pass(&world, COUNT_WAIT_MS);
	pass(&world, SCAN_SLACK_MS);
	finding = must_find(&world, "203.0.113.9", FLOW_INBOUND);
	assert_int_equal(finding->in.packets, 43);
	assert_int_equal(finding->revision, 2);
	assert_int_equal(finding->first_ms, START - 5 * INTERVAL);
	assert_int_equal(kept.asked, 1);
	findings_free(world.findings);
}

/* What cannot be called back now is not taken for new: it is told again. */
static void
unreadable_counters_count_nothing(void **state)
{
	struct findings_conf conf = defaults();
	struct kept kept = kept_one();
	struct world world;

	conf.recall = (struct findings_recall){ recall_finding, recall_counter, &kept };
	world = begin_with(&conf);
	kept.unreadable = true;
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 43, 43);
	pass(&world, 1000);
	assert_int_equal(findings_live(world.findings), 0);
	assert_int_equal(findings_changed(world.findings), CHANGE_NONE);
	kept.unreadable = false;
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 43, 43);
	pass(&world, 1000);
	assert_int_equal(must_find(&world, "203.0.113.9", FLOW_INBOUND)->in.packets, 43);
	findings_free(world.findings);
}

/* What the ledger counted before our memory reaches is a value to start from. */
static void
ancient_counts_open_nothing(void **state)
{
	struct findings_conf conf = defaults();
	struct world world;
	struct count count;

	conf.history_ms = INTERVAL;
	world = begin_with(&conf);
	count = count_of(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 50, 50);
	count.last_ms = START - 2 * INTERVAL;
	findings_count(world.findings, &count, world.now);
	pass(&world, 1000);
	assert_int_equal(findings_live(world.findings), 0);
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 51, 51);
	pass(&world, 1000);
	assert_int_equal(must_find(&world, "203.0.113.9", FLOW_INBOUND)->in.packets, 1);
	findings_free(world.findings);
}

static void
quiet_ones_leave_memory(void **state)
{
	struct findings_conf conf = defaults();
	struct kept kept = { .asked = 0 };
	struct world world;

	conf.recall = (struct findings_recall){ recall_finding, recall_counter, &kept };
	world = begin_with(&conf);
	see(&world, "203.0.113.9", FLOW_INBOUND, DIR_IN);
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 1, 1);
	pass(&world, 0);
	/* not while it is unsaved */
	pass(&world, QUIET_MS + INTERVAL);
	assert_int_equal(findings_live(world.findings), 1);
	findings_saved(world.findings);
	pass(&world, SCAN_SLACK_MS + 60000);
	assert_int_equal(findings_live(world.findings), 0);
	findings_free(world.findings);
}

static int
count_saved(const struct counter *counter, void *arg)
{
	++*(unsigned int *)arg;
	return 0;
}

static int
ignore_finding(struct finding *finding, unsigned int change, void *arg)
{
	return 0;
}

/* Else a crash in between would lose the packets: the counter on disk says they are told. */
static void
waiting_counts_are_not_saved(void **state)
{
	struct world world = begin();
	unsigned int saved = 0;

	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 1, 1);
	findings_each_changed(world.findings, ignore_finding, count_saved, &saved);
	assert_int_equal(saved, 0);
	findings_saved(world.findings);
	pass(&world, COUNT_WAIT_MS);
	findings_each_changed(world.findings, ignore_finding, count_saved, &saved);
	assert_int_equal(saved, 1);
	findings_saved(world.findings);
	assert_int_equal(findings_changed(world.findings), CHANGE_NONE);
	findings_free(world.findings);
}

static int
keep_counter(const struct counter *counter, void *arg)
{
	((struct counter *)arg)[counter->dir] = *counter;
	return 0;
}

/* A crash then would count twice what is in a finding on disk, and not in its counter. */
static void
what_does_not_wait_is_saved_beside_what_does(void **state)
{
	struct counter saved[2] = { { .dir = DIR_IN }, { .dir = DIR_OUT } };
	struct world world = begin();

	tell(&world, "203.0.113.9", DIR_OUT, VERDICT_WATCHED, 4, 0);
	pass(&world, COUNT_WAIT_MS);
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_WATCHED, 3, 0);
	findings_each_changed(world.findings, ignore_finding, keep_counter, saved);
	findings_saved(world.findings);
	assert_int_equal(saved[DIR_IN].value.packets, 3);
	/* the mode changed: what is stopped is no answer, and waits */
	tell(&world, "203.0.113.9", DIR_OUT, VERDICT_DROPPED, 9, 5);
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 5, 2);
	findings_each_changed(world.findings, ignore_finding, keep_counter, saved);
	assert_int_equal(must_find(&world, "203.0.113.9", FLOW_OUTBOUND)->out.packets, 9);
	assert_int_equal(must_find(&world, "203.0.113.9", FLOW_OUTBOUND)->in.packets, 3);
	assert_int_equal(saved[DIR_OUT].value.packets, 9);
	assert_int_equal(saved[DIR_OUT].value.dropped, 5);
	assert_int_equal(saved[DIR_IN].value.packets, 3);
	findings_saved(world.findings);
	pass(&world, COUNT_WAIT_MS);
	findings_each_changed(world.findings, ignore_finding, keep_counter, saved);
	assert_int_equal(must_find(&world, "203.0.113.9", FLOW_INBOUND)->in.packets, 2);
	assert_int_equal(saved[DIR_IN].value.packets, 5);
	findings_free(world.findings);
}

static void
sense(struct world *world, const char *remote, uint8_t dir, uint64_t packets)
{
	struct count count = count_of(world, remote, dir, VERDICT_WATCHED, packets, 0);

	count.flags = COUNT_SENSED;
	count.epoch = 77;
	findings_count(world->findings, &count, world->now);
}

/*
 * With mode = off the sensor counts, and what the kernel counted before is told
 * again with each recount, and when the table comes back.
 */
static void
sensor_and_kernel_count_by_themselves(void **state)
{
	struct world world = begin();
	const struct finding *finding;
	unsigned int i;

	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 100, 100);
	pass(&world, COUNT_WAIT_MS);
	sense(&world, "203.0.113.9", DIR_IN, 5);
	finding = must_find(&world, "203.0.113.9", FLOW_INBOUND);
	for (i = 0; i < 3; i++) {
		tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 100, 100);
		sense(&world, "203.0.113.9", DIR_IN, 5);
		assert_int_equal(finding->in.packets, 105);
		assert_int_equal(finding->in.dropped, 100);
	}
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 101, 101);
	assert_int_equal(finding->in.packets, 106);
	findings_free(world.findings);
}

static int
keep_each_counter(const struct counter *counter, void *arg)
{
	((struct counter *)arg)[counter->sensed] = *counter;
	return 0;
}

/* What both counted before a direction was known is in a finding once, whenever a crash comes. */
static void
sensor_and_kernel_do_not_wait_together(void **state)
{
	struct counter saved[2] = { { .dir = DIR_IN } };
	struct world world = begin();

	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 7, 7);
	sense(&world, "203.0.113.9", DIR_IN, 3);
	findings_each_changed(world.findings, ignore_finding, keep_each_counter, saved);
	assert_int_equal(must_find(&world, "203.0.113.9", FLOW_INBOUND)->in.packets, 10);
	assert_int_equal(saved[false].value.packets, 7);
	assert_int_equal(saved[true].value.packets, 3);
	findings_saved(world.findings);
	/* one waits, the other one is saved */
	sense(&world, "203.0.113.9", DIR_OUT, 4);
	tell(&world, "203.0.113.9", DIR_OUT, VERDICT_DROPPED, 6, 6);
	findings_each_changed(world.findings, ignore_finding, keep_each_counter, saved);
	assert_int_equal(saved[true].value.packets, 4);
	assert_int_equal(saved[false].value.packets, 7);
	findings_saved(world.findings);
	pass(&world, COUNT_WAIT_MS);
	findings_each_changed(world.findings, ignore_finding, keep_each_counter, saved);
	assert_int_equal(must_find(&world, "203.0.113.9", FLOW_OUTBOUND)->out.packets, 6);
	assert_int_equal(must_find(&world, "203.0.113.9", FLOW_INBOUND)->out.packets, 4);
	assert_int_equal(saved[false].value.packets, 6);
	findings_free(world.findings);
}

/* The answers of a flow that was cut in its middle stay its own after a restart. */
static void
answers_of_a_cut_flow_stay_where_they_were(void **state)
{
	struct findings_conf conf = defaults();
	struct kept kept = kept_one();
	struct range remote = prefix("203.0.113.9");
	struct world world;

	conf.recall = (struct findings_recall){ recall_finding, recall_counter, &kept };
	world = begin_with(&conf);
	kept.finding.direction = FLOW_OUTBOUND;
	finding_id(kept.finding.id, "i-0abc", FINDING_TYPE, &remote, false, FLOW_OUTBOUND);
	assert_int_equal(findings_adopt(world.findings, &kept.finding, world.now), 0);
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 43, 43);
	pass(&world, 1000);
	assert_null(find(&world, "203.0.113.9", false, FLOW_INBOUND));
	assert_int_equal(must_find(&world, "203.0.113.9", FLOW_OUTBOUND)->in.packets, 43);
	findings_free(world.findings);
}

static void
clock_set_back_stops_nothing(void **state)
{
	struct world world = begin();
	const struct finding *finding;

	see(&world, "203.0.113.9", FLOW_INBOUND, DIR_IN);
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 1, 1);
	pass(&world, 0);
	finding = must_find(&world, "203.0.113.9", FLOW_INBOUND);
	see(&world, "203.0.113.10", FLOW_INBOUND, DIR_IN);
	world.now -= 24 * 3600 * 1000;
	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 2, 2);
	pass(&world, 0);
	pass(&world, SCAN_SLACK_MS);
	assert_int_equal(finding->revision, 2);
	assert_int_equal(must_find(&world, "203.0.113.10", FLOW_INBOUND)->revision, 1);
	findings_free(world.findings);
}

/* Nor is it told of at every look, until the clock is where it was once. */
static void
clock_set_back_hurries_nothing(void **state)
{
	struct world world = begin();
	const struct finding *finding;
	unsigned int minute;

	tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 1, 1);
	pass(&world, COUNT_WAIT_MS);
	pass(&world, OPEN_WAIT_MS);
	finding = must_find(&world, "203.0.113.9", FLOW_INBOUND);
	assert_int_equal(finding->revision, 1);
	world.now -= 7 * 3600 * 1000;
	for (minute = 0; minute < 61; minute++) {
		tell(&world, "203.0.113.9", DIR_IN, VERDICT_DROPPED, 2 + minute, 2 + minute);
		pass(&world, 60 * 1000);
	}
	/* once at once, then each quarter of an hour */
	assert_in_range(finding->revision, 5, 6);
	assert_true(finding->first_ms <= finding->last_ms);
	assert_true(finding->last_ms <= finding->updated_ms);
	findings_free(world.findings);
}

static struct list *
list_named(const char *name, struct image *united)
{
	struct list_source source = { .action = LIST_DROP };
	struct entries *entries = entries_new();
	struct range range = prefix(ENTRY);
	struct compile_notes notes;
	struct list_error error;
	struct image image;
	struct list *one, *all;

	snprintf(source.name, sizeof(source.name), "%s", name);
	assert_int_equal(entries_add(entries, &range, 1), 0);
	assert_int_equal(compile_source(entries, &source, &image), 0);
	assert_int_equal(list_open_memory(&one, image.bytes, image.size, &error), 0);
	assert_int_equal(compile_union((const struct list *const *)&one, 1, SCOPE_ANY, united,
	    &notes), 0);
	assert_int_equal(list_open_memory(&all, united->bytes, united->size, &error), 0);
	list_free(one);
	image_free(&image);
	entries_free(entries);
	return all;
}

static void
lists_are_named_by_their_image(void **state)
{
	struct world world = begin();
	struct image images[2];
	struct list *old = list_named("old", &images[0]), *new = list_named("new", &images[1]);
	struct sighting sighting;

	findings_set_list(world.findings, 1, old);
	findings_set_list(world.findings, 2, new);
	see(&world, "203.0.113.9", FLOW_INBOUND, DIR_IN);
	assert_string_equal(must_find(&world, "203.0.113.9", FLOW_INBOUND)->lists, "old\n");
	sighting = sighting_of(&world, "203.0.113.9", FLOW_INBOUND, DIR_IN);
	sighting.generation = 2;
	findings_sighting(world.findings, &sighting, world.now);
	assert_string_equal(must_find(&world, "203.0.113.9", FLOW_INBOUND)->lists, "new\n");
	/* an image that is gone: the list in force is asked for the address */
	sighting = sighting_of(&world, "203.0.113.10", FLOW_INBOUND, DIR_IN);
	sighting.generation = 77;
	sighting.lists = 1 << 5;
	findings_sighting(world.findings, &sighting, world.now);
	assert_string_equal(must_find(&world, "203.0.113.10", FLOW_INBOUND)->lists, "new\n");
	findings_free(world.findings);
	list_free(old);
	list_free(new);
	image_free(&images[0]);
	image_free(&images[1]);
}

/* Counters as a spool keeps them: last byte of the remote, direction. */
struct shelf {
	struct counter counters[256][2];
};

static struct counter *
place_of(struct shelf *shelf, const struct counter *counter)
{
	assert_false(counter->aggregated);
	return &shelf->counters[counter->remote.first.bytes[3]][counter->dir];
}

static int
shelve(const struct counter *counter, void *arg)
{
	*place_of(arg, counter) = *counter;
	return 0;
}

static int
unshelve(struct counter *counter, void *arg)
{
	const struct counter *kept = place_of(arg, counter);

	if (!kept->known)
		return 0;
	*counter = *kept;
	return 1;
}

/* Whatever comes in whatever order: every packet is in exactly one finding. */
static void
every_packet_is_in_one_finding(void **state)
{
	uint64_t cumulative[300][2] = { { 0 } }, told = 0, found = 0;
	struct findings_conf conf = defaults();
	const struct finding **sorted;
	unsigned int seed = 7, i;
	static struct shelf shelf;
	struct world world;
	char remote[32];
	size_t n;

	memset(&shelf, 0, sizeof(shelf));
	conf.max_findings = 100000;
	conf.recall = (struct findings_recall){ .counter = unshelve, .arg = &shelf };
	world = begin_with(&conf);
	for (i = 0; i < 20000; i++) {
		unsigned int who = (unsigned int)rand_r(&seed) % 250 + 1;
		uint8_t dir = rand_r(&seed) % 2 ? DIR_IN : DIR_OUT;
		uint64_t more = (unsigned int)rand_r(&seed) % 3;
		uint8_t verdict = (uint8_t)((unsigned int)rand_r(&seed) % 5);

		snprintf(remote, sizeof(remote), "203.0.113.%u", who);
		if (rand_r(&seed) % 4 == 0)
			see(&world, remote, (uint8_t)((unsigned int)rand_r(&seed) % 3), dir);
		cumulative[who][dir] += more;
		told += more;
		tell(&world, remote, dir, verdict, cumulative[who][dir], 0);
		if (rand_r(&seed) % 8 == 0)
			pass(&world, rand_r(&seed) % 2000);
		if (rand_r(&seed) % 16 == 0) {
			findings_each_changed(world.findings, ignore_finding, shelve, &shelf);
			findings_saved(world.findings);
		}
	}
	findings_finish(world.findings, world.now);
	sorted = findings_sorted(world.findings);
	n = findings_live(world.findings);
	for (i = 0; i < n; i++) {
		found += sorted[i]->in.packets + sorted[i]->out.packets;
		assert_false(sorted[i]->active);
		assert_int_equal(sorted[i]->told_packets, sorted[i]->in.packets +
		    sorted[i]->out.packets);
		assert_true(i == 0 || sorted[i - 1]->first_ms <= sorted[i]->first_ms);
	}
	assert_int_equal(found, told);
	assert_int_equal(findings_lost(world.findings), 0);
	free(sorted);
	findings_free(world.findings);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_findings_are_bounded),
		cmocka_unit_test(a_remote_makes_no_room_for_itself),
		cmocka_unit_test(quiet_ones_make_room),
		cmocka_unit_test(counters_are_called_back),
		cmocka_unit_test(unreadable_counters_count_nothing),
		cmocka_unit_test(ancient_counts_open_nothing),
		cmocka_unit_test(quiet_ones_leave_memory),
		cmocka_unit_test(waiting_counts_are_not_saved),
		cmocka_unit_test(what_does_not_wait_is_saved_beside_what_does),
		cmocka_unit_test(sensor_and_kernel_count_by_themselves),
		cmocka_unit_test(sensor_and_kernel_do_not_wait_together),
		cmocka_unit_test(answers_of_a_cut_flow_stay_where_they_were),
		cmocka_unit_test(clock_set_back_stops_nothing),
		cmocka_unit_test(clock_set_back_hurries_nothing),
		cmocka_unit_test(lists_are_named_by_their_image),
		cmocka_unit_test(every_packet_is_in_one_finding),
	};

	return cmocka_run_group_tests_name("findings memory", tests, NULL, NULL);
}
