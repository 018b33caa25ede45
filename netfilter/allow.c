/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/udata.h>
#include <linux/netfilter/nf_tables.h>

#include "threatlistd/log.h"
#include "allow.h"
#include "elements.h"
#include "engine.h"
#include "watch.h"

/* Elements of one message: with the longest comments some 30 kB. */
#define PER_MESSAGE	128u

void
allow_init(struct allow *allow, uint8_t key_size)
{
	memset(allow, 0, sizeof(*allow));
	keys_init(&allow->ranges, key_size, true);
}

void
allow_fini(struct allow *allow)
{
	keys_fini(&allow->ranges);
	free(allow->comments);
	allow->comments = NULL;
}

int
allow_add(struct allow *allow, const uint8_t *first, const uint8_t *last, const char *comment)
{
	size_t n = allow->ranges.n;
	char (*comments)[ENFORCE_COMMENT_MAX];

	if (n == ALLOW_MAX)
		return -E2BIG;
	if ((n & (n - 1)) == 0) {
		comments = realloc(allow->comments, (n == 0 ? 1 : 2 * n) * sizeof(*comments));
		if (comments == NULL)
			return -ENOMEM;
		allow->comments = comments;
	}
	if (keys_add(&allow->ranges, first, last) != 0)
		return -ENOMEM;
	snprintf(allow->comments[n], ENFORCE_COMMENT_MAX, "%s", comment);
	return 0;
}

bool
allow_same(const struct allow *a, const struct allow *b)
{
	size_t i;

	if (a->ranges.n != b->ranges.n || (a->ranges.n > 0 &&
	    memcmp(a->ranges.bytes, b->ranges.bytes,
	    a->ranges.n * keys_item_size(&a->ranges)) != 0))
		return false;
	for (i = 0; i < a->ranges.n; i++) {
		if (strcmp(a->comments[i], b->comments[i]) != 0)
			return false;
	}
	return true;
}

void
allow_move(struct allow *to, struct allow *from)
{
	keys_move(&to->ranges, &from->ranges);
	free(to->comments);
	to->comments = from->comments;
	from->comments = NULL;
}

/* --- reading --------------------------------------------------------------------------- */

/* The ends of ranges as the kernel has them, to be sorted and paired. */
struct edge {
	uint8_t key[KEY_MAX];
	bool ends;
	char comment[ENFORCE_COMMENT_MAX];
};

struct edges {
	struct edge *all;
	size_t n, room;
	size_t key_size;
	int error;
};

static int
find_comment(const struct nftnl_udata *attr, void *arg)
{
	if (nftnl_udata_type(attr) == NFTNL_UDATA_SET_ELEM_COMMENT)
		snprintf(arg, ENFORCE_COMMENT_MAX, "%.*s", (int)nftnl_udata_len(attr),
		    (const char *)nftnl_udata_get(attr));
	return 0;
}

static bool
make_room(struct edges *edges)
{
	size_t room = edges->room == 0 ? 64 : edges->room * 2;
	struct edge *all;

	if (edges->n < edges->room)
		return true;
	if (edges->n >= 2 * ALLOW_MAX) {
		edges->error = -E2BIG;
		return false;
	}
	all = realloc(edges->all, room * sizeof(*all));
	if (all == NULL) {
		edges->error = -ENOMEM;
		return false;
	}
	edges->all = all;
	edges->room = room;
	return true;
}

static void
take_edge(const struct element *element, void *arg)
{
	struct edges *edges = arg;
	struct edge *edge;

	if (element->key_size != edges->key_size || !make_room(edges))
		return;
	edge = &edges->all[edges->n++];
	memset(edge, 0, sizeof(*edge));
	memcpy(edge->key, element->key, edges->key_size);
	edge->ends = (element->flags & NFT_SET_ELEM_INTERVAL_END) != 0;
	if (element->userdata != NULL)
		nftnl_udata_parse(element->userdata, (uint32_t)element->userdata_size,
		    find_comment, edge->comment);
}

static void
take_edges(const struct nlmsghdr *nlh, void *arg)
{
	elements_read(nlh, take_edge, arg);
}

static void
forget_edges(void *arg)
{
	struct edges *edges = arg;

	edges->n = 0;
	edges->error = 0;
}

/* Where one range ends and the next begins, the end comes first. */
static int
compare_edges(const void *a, const void *b)
{
	const struct edge *left = a, *right = b;
	int order = memcmp(left->key, right->key, KEY_MAX);

	return order != 0 ? order : (int)right->ends - (int)left->ends;
}

static void
key_before(uint8_t *key, size_t size)
{
	size_t i = size;

	while (i > 0 && key[--i]-- == 0)
		;
}

static int
pair_edges(const struct edges *edges, struct allow *allow)
{
	uint8_t last[KEY_MAX];
	size_t i;
	int error = 0;

	for (i = 0; i < edges->n && error == 0; i++) {
		if (edges->all[i].ends)
			continue;
		memset(last, 0xff, sizeof(last));
		if (i + 1 < edges->n) {
			memcpy(last, edges->all[i + 1].key, edges->key_size);
			key_before(last, edges->key_size);
		}
		error = allow_add(allow, edges->all[i].key, last, edges->all[i].comment);
	}
	return error;
}

