/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "threatlistd/enforce.h"
#include "rule.h"
#include "sets.h"

/* Where the addresses are in the headers: RFC 791, RFC 8200. */
static const struct { uint32_t offset[2], size; } headers[FAMILY_END] = {
	[FAMILY_V4] = { { 12, 16 }, 4 },
	[FAMILY_V6] = { { 8, 24 }, 16 },
};

/* Of a TCP header: RFC 9293 §3.1. */
static const uint32_t port_offset[2] = { 0, 2 };
#define TCP_FLAGS_OFFSET	13u
#define TCP_SYN			0x02u
#define TCP_ACK			0x10u

#define LOG_SNAPLEN		128u	/* headers, and what names a TLS or DNS peer begins with */
#define LOG_QUEUE_THRESHOLD	1u	/* each packet is handed over at once */

void
rule_begin(struct rule *rule, struct batch *batch, const char *chain)
{
	rule->batch = batch;
	rule->knows_family = false;
	rule->rule = nftnl_rule_alloc();
	if (rule->rule == NULL) {
		batch->failed = true;
		return;
	}
	nftnl_rule_set_u32(rule->rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
	nftnl_rule_set_str(rule->rule, NFTNL_RULE_TABLE, ENFORCE_TABLE);
	nftnl_rule_set_str(rule->rule, NFTNL_RULE_CHAIN, chain);
}

static void
put_comment(struct rule *rule, const char *comment)
{
	struct nftnl_udata_buf *userdata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);

	if (userdata == NULL) {
		rule->batch->failed = true;
		return;
	}
	nftnl_udata_put_strz(userdata, NFTNL_UDATA_RULE_COMMENT, comment);
	nftnl_rule_set_data(rule->rule, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(userdata),
	    nftnl_udata_buf_len(userdata));
	nftnl_udata_buf_free(userdata);
}

void
rule_end(struct rule *rule, const char *comment)
{
	struct nlmsghdr *nlh;

	if (rule->rule == NULL)
		return;
	if (comment != NULL)
		put_comment(rule, comment);
	nlh = batch_begin(rule->batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
	    BATCH_OBJECT_MAX);
	if (nlh != NULL) {
		nftnl_rule_nlmsg_build_payload(nlh, rule->rule);
		batch_end(rule->batch, nlh);
	}
	nftnl_rule_free(rule->rule);
	rule->rule = NULL;
}

/* A new expression at the rule's end; NULL (and remembered) when out of memory. */
static struct nftnl_expr *
add(struct rule *rule, const char *name)
{
	struct nftnl_expr *expr;

	if (rule->rule == NULL)
		return NULL;
	expr = nftnl_expr_alloc(name);
	if (expr == NULL)
		rule->batch->failed = true;
	else
		nftnl_rule_add_expr(rule->rule, expr);
	return expr;
}

static void
put_meta(struct rule *rule, uint32_t key)
{
	struct nftnl_expr *expr = add(rule, "meta");

	if (expr == NULL)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void
put_compare(struct rule *rule, uint32_t op, const void *data, uint32_t size)
{
	struct nftnl_expr *expr = add(rule, "cmp");

	if (expr == NULL)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
	if (nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, size) != 0)
		rule->batch->failed = true;
}

static void
put_equal(struct rule *rule, const void *data, uint32_t size)
{
	put_compare(rule, NFT_CMP_EQ, data, size);
}

static void
put_payload(struct rule *rule, uint32_t base, uint32_t offset, uint32_t size, uint32_t reg)
{
	struct nftnl_expr *expr = add(rule, "payload");

	if (expr == NULL)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, size);
}

/* Register 1 keeps only the bits of mask. */
static void
put_mask(struct rule *rule, const uint8_t *mask, uint32_t size)
{
	static const uint8_t zero[KEY_MAX];
	struct nftnl_expr *expr = add(rule, "bitwise");

	if (expr == NULL)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, size);
	if (nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, mask, size) != 0 ||
	    nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, zero, size) != 0)
		rule->batch->failed = true;
}

void
rule_interface_in(struct rule *rule, uint32_t ifindex)
{
	put_meta(rule, NFT_META_IIF);
	put_equal(rule, &ifindex, sizeof(ifindex));
}

void
rule_interface_out(struct rule *rule, uint32_t ifindex)
{
	put_meta(rule, NFT_META_OIF);
	put_equal(rule, &ifindex, sizeof(ifindex));
}

void
rule_protocol(struct rule *rule, uint8_t proto)
{
	put_meta(rule, NFT_META_L4PROTO);
	put_equal(rule, &proto, sizeof(proto));
}

void
rule_tcp(struct rule *rule)
{
	rule_protocol(rule, IPPROTO_TCP);
}

void
rule_port(struct rule *rule, enum rule_side side, uint16_t port)
{
	const uint16_t wire = htons(port);

	put_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, port_offset[side], sizeof(wire),
	    NFT_REG_1);
	put_equal(rule, &wire, sizeof(wire));
}

/* RFC 792, RFC 4443: both begin with type and code. */
void
rule_icmp_types(struct rule *rule, uint8_t first, uint8_t last)
{
	put_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(first), NFT_REG_1);
	if (first == last) {
		put_equal(rule, &first, sizeof(first));
		return;
	}
	put_compare(rule, NFT_CMP_GTE, &first, sizeof(first));
	put_compare(rule, NFT_CMP_LTE, &last, sizeof(last));
}

void
rule_icmp_code(struct rule *rule, uint8_t code)
{
	put_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 1, sizeof(code), NFT_REG_1);
	put_equal(rule, &code, sizeof(code));
}

