/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "threatlistd/enforce.h"
#include "attr.h"
#include "elements.h"

/* An attribute's length has 16 bits, and the list of elements is one attribute. */
#define LIST_BYTES_MAX	65000u

/* NFTA_LIST_ELEM { NFTA_SET_ELEM_KEY { NFTA_DATA_VALUE key } } */
struct element_head {
	struct nlattr element, key, value;
};

/* NFTA_SET_ELEM_FLAGS, of the element that ends an interval. */
struct element_flags {
	struct nlattr attr;
	uint32_t flags;			/* network byte order */
};

#define HOST_SIZE(key_size)	(sizeof(struct element_head) + (key_size))
#define RANGE_SIZE(key_size)	(2 * HOST_SIZE(key_size) + sizeof(struct element_flags))

size_t
elements_size(const struct keys *keys, size_t n)
{
	return n * (keys->ranges ? RANGE_SIZE(keys->key_size) : HOST_SIZE(keys->key_size));
}

static uint8_t *
put_element(uint8_t *at, const uint8_t *key, size_t size, bool ends)
{
	struct element_flags flags = {
		.attr = { sizeof(flags), NFTA_SET_ELEM_FLAGS },
		.flags = htonl(NFT_SET_ELEM_INTERVAL_END),
	};
	struct element_head head = {
		.element = { (uint16_t)(HOST_SIZE(size) + (ends ? sizeof(flags) : 0)),
		    NFTA_LIST_ELEM | NLA_F_NESTED },
		.key = { (uint16_t)(2 * sizeof(struct nlattr) + size),
		    NFTA_SET_ELEM_KEY | NLA_F_NESTED },
		.value = { (uint16_t)(sizeof(struct nlattr) + size), NFTA_DATA_VALUE },
	};

	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), key, size);
	at += HOST_SIZE(size);
	if (ends) {
		memcpy(at, &flags, sizeof(flags));
		at += sizeof(flags);
	}
	return at;
}

/* A range is a first element and, behind its last address, an end (none at the space's end). */
static uint8_t *
put_item(uint8_t *at, const struct keys *keys, size_t i)
{
	const uint8_t *item = keys_item(keys, i);
	uint8_t after[KEY_MAX];

	at = put_element(at, item, keys->key_size, false);
	if (!keys->ranges)
		return at;
	memcpy(after, item + keys->key_size, keys->key_size);
	if (key_next(after, keys->key_size))
		at = put_element(at, after, keys->key_size, true);
	return at;
}

static void
put_all(struct batch *batch, uint16_t type, uint16_t flags, const char *set,
    const struct keys *keys, size_t from, size_t to)
{
	size_t per_message = LIST_BYTES_MAX / elements_size(keys, 1);

	while (from < to) {
		size_t stop = to - from > per_message ? from + per_message : to;
		struct nlmsghdr *nlh;
		struct nlattr *list;
		uint8_t *at;

		nlh = batch_begin(batch, type, flags, BATCH_OBJECT_MAX + LIST_BYTES_MAX);
		if (nlh == NULL)
			return;
		element_put_set(nlh, set);
		list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
		at = mnl_nlmsg_get_payload_tail(nlh);
		for (; from < stop; from++)
			at = put_item(at, keys, from);
		nlh->nlmsg_len = (uint32_t)(at - (uint8_t *)nlh);
		mnl_attr_nest_end(nlh, list);
		batch_end(batch, nlh);
	}
}

void
elements_add(struct batch *batch, const char *set, const struct keys *keys, size_t from, size_t to)
{
	put_all(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, keys, from, to);
}

void
elements_delete(struct batch *batch, const char *set, const struct keys *keys, size_t from,
    size_t to)
{
	put_all(batch, NFT_MSG_DELSETELEM, 0, set, keys, from, to);
}

void
element_put_set(struct nlmsghdr *nlh, const char *set)
{
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, ENFORCE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
}

struct nlmsghdr *
elements_begin(struct batch *batch, uint16_t type, uint16_t flags, const char *set)
{
	struct nlmsghdr *nlh = batch_begin(batch, type, flags, BATCH_OBJECT_MAX);

	if (nlh != NULL)
		element_put_set(nlh, set);
	return nlh;
}

void
element_put_key(struct nlmsghdr *nlh, const char *set, const uint8_t *key, size_t size)
{
	struct nlattr *list;
	uint8_t *at;

	element_put_set(nlh, set);
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	at = put_element(mnl_nlmsg_get_payload_tail(nlh), key, size, false);
	nlh->nlmsg_len = (uint32_t)(at - (uint8_t *)nlh);
	mnl_attr_nest_end(nlh, list);
}

/* Does an expression bear this name?  Attributes of different ones have the same numbers. */
static bool
expr_is(const struct nlattr *expr, const char *name)
{
	const struct nlattr *attr;

	attr_for_each_nested(attr, expr) {
		if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			return strcmp(mnl_attr_get_str(attr), name) == 0;
	}
	return false;
}

static void
read_counter(const struct nlattr *expr, struct element *element)
{
	const struct nlattr *attr, *value;

	if (!expr_is(expr, "counter"))
		return;
	attr_for_each_nested(attr, expr) {
		if (mnl_attr_get_type(attr) != NFTA_EXPR_DATA)
			continue;
		attr_for_each_nested(value, attr) {
			if (mnl_attr_validate(value, MNL_TYPE_U64) != 0)
				continue;
			if (mnl_attr_get_type(value) == NFTA_COUNTER_PACKETS)
				element->packets = be64toh(mnl_attr_get_u64(value));
			else if (mnl_attr_get_type(value) == NFTA_COUNTER_BYTES)
				element->bytes = be64toh(mnl_attr_get_u64(value));
		}
	}
}

static void
read_element(const struct nlattr *nest, element_fn *each, void *arg)
{
	const struct nlattr *attr, *value;
	struct element element = { .key = NULL };

	attr_for_each_nested(attr, nest) {
		switch (mnl_attr_get_type(attr)) {
		case NFTA_SET_ELEM_KEY:
			attr_for_each_nested(value, attr) {
				if (mnl_attr_get_type(value) != NFTA_DATA_VALUE)
					continue;
				element.key = mnl_attr_get_payload(value);
				element.key_size = mnl_attr_get_payload_len(value);
			}
			break;
		case NFTA_SET_ELEM_FLAGS:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
				element.flags = ntohl(mnl_attr_get_u32(attr));
			break;
		case NFTA_SET_ELEM_EXPIRATION:
			if (mnl_attr_validate(attr, MNL_TYPE_U64) == 0)
				element.left_ms = be64toh(mnl_attr_get_u64(attr));
			break;
		case NFTA_SET_ELEM_USERDATA:
			element.userdata = mnl_attr_get_payload(attr);
			element.userdata_size = mnl_attr_get_payload_len(attr);
			break;
		case NFTA_SET_ELEM_EXPR:
			read_counter(attr, &element);
			break;
		case NFTA_SET_ELEM_EXPRESSIONS:
			attr_for_each_nested(value, attr)
				read_counter(value, &element);
			break;
		default:
			break;
		}
	}
	if (element.key != NULL)
		each(&element, arg);
}

void
elements_read(const struct nlmsghdr *nlh, element_fn *each, void *arg)
{
	const struct nlattr *attr, *nest;

	attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		attr_for_each_nested(nest, attr)
			read_element(nest, each, arg);
	}
}
