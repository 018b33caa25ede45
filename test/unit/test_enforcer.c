/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The enforcer role over a real channel, with a played kernel. */
#include "enforcer_desk.h"

static void
a_list_comes_into_force(void **state)
{
	in_force("198.51.100.0/24");
	assert_int_equal(desk.applied.generation, 1);
	assert_int_equal(fake.ranges, 1);
	assert_int_equal(fake.stat.mode, ENFORCE_DROP);
	assert_true(fake.conf.log);
	ask_status();
	assert_int_equal(desk.status.generation, 1);
	assert_true(desk.status.stat.table);
	assert_true(desk.status.last_change_ms > 0);
	assert_string_equal(desk.status.warning, "");
	send_list(2, "2001:db8::/32");
	assert_true(run(got_applied));
	assert_int_equal(desk.applied.generation, 2);
	assert_int_equal(fake.applied, 2);
}

static void
lists_that_are_not_right_are_refused(void **state)
{
	struct message message = { .type = MSG_LIST };
	int fd;

	send_conf("[enforce]\nmode = drop\n");
	send_list_as(1, "1.2.3.4", LIST_DROP, 1);
	assert_true(run(got_applied));
	assert_int_equal(desk.applied.error, -EBADMSG);
	assert_string_equal(desk.applied.reason, "the list is not the one announced");
	fd = memfd_create("unsealed", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 4096), 0);
	desk.napplied = 0;
	send_fd(message, fd);
	close(fd);
	assert_true(run(got_applied));
	assert_int_not_equal(desk.applied.error, 0);
	assert_int_equal(fake.applied, 0);
}

static void
scope_is_judged_again(void **state)
{
	static const char *const bad[] = {
		"10.1.2.3", "9.0.0.0-11.0.0.0", "223.255.255.255-224.0.0.0", "0.0.0.0/0",
		"fe80::1", "1000::-2600::", "3ffe::-3fff::",
	};
	struct message message = { .type = MSG_CONF };
	const char *text = "[agent]\nstate_dir = /nonexistent\n[enforce]\nmode = drop\n";
	size_t i;
	int fd;

	fd = memfd_with("conf", text, strlen(text));
	send_fd(message, fd);
	close(fd);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		send_list(i + 1, bad[i]);
		assert_true(run(got_applied));
		assert_int_equal(desk.applied.error, -EINVAL);
		assert_int_equal(desk.applied.generation, i + 1);
		assert_non_null(strstr(desk.applied.reason, "scope = public"));
	}
	assert_int_equal(fake.applied, 0);
	send_list(20, "9.0.0.0-9.255.255.255");
	assert_true(run(got_applied));
	assert_int_equal(desk.applied.error, 0);
	/* a state dir that cannot be had is said, and nothing more */
	ask_status();
	assert_non_null(strstr(desk.status.warning, "memory alone"));
}

static void
a_flushed_table_is_restored(void **state)
{
	in_force("198.51.100.0/24");
	fake_drop_table();
	fake_event(ENFORCE_CHANGE_DAMAGED, "table");
	assert_true(run_for(is_restored, 1000));
	assert_int_equal(desk.event.name, EVENT_TABLE_RESTORED);
	assert_int_equal(desk.event.pid, 4711);
	assert_string_equal(desk.event.program, "nft");
	assert_non_null(strstr(desk.event.reason, "table was removed"));
	assert_true(desk.event.time_ms > 0);
	ask_status();
	assert_int_equal(desk.nrestores, 1);
	/* and again, the kernel refusing at first */
	desk.nevents = 0;
	fake.apply_error = -ENOMEM;
	fake_drop_table();
	fake_event(ENFORCE_CHANGE_DAMAGED, "table");
	desk.napplied = 0;
	assert_true(run(got_applied));
	assert_int_equal(desk.applied.error, -ENOMEM);
	ask_status();
	assert_non_null(strstr(desk.status.warning, "not in force"));
	assert_int_equal(desk.status.generation, 0);
	fake.apply_error = 0;
	assert_true(run(is_restored));
	ask_status();
	assert_int_equal(desk.nrestores, 2);
	assert_string_equal(desk.status.warning, "");
}

static bool
got_verified(struct desk *d)
{
	return d->nverified > 0;
}

static void
verify(uint64_t token)
{
	struct message message = { .type = MSG_VERIFY };

	message.u.token.token = token;
	desk.nverified = 0;
	send_fd(message, -1);
	assert_true(run(got_verified));
	assert_int_equal(desk.verified.token, token);
}

