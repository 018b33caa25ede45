/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flows: packets that belong together, who began, and whether the next one is
 * worth telling.
 *
 * Who began is seen (SYN, SYN-ACK, a reset that answers a SYN, echo request and
 * reply), or else guessed: the first packet's sender, unless the ports say that
 * the beginning was missed.  What is seen replaces what was guessed.  An ICMP
 * error belongs to the flow of the packet that it quotes.
 *
 * Pure and bounded: max_flows flows, the one that was quiet longest makes room;
 * sightings_per_s tellings.  Time is that of the packets, in microseconds; it
 * may step back.
 */
#ifndef CORE_FLOW_H
#define CORE_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/decode.h"

#define FLOW_SIGHT_INTERVAL_US	(10 * 1000000)	/* a flow is told again after */

enum flow_initiator {
	INITIATOR_UNKNOWN = 0,
	INITIATOR_SRC,		/* the sender of this packet began */
	INITIATOR_DST,
};

struct flow_report {
	uint8_t initiator;	/* enum flow_initiator */
	bool sight;		/* this packet is to be told */
	uint32_t packets;	/* of the flow since it was last told, this one included */
};

struct flow_table;

/* seed: random, keeps the hash table fair.  NULL: no memory. */
struct flow_table *flow_table_new(size_t max_flows, unsigned int sightings_per_s, uint64_t seed);
void flow_table_free(struct flow_table *table);

/*
 * Takes a packet in.  quote is what it quotes if it is an ICMP error, else
 * NULL.  A packet of KIND_EMBEDDED is not taken as traffic of its flow.
 */
void flow_see(struct flow_table *table, const struct packet *packet, const struct packet *quote,
    int64_t now_us, struct flow_report *report);

size_t flow_count(const struct flow_table *table);
/* Packets that were due to be told when the rate was used up. */
uint64_t flow_untold(const struct flow_table *table);

#endif
