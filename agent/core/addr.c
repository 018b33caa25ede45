/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Addresses and ranges as values; reading their text is addr_parse.c. */
#include "threatlistd/addr.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/key.h"

#define GROUPS	8	/* of 16 bits in an IPv6 address */

struct addr
addr_from_v4(uint32_t host_order)
{
	struct addr addr = { .family = ADDR_V4 };

	addr.bytes[0] = (uint8_t)(host_order >> 24);
	addr.bytes[1] = (uint8_t)(host_order >> 16);
	addr.bytes[2] = (uint8_t)(host_order >> 8);
	addr.bytes[3] = (uint8_t)host_order;
	return addr;
}

uint32_t
addr_to_v4(const struct addr *addr)
{
	assert(addr->family == ADDR_V4);
	return (uint32_t)addr->bytes[0] << 24 | (uint32_t)addr->bytes[1] << 16 |
	    (uint32_t)addr->bytes[2] << 8 | addr->bytes[3];
}

struct addr
addr_from_v6(const uint8_t bytes[static 16])
{
	struct addr addr = { .family = ADDR_V6 };

	memcpy(addr.bytes, bytes, sizeof(addr.bytes));
	return addr;
}

static struct key
key_of(const struct addr *addr)
{
	return addr->family == ADDR_V4 ? key_of4(addr_to_v4(addr)) : key_of6(addr->bytes);
}

static struct addr
addr_of(uint8_t family, struct key key)
{
	struct addr addr = { .family = family };

	if (family == ADDR_V4)
		return addr_from_v4((uint32_t)key.lo);
	key_to6(key, addr.bytes);
	return addr;
}

int
addr_compare(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

unsigned int
addr_bits(uint8_t family)
{
	return family == ADDR_V4 ? 32 : 128;
}

bool
addr_next(struct addr *addr)
{
	struct key key = key_of(addr);

	if (key_equal(key, key_low_bits(addr_bits(addr->family))))
		return false;
	*addr = addr_of(addr->family, key_next(key));
	return true;
}

bool
addr_prev(struct addr *addr)
{
	struct key key = key_of(addr);

	if (key_equal(key, key_of4(0)))
		return false;
	*addr = addr_of(addr->family, key_prev(key));
	return true;
}

static char *
put_number(char *at, unsigned int number)
{
	if (number >= 100)
		*at++ = (char)('0' + number / 100);
	if (number >= 10)
		*at++ = (char)('0' + number / 10 % 10);
	*at++ = (char)('0' + number % 10);
	return at;
}

static char *
put_v4(char *at, const uint8_t bytes[static 4])
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (i > 0)
			*at++ = '.';
		at = put_number(at, bytes[i]);
	}
	return at;
}

/* The zero groups that RFC 5952 §4.2 shortens: the first longest run, of two at least. */
static void
find_gap(const uint8_t bytes[static 16], unsigned int *start, unsigned int *length)
{
	unsigned int i, run = 0;

	*start = GROUPS;
	*length = 1;
	for (i = 0; i < GROUPS; i++) {
		run = bytes[2 * i] == 0 && bytes[2 * i + 1] == 0 ? run + 1 : 0;
		if (run > *length) {
			*length = run;
			*start = i + 1 - run;
		}
	}
}

static char *
put_group(char *at, unsigned int group)
{
	static const char digits[] = "0123456789abcdef";
	unsigned int shift = 16;

	while (shift > 4 && group >> (shift - 4) == 0)
		shift -= 4;
	for (; shift > 0; shift -= 4)
		*at++ = digits[group >> (shift - 4) & 15];
	return at;
}

static char *
put_v6(char *at, const uint8_t bytes[static 16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	unsigned int i, start, length;

	if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
		memcpy(at, "::ffff:", 7);
		return put_v4(at + 7, bytes + 12);
	}
	find_gap(bytes, &start, &length);
	for (i = 0; i < GROUPS; i++) {
		if (i == start) {
			*at++ = ':';
			i += length - 1;
			if (i == GROUPS - 1)
				*at++ = ':';
			continue;
		}
		if (i > 0)
			*at++ = ':';
		at = put_group(at, (unsigned int)bytes[2 * i] << 8 | bytes[2 * i + 1]);
	}
	return at;
}

const char *
addr_text(const struct addr *addr, char buf[static ADDR_TEXT_MAX])
{
	char *end = buf;

	if (addr->family == ADDR_V4)
		end = put_v4(buf, addr->bytes);
	else if (addr->family == ADDR_V6)
		end = put_v6(buf, addr->bytes);
	*end = '\0';
	return buf;
}

static const char *
text_of(const struct range *range, bool host_len, char buf[static RANGE_TEXT_MAX])
{
	int len = range_prefix_len(range);
	char *at;

	addr_text(&range->first, buf);
	if (len == (int)addr_bits(range->first.family) && !host_len)
		return buf;
	at = buf + strlen(buf);
	if (len < 0) {
		*at++ = '-';
		addr_text(&range->last, at);
		return buf;
	}
	*at++ = '/';
	at = put_number(at, (unsigned int)len);
	*at = '\0';
	return buf;
}

const char *
range_text(const struct range *range, char buf[static RANGE_TEXT_MAX])
{
	return text_of(range, false, buf);
}

const char *
range_cidr(const struct range *range, char buf[static RANGE_TEXT_MAX])
{
	return text_of(range, true, buf);
}

bool
range_contains(const struct range *range, const struct addr *addr)
{
	return addr_compare(&range->first, addr) <= 0 && addr_compare(addr, &range->last) <= 0;
}

bool
range_equal(const struct range *a, const struct range *b)
{
	return addr_equal(&a->first, &b->first) && addr_equal(&a->last, &b->last);
}

struct range
range_of_prefix(const struct addr *addr, unsigned int len)
{
	unsigned int bits = addr_bits(addr->family);
	struct key key = key_of(addr), low;
	struct range range;

	assert(len <= bits);
	low = key_low_bits(bits - len);
	key.hi |= low.hi;
	key.lo |= low.lo;
	range.last = addr_of(addr->family, key);
	key.hi &= ~low.hi;
	key.lo &= ~low.lo;
	range.first = addr_of(addr->family, key);
	return range;
}

/* log2 of the largest aligned block that starts at first and does not pass last. */
static unsigned int
block_bits(struct key first, struct key last)
{
	struct key distance = key_minus(last, first);
	unsigned int fit = key_bit_length(distance), aligned = key_low_zeros(first);

	if (!key_equal(distance, key_low_bits(fit)))
		fit--;
	return fit < aligned ? fit : aligned;
}

int
range_prefix_len(const struct range *range)
{
	struct key first = key_of(&range->first), last = key_of(&range->last);
	unsigned int bits = block_bits(first, last);

	if (!key_equal(key_minus(last, first), key_low_bits(bits)))
		return -1;
	return (int)(addr_bits(range->first.family) - bits);
}

bool
range_cut_prefix(struct range *rest, struct range *head)
{
	struct key first = key_of(&rest->first), last = key_of(&rest->last), low;
	uint8_t family = rest->first.family;

	head->first = rest->first;
	low = key_low_bits(block_bits(first, last));
	first.hi |= low.hi;
	first.lo |= low.lo;
	head->last = addr_of(family, first);
	if (key_equal(first, last))
		return false;
	rest->first = addr_of(family, key_next(first));
	return true;
}
