/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing one rule, statement by statement, in the order nft prints them.
 * Failures are remembered in the batch.
 */
#ifndef NETFILTER_RULE_H
#define NETFILTER_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "batch.h"

struct nftnl_rule;

enum rule_side { SIDE_SOURCE, SIDE_DESTINATION };

/* Which address of the packet is meant. */
struct rule_address {
	enum rule_side side;
	unsigned int family;		/* FAMILY_V4, FAMILY_V6 */
};

struct rule {
	struct batch *batch;
	struct nftnl_rule *rule;
	bool knows_family;		/* the family was tested already */
};

void rule_begin(struct rule *rule, struct batch *batch, const char *chain);
void rule_end(struct rule *rule, const char *comment);

void rule_interface_in(struct rule *rule, uint32_t ifindex);	/* iif N */
void rule_interface_out(struct rule *rule, uint32_t ifindex);	/* oif N */
void rule_protocol(struct rule *rule, uint8_t proto);		/* meta l4proto N */
void rule_tcp(struct rule *rule);				/* meta l4proto tcp */
/* Of a protocol that has them, in host byte order: th sport N, th dport N */
void rule_port(struct rule *rule, enum rule_side side, uint16_t port);
/* icmp or icmpv6 type FIRST-LAST; icmp code N */
void rule_icmp_types(struct rule *rule, uint8_t first, uint8_t last);
void rule_icmp_code(struct rule *rule, uint8_t code);
void rule_in_set(struct rule *rule, struct rule_address address, const char *set);
void rule_not_in_set(struct rule *rule, struct rule_address address, const char *set);
void rule_family_not_in_set(struct rule *rule, const char *set);	/* meta nfproto != @set */
/* ADDRESS . tcp port of the same side @set */
void rule_endpoint_in_set(struct rule *rule, struct rule_address address, const char *set);
/* The same with the port of the other side: our own one. */
void rule_served_in_set(struct rule *rule, struct rule_address address, const char *set);
void rule_not_opening(struct rule *rule);	/* tcp flags & (syn | ack) != syn */
/* ADDRESS & leading bits @set */
void rule_top_in_set(struct rule *rule, struct rule_address address, unsigned int bits,
    const char *set);
void rule_update(struct rule *rule, struct rule_address address, const char *set);
void rule_limit(struct rule *rule, uint64_t per_second, uint32_t burst);
void rule_log(struct rule *rule, const char *prefix, uint16_t group);
void rule_count(struct rule *rule, const char *counter);
void rule_reject(struct rule *rule, bool tcp_reset);
void rule_drop(struct rule *rule);
void rule_return(struct rule *rule);
void rule_goto(struct rule *rule, const char *chain);

#endif