static void
what_verify_finds_is_damage(void **state)
{
	in_force("198.51.100.0/24");
	send_order(ORDER_PURGE, ENFORCE_DROP);
	assert_true(run(got_done));
	verify(3);
	assert_int_equal(desk.verified.error, -ENOENT);
	assert_string_equal(desk.verified.reason, "the table was purged");
	send_order(ORDER_RESUME, ENFORCE_DROP);
	assert_true(run(got_done));
	desk.napplied = fake.applied = 0;
	fake.verified.equal = fake.verified.rules = 1;
	verify(4);
	assert_int_equal(desk.verified.error, 0);
	assert_int_equal(desk.verified.repairs, 0);
	assert_int_equal(fake.applied, 0);
	/* a member less: it is put right, counted and told */
	fake.verified.equal = 0;
	fake.verified.nsets = 1;
	fake.verified.sets[0] = (struct enforce_verify_set){ "nets4_a", 1, 0, 1, 0 };
	desk.nevents = 0;
	verify(5);
	assert_int_equal(desk.verified.repairs, 1);
	assert_true(run(is_restored));
	assert_int_equal(fake.applied, 1);
	assert_non_null(strstr(desk.event.reason, "set nets4_a was removed or changed"));
	ask_status();
	assert_int_equal(desk.nrestores, 1);
	/* but not in a panic */
	send_order(ORDER_PANIC, ENFORCE_DROP);
	assert_true(run(got_done));
	verify(6);
	assert_int_equal(desk.verified.verify.equal, 0);
	assert_int_equal(desk.verified.repairs, 0);
	assert_int_equal(fake.applied, 1);
	fake.verify_error = -EINTR;
	verify(7);
	assert_int_equal(desk.verified.error, -EINTR);
}

static void
nothing_is_restored_against_panic(void **state)
{
	in_force("198.51.100.0/24");
	send_order(ORDER_PANIC, ENFORCE_DROP);
	assert_true(run(got_done));
	assert_int_equal(fake.panicked, 1);
	fake_drop_table();
	fake_event(ENFORCE_CHANGE_DAMAGED, "table");
	assert_false(run_for(got_event, 400));
	assert_false(fake.stat.table);
	/* nor does a list do it */
	send_list(2, "192.0.2.1");
	assert_true(run(got_applied));
	assert_string_equal(desk.applied.reason, "held: panic");
	assert_false(fake.stat.table);
	send_order(ORDER_RESUME, ENFORCE_DROP);
	assert_true(run(got_done));
	assert_int_equal(desk.done.error, 0);
	assert_true(fake.stat.table);
	assert_false(fake.stat.dormant);
	assert_int_equal(fake.ranges, 1);
}

static void
nothing_is_restored_against_purge(void **state)
{
	in_force("198.51.100.0/24");
	count_packets("198.51.100.1", DIR_IN, 3);
	send_order(ORDER_PURGE, ENFORCE_DROP);
	assert_true(run(got_done));
	assert_int_equal(fake.purged, 1);
	/* lifted first, counted then */
	assert_int_equal(fake.panicked, 1);
	assert_int_equal(desk.counts[0].packets, 3);
	fake_event(ENFORCE_CHANGE_DAMAGED, "table");
	send_list(2, "192.0.2.1");
	assert_true(run(got_applied));
	assert_string_equal(desk.applied.reason, "held: the table was purged");
	assert_false(run_for(got_event, 300));
	assert_false(fake.stat.table);
	send_order(ORDER_MODE, ENFORCE_WATCH);
	assert_true(run(got_done));
	assert_true(fake.stat.table);
	assert_false(fake.stat.dormant);
	assert_int_equal(fake.stat.mode, ENFORCE_WATCH);
	/* nothing was lost by our own hand */
	desk.told = 0;
	count_packets("192.0.2.1", DIR_IN, 1);
	assert_true(run(got_counts));
	assert_int_equal(desk.counts[0].flags, 0);
}

static void
off_takes_the_table_away_and_drop_brings_it_back(void **state)
{
	in_force("198.51.100.0/24");
	send_order(ORDER_MODE, ENFORCE_OFF);
	assert_true(run(got_done));
	assert_false(fake.stat.table);
	send_order(ORDER_MODE, ENFORCE_DROP);
	assert_true(run(got_done));
	assert_true(fake.stat.table);
	assert_int_equal(fake.ranges, 1);
	send_order(9, ENFORCE_DROP);
	assert_true(run(got_done));
	assert_int_equal(desk.done.error, -EINVAL);
	assert_int_equal(desk.done.token, 17);
	send_order(ORDER_MODE, 77);
	assert_true(run(got_done));
	assert_int_equal(desk.done.error, -EINVAL);
	assert_true(fake.stat.table);
}

