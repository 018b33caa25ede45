/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Addresses and ranges of addresses, IPv4 and IPv6.
 *
 * An address carries its bytes in network byte order, IPv4 in the first four.
 * A range is inclusive at both ends and never crosses families.  Nothing here
 * allocates.
 */
#ifndef THREATLISTD_ADDR_H
#define THREATLISTD_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum addr_family {
	ADDR_NONE = 0,
	ADDR_V4 = 4,
	ADDR_V6 = 6,
};

struct addr {
	uint8_t family;		/* enum addr_family */
	uint8_t bytes[16];	/* network byte order; unused bytes are zero */
};

struct range {
	struct addr first, last;
};

/* Longest text of an address (INET6_ADDRSTRLEN is 46) and of a range A-B. */
#define ADDR_TEXT_MAX	48
#define RANGE_TEXT_MAX	(2 * ADDR_TEXT_MAX)

/* An IPv4 address from / to its value in host byte order. */
struct addr addr_from_v4(uint32_t host_order);
uint32_t addr_to_v4(const struct addr *addr);
struct addr addr_from_v6(const uint8_t bytes[static 16]);

/* Orders by family, then numerically: <0, 0, >0 as memcmp(3). */
int addr_compare(const struct addr *a, const struct addr *b);
static inline bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return addr_compare(a, b) == 0;
}

/* Bits of an address of this family: 32 or 128. */
unsigned int addr_bits(uint8_t family);

/*
 * The address after (before) this one; false and *addr unchanged at the end
 * of the address space.
 */
bool addr_next(struct addr *addr);
bool addr_prev(struct addr *addr);

/*
 * Strict reading of exactly len bytes: dotted quad without leading zeros, or
 * RFC 4291 text without zone id.  IPv4-mapped IPv6 becomes IPv4.  Returns
 * NULL when read, otherwise a constant text that says what is wrong.
 */
const char *addr_parse(struct addr *addr, const char *text, size_t len);

/* What addr_parse and range_parse return for a domain name, also one under a wildcard. */
extern const char addr_wrong_domain[];

/* Dotted quad or RFC 5952.  Returns buf. */
const char *addr_text(const struct addr *addr, char buf[static ADDR_TEXT_MAX]);

/*
 * Reads one list entry of exactly len bytes: an address, ADDRESS/LENGTH,
 * ADDRESS/NETMASK (IPv4) or ADDRESS-ADDRESS.  Host bits below a prefix are
 * masked off.  *notes gets RANGE_NOTE_… bits or-ed in.  Returns NULL when
 * read, otherwise a constant text that says what is wrong.
 */
#define RANGE_NOTE_HOST_BITS	(1u << 0)	/* host bits were set and masked off */
#define RANGE_NOTE_MAPPED	(1u << 1)	/* was ::ffff:a.b.c.d */
const char *range_parse(struct range *range, const char *text, size_t len, unsigned int *notes);

/*
 * ADDRESS for a single address, ADDRESS/LENGTH when the range is a prefix,
 * else FIRST-LAST.  Returns buf.
 */
const char *range_text(const struct range *range, char buf[static RANGE_TEXT_MAX]);

/* As range_text, but a single address is written /32 or /128. */
const char *range_cidr(const struct range *range, char buf[static RANGE_TEXT_MAX]);

bool range_contains(const struct range *range, const struct addr *addr);
bool range_equal(const struct range *a, const struct range *b);

/* The range of all addresses that share the first len bits with addr. */
struct range range_of_prefix(const struct addr *addr, unsigned int len);

/* Prefix length if the range is exactly one prefix, else -1. */
int range_prefix_len(const struct range *range);

/*
 * Cuts the largest prefix off the head of *rest into *head: repeated calls
 * give the minimal CIDR cover in ascending order.  Returns false, with *head
 * set, when this was the last one.
 */
bool range_cut_prefix(struct range *rest, struct range *head);

#endif