int
allow_read(struct kernel *kernel, const char *set, struct allow *allow)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETSETELEM, NLM_F_DUMP);
	struct edges edges = { .key_size = allow->ranges.key_size };
	int error;

	allow_fini(allow);
	element_put_set(nlh, set);
	error = kernel_ask(kernel, nlh, take_edges, forget_edges, &edges);
	if (error == 0)
		error = edges.error;
	if (error == 0 && edges.n > 0) {
		qsort(edges.all, edges.n, sizeof(edges.all[0]), compare_edges);
		error = pair_edges(&edges, allow);
	}
	free(edges.all);
	return error;
}

/* --- putting back ---------------------------------------------------------------------- */

static void
put_edge(struct nlmsghdr *nlh, const uint8_t *key, size_t size, uint32_t flags,
    const struct nftnl_udata_buf *userdata)
{
	struct nlattr *element = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	struct nlattr *nest = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);

	mnl_attr_put(nlh, NFTA_DATA_VALUE, size, key);
	mnl_attr_nest_end(nlh, nest);
	if (flags != 0)
		mnl_attr_put_u32(nlh, NFTA_SET_ELEM_FLAGS, htonl(flags));
	if (userdata != NULL)
		mnl_attr_put(nlh, NFTA_SET_ELEM_USERDATA, nftnl_udata_buf_len(userdata),
		    nftnl_udata_buf_data(userdata));
	mnl_attr_nest_end(nlh, element);
}

static void
put_range(struct batch *batch, struct nlmsghdr *nlh, const struct allow *allow, size_t i)
{
	const uint8_t *item = keys_item(&allow->ranges, i);
	size_t size = allow->ranges.key_size;
	struct nftnl_udata_buf *userdata = NULL;
	uint8_t after[KEY_MAX];

	if (allow->comments[i][0] != '\0') {
		userdata = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
		if (userdata == NULL) {
			batch->failed = true;
			return;
		}
		nftnl_udata_put_strz(userdata, NFTNL_UDATA_SET_ELEM_COMMENT, allow->comments[i]);
	}
	put_edge(nlh, item, size, 0, userdata);
	memcpy(after, item + size, size);
	if (key_next(after, size))
		put_edge(nlh, after, size, NFT_SET_ELEM_INTERVAL_END, NULL);
	if (userdata != NULL)
		nftnl_udata_buf_free(userdata);
}

size_t
allow_put(struct batch *batch, const char *set, const struct allow *allow, size_t from, size_t most)
{
	size_t i = from;

	while (i < allow->ranges.n && batch->used < most) {
		size_t stop = allow->ranges.n - i > PER_MESSAGE ? i + PER_MESSAGE :
		    allow->ranges.n;
		struct nlmsghdr *nlh = batch_begin(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE,
		    BATCH_OBJECT_MAX + PER_MESSAGE * 2 * ENFORCE_COMMENT_MAX);
		struct nlattr *list;

		if (nlh == NULL)
			return i;
		element_put_set(nlh, set);
		list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
		for (; i < stop; i++)
			put_range(batch, nlh, allow, i);
		mnl_attr_nest_end(nlh, list);
		batch_end(batch, nlh);
	}
	return i;
}

/* --- what the engine keeps ------------------------------------------------------------- */

int
engine_read_allow(struct enforce *enforce)
{
	unsigned int family;

	for (family = 0; family < FAMILY_END; family++) {
		struct allow *kept = &enforce->allow[family], now;
		const char *set = fixture_name(FIXTURE_ALLOW4 + family);
		int error;

		/* what a table that is being made has not yet is not taken away by the admin */
		if (enforce->allow_left[family] > 0)
			continue;
		allow_init(&now, kept->ranges.key_size);
		error = allow_read(enforce->kernel, set, &now);
		if (error == 0 && !allow_same(kept, &now)) {
			allow_move(kept, &now);
			watch_note_allow(enforce);
		}
		allow_fini(&now);
		if (error == -E2BIG)
			log_warn("exceptions not kept set=%s reason=\"more than %u\"", set, ALLOW_MAX);
		/* a set that somebody deleted leaves the exceptions as they were */
		else if (error != 0 && error != -ENOENT)
			return error;
	}
	return 0;
}

/* A part of a range, which ends before that address. */
static int
add_before(struct allow *to, const uint8_t *first, const uint8_t *end, const char *comment)
{
	uint8_t last[KEY_MAX];

	memcpy(last, end, to->ranges.key_size);
	key_before(last, to->ranges.key_size);
	return allow_add(to, first, last, comment);
}

static int
add_item(struct allow *to, const struct allow *from, size_t i)
{
	const uint8_t *item = keys_item(&from->ranges, i);

	return allow_add(to, item, item + from->ranges.key_size, from->comments[i]);
}