static void
put_family(struct rule *rule, unsigned int family)
{
	const uint8_t proto = family == FAMILY_V4 ? NFPROTO_IPV4 : NFPROTO_IPV6;

	if (rule->knows_family)
		return;
	put_meta(rule, NFT_META_NFPROTO);
	put_equal(rule, &proto, sizeof(proto));
	rule->knows_family = true;
}

/* The address into register 1, after a test that the packet has one of this family. */
static void
put_address(struct rule *rule, struct rule_address address)
{
	put_family(rule, address.family);
	put_payload(rule, NFT_PAYLOAD_NETWORK_HEADER,
	    headers[address.family].offset[address.side], headers[address.family].size,
	    NFT_REG_1);
}

static void
put_lookup(struct rule *rule, const char *set, bool invert)
{
	struct nftnl_expr *expr = add(rule, "lookup");

	if (expr == NULL)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set);
	if (invert)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

void
rule_in_set(struct rule *rule, struct rule_address address, const char *set)
{
	put_address(rule, address);
	put_lookup(rule, set, false);
}

void
rule_not_in_set(struct rule *rule, struct rule_address address, const char *set)
{
	put_address(rule, address);
	put_lookup(rule, set, true);
}

void
rule_family_not_in_set(struct rule *rule, const char *set)
{
	put_meta(rule, NFT_META_NFPROTO);
	put_lookup(rule, set, true);
}

void
rule_top_in_set(struct rule *rule, struct rule_address address, unsigned int bits,
    const char *set)
{
	const uint32_t mask = htobe32(UINT32_MAX << (32 - bits));

	put_family(rule, address.family);
	put_payload(rule, NFT_PAYLOAD_NETWORK_HEADER,
	    headers[address.family].offset[address.side], sizeof(mask), NFT_REG_1);
	if (bits < 32)
		put_mask(rule, (const uint8_t *)&mask, sizeof(mask));
	put_lookup(rule, set, false);
}

/* port: whose it is. */
static void
put_address_and_port(struct rule *rule, struct rule_address address, enum rule_side port,
    const char *set)
{
	/* the part of the key behind the address, which begins at register 1 */
	const uint32_t behind = NFT_REG32_00 + headers[address.family].size / sizeof(uint32_t);

	put_family(rule, address.family);
	rule_tcp(rule);
	put_address(rule, address);
	put_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, port_offset[port], sizeof(uint16_t),
	    behind);
	put_lookup(rule, set, false);
}

void
rule_endpoint_in_set(struct rule *rule, struct rule_address address, const char *set)
{
	put_address_and_port(rule, address, address.side, set);
}

void
rule_served_in_set(struct rule *rule, struct rule_address address, const char *set)
{
	put_address_and_port(rule, address, address.side == SIDE_SOURCE ? SIDE_DESTINATION :
	    SIDE_SOURCE, set);
}

void
rule_not_opening(struct rule *rule)
{
	const uint8_t mask = TCP_SYN | TCP_ACK, opening = TCP_SYN;

	put_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, sizeof(mask),
	    NFT_REG_1);
	put_mask(rule, &mask, sizeof(mask));
	put_compare(rule, NFT_CMP_NEQ, &opening, sizeof(opening));
}

void
rule_update(struct rule *rule, struct rule_address address, const char *set)
{
	struct nftnl_expr *expr, *counter;

	put_address(rule, address);
	expr = add(rule, "dynset");
	if (expr == NULL)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	nftnl_expr_set_str(expr, NFTNL_EXPR_DYNSET_SET_NAME, set);
	counter = nftnl_expr_alloc("counter");
	if (counter == NULL)
		rule->batch->failed = true;
	else
		nftnl_expr_add_expr(expr, NFTNL_EXPR_DYNSET_EXPR, counter);
}

void
rule_limit(struct rule *rule, uint64_t per_second, uint32_t burst)
{
	struct nftnl_expr *expr = add(rule, "limit");

	if (expr == NULL)
		return;
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_RATE, per_second);
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_UNIT, 1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_BURST, burst);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_FLAGS, 0);
}

void
rule_log(struct rule *rule, const char *prefix, uint16_t group)
{
	struct nftnl_expr *expr = add(rule, "log");

	if (expr == NULL)
		return;
	nftnl_expr_set_str(expr, NFTNL_EXPR_LOG_PREFIX, prefix);
	nftnl_expr_set_u16(expr, NFTNL_EXPR_LOG_GROUP, group);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOG_SNAPLEN, LOG_SNAPLEN);
	nftnl_expr_set_u16(expr, NFTNL_EXPR_LOG_QTHRESHOLD, LOG_QUEUE_THRESHOLD);
}

void
rule_count(struct rule *rule, const char *counter)
{
	struct nftnl_expr *expr = add(rule, "objref");

	if (expr == NULL)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	nftnl_expr_set_str(expr, NFTNL_EXPR_OBJREF_IMM_NAME, counter);
}

void
rule_reject(struct rule *rule, bool tcp_reset)
{
	struct nftnl_expr *expr = add(rule, "reject");

	if (expr == NULL)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_REJECT_TYPE,
	    tcp_reset ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMPX_UNREACH);
	nftnl_expr_set_u8(expr, NFTNL_EXPR_REJECT_CODE,
	    tcp_reset ? 0 : NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
}

static void
put_verdict(struct rule *rule, int verdict, const char *chain)
{
	struct nftnl_expr *expr = add(rule, "immediate");

	if (expr == NULL)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	if (chain != NULL)
		nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain);
}

void
rule_drop(struct rule *rule)
{
	put_verdict(rule, NF_DROP, NULL);
}

void
rule_return(struct rule *rule)
{
	put_verdict(rule, NFT_RETURN, NULL);
}

void
rule_goto(struct rule *rule, const char *chain)
{
	put_verdict(rule, NFT_GOTO, chain);
}