static void
panic_by_hand_is_told_and_holds(void **state)
{
	in_force("198.51.100.0/24");
	fake.stat.dormant = true;
	fake_event(ENFORCE_CHANGE_PANIC, "table");
	assert_true(run(got_event));
	assert_int_equal(desk.event.name, EVENT_PANIC);
	assert_string_equal(desk.event.reason, "by hand");
	/* a change of mode does not lift it */
	send_order(ORDER_MODE, ENFORCE_WATCH);
	assert_true(run(got_done));
	assert_true(fake.stat.dormant);
	desk.nevents = 0;
	/* damaged meanwhile: whoever resumes gets it whole */
	fake.ranges = 0;
	fake_event(ENFORCE_CHANGE_DAMAGED, "set hosts4");
	assert_false(run_for(got_event, 300));
	fake.stat.dormant = false;
	fake_event(ENFORCE_CHANGE_RESUME, "table");
	assert_true(run(got_event));
	assert_int_equal(desk.event.name, EVENT_RESUME);
	assert_int_equal(fake.ranges, 1);
}

static bool
got_two_events(struct desk *d)
{
	return d->nevents > 1;
}

/* Several events may be read at once, and an order may come between a deed and its event. */
static void
the_last_word_on_a_panic_holds(void **state)
{
	in_force("198.51.100.0/24");
	send_order(ORDER_PANIC, ENFORCE_DROP);
	assert_true(run(got_done));
	/* lifted by hand and set again */
	fake_event(ENFORCE_CHANGE_RESUME | ENFORCE_CHANGE_PANIC, "table");
	assert_false(run_for(got_event, 300));
	send_order(ORDER_MODE, ENFORCE_WATCH);
	assert_true(run(got_done));
	assert_true(fake.stat.dormant);
	/* set by hand before an order that lifted it */
	send_order(ORDER_RESUME, ENFORCE_DROP);
	assert_true(run(got_done));
	desk.nevents = 0;
	fake_event(ENFORCE_CHANGE_PANIC, "table");
	assert_true(run(got_two_events));
	assert_int_equal(desk.event.name, EVENT_RESUME);
	fake.ranges = 0;
	desk.nevents = 0;
	fake_event(ENFORCE_CHANGE_DAMAGED, "set hosts4");
	assert_true(run(got_event));
	assert_int_equal(desk.event.name, EVENT_TABLE_RESTORED);
	assert_int_equal(fake.ranges, 1);
}

static void
send_isolated(uint8_t order, uint64_t token)
{
	struct message message = { .type = MSG_MODE };

	message.u.mode.order = order;
	message.u.mode.mode = ENFORCE_WATCH;
	message.u.mode.token = token;
	message.u.mode.isolate = 1;
	desk.ndone = 0;
	send_fd(message, -1);
}

static bool
is_isolated(struct desk *d)
{
	return fake.stat.isolated;
}

static void
isolation_that_failed_is_tried_again_whatever_the_list_does(void **state)
{
	in_force("198.51.100.0/24");
	send_isolated(ORDER_ISOLATE, 17);
	assert_true(run(got_done));
	assert_true(fake.stat.isolated);
	fake.isolate_error = -ENOBUFS;
	fake.stat.isolated = false;
	fake_event(ENFORCE_CHANGE_DAMAGED, "table");
	/* the list is restored at once, and a new one comes */
	assert_true(run(is_restored));
	send_list(2, "192.0.2.1");
	assert_true(run(got_applied));
	ask_status();
	assert_non_null(strstr(desk.status.warning, "the host is not isolated"));
	fake.isolate_error = 0;
	assert_true(run_for(is_isolated, 2000));
	ask_status();
	assert_null(strstr(desk.status.warning, "isolated"));
}

static void
a_mode_holds_where_isolation_fails(void **state)
{
	send_conf("[enforce]\nmode = drop\n");
	fake.isolate_error = -ENOBUFS;
	send_isolated(ORDER_MODE, 17);
	assert_true(run(got_done));
	assert_int_equal(desk.done.error, -ENOBUFS);
	send_list(1, "192.0.2.1");
	assert_true(run(got_applied));
	assert_int_equal(fake.stat.mode, ENFORCE_WATCH);
	fake.isolate_error = 0;
	assert_true(run_for(is_isolated, 2000));
}

