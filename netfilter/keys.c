/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <assert.h>
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

int
keys_reserve(struct keys *keys, size_t n)
{
	uint8_t *bytes;

	if (n <= keys->room)
		return 0;
	bytes = realloc(keys->bytes, n * keys_item_size(keys));
	if (bytes == NULL)
		return -ENOMEM;
	keys->bytes = bytes;
	keys->room = n;
	return 0;
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

/* The first of the items [from, to) that is not below item i of another; to: none. */
static size_t
find_place(const struct keys *keys, size_t from, size_t to, const struct keys *other, size_t i)
{
	const uint8_t *item = keys_item(other, i);

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (keys_order(keys, mid, item, item + keys->key_size) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static void
move_items(struct keys *keys, size_t to, size_t from, size_t n)
{
	size_t size = keys_item_size(keys);

	if (n > 0 && to != from)
		memmove(keys->bytes + to * size, keys->bytes + from * size, n * size);
}

void
keys_patch(struct keys *keys, const struct keys *gone, const struct keys *come)
{
	size_t i, at, from = 0, used = 0, size = keys_item_size(keys);

	/* what stays moves down over what goes … */
	for (i = 0; i < gone->n; i++) {
		at = find_place(keys, from, keys->n, gone, i);
		move_items(keys, used, from, at - from);
		used += at - from;
		from = at + 1;
	}
	move_items(keys, used, from, keys->n - from);
	used += keys->n - from;
	assert(used + gone->n == keys->n && used + come->n <= keys->room);
	keys->n = used + come->n;
	/* … and, from the end, up from between what comes */
	for (i = come->n; i > 0; i--) {
		at = find_place(keys, 0, used, come, i - 1);
		move_items(keys, at + i, at, used - at);
		memcpy(keys->bytes + (at + i - 1) * size, keys_item(come, i - 1), size);
		used = at;
	}
}

size_t
keys_find(const struct keys *keys, const uint8_t *key)
{
	size_t low = 0, high = keys->n, size = keys->key_size;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (memcmp(keys_item(keys, mid), key, size) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low == 0 ? keys->n : low - 1;
}

bool
keys_contain(const struct keys *keys, const uint8_t *key)
{
	size_t at = keys_find(keys, key), size = keys->key_size;
	const uint8_t *item;

	if (at == keys->n)
		return false;
	item = keys_item(keys, at);
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
