/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/finding.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
finding_digest(char id[static FINDING_ID_SIZE], const char *text)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t hash[SHA256_DIGEST_LENGTH];
	size_t i;

	SHA256((const uint8_t *)text, strlen(text), hash);
	for (i = 0; i < (FINDING_ID_SIZE - 1) / 2; i++) {
		id[2 * i] = digits[hash[i] >> 4];
		id[2 * i + 1] = digits[hash[i] & 15];
	}
	id[FINDING_ID_SIZE - 1] = '\0';
}

const char *
finding_remote_text(const struct range *remote, bool aggregated, char buf[static RANGE_TEXT_MAX])
{
	return aggregated ? range_cidr(remote, buf) : addr_text(&remote->first, buf);
}

void
finding_id(char id[static FINDING_ID_SIZE], const char *host_id, const char *type,
    const struct range *remote, bool aggregated, uint8_t direction)
{
	char text[FACT_MAX + 128 + RANGE_TEXT_MAX], where[RANGE_TEXT_MAX];

	snprintf(text, sizeof(text), "%s|%s|%s|%s", host_id, type,
	    finding_remote_text(remote, aggregated, where), direction_text(direction));
	finding_digest(id, text);
}

void
finding_init(struct finding *finding, const struct range *remote, bool aggregated,
    uint8_t direction, int64_t now_ms)
{
	assert(direction == FLOW_INBOUND || direction == FLOW_OUTBOUND);
	memset(finding, 0, sizeof(*finding));
	finding->remote = *remote;
	finding->entry = *remote;
	finding->aggregated = aggregated;
	finding->direction = direction;
	finding->uid = finding->gid = SIGHTING_UNKNOWN_ID;
	finding->created_ms = now_ms;
}

void
finding_fini(struct finding *finding)
{
	free(finding->lists);
	finding->lists = NULL;
}

static void
add_port(struct finding_ports *ports, uint16_t port)
{
	unsigned int i;

	for (i = 0; i < ports->n; i++) {
		if (ports->port[i] == port)
			return;
	}
	if (ports->n < FINDING_PORTS)
		ports->port[ports->n++] = port;
	else
		ports->more = true;
}

static void
stretch(struct finding *finding, int64_t from_ms, int64_t to_ms)
{
	if (finding->first_ms == 0 || from_ms < finding->first_ms)
		finding->first_ms = from_ms;
	if (to_ms > finding->last_ms)
		finding->last_ms = to_ms;
	finding->active = true;
}

void
finding_see(struct finding *finding, const struct sighting *sighting)
{
	struct finding_packet *packet = &finding->packet;
	int64_t time_ms = sighting->time_us / 1000;

	stretch(finding, time_ms, time_ms);
	finding->action = sighting->action;
	if (range_contains(&sighting->entry, &sighting->remote))
		finding->entry = sighting->entry;
	packet->local = sighting->local;
	packet->proto = sighting->proto;
	packet->has_ports = sighting->has_ports != 0;
	packet->local_port = packet->has_ports ? sighting->local_port : 0;
	packet->remote_port = packet->has_ports ? sighting->remote_port : 0;
	finding->protos[sighting->proto / 64] |= UINT64_C(1) << sighting->proto % 64;
	if (packet->has_ports) {
		add_port(&finding->local_ports, sighting->local_port);
		add_port(&finding->remote_ports, sighting->remote_port);
	}
	if (sighting->uid != SIGHTING_UNKNOWN_ID) {
		finding->uid = sighting->uid;
		finding->gid = sighting->gid;
	}
}

static uint64_t
plus(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void
finding_add(struct finding *finding, const struct traffic *traffic, const struct count *count,
    int64_t since_ms)
{
	struct traffic *sum = count->dir == DIR_IN ? &finding->in : &finding->out;

	sum->packets = plus(sum->packets, traffic->packets);
	sum->bytes = plus(sum->bytes, traffic->bytes);
	sum->dropped = plus(sum->dropped, traffic->dropped);
	stretch(finding, since_ms, count->last_ms);
	finding->verdict = count->verdict;
	finding->action = count->action;
	if (count->entry.first.family != ADDR_NONE)
		finding->entry = count->entry;
	if ((count->flags & COUNT_APPROXIMATE) != 0)
		finding->approximate = true;
}

int
finding_set_lists(struct finding *finding, const char *lists)
{
	char *copy = NULL;

	if (lists != NULL && *lists != '\0') {
		copy = strdup(lists);
		if (copy == NULL)
			return -ENOMEM;
	}
	free(finding->lists);
	finding->lists = copy;
	return 0;
}

static uint64_t
all_packets(const struct finding *finding)
{
	return plus(finding->in.packets, finding->out.packets);
}

static uint64_t
all_dropped(const struct finding *finding)
{
	return plus(finding->in.dropped, finding->out.dropped);
}

bool
finding_blocked(const struct finding *finding)
{
	uint64_t packets = all_packets(finding) - finding->told_packets;
	uint64_t dropped = all_dropped(finding) - finding->told_dropped;

	if (packets == 0)
		return finding->verdict == VERDICT_DROPPED || finding->verdict == VERDICT_REJECTED;
	return dropped >= packets;
}

uint8_t
finding_severity(uint8_t direction, bool blocked)
{
	if (direction == FLOW_INBOUND)
		return blocked ? SEVERITY_INBOUND_BLOCKED : SEVERITY_MEDIUM;
	return blocked ? SEVERITY_MEDIUM : SEVERITY_OUTBOUND_PASSED;
}

/*
 * Receivers take the later one for the newer, and what it tells of for earlier than
 * it, even after the clock was set back.
 */
static int64_t
update_time(const struct finding *finding, int64_t now_ms)
{
	int64_t least = finding->created_ms;

	if (finding->revision > 0 && now_ms < finding->updated_ms)
		least = finding->updated_ms + 1;
	if (finding->last_ms > least)
		least = finding->last_ms;
	return now_ms > least ? now_ms : least;
}

void
finding_accept(struct finding *finding, int64_t now_ms)
{
	finding->blocked = finding_blocked(finding);
	finding->severity = finding_severity(finding->direction, finding->blocked);
	finding->told_packets = all_packets(finding);
	finding->told_dropped = all_dropped(finding);
	finding->updated_ms = update_time(finding, now_ms);
	finding->revision++;
	if (finding->active)
		finding->count++;
	finding->active = false;
}

const char *
direction_text(uint8_t direction)
{
	return direction == FLOW_INBOUND ? "INBOUND" : "OUTBOUND";
}

const char *
verdict_text(uint8_t verdict)
{
	switch (verdict) {
	case VERDICT_DROPPED:
		return "dropped";
	case VERDICT_REJECTED:
		return "rejected";
	case VERDICT_ALLOWED:
		return "allowed";
	case VERDICT_PROTECTED:
		return "protected";
	default:
		return "watched";
	}
}

const char *
proto_text(uint8_t proto, char buf[static PROTO_TEXT_MAX])
{
	switch (proto) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_ICMP:
		return "ICMP";
	case IPPROTO_ICMPV6:
		return "ICMPv6";
	default:
		snprintf(buf, PROTO_TEXT_MAX, "%u", proto);
		return buf;
	}
}
