/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Prints the native form of fixed findings and events, a line each. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/event.h"
#include "core/findings.h"
#include "core/render.h"
#include "threatlistd/enforce.h"

#define START	INT64_C(1700000000123)
#define SPOOL	"00112233445566778899aabbccddeeff"

static struct addr
address(const char *text)
{
	struct addr addr;

	if (addr_parse(&addr, text, strlen(text)) != NULL)
		abort();
	return addr;
}

static struct range
prefix(const char *text)
{
	struct range range;
	unsigned int notes = 0;

	if (range_parse(&range, text, strlen(text), &notes) != NULL)
		abort();
	return range;
}

static struct host_facts
on_ec2(void)
{
	return (struct host_facts){
		.host_id = "i-0abc", .instance_id = "i-0abc", .account = "111122223333",
		.region = "eu-central-1", .partition = "aws", .zone = "eu-central-1a",
		.instance_type = "m5.large", .image_id = "ami-1",
		.profile_arn = "arn:aws:iam::111122223333:instance-profile/p", .profile_id = "AIPA",
		.interface_id = "eni-1", .vpc_id = "vpc-1", .subnet_id = "subnet-1",
		.security_group_id = "sg-1", .security_group = "web", .detector_id = "det1",
		.private_ip = address("10.0.0.5"), .public_ip = address("198.51.100.7"),
		.on_ec2 = 1,
	};
}

static struct host_facts
elsewhere(void)
{
	return (struct host_facts){ .host_id = "m-5f2a", .instance_id = "m-5f2a" };
}

static void
print(char *rendered, uint64_t sequence)
{
	char *placed = rendered != NULL ? render_placed(rendered, sequence) : NULL;

	if (placed == NULL)
		abort();
	puts(placed);
	free(placed);
	free(rendered);
}

static struct finding
finding_of(const struct host_facts *facts, const char *remote, bool aggregated, uint8_t direction)
{
	struct range range = prefix(remote);
	struct finding finding;

	finding_init(&finding, &range, aggregated, direction, START);
	finding_id(finding.id, facts->host_id, FINDING_TYPE, &range, aggregated, direction);
	return finding;
}

static struct sighting
sighting_of(const char *local, const char *remote, const char *entry, uint8_t proto)
{
	return (struct sighting){
		.time_us = START * 1000, .local = address(local), .remote = address(remote),
		.proto = proto, .action = LIST_DROP, .uid = SIGHTING_UNKNOWN_ID,
		.gid = SIGHTING_UNKNOWN_ID, .packets = 1, .entry = prefix(entry),
	};
}

static void
add(struct finding *finding, uint8_t dir, uint8_t verdict, uint8_t action,
    const struct traffic *traffic)
{
	const struct count count = {
		.dir = dir, .verdict = verdict, .action = action, .entry = finding->entry,
		.last_ms = START + 1500,
	};

	finding_add(finding, traffic, &count, START + 500);
}

static void
print_finding(struct finding *finding, const struct host_facts *facts, uint64_t sequence)
{
	finding_accept(finding, START + 2000);
	print(render_finding(finding, facts, SPOOL), sequence);
	finding_fini(finding);
}

/* SSH from outside, all dropped, every fact known. */
static void
inbound_blocked(void)
{
	struct host_facts facts = on_ec2();
	struct finding finding = finding_of(&facts, "203.0.113.9", false, FLOW_INBOUND);
	struct sighting sighting = sighting_of("10.0.0.5", "203.0.113.9", "203.0.113.0/24", 6);

	sighting.has_ports = 1;
	sighting.local_port = 22;
	sighting.remote_port = 40000;
	finding_see(&finding, &sighting);
	finding_set_lists(&finding, "abuse\nfeodo\nspamhaus\n");
	add(&finding, DIR_IN, VERDICT_DROPPED, LIST_DROP, &(struct traffic){ 3, 180, 3 });
	print_finding(&finding, &facts, 1);
}

