/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the enforcer role tells of the kernel's counters. */
#include "enforcer_desk.h"

static void
counts_are_told_within_a_second(void **state)
{
	struct range entry = range_from("198.51.100.0/24");

	in_force("198.51.100.0/24");
	count_packets("198.51.100.7", DIR_IN, 5);
	assert_true(run_for(got_counts, 1500));
	assert_int_equal(desk.ncounts, 1);
	assert_int_equal(desk.counts[0].packets, 5);
	assert_int_equal(desk.counts[0].bytes, 300);
	assert_int_equal(desk.counts[0].dropped, 5);
	assert_int_equal(desk.counts[0].verdict, VERDICT_DROPPED);
	assert_int_equal(desk.counts[0].generation, 1);
	assert_int_equal(desk.counts[0].lists, 1);
	assert_true(range_equal(&desk.counts[0].entry, &entry));
	desk.told = 0;
	count_packets("198.51.100.7", DIR_IN, 2);
	assert_true(run_for(got_counts, 1000));
	assert_int_equal(desk.counts[0].packets, 7);
}

/* Without a packet the elements are left alone, until one may have expired. */
static void
quiet_tables_are_not_read_again_and_again(void **state)
{
	unsigned int before;

	in_force("198.51.100.0/24");
	count_packets("198.51.100.7", DIR_IN, 5);
	assert_true(run(got_counts));
	assert_false(run_for(never, 700));
	before = fake.readings;
	assert_false(run_for(never, 1500));
	assert_int_equal(fake.readings, before);
	desk.told = 0;
	count_packets("198.51.100.7", DIR_IN, 2);
	assert_true(run_for(got_counts, 1000));
	assert_int_equal(desk.counts[0].packets, 7);
	/* one is gone: it is asked for until that is sure */
	count_packets("198.51.100.8", DIR_IN, 1);
	fake.seen[0] = fake.seen[1];
	fake.nseen = 1;
	before = fake.readings;
	assert_false(run_for(never, 3000));
	assert_in_range(fake.readings, before + LEDGER_MISSES, before + LEDGER_MISSES + 2);
}

static void
verdicts_follow_sets_action_and_mode(void **state)
{
	in_force("198.51.100.0/24");
	count_packets("198.51.100.1", DIR_IN, 1)->protect = true;
	count_packets("198.51.100.2", DIR_IN, 1)->allow = true;
	/* named by no list, and never known: nothing is claimed */
	count_packets("203.0.113.9", DIR_IN, 1);
	assert_true(run(got_counts));
	assert_int_equal(desk.ncounts, 3);
	assert_int_equal(desk.counts[0].verdict, VERDICT_PROTECTED);
	assert_int_equal(desk.counts[1].verdict, VERDICT_ALLOWED);
	assert_int_equal(desk.counts[2].verdict, VERDICT_WATCHED);
	assert_int_equal(desk.counts[0].dropped + desk.counts[1].dropped +
	    desk.counts[2].dropped, 0);
	send_list_as(2, "198.51.100.0/24", LIST_REJECT, 0);
	assert_true(run(got_applied));
	desk.told = desk.ncounts = 0;
	count_packets("198.51.100.3", DIR_OUT, 1);
	count_packets("198.51.100.4", DIR_IN, 1);
	assert_true(run(got_counts));
	assert_int_equal(desk.counts[0].verdict, VERDICT_REJECTED);
	assert_int_equal(desk.counts[1].verdict, VERDICT_DROPPED);
	assert_int_equal(desk.counts[0].action, LIST_REJECT);
}

static void
a_change_books_what_came_before_it(void **state)
{
	in_force("198.51.100.0/24");
	count_packets("198.51.100.1", DIR_IN, 10);
	send_order(ORDER_MODE, ENFORCE_WATCH);
	assert_true(run(got_done));
	assert_int_equal(desk.counts[0].dropped, 10);
	desk.told = 0;
	count_packets("198.51.100.1", DIR_IN, 5);
	assert_true(run(got_counts));
	assert_int_equal(desk.counts[0].packets, 15);
	assert_int_equal(desk.counts[0].dropped, 10);
	assert_int_equal(desk.counts[0].verdict, VERDICT_WATCHED);
	/* off the list: the one before still names it */
	desk.told = 0;
	send_list(2, "192.0.2.1");
	assert_true(run(got_applied));
	count_packets("198.51.100.1", DIR_IN, 1);
	assert_true(run(got_counts));
	assert_int_equal(desk.counts[0].generation, 1);
	assert_int_equal(desk.counts[0].packets, 16);
}