/*
 * Adds of the kept range i what is outside of all ranges of other from *at on, and
 * those that are below its end, in order.
 */
static int
join_range(struct allow *to, const struct allow *kept, size_t i, const struct allow *other,
    size_t *at)
{
	size_t size = kept->ranges.key_size;
	const uint8_t *last = keys_item(&kept->ranges, i) + size;
	uint8_t first[KEY_MAX];
	int error = 0;

	memcpy(first, keys_item(&kept->ranges, i), size);
	for (; error == 0 && *at < other->ranges.n; ++*at) {
		const uint8_t *item = keys_item(&other->ranges, *at);

		if (memcmp(item, last, size) > 0)
			break;
		if (memcmp(item + size, first, size) >= 0) {
			if (memcmp(item, first, size) > 0)
				error = add_before(to, first, item, kept->comments[i]);
			/* the rest is in it; it may reach into the next one, too */
			if (error != 0 || memcmp(item + size, last, size) >= 0)
				return error;
			memcpy(first, item + size, size);
			key_next(first, size);
		}
		error = add_item(to, other, *at);
	}
	return error == 0 ? allow_add(to, first, last, kept->comments[i]) : error;
}

/* All of other, and of kept what is not in it: the kernel refuses ranges that overlap. */
static int
join(struct allow *kept, const struct allow *other)
{
	struct allow both;
	size_t i, at = 0;
	int error = 0;

	allow_init(&both, kept->ranges.key_size);
	for (i = 0; i < kept->ranges.n && error == 0; i++)
		error = join_range(&both, kept, i, other, &at);
	for (; at < other->ranges.n && error == 0; at++)
		error = add_item(&both, other, at);
	if (error == 0)
		allow_move(kept, &both);
	allow_fini(&both);
	return error;
}

int
engine_join_allow(struct enforce *enforce)
{
	unsigned int family;

	for (family = 0; family < FAMILY_END; family++) {
		struct allow *kept = &enforce->allow[family], now;
		int error;

		allow_init(&now, kept->ranges.key_size);
		error = allow_read(enforce->kernel, fixture_name(FIXTURE_ALLOW4 + family), &now);
		if (error == 0 && kept->ranges.n > 0 && now.ranges.n > 0) {
			error = join(kept, &now);
			watch_note_allow(enforce);
		}
		allow_fini(&now);
		if (error != 0 && error != -ENOENT && error != -E2BIG)
			return error;
		enforce->allow_left[family] = kept->ranges.n;
	}
	return 0;
}

static int
compare_allowed(const void *a, const void *b)
{
	const struct enforce_allow *left = a, *right = b;

	return memcmp(left->range.first.bytes, right->range.first.bytes,
	    sizeof(left->range.first.bytes));
}

/* Those of one family, sorted: the kernel refuses ranges that overlap, and all with them. */
static int
keep_family(struct allow *allow, const struct enforce_allow *sorted, size_t n, uint8_t family)
{
	const struct range *before = NULL;
	size_t i;
	int error = 0;

	for (i = 0; i < n && error == 0; i++) {
		const struct range *range = &sorted[i].range;

		if (range->first.family != family || (before != NULL &&
		    memcmp(range->first.bytes, before->last.bytes, allow->ranges.key_size) <= 0))
			continue;
		error = allow_add(allow, range->first.bytes, range->last.bytes, sorted[i].comment);
		before = range;
	}
	return error == -E2BIG ? 0 : error;
}

int
engine_keep_allow(struct enforce *enforce, const struct enforce_allow *all, size_t n)
{
	struct enforce_allow *sorted;
	int error;

	if (n == 0)
		return 0;
	sorted = malloc(n * sizeof(*sorted));
	if (sorted == NULL)
		return -ENOMEM;
	memcpy(sorted, all, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_allowed);
	error = keep_family(&enforce->allow[FAMILY_V4], sorted, n, ADDR_V4);
	if (error == 0)
		error = keep_family(&enforce->allow[FAMILY_V6], sorted, n, ADDR_V6);
	free(sorted);
	return error;
}

void
enforce_allow(const struct enforce *enforce, enforce_allow_fn *each, void *arg)
{
	unsigned int family;
	size_t i;

	for (family = 0; family < FAMILY_END; family++) {
		const struct allow *allow = &enforce->allow[family];
		size_t size = allow->ranges.key_size;

		for (i = 0; i < allow->ranges.n; i++) {
			const uint8_t *item = keys_item(&allow->ranges, i);
			struct enforce_allow one;

			memset(&one, 0, sizeof(one));
			one.range.first.family = one.range.last.family =
			    family == FAMILY_V4 ? ADDR_V4 : ADDR_V6;
			memcpy(one.range.first.bytes, item, size);
			memcpy(one.range.last.bytes, item + size, size);
			memcpy(one.comment, allow->comments[i], sizeof(one.comment));
			each(&one, arg);
		}
	}
}