/* A local user reached a listed IPv6 address; counts beyond what a double holds. */
static void
outbound_passed(void)
{
	struct host_facts facts = elsewhere();
	struct finding finding = finding_of(&facts, "2001:db8::1", false, FLOW_OUTBOUND);
	struct sighting sighting = sighting_of("2001:db8:5::5", "2001:db8::1", "2001:db8::/64", 17);
	unsigned int port;

	sighting.has_ports = 1;
	sighting.uid = 1000;
	sighting.gid = 0;
	sighting.local_port = 50000;
	sighting.action = LIST_WATCH;
	for (port = 1; port <= 40; port++) {
		sighting.remote_port = (uint16_t)port;
		finding_see(&finding, &sighting);
	}
	sighting.proto = 132;
	finding_see(&finding, &sighting);
	finding_set_lists(&finding, "abuse\n");
	add(&finding, DIR_OUT, VERDICT_WATCHED, LIST_WATCH,
	    &(struct traffic){ UINT64_C(9007199254740993), UINT64_C(9223372036854775807), 0 });
	add(&finding, DIR_IN, VERDICT_WATCHED, LIST_WATCH, &(struct traffic){ 2, 120, 0 });
	print_finding(&finding, &facts, 18446744073709551615u);
}

/* A ping has no ports; the list's name is no UTF-8. */
static void
ping_rejected(void)
{
	struct host_facts facts = on_ec2();
	struct finding finding = finding_of(&facts, "203.0.113.10", false, FLOW_OUTBOUND);
	struct sighting sighting = sighting_of("10.0.0.5", "203.0.113.10", "203.0.113.10", 1);

	facts.detector_id[0] = '\0';
	finding_see(&finding, &sighting);
	finding_set_lists(&finding, "b\xff\xc3\xa4\"\\d\n");
	add(&finding, DIR_OUT, VERDICT_REJECTED, LIST_REJECT, &(struct traffic){ 6, 504, 6 });
	print_finding(&finding, &facts, 0);
}

/* Nothing but the kernel's counts, of a whole entry; no list is known. */
static void
entry_allowed(void)
{
	struct host_facts facts = on_ec2();
	struct finding finding = finding_of(&facts, "203.0.113.0/24", true, FLOW_INBOUND);

	add(&finding, DIR_IN, VERDICT_ALLOWED, LIST_DROP, &(struct traffic){ 900, 54000, 10 });
	finding.approximate = true;
	print_finding(&finding, &facts, 7);
}

static void
events(void)
{
	struct host_facts facts = on_ec2();
	struct event event = {
		.id = 17, .time_ms = START, .has_counts = 1, .added = 5, .removed = 2,
		.entries = 1003, .source = "abuse", .old_hash = { 1 }, .new_hash = { 0xfe, 2 },
	};

	event.name = EVENT_LIST_CHANGED;
	print(render_event(&event, &facts, SPOOL), 8);
	memset(&event, 0, sizeof(event));
	event.time_ms = START;
	event.pid = 4242;
	snprintf(event.program, sizeof(event.program), "nft");
	event.name = EVENT_TABLE_RESTORED;
	print(render_event(&event, &facts, SPOOL), 9);
	memset(&event, 0, sizeof(event));
	event.time_ms = START;
	snprintf(event.reason, sizeof(event.reason), "max_shrink is 50%%, 90%% would go");
	snprintf(event.source, sizeof(event.source), "feodo");
	for (event.name = EVENT_LIST_CHANGED; event.name < EVENT_NAME_END; event.name++) {
		snprintf(event.by, sizeof(event.by), "%s", event.name == EVENT_PANIC ?
		    "uid 0 (root)" : "");
		print(render_event(&event, &facts, SPOOL), 10);
	}
}

int
main(void)
{
	inbound_blocked();
	outbound_passed();
	ping_rejected();
	entry_allowed();
	events();
	return 0;
}
