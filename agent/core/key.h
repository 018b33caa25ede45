/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An address as a number of 128 bits, so that what is true of IPv4 and IPv6
 * alike is written once.  IPv4 lies in the lowest 32 bits.
 */
#ifndef CORE_KEY_H
#define CORE_KEY_H

#include <stdbool.h>
#include <stdint.h>

struct key {
	uint64_t hi, lo;
};

static inline struct key
key_of4(uint32_t host_order)
{
	return (struct key){ .hi = 0, .lo = host_order };
}

static inline uint64_t
key_load64(const uint8_t *bytes)
{
	uint64_t value = 0;
	unsigned int i;

	for (i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

static inline void
key_store64(uint8_t *bytes, uint64_t value)
{
	unsigned int i;

	for (i = 8; i-- > 0; value >>= 8)
		bytes[i] = (uint8_t)value;
}

static inline struct key
key_of6(const uint8_t bytes[static 16])
{
	return (struct key){ .hi = key_load64(bytes), .lo = key_load64(bytes + 8) };
}

static inline void
key_to6(struct key key, uint8_t bytes[static 16])
{
	key_store64(bytes, key.hi);
	key_store64(bytes + 8, key.lo);
}

static inline bool
key_less(struct key a, struct key b)
{
	return a.hi != b.hi ? a.hi < b.hi : a.lo < b.lo;
}

static inline bool
key_equal(struct key a, struct key b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

/* Both wrap around at the ends of the 128 bits. */
static inline struct key
key_next(struct key key)
{
	return (struct key){ .hi = key.hi + (key.lo == UINT64_MAX), .lo = key.lo + 1 };
}

static inline struct key
key_prev(struct key key)
{
	return (struct key){ .hi = key.hi - (key.lo == 0), .lo = key.lo - 1 };
}

/* a - b, a not less than b. */
static inline struct key
key_minus(struct key a, struct key b)
{
	return (struct key){ .hi = a.hi - b.hi - (a.lo < b.lo), .lo = a.lo - b.lo };
}

static inline bool
key_is_max(struct key key)
{
	return key.hi == UINT64_MAX && key.lo == UINT64_MAX;
}

/* The lowest n bits set, n 0…128. */
static inline struct key
key_low_bits(unsigned int n)
{
	struct key key = { 0, 0 };

	if (n >= 64) {
		key.lo = UINT64_MAX;
		key.hi = n == 128 ? UINT64_MAX : ((uint64_t)1 << (n - 64)) - 1;
	} else {
		key.lo = ((uint64_t)1 << n) - 1;
	}
	return key;
}

/* How many bits it takes to write the number: 0…128. */
static inline unsigned int
key_bit_length(struct key key)
{
	if (key.hi != 0)
		return 128 - (unsigned int)__builtin_clzll(key.hi);
	return key.lo == 0 ? 0 : 64 - (unsigned int)__builtin_clzll(key.lo);
}

/* Zero bits at the low end: 0…128. */
static inline unsigned int
key_low_zeros(struct key key)
{
	if (key.lo != 0)
		return (unsigned int)__builtin_ctzll(key.lo);
	return key.hi == 0 ? 128 : 64 + (unsigned int)__builtin_ctzll(key.hi);
}

#endif
