/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"

void
keys_init(struct keys *keys, uint8_t key_size, bool ranges)
{
	memset(keys, 0, sizeof(*keys));
	keys->key_size = key_size;
	keys->ranges = ranges;
}

void
keys_fini(struct keys *keys)
{
	free(keys->bytes);
	keys_init(keys, keys->key_size, keys->ranges);
}

void
keys_move(struct keys *to, struct keys *from)
{
	free(to->bytes);
	*to = *from;
	keys_init(from, to->key_size, to->ranges);
}

size_t
keys_item_size(const struct keys *keys)
{
	return (keys->ranges ? 2u : 1u) * (size_t)keys->key_size;
}

void
keys_reserve(struct keys *keys, size_t n)
{
	uint8_t *bytes;

	if (n <= keys->room)
		return;
	bytes = realloc(keys->bytes, n * keys_item_size(keys));
	if (bytes != NULL) {
		keys->bytes = bytes;
		keys->room = n;
	}
}

int
keys_add(struct keys *keys, const uint8_t *first, const uint8_t *last)
{
	uint8_t *at;

	if (keys->n == keys->room) {
		size_t room = keys->room == 0 ? 64 : keys->room + keys->room / 2;
		uint8_t *bytes = realloc(keys->bytes, room * keys_item_size(keys));

		if (bytes == NULL)
			return -ENOMEM;
		keys->bytes = bytes;
		keys->room = room;
	}
	at = keys->bytes + keys->n++ * keys_item_size(keys);
	memcpy(at, first, keys->key_size);
	if (keys->ranges)
		memcpy(at + keys->key_size, last, keys->key_size);
	return 0;
}

void
keys_trim(struct keys *keys)
{
	uint8_t *bytes;

	if (keys->n == keys->room || keys->n == 0)
		return;
	bytes = realloc(keys->bytes, keys->n * keys_item_size(keys));
	if (bytes != NULL) {
		keys->bytes = bytes;
		keys->room = keys->n;
	}
}

/* memcmp, without a call for the many IPv4 hosts. */
static inline int
compare_items(const uint8_t *a, const uint8_t *b, size_t size)
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

void
keys_compare(const struct keys *a, const struct keys *b, size_t *only_a, size_t *only_b)
{
	size_t i = 0, j = 0, size = keys_item_size(a);

	*only_a = *only_b = 0;
	while (i < a->n && j < b->n) {
		int order = compare_items(keys_item(a, i), keys_item(b, j), size);

		*only_a += order < 0;
		*only_b += order > 0;
		i += order <= 0;
		j += order >= 0;
	}
	*only_a += a->n - i;
	*only_b += b->n - j;
}

int
keys_minus(struct keys *out, const struct keys *a, const struct keys *b)
{
	size_t i, j = 0, size = keys_item_size(a);
	int error;

	for (i = 0; i < a->n; i++) {
		const uint8_t *item = keys_item(a, i);
		int order = -1;

		while (j < b->n &&
		    (order = compare_items(item, keys_item(b, j), size)) > 0)
			j++;
		if (j < b->n && order == 0)
			continue;
		error = keys_add(out, item, item + a->key_size);
		if (error != 0)
			return error;
	}
	return 0;
}

bool
keys_contain(const struct keys *keys, const uint8_t *key)
{
	size_t low = 0, high = keys->n, size = keys->key_size;
	const uint8_t *item;

	/* the last item whose first key is not above */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (memcmp(keys_item(keys, mid), key, size) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return false;
	item = keys_item(keys, low - 1);
	if (keys->ranges)
		return memcmp(key, item + size, size) <= 0;
	return memcmp(key, item, size) == 0;
}

bool
key_next(uint8_t *key, size_t size)
{
	size_t i = size;

	while (i > 0 && key[i - 1] == 0xff)
		i--;
	if (i == 0)
		return false;
	key[i - 1]++;
	memset(key + i, 0, size - i);
	return true;
}
