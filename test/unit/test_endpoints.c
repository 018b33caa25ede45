/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parent between those who announce and the enforcer: what it lets pass, what it counts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "threatlistd/log.h"
#include "agent.h"
#include "core/admission.h"

static const char config[] =
    "[agent]\nproxy = http://proxy.example.com\n"
    "[source remote]\ntype = https\nlocation = https://lists.example.com:8443/l\n"
    "[source local]\ntype = file\nlocation = /l\n"
    "[sink collector]\ntype = http\nurl = https://collector.example.com:9443/f\nproxy = none\n";

static struct agent agent;
static struct message to_enforcer, to_asker;
static unsigned int nenforcer, nasker;
static bool enforcer_runs;

/* The processes, played: agent.roles[kind] is a number here. */
static struct role *
role_of(enum role_kind kind)
{
	static char roles[ROLE_END];

	return (struct role *)(void *)&roles[kind];
}

int
role_send(struct role *role, const struct message *message, int fd)
{
	if (role != role_of(ROLE_ENFORCER)) {
		to_asker = *message;
		nasker++;
		return 0;
	}
	if (!enforcer_runs)
		return -EPIPE;
	to_enforcer = *message;
	nenforcer++;
	return 0;
}

const char *
role_name(enum role_kind kind)
{
	return kind == ROLE_FEED ? "feed" : "reporter";
}

static int
open_agent(void **state)
{
	struct conf_error err;
	int i;

	memset(&agent, 0, sizeof(agent));
	assert_int_equal(conf_parse(&agent.conf, "test", config, strlen(config), &err), 0);
	nenforcer = nasker = 0;
	enforcer_runs = true;
	for (i = 0; i < ROLE_END; i++)
		agent.roles[i] = role_of((enum role_kind)i);
	agent.endpoints = endpoints_new(&agent);
	endpoints_configure(agent.endpoints);
	return 0;
}

static int
close_agent(void **state)
{
	endpoints_free(agent.endpoints);
	conf_free(agent.conf);
	return 0;
}

static void
announce(enum role_kind kind, const char *text, uint16_t port)
{
	struct msg_endpoint asked = { .token = 7, .port = port };

	assert_null(addr_parse(&asked.addr, text, strlen(text)));
	endpoints_announced(agent.endpoints, kind, &asked);
}

static void
assert_counts(uint64_t passed, uint64_t refused)
{
	struct endpoints_view view;

	endpoints_view(agent.endpoints, &view);
	assert_int_equal(nenforcer, passed);
	assert_int_equal(view.refused, refused);
	assert_int_equal(nasker, refused);
}

static void
each_role_has_its_own_ports(void **state)
{
	struct endpoints_view view;

	endpoints_view(agent.endpoints, &view);
	assert_string_equal(view.trouble, "");
	announce(ROLE_FEED, "198.51.100.7", 8443);
	announce(ROLE_FEED, "198.51.100.7", 443);	/* where a redirect leads */
	announce(ROLE_FEED, "198.51.100.7", 1080);	/* the proxy */
	announce(ROLE_REPORTER, "198.51.100.7", 9443);
	assert_counts(4, 0);
	announce(ROLE_FEED, "198.51.100.7", 9443);
	announce(ROLE_FEED, "198.51.100.7", 80);
	announce(ROLE_REPORTER, "198.51.100.7", 8443);
	announce(ROLE_REPORTER, "198.51.100.7", 443);
	announce(ROLE_REPORTER, "198.51.100.7", 1080);
	announce(ROLE_FEED, "224.0.0.1", 443);
	assert_counts(4, 6);
	endpoints_view(agent.endpoints, &view);
	assert_string_equal(view.trouble, "feed asked for 224.0.0.1 port 443: it is no single host");
}

static void
on_ec2_there_is_systems_manager(void **state)
{
	announce(ROLE_REPORTER, "198.51.100.7", 443);
	assert_counts(0, 1);
	agent.facts.on_ec2 = 1;
	endpoints_configure(agent.endpoints);
	announce(ROLE_REPORTER, "198.51.100.7", 443);
	assert_counts(1, 1);
}