static void
a_restart_goes_on_counting(void **state)
{
	uint64_t epoch;

	in_force("198.51.100.0/24");
	count_packets("198.51.100.1", DIR_IN, 3);
	assert_true(run(got_counts));
	epoch = desk.counts[0].epoch;
	/* killed: what came meanwhile is found by the next one */
	end();
	count_packets("198.51.100.1", DIR_IN, 4);
	desk.told = desk.ncounts = 0;
	begin();
	in_force("198.51.100.0/24");
	assert_true(run(got_counts));
	assert_int_equal(desk.ncounts, 1);
	assert_int_equal(desk.counts[0].packets, 7);
	assert_int_equal(desk.counts[0].dropped, 7);
	assert_int_equal(desk.counts[0].flags, 0);
	assert_true(desk.counts[0].epoch == epoch);
	/* told again for a new reporter */
	desk.told = 0;
	send_plain(MSG_RECOUNT);
	assert_true(run(got_counts));
	assert_int_equal(desk.counts[0].packets, 7);
	assert_int_equal(desk.counts[0].generation, 1);
}

static bool
all_told(struct desk *d)
{
	return d->ncounts == fake.nseen;
}

/* A remote that nobody knew before is named by the list, when that has come. */
static void
after_a_restart_strangers_wait_for_the_list(void **state)
{
	struct range entry = range_from("198.51.100.0/24");

	in_force("198.51.100.0/24");
	count_packets("198.51.100.1", DIR_IN, 3);
	assert_true(run(got_counts));
	end();
	count_packets("198.51.100.2", DIR_IN, 4);
	desk.told = desk.ncounts = 0;
	begin();
	send_conf("[enforce]\nmode = drop\n");
	send_order(ORDER_MODE, ENFORCE_DROP);
	assert_true(run(got_done));
	assert_false(run_for(never, 300));
	assert_true(desk.ncounts <= 1);
	send_list(1, "198.51.100.0/24");
	assert_true(run(all_told));
	assert_int_equal(desk.ncounts, 2);
	assert_int_equal(desk.counts[1].packets, 4);
	assert_int_equal(desk.counts[1].verdict, VERDICT_DROPPED);
	assert_true(range_equal(&desk.counts[1].entry, &entry));
}

/* What a wide set counts is its entry's, whichever set it is, and stays when the set goes. */
static void
wide_prefixes_are_told_as_their_entry(void **state)
{
	struct range entry = range_from("45.0.0.0/8");
	struct enforce_seen *seen;
	unsigned int readings;

	in_force("45.0.0.0/8");
	seen = count_packets("45.0.0.0", DIR_IN, 1000);
	seen->instance = 17;
	fake.stat.flooded_packets = 1000;
	assert_true(run(got_counts));
	assert_int_equal(desk.ncounts, 1);
	assert_int_equal(desk.counts[0].flags, COUNT_AGGREGATED);
	assert_int_equal(desk.counts[0].packets, 1000);
	assert_true(range_equal(&desk.counts[0].entry, &entry));
	/* another set in its place begins from zero: neither is lost nor told twice */
	fake.conf.retired(seen, fake.conf.retired_arg);
	seen->packets = 1200;
	fake.conf.retired(seen, fake.conf.retired_arg);
	seen->packets = 5;
	seen->instance = 18;
	fake.stat.flooded_packets = 1205;
	desk.told = 0;
	assert_true(run(got_counts));
	assert_int_equal(desk.counts[0].packets, 1205);
	assert_int_equal(desk.counts[0].flags, COUNT_AGGREGATED);
	/* while nothing is added to them they are not read again, nor forgotten */
	assert_false(run_for(never, 700));
	readings = fake.wide_readings;
	desk.told = 0;
	count_packets("45.0.0.9", DIR_IN, 1);
	assert_true(run(got_counts));
	assert_int_equal(fake.wide_readings, readings);
	assert_false(run_for(never, 2500));
	seen->packets = 6;
	fake.stat.flooded_packets = 1206;
	desk.told = 0;
	assert_true(run(got_counts));
	assert_int_equal(desk.counts[0].packets, 1206);
}

