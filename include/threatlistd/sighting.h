/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the sensor and the enforcer tell the reporter.  A sighting is one
 * packet with its flow: an illustration.  A count is the kernel's accounting:
 * the truth.  Both are fixed-size and cross process borders as they are.
 */
#ifndef THREATLISTD_SIGHTING_H
#define THREATLISTD_SIGHTING_H

#include "threatlistd/addr.h"
#include "threatlistd/list.h"

/* Which way a packet went, seen from this host (or the containers behind it). */
enum packet_dir {
	DIR_IN = 0,		/* the remote is the source */
	DIR_OUT = 1,		/* the remote is the destination */
};

/* Who opened the flow: the direction of its finding. */
enum flow_side {
	FLOW_UNKNOWN = 0,
	FLOW_INBOUND = 1,
	FLOW_OUTBOUND = 2,
};

enum packet_kind {
	KIND_OUTER = 0,		/* the packet itself */
	KIND_INNER = 1,		/* carried in a tunnel */
	KIND_EMBEDDED = 2,	/* quoted by an ICMP error */
};

enum verdict {
	VERDICT_WATCHED = 0,
	VERDICT_DROPPED = 1,
	VERDICT_REJECTED = 2,
	VERDICT_ALLOWED = 3,	/* an admin's own exception */
	VERDICT_PROTECTED = 4,	/* in the protect set */
};

#define SIGHTING_UNKNOWN_ID	UINT32_MAX	/* uid, gid */

struct sighting {
	int64_t time_us;		/* since 1970, UTC */
	struct addr local, remote;	/* remote is the listed side */
	uint16_t local_port, remote_port;	/* host byte order; valid if has_ports */
	uint8_t has_ports;
	uint8_t proto;			/* IANA protocol number */
	uint8_t dir;			/* enum packet_dir of this packet */
	uint8_t flow;			/* enum flow_side */
	uint8_t kind;			/* enum packet_kind */
	uint8_t action;			/* enum list_action of the entry */
	uint8_t pad[6];			/* zero */
	uint32_t uid, gid;		/* of the sender, or SIGHTING_UNKNOWN_ID */
	uint32_t ifindex;		/* 0: unknown */
	uint32_t packets;		/* of this flow since it was last sighted, this one included */
	uint64_t lists;			/* mask over the image's sources */
	uint64_t generation;		/* of the image */
	struct range entry;		/* most specific original entry */
};

#define COUNT_AGGREGATED	(1u << 0)	/* key is the entry, remote is ADDR_NONE */
#define COUNT_APPROXIMATE	(1u << 1)	/* some values were lost to a foreign flush */
#define COUNT_SENSED		(1u << 2)	/* counted by the sensor: there is no kernel table */

/*
 * Cumulative within (epoch, key, dir), the kernel's and the sensor's each by
 * itself: a receiver keeps the last value and adds the difference; a new epoch
 * starts from zero.
 */
struct count {
	struct addr remote;
	uint8_t dir;			/* enum packet_dir */
	uint8_t verdict;		/* enum verdict at the last reading */
	uint8_t action;			/* enum list_action */
	uint8_t flags;			/* COUNT_… */
	uint8_t pad[3];			/* zero */
	struct range entry;
	uint64_t lists;
	uint64_t generation;		/* of the image that lists and entry are from */
	uint64_t epoch;
	uint64_t packets, bytes;
	uint64_t dropped;		/* packets that were dropped or rejected */
	int64_t first_ms, last_ms;	/* since 1970: first and last reading that changed it */
};

#endif