static void
panic_from_before_holds(void **state)
{
	fake.stat.table = fake.stat.dormant = true;
	fake.stat.mode = ENFORCE_DROP;
	send_conf("[enforce]\nmode = drop\n");
	send_order(ORDER_MODE, ENFORCE_DROP);
	assert_true(run(got_event));
	assert_int_equal(desk.event.name, EVENT_PANIC);
	send_list(1, "192.0.2.1");
	assert_true(run(got_applied));
	assert_true(fake.stat.dormant);
	assert_int_equal(fake.ranges, 1);
	send_order(ORDER_RESUME, ENFORCE_DROP);
	assert_true(run(got_done));
	assert_false(fake.stat.dormant);
}

static void
addresses_are_protected_once_they_settle(void **state)
{
	unsigned int i;

	in_force("198.51.100.0/24");
	for (i = 0; i < 20; i++)
		fake_event(ENFORCE_CHANGE_ADDRESSES, "address");
	assert_true(run(is_protected));
	assert_false(run_for(never, 300));
	assert_int_equal(fake.protected, 1);
}

static bool
told_of_a_way(struct desk *now)
{
	return now->bypass[ENFORCE_WAY_XDP].name != 0;
}

static bool
told_of_every_way(struct desk *now)
{
	return told_of_a_way(now) && now->bypass[ENFORCE_WAY_FLOWTABLE].name != 0 &&
	    now->bypass[ENFORCE_WAY_CHILD].name != 0;
}

/* At first all, then what changed; the parent sorts out what is new to it. */
static void
ways_round_the_hooks_are_told(void **state)
{
	in_force("198.51.100.0/24");
	assert_true(run(told_of_every_way));
	assert_int_equal(desk.bypass[ENFORCE_WAY_XDP].name, EVENT_BYPASS_OVER);
	assert_int_equal(desk.bypass[ENFORCE_WAY_CHILD].name, EVENT_BYPASS_OVER);
	memset(desk.bypass, 0, sizeof(desk.bypass));
	fake.blind = "an XDP program on eth0 sees packets before the rules do";
	fake_event(ENFORCE_CHANGE_BLIND, "link");
	assert_true(run(told_of_a_way));
	assert_int_equal(desk.bypass[ENFORCE_WAY_XDP].name, EVENT_BYPASS);
	assert_string_equal(desk.bypass[ENFORCE_WAY_XDP].reason, fake.blind);
	memset(desk.bypass, 0, sizeof(desk.bypass));
	fake_event(ENFORCE_CHANGE_BLIND, "link");
	assert_false(run_for(told_of_a_way, 1500));
	fake.blind = NULL;
	fake_event(ENFORCE_CHANGE_BLIND, "link");
	assert_true(run(told_of_a_way));
	assert_int_equal(desk.bypass[ENFORCE_WAY_XDP].name, EVENT_BYPASS_OVER);
}

static void
check_asks_the_kernel(void **state)
{
	struct message message = { .type = MSG_CHECK };

	in_force("198.51.100.0/24");
	message.u.check.token = 5;
	message.u.check.addr = range_from("198.51.100.1").first;
	send_fd(message, -1);
	assert_true(run(got_checked));
	assert_int_equal(desk.checked.token, 5);
	assert_int_equal(desk.checked.error, 0);
	assert_int_equal(desk.checked.check.listed, ENFORCE_YES);
}

static void
stop_tells_the_last_counts(void **state)
{
	in_force("198.51.100.0/24");
	count_packets("198.51.100.1", DIR_IN, 3);
	send_plain(MSG_STOP);
	loop_run(desk.loop);
	assert_int_equal(enforcer_exit_code(desk.enforcer), 0);
	channel_drain(desk.channel);
	assert_int_equal(desk.counts[0].packets, 3);
	assert_true(fake.stat.table);
}

static void
stop_removes_the_table_if_told_so(void **state)
{
	send_conf("[enforce]\nmode = drop\non_stop = remove\n");
	send_list(1, "198.51.100.0/24");
	assert_true(run(got_applied));
	count_packets("198.51.100.1", DIR_IN, 3);
	send_plain(MSG_STOP);
	loop_run(desk.loop);
	assert_int_equal(enforcer_exit_code(desk.enforcer), 0);
	channel_drain(desk.channel);
	assert_int_equal(desk.counts[0].packets, 3);
	assert_false(fake.stat.table);
}

static void
without_a_parent_the_table_stays(void **state)
{
	send_conf("[enforce]\nmode = drop\non_stop = remove\n");
	send_list(1, "198.51.100.0/24");
	assert_true(run(got_applied));
	channel_free(desk.channel);
	desk.channel = NULL;
	loop_run(desk.loop);
	assert_int_equal(enforcer_exit_code(desk.enforcer), 1);
	assert_true(fake.stat.table);
}