static void
the_environment_names_ports_too(void **state)
{
	static const char aws[] = "[source guardduty]\ntype = guardduty\n";
	struct conf_error err;

	conf_free(agent.conf);
	assert_int_equal(conf_parse(&agent.conf, "test", aws, strlen(aws), &err), 0);
	setenv("AWS_ENDPOINT_URL_S3", "http://s3.example.com:4566", 1);
	setenv("https_proxy", "http://proxy.example.com:3128", 1);
	endpoints_configure(agent.endpoints);
	unsetenv("AWS_ENDPOINT_URL_S3");
	unsetenv("https_proxy");
	announce(ROLE_FEED, "198.51.100.7", 4566);
	announce(ROLE_FEED, "198.51.100.7", 3128);
	announce(ROLE_FEED, "198.51.100.7", 443);
	assert_counts(3, 0);
	announce(ROLE_FEED, "198.51.100.7", 8443);
	announce(ROLE_REPORTER, "198.51.100.7", 4566);
	assert_counts(3, 2);
}

static void
a_flood_leaves_room_for_others(void **state)
{
	unsigned int i;
	char text[32];

	for (i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "198.18.%u.%u", i / 256, i % 256);
		announce(ROLE_FEED, text, 443);
	}
	assert_counts(ADMISSION_LIVE_MAX, 5000 - ADMISSION_LIVE_MAX);
	announce(ROLE_REPORTER, "198.51.100.7", 9443);
	assert_counts(ADMISSION_LIVE_MAX + 1, 5000 - ADMISSION_LIVE_MAX);
}

static void
answers_find_their_askers(void **state)
{
	struct msg_endpoint first, second;
	struct endpoints_view view;

	announce(ROLE_FEED, "198.51.100.7", 443);
	first = to_enforcer.u.endpoint;
	announce(ROLE_REPORTER, "198.51.100.8", 9443);
	second = to_enforcer.u.endpoint;
	assert_true(first.token != 0 && first.token != second.token);
	first.error = -ENOSPC;
	endpoints_done(agent.endpoints, &first);
	assert_int_equal(nasker, 1);
	assert_int_equal(to_asker.type, MSG_ENDPOINT_DONE);
	assert_int_equal(to_asker.u.endpoint.token, 7);
	assert_int_equal(to_asker.u.endpoint.port, 443);
	assert_int_equal(to_asker.u.endpoint.error, -ENOSPC);
	/* twice, or one that nobody asked for: no harm */
	endpoints_done(agent.endpoints, &first);
	first.token = 0;
	endpoints_done(agent.endpoints, &first);
	first.token = UINT64_MAX;
	endpoints_done(agent.endpoints, &first);
	assert_int_equal(nasker, 1);
	endpoints_done(agent.endpoints, &second);
	assert_int_equal(nasker, 2);
	endpoints_view(agent.endpoints, &view);
	assert_int_equal(view.unanswered, 0);
}

static void
the_next_enforcer_is_told(void **state)
{
	struct endpoints_view view;

	enforcer_runs = false;
	announce(ROLE_FEED, "198.51.100.7", 443);
	assert_int_equal(to_asker.u.endpoint.error, -EPIPE);
	endpoints_view(agent.endpoints, &view);
	assert_int_equal(view.unanswered, 1);
	assert_int_equal(view.refused, 0);
	enforcer_runs = true;
	endpoints_send_all(agent.endpoints);
	assert_int_equal(nenforcer, 1);
	assert_int_equal(to_enforcer.u.endpoint.token, 0);
	assert_int_equal(to_enforcer.u.endpoint.port, 443);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_role_has_its_own_ports, open_agent, close_agent),
		cmocka_unit_test_setup_teardown(on_ec2_there_is_systems_manager, open_agent,
		    close_agent),
		cmocka_unit_test_setup_teardown(the_environment_names_ports_too, open_agent,
		    close_agent),
		cmocka_unit_test_setup_teardown(a_flood_leaves_room_for_others, open_agent,
		    close_agent),
		cmocka_unit_test_setup_teardown(answers_find_their_askers, open_agent, close_agent),
		cmocka_unit_test_setup_teardown(the_next_enforcer_is_told, open_agent, close_agent),
	};

	log_init("test", LOG_STYLE_SILENT);
	return cmocka_run_group_tests_name("endpoints", tests, NULL, NULL);
}