/* A parent that does not listen costs bounded memory, and loses nothing in the end. */
static void
a_deaf_parent_hears_all_later(void **state)
{
	uint64_t sum = 0;
	size_t i;

	in_force("198.51.100.0/24");
	assert_int_equal(loop_set_events(desk.loop, desk.fd, 0), 0);
	for (i = 0; i < 50000; i++) {
		struct enforce_seen *seen = &fake.seen[i];

		/* strangers: each stands for itself */
		memset(seen, 0, sizeof(*seen));
		seen->remote = addr_from_v4(0x0b000000u + (uint32_t)i);
		seen->packets = i + 1;
		seen->bytes = 40 * (i + 1);
	}
	fake.nseen = i;
	assert_false(run_for(never, 1500));
	assert_true(channel_queued(desk.enforcer->channel) <= CHANNEL_QUEUE_MAX * 3 / 4);
	assert_true(channel_queued(desk.enforcer->channel) > 0);
	assert_int_equal(desk.told, 0);
	assert_int_equal(loop_set_events(desk.loop, desk.fd, EPOLLIN), 0);
	assert_true(run(all_told));
	for (i = 0; i < desk.ncounts; i++)
		sum += desk.counts[i].packets;
	assert_int_equal(sum, UINT64_C(50000) * 50001 / 2);
}

static bool
overflow_told(struct desk *d)
{
	if (d->nstatus > 0) {
		d->nstatus = 0;
		send_plain(MSG_STATUS_ASK);
	}
	return d->status.seen_overflow > 0;
}

static bool
overflow_grown(struct desk *d)
{
	overflow_told(d);
	return d->status.seen_overflow > 7;
}

static bool
table_read(struct desk *d)
{
	return d->enforcer->sweep.overflow.table_epoch != 0;
}

static void
packets_without_a_remote_are_said(void **state)
{
	in_force("198.51.100.0/24");
	ask_status();
	assert_int_equal(desk.status.seen_overflow, 0);
	assert_true(run(table_read));
	fake.stat.seen_overflow = 7;
	desk.nstatus = 1;
	assert_true(run(overflow_told));
	assert_int_equal(desk.status.seen_overflow, 7);
	assert_non_null(strstr(desk.status.warning, "7 packets of listed remotes"));
	assert_int_equal(desk.nevents, 1);
	assert_int_equal(desk.event.name, EVENT_REPORTS_LOST);
	assert_non_null(strstr(desk.event.reason, "7 packets of listed remotes"));
	/* another table begins from zero, the total goes on */
	fake.stat.table_epoch++;
	fake.stat.seen_overflow = 2;
	desk.status.seen_overflow = 0;
	assert_true(run(overflow_grown));
	assert_int_equal(desk.status.seen_overflow, 9);
	/* not before update_interval is over */
	assert_int_equal(desk.nevents, 1);
}

/* Not when it is the first that is heard of a table, and not when an enforcer is killed. */
static void
what_no_event_told_yet_is_told_by_the_next(void **state)
{
	fake.stat.seen_overflow = 7;
	in_force("198.51.100.0/24");
	ask_status();
	desk.nstatus = 1;
	assert_true(run(overflow_told));
	assert_int_equal(desk.status.seen_overflow, 7);
	assert_int_equal(desk.nevents, 1);
	assert_non_null(strstr(desk.event.reason, "7 packets of listed remotes"));
	end();
	fake.stat.seen_overflow = 9;
	desk.nevents = 0;
	begin();
	in_force("198.51.100.0/24");
	ask_status();
	desk.nstatus = 1;
	assert_true(run(overflow_grown));
	assert_int_equal(desk.nevents, 1);
	assert_non_null(strstr(desk.event.reason, "2 packets of listed remotes"));
	/* and what was told is no news */
	end();
	desk.nevents = 0;
	desk.status.seen_overflow = 0;
	begin();
	in_force("198.51.100.0/24");
	ask_status();
	desk.nstatus = 1;
	assert_true(run(overflow_grown));
	assert_int_equal(desk.nevents, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		DESK_TEST(counts_are_told_within_a_second),
		DESK_TEST(quiet_tables_are_not_read_again_and_again),
		DESK_TEST(verdicts_follow_sets_action_and_mode),
		DESK_TEST(a_change_books_what_came_before_it),
		DESK_TEST(a_restart_goes_on_counting),
		DESK_TEST(after_a_restart_strangers_wait_for_the_list),
		DESK_TEST(wide_prefixes_are_told_as_their_entry),
		DESK_TEST(a_deaf_parent_hears_all_later),
		DESK_TEST(packets_without_a_remote_are_said),
		DESK_TEST(what_no_event_told_yet_is_told_by_the_next),
	};

	log_init("test", LOG_STYLE_SILENT);
	return cmocka_run_group_tests_name("enforcer counts", tests, NULL, NULL);
}