static void
without_rights_it_says_so_and_ends(void **state)
{
	fake.open_error = -EPERM;
	send_conf("[enforce]\nmode = drop\n");
	loop_run(desk.loop);
	assert_int_equal(enforcer_exit_code(desk.enforcer), 1);
	channel_drain(desk.channel);
	assert_int_equal(desk.nstatus, 1);
	assert_non_null(strstr(desk.status.warning, "nothing is enforced"));
}

static void
without_rights_and_off_it_stays(void **state)
{
	fake.open_error = -EPERM;
	send_conf("[enforce]\nmode = off\n");
	send_list(1, "198.51.100.0/24");
	assert_true(run(got_applied));
	assert_string_equal(desk.applied.reason, "held: mode is off");
	send_order(ORDER_MODE, ENFORCE_DROP);
	assert_true(run(got_done));
	assert_int_equal(desk.done.error, -EPERM);
	fake.open_error = 0;
	send_order(ORDER_MODE, ENFORCE_DROP);
	assert_true(run(got_done));
	assert_int_equal(desk.done.error, 0);
	assert_true(fake.stat.table);
}

static void
messages_out_of_order_end_it(void **state)
{
	send_plain(MSG_RECOUNT);
	loop_run(desk.loop);
	assert_int_equal(enforcer_exit_code(desk.enforcer), 1);
	end();
	begin();
	send_conf("");
	send_plain(MSG_GO);
	loop_run(desk.loop);
	assert_int_equal(enforcer_exit_code(desk.enforcer), 1);
}

static void
endpoints_are_put_in_force(void **state)
{
	struct message message = { .type = MSG_ENDPOINT };

	in_force("198.51.100.0/24");
	message.u.endpoint.token = 5;
	message.u.endpoint.addr = addr_from_v4(0xc6336407u);
	message.u.endpoint.port = 8443;
	send_fd(message, -1);
	assert_true(run(got_endpoint));
	assert_int_equal(desk.endpoint.token, 5);
	assert_int_equal(desk.endpoint.error, 0);
	assert_int_equal(fake.endpoint_port, 8443);
	assert_true(addr_equal(&fake.endpoint, &message.u.endpoint.addr));
	/* one that nobody waits for, and one that the kernel refuses */
	message.u.endpoint.token = 0;
	send_fd(message, -1);
	ask_status();
	assert_int_equal(desk.status.endpoints, 2);
	fake.endpoint_error = -ENOSPC;
	message.u.endpoint.token = 6;
	desk.nendpoints = 0;
	send_fd(message, -1);
	assert_true(run(got_endpoint));
	assert_int_equal(desk.endpoint.token, 6);
	assert_int_equal(desk.endpoint.error, -ENOSPC);
	assert_int_equal(desk.nendpoints, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		DESK_TEST(a_list_comes_into_force),
		DESK_TEST(lists_that_are_not_right_are_refused),
		DESK_TEST(scope_is_judged_again),
		DESK_TEST(a_flushed_table_is_restored),
		DESK_TEST(what_verify_finds_is_damage),
		DESK_TEST(nothing_is_restored_against_panic),
		DESK_TEST(nothing_is_restored_against_purge),
		DESK_TEST(off_takes_the_table_away_and_drop_brings_it_back),
		DESK_TEST(panic_by_hand_is_told_and_holds),
		DESK_TEST(the_last_word_on_a_panic_holds),
		DESK_TEST(isolation_that_failed_is_tried_again_whatever_the_list_does),
		DESK_TEST(a_mode_holds_where_isolation_fails),
		DESK_TEST(panic_from_before_holds),
		DESK_TEST(addresses_are_protected_once_they_settle),
		DESK_TEST(ways_round_the_hooks_are_told),
		DESK_TEST(check_asks_the_kernel),
		DESK_TEST(endpoints_are_put_in_force),
		DESK_TEST(stop_tells_the_last_counts),
		DESK_TEST(stop_removes_the_table_if_told_so),
		DESK_TEST(without_a_parent_the_table_stays),
		DESK_TEST(without_rights_it_says_so_and_ends),
		DESK_TEST(without_rights_and_off_it_stays),
		DESK_TEST(messages_out_of_order_end_it),
	};

	log_init("test", LOG_STYLE_SILENT);
	return cmocka_run_group_tests_name("enforcer", tests, NULL, NULL);
}
