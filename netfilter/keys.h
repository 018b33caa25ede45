/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Members of one set as the kernel compares them: byte strings of one size in
 * network byte order, sorted, without doubles.  A host is one key of 4 or 16
 * bytes; a range is two, first and last, and ranges of one set are disjoint.
 */
#ifndef NETFILTER_KEYS_H
#define NETFILTER_KEYS_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KEY_MAX		16u	/* bytes of an IPv6 address */

struct keys {
	uint8_t *bytes;
	size_t n, room;		/* items */
	uint8_t key_size;	/* 4 or 16 */
	bool ranges;
};

void keys_init(struct keys *keys, uint8_t key_size, bool ranges);
void keys_fini(struct keys *keys);
/* Empties *from into *to. */
void keys_move(struct keys *to, struct keys *from);

size_t keys_item_size(const struct keys *keys);
static inline const uint8_t *
keys_item(const struct keys *keys, size_t i)
{
	return keys->bytes + i * (keys->ranges ? 2u : 1u) * keys->key_size;
}

/* Makes room for n items in all.  0 or -ENOMEM. */
int keys_reserve(struct keys *keys, size_t n);

/* Appends; the caller keeps the order.  last is ignored for hosts.  0 or -ENOMEM. */
int keys_add(struct keys *keys, const uint8_t *first, const uint8_t *last);

/* memcmp(3), without a call for the many IPv4 hosts. */
static inline int
keys_compare(const uint8_t *a, const uint8_t *b, size_t size)
{
	uint32_t left, right;

	if (size != sizeof(left))
		return memcmp(a, b, size);
	memcpy(&left, a, sizeof(left));
	memcpy(&right, b, sizeof(right));
	left = be32toh(left);
	right = be32toh(right);
	return (left > right) - (left < right);
}

/* How item i compares to another one: <0, 0, >0 as memcmp(3). */
static inline int
keys_order(const struct keys *keys, size_t i, const uint8_t *first, const uint8_t *last)
{
	const uint8_t *item = keys_item(keys, i);
	int order = keys_compare(item, first, keys->key_size);

	if (order != 0 || !keys->ranges || last == NULL)
		return order;
	return keys_compare(item + keys->key_size, last, keys->key_size);
}

/*
 * Takes out the items of gone, which are all there, and puts in those of come,
 * which are not.  There must be room for what is left and come together.
 */
void keys_patch(struct keys *keys, const struct keys *gone, const struct keys *come);

/* The last item whose (first) key is not above this one; keys->n: there is none. */
size_t keys_find(const struct keys *keys, const uint8_t *key);

/* Is the address one of the hosts, or within one of the ranges? */
bool keys_contain(const struct keys *keys, const uint8_t *key);

/* Adds one; false (and unchanged) at the end of the address space. */
bool key_next(uint8_t *key, size_t size);

#endif
