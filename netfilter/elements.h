/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Set elements as raw attributes: objects of libnftnl would cost twice the
 * time of a load.
 */
#ifndef NETFILTER_ELEMENTS_H
#define NETFILTER_ELEMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "batch.h"
#include "keys.h"

/* Bytes in a batch that n members take, about. */
size_t elements_size(const struct keys *keys, size_t n);

/* Appends messages that add or delete the members [from, to). */
void elements_add(struct batch *batch, const char *set, const struct keys *keys, size_t from,
    size_t to);
void elements_delete(struct batch *batch, const char *set, const struct keys *keys, size_t from,
    size_t to);

/* Names the set of our table whose members a message is about. */
void element_put_set(struct nlmsghdr *nlh, const char *set);

/* batch_begin, with the set named. */
struct nlmsghdr *elements_begin(struct batch *batch, uint16_t type, uint16_t flags, const char *set);

/* Puts table, set and one key into a question of type NFT_MSG_GETSETELEM. */
void element_put_key(struct nlmsghdr *nlh, const char *set, const uint8_t *key, size_t size);

/* What an answer says of each element. */
struct element {
	const uint8_t *key;
	size_t key_size;
	uint32_t flags;			/* NFT_SET_ELEM_… */
	uint64_t packets, bytes;	/* of its counter */
	uint64_t left_ms;		/* until it expires; 0: never, or now */
	const void *userdata;		/* NULL: none */
	size_t userdata_size;
};
typedef void element_fn(const struct element *element, void *arg);
void elements_read(const struct nlmsghdr *nlh, element_fn *each, void *arg);

#endif
