/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One finding: what is known of the traffic between this host and one listed
 * remote (or one listed entry in flood) that one side began.  Pure: no I/O,
 * time is an argument.
 *
 * Activity is added as it comes (finding_see, finding_add) and told upstream
 * in updates: finding_accept closes the current stretch of activity, raises
 * the revision and judges blocked and severity for that stretch.
 */
#ifndef CORE_FINDING_H
#define CORE_FINDING_H

#include <stdbool.h>
#include <stdint.h>

#include "threatlistd/finding.h"
#include "threatlistd/sighting.h"

#define FINDING_TYPE		"UnauthorizedAccess:EC2/MaliciousIPCaller.Custom"
#define FINDING_ID_SIZE		33	/* 32 hex digits and NUL */
#define FINDING_PORTS		32	/* told one by one, contract §4 */
#define FINDING_LISTS_SIZE	(LIST_SOURCES_MAX * LIST_NAME_MAX)

/* Severities of contract §4. */
enum {
	SEVERITY_INBOUND_BLOCKED = 2,
	SEVERITY_MEDIUM = 5,
	SEVERITY_OUTBOUND_PASSED = 8,
};

struct finding_ports {
	uint16_t port[FINDING_PORTS];	/* in the order they were seen */
	uint8_t n;
	bool more;			/* there were others */
};

/* What was added to a finding by one count. */
struct traffic {
	uint64_t packets, bytes, dropped;
};

/* The latest packet that was seen, as an illustration. */
struct finding_packet {
	struct addr local;		/* ADDR_NONE: no packet was seen yet */
	uint16_t local_port, remote_port;
	bool has_ports;
	uint8_t proto;
};

struct finding {
	char id[FINDING_ID_SIZE];
	struct range remote;		/* one address, or the entry if aggregated */
	bool aggregated;
	uint8_t direction;		/* enum flow_side, never unknown */
	uint8_t action;			/* enum list_action */
	uint8_t verdict;		/* enum verdict, the latest */
	bool approximate;		/* some counts were lost to a foreign flush */
	bool active;			/* has activity that no update told yet */
	bool blocked;			/* as of the latest update */
	uint8_t severity;		/* as of the latest update */
	struct range entry;
	char *lists;			/* names, each ended by '\n'; NULL: unknown.  Owned */
	struct finding_packet packet;
	uint32_t uid, gid;		/* of the local sender, or SIGHTING_UNKNOWN_ID */
	struct finding_ports local_ports, remote_ports;
	uint64_t protos[4];		/* bit n: IANA protocol number n was seen */
	struct traffic in, out;		/* since the finding was opened */
	uint64_t told_packets, told_dropped;	/* in and out, at the latest update */
	int64_t created_ms, updated_ms;
	int64_t first_ms, last_ms;	/* of the activity; 0: none yet */
	uint64_t revision;		/* 0: never told */
	uint64_t count;			/* updates with new activity */
};

/*
 * The first 32 hex digits of SHA-256 of host_id|type|remote|direction, the
 * remote as an address or, for an aggregated finding, as its entry's CIDR.
 */
void finding_id(char id[static FINDING_ID_SIZE], const char *host_id, const char *type,
    const struct range *remote, bool aggregated, uint8_t direction);

/* The same digest of any text. */
void finding_digest(char id[static FINDING_ID_SIZE], const char *text);

/* The remote in words: dotted quad or RFC 5952, or the entry's CIDR.  Returns buf. */
const char *finding_remote_text(const struct range *remote, bool aggregated,
    char buf[static RANGE_TEXT_MAX]);

/* A finding with nothing in it yet; id is left for the owner to fill. */
void finding_init(struct finding *finding, const struct range *remote, bool aggregated,
    uint8_t direction, int64_t now_ms);
void finding_fini(struct finding *finding);

/* Takes the illustration of a packet; adds to no count. */
void finding_see(struct finding *finding, const struct sighting *sighting);

/*
 * Adds traffic of one direction.  count says what else is known; since_ms is
 * when this traffic may have begun.
 */
void finding_add(struct finding *finding, const struct traffic *traffic,
    const struct count *count, int64_t since_ms);

/* Replaces the names of the lists (NULL: unknown).  0 or -ENOMEM, old ones kept. */
int finding_set_lists(struct finding *finding, const char *lists);

/* Makes an update of the activity since the last one. */
void finding_accept(struct finding *finding, int64_t now_ms);

/*
 * Was every packet since the last update dropped or rejected?  Without any
 * packet counted the verdict decides.
 */
bool finding_blocked(const struct finding *finding);
uint8_t finding_severity(uint8_t direction, bool blocked);

const char *direction_text(uint8_t direction);		/* INBOUND, OUTBOUND */
const char *verdict_text(uint8_t verdict);		/* dropped, rejected … */
/* TCP, UDP, ICMP, ICMPv6 or the number.  Returns buf. */
#define PROTO_TEXT_MAX	8
const char *proto_text(uint8_t proto, char buf[static PROTO_TEXT_MAX]);

#endif
