/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every member of every set, read back and compared with what the list says:
 * what is asked for where a sample (watch.c) is not enough.  A dump comes in
 * the kernel's order and in pieces, so members are looked up in ours and marked
 * in a bitmap: memory for one bit (of ranges: two) a member, of one set at a time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "change.h"
#include "elements.h"
#include "engine.h"
#include "readback.h"

#define TRIES	16u		/* of one set, and of all from the start, before it is given up */
#define EACH	ENFORCE_VERIFY_EACH

_Static_assert(2 * SET_TURNS <= ENFORCE_VERIFY_SETS_MAX, "each set, under both its names");

/* First some of the foreign ones, for the reader. */
struct few {
	uint64_t n;			/* in all */
	uint8_t keys[EACH][KEY_MAX];
};

/* The set that is being read. */
struct reading {
	const struct keys *keys;	/* what it should hold; NULL: it should not be there */
	const uint8_t *bytes;		/* … as they were when it began, */
	size_t n;			/* and their number: if that is not so any more, it begins anew */
	uint8_t key_size;
	bool ranges;
	uint8_t *marks;			/* a bit an item; of ranges a second one, for its end */
	size_t marked;
	uint16_t generation;		/* last bits of nftables' generation id in the first answer */
	bool began, changed;		/* there was one; and another with other bits */
	struct few starts, ends;	/* foreign ones */
};

struct verify {
	struct kernel *kernel;		/* its own socket: the engine's is free for others */
	struct set_state state;
	uint32_t commits;		/* of the engine, when this round began */
	uint64_t handle;		/* of the table */
	unsigned int at;		/* set and turn: 2 * set + turn; reading, if it is reading */
	bool reading;
	struct reading now;
	unsigned int tries, rounds;
	struct enforce_verify result;
};

static void
mark(struct reading *reading, size_t bit)
{
	uint8_t bits = (uint8_t)(1u << bit % 8);

	/* one may come twice when the set is changed meanwhile */
	reading->marked += (reading->marks[bit / 8] & bits) == 0;
	reading->marks[bit / 8] |= bits;
}

static bool
is_marked(const struct reading *reading, size_t bit)
{
	return (reading->marks[bit / 8] >> bit % 8 & 1) != 0;
}

static void
keep(struct few *few, const uint8_t *key, size_t size)
{
	if (few->n < EACH)
		memcpy(few->keys[few->n], key, size);
	few->n++;
}

/* Takes one away; false: it is the lowest there is. */
static bool
key_before(uint8_t *key, size_t size)
{
	size_t i = size;

	while (i > 0 && key[i - 1] == 0)
		i--;
	if (i == 0)
		return false;
	key[i - 1]--;
	memset(key + i, 0xff, size - i);
	return true;
}

/* Behind the last address of a range. */
static void
take_end(struct reading *reading, const uint8_t *key)
{
	const struct keys *keys = reading->keys;
	uint8_t last[KEY_MAX];
	size_t at, size = reading->key_size;

	memcpy(last, key, size);
	/* nft's own mark for what is below the first range: it ends nothing */
	if (!key_before(last, size))
		return;
	at = keys != NULL ? keys_find(keys, last) : 0;
	if (keys != NULL && at < keys->n && memcmp(keys_item(keys, at) + size, last, size) == 0)
		mark(reading, keys->n + at);
	else
		keep(&reading->ends, key, size);
}

static void
take_element(const struct element *element, void *arg)
{
	struct reading *reading = arg;
	const struct keys *keys = reading->keys;
	size_t at;

	if (element->key_size != reading->key_size)
		return;
	if ((element->flags & NFT_SET_ELEM_INTERVAL_END) != 0) {
		take_end(reading, element->key);
		return;
	}
	at = keys != NULL ? keys_find(keys, element->key) : 0;
	if (keys != NULL && at < keys->n &&
	    memcmp(keys_item(keys, at), element->key, reading->key_size) == 0)
		mark(reading, at);
	else
		keep(&reading->starts, element->key, reading->key_size);
}

static void
take_message(const struct nlmsghdr *nlh, void *arg)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	struct reading *reading = arg;

	/* no flag tells of elements that a commit came in between */
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*nfg))
		return;
	reading->changed |= reading->began && nfg->res_id != reading->generation;
	reading->generation = nfg->res_id;
	reading->began = true;
	elements_read(nlh, take_element, arg);
}

/* All is there and nothing else. */
static bool
is_whole(const struct reading *reading)
{
	return reading->keys != NULL && reading->starts.n == 0 && reading->ends.n == 0 &&
	    reading->marked == reading->keys->n * (reading->ranges ? 2 : 1);
}

static bool
in_use(const struct enforce *enforce, unsigned int set, unsigned int turn)
{
	return enforce->sets[set].present && enforce->sets[set].turn == turn;
}

/* All that is known of the set is forgotten.  0 or -ENOMEM. */
static int
clear(struct reading *reading, const struct enforce *enforce, unsigned int set, unsigned int turn)
{
	const struct keys *keys = in_use(enforce, set, turn) ? &enforce->sets[set].keys : NULL;
	const struct set_info *info = set_info(set);
	uint8_t after[KEY_MAX];
	size_t bits;

	free(reading->marks);
	memset(reading, 0, sizeof(*reading));
	reading->keys = keys;
	reading->key_size = info->key_size;
	reading->ranges = info->ranges;
	if (keys == NULL)
		return 0;
	reading->bytes = keys->bytes;
	reading->n = keys->n;
	bits = keys->n * (keys->ranges ? 2 : 1);
	reading->marks = calloc(bits / 8 + 1, 1);
	if (reading->marks == NULL)
		return -ENOMEM;
	/* one that reaches to the end of the address space has no end element */
	if (keys->ranges && keys->n > 0) {
		memcpy(after, keys_item(keys, keys->n - 1) + keys->key_size, keys->key_size);
		if (!key_next(after, keys->key_size))
			mark(reading, 2 * keys->n - 1);
	}
	return 0;
}

static int
begin_set(struct enforce *enforce, struct verify *verify)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETSETELEM, NLM_F_DUMP);
	unsigned int set = verify->at / 2, turn = verify->at % 2;
	int error = clear(&verify->now, enforce, set, turn);

	if (error != 0)
		return error;
	verify->reading = true;
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, ENFORCE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set_info(set)->names[turn]);
	return kernel_dump_begin(verify->kernel, nlh);
}

/* --- what it comes to ------------------------------------------------------------------ */

static void
put_addr(struct addr *addr, unsigned int set, const uint8_t *key, uint8_t rest)
{
	size_t size = set_info(set)->key_size;

	memset(addr, 0, sizeof(*addr));
	addr->family = set == SET_TOP(FAMILY_V6) || size == 16 ? ADDR_V6 : ADDR_V4;
	/* of the prefilters the leading bits alone are there */
	memset(addr->bytes, rest, addr_bits(addr->family) / 8);
	memcpy(addr->bytes, key, size);
}

static void
add_example(struct verify *verify, bool foreign, const uint8_t *first, const uint8_t *last)
{
	struct enforce_verify *result = &verify->result;
	struct enforce_verify_example *example = &result->examples[result->nexamples];
	unsigned int set = verify->at / 2;

	if (result->nexamples == ENFORCE_VERIFY_EXAMPLES)
		return;
	result->nexamples++;
	example->set = (uint8_t)result->nsets;
	example->foreign = foreign;
	put_addr(&example->range.first, set, first, 0);
	put_addr(&example->range.last, set, last, set == SET_TOP(FAMILY_V6) ? 0xff : 0);
}

/* Each start to the nearest end behind it, if all of both were kept. */
static void
add_foreign(struct verify *verify)
{
	const struct reading *reading = &verify->now;
	size_t size = reading->key_size, i, j;

	for (i = 0; i < EACH && i < reading->starts.n; i++) {
		const uint8_t *first = reading->starts.keys[i], *end = NULL;
		uint8_t last[KEY_MAX];

		for (j = 0; j < EACH && j < reading->ends.n; j++) {
			const uint8_t *key = reading->ends.keys[j];

			if (memcmp(key, first, size) > 0 && (end == NULL || memcmp(key, end, size) < 0))
				end = key;
		}
		memcpy(last, first, size);
		if (end != NULL && reading->starts.n <= EACH && reading->ends.n <= EACH) {
			memcpy(last, end, size);
			key_before(last, size);
		}
		add_example(verify, true, first, last);
	}
}

static void
count_missing(struct verify *verify, struct enforce_verify_set *entry)
{
	const struct keys *keys = verify->now.keys;
	size_t i, size = verify->now.key_size;

	for (i = 0; keys != NULL && i < keys->n; i++) {
		const uint8_t *item = keys_item(keys, i);

		if (is_marked(&verify->now, i) && (!keys->ranges ||
		    is_marked(&verify->now, keys->n + i)))
			continue;
		if (entry->missing++ < EACH)
			add_example(verify, false, item, keys->ranges ? item + size : item);
	}
	entry->expected = keys != NULL ? keys->n : 0;
	entry->present = entry->expected - entry->missing;
}

static void
end_set(struct enforce *enforce, struct verify *verify)
{
	const struct reading *reading = &verify->now;
	struct enforce_verify_set *entry = &verify->result.sets[verify->result.nsets];
	unsigned int set = verify->at / 2, turn = verify->at % 2;

	snprintf(entry->name, sizeof(entry->name), "%s", set_info(set)->names[turn]);
	count_missing(verify, entry);
	entry->foreign = reading->starts.n > reading->ends.n ? reading->starts.n : reading->ends.n;
	add_foreign(verify);
	if (reading->keys == NULL) {
		/* left over under its other name: no danger, and looked for by the next change */
		enforce->turns_sure = false;
		verify->result.equal = false;
	} else if (entry->missing > 0 || entry->foreign > 0 || !verify->state.turns[set][turn]) {
		enforce->sets[set].known = false;
		verify->result.equal = false;
	}
	verify->result.nsets++;
	verify->reading = false;
	verify->tries = 0;
	verify->at++;
}

/* --- step by step ---------------------------------------------------------------------- */

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* From the first set on, by what is there now. */
static int
begin_round(struct enforce *enforce, struct verify *verify)
{
	struct rules_state rules;
	uint32_t again = verify->result.again;
	int error;

	if (!enforce->table)
		return -ENOENT;
	memset(&verify->result, 0, sizeof(verify->result));
	verify->result.again = again;
	verify->at = verify->tries = 0;
	verify->reading = false;
	verify->commits = kernel_commits(enforce->kernel);
	verify->handle = enforce->handle;
	error = readback_sets(enforce->kernel, &verify->state);
	if (error == 0)
		error = readback_rules(enforce->kernel, &rules);
	if (error != 0)
		return error;
	verify->result.rules = enforce->rules && rules.mark == enforce->rules_mark;
	enforce->rules = verify->result.rules;
	verify->result.equal = verify->result.rules;
	return 0;
}

/* Did we ourselves change the sets since the round began? */
static bool
is_outdated(const struct enforce *enforce, const struct verify *verify)
{
	const struct reading *now = &verify->now;

	return !enforce->table || enforce->handle != verify->handle ||
	    kernel_commits(enforce->kernel) != verify->commits || (verify->reading &&
	    now->keys != NULL && (now->keys->bytes != now->bytes || now->keys->n != now->n));
}

/* Finds the next set that is there or should be; false: there is none. */
static bool
find_set(const struct enforce *enforce, struct verify *verify)
{
	for (; verify->at < 2 * SET_TURNS; verify->at++) {
		unsigned int set = verify->at / 2, turn = verify->at % 2;

		if (in_use(enforce, set, turn) || verify->state.turns[set][turn])
			return true;
	}
	return false;
}

/* 1: go on, 0: done, -errno. */
static int
step(struct enforce *enforce, struct verify *verify)
{
	int error;

	if (is_outdated(enforce, verify)) {
		verify->result.again++;
		return ++verify->rounds > TRIES ? -EINTR : begin_round(enforce, verify) == 0 ? 1 :
		    -ENOENT;
	}
	if (!verify->reading) {
		if (!find_set(enforce, verify))
			return 0;
		error = begin_set(enforce, verify);
		return error == 0 ? 1 : error;
	}
	error = kernel_dump_next(verify->kernel, take_message, &verify->now);
	/* a commit of anybody's may make a dump skip members, but not invent any */
	if (error == -EINTR && is_whole(&verify->now))
		error = 0;
	if (error == -EINTR || (error == 0 && verify->now.changed && !is_whole(&verify->now))) {
		verify->result.again++;
		if (++verify->tries > TRIES)
			return -EINTR;
		error = begin_set(enforce, verify);
		return error == 0 ? 1 : error;
	}
	/* it went while we looked: nothing of it is there */
	if (error == -ENOENT)
		verify->state.turns[verify->at / 2][verify->at % 2] = false;
	if (error == 0 || error == -ENOENT)
		end_set(enforce, verify);
	return error == 0 || error == -ENOENT ? 1 : error;
}

/* What the sets should hold, as we have it in hand, is it what the list says? */
static int
compare_list(const struct enforce *enforce, const struct list *list)
{
	struct split split;
	unsigned int set;
	int error;

	split_init(&split);
	for (set = 0; set < SET_TURNS; set++)
		split.sets[set].old = &enforce->sets[set].keys;
	error = split_list(&split, list);
	for (set = 0; set < SET_TURNS && error == 0; set++) {
		if (!set_protects(set) && !difference_none(&split.sets[set]))
			error = -ESTALE;
	}
	split_fini(&split);
	return error;
}

int
enforce_verify_begin(struct enforce *enforce, const struct list *list, struct enforce_error *err)
{
	struct verify *verify;
	int error;

	if (enforce->verify != NULL)
		return enforce_fail(err, -EBUSY, "verifying, one is under way", NULL);
	error = engine_look(enforce, err);
	if (error == 0 && !enforce->table)
		error = enforce_fail(err, -ENOENT, "there is no table", NULL);
	if (error == 0) {
		error = compare_list(enforce, list);
		if (error != 0)
			enforce_fail(err, error, "the list is not in force", NULL);
	}
	if (error != 0)
		return error;
	verify = calloc(1, sizeof(*verify));
	if (verify == NULL)
		return enforce_fail(err, -ENOMEM, "verifying", NULL);
	enforce->verify = verify;
	error = kernel_open(&verify->kernel, err);
	if (error == 0) {
		error = begin_round(enforce, verify);
		if (error != 0)
			enforce_fail(err, error, "asking for sets and rules", NULL);
	}
	if (error != 0)
		enforce_verify_end(enforce);
	return error;
}

int
enforce_verify_step(struct enforce *enforce, int budget_ms, struct enforce_verify *out,
    struct enforce_error *err)
{
	struct verify *verify = enforce->verify;
	int64_t until = now_ms() + budget_ms;
	int rc;

	if (verify == NULL)
		return enforce_fail(err, -ENOENT, "verifying", NULL);
	do {
		rc = step(enforce, verify);
	} while (rc > 0 && now_ms() < until);
	if (rc > 0)
		return rc;
	if (rc == 0)
		*out = verify->result;
	else
		enforce_fail(err, rc, rc == -EINTR ? "nftables is changed faster than it can be "
		    "read" : "reading the sets", NULL);
	enforce_verify_end(enforce);
	return rc;
}

void
enforce_verify_end(struct enforce *enforce)
{
	struct verify *verify = enforce->verify;

	if (verify == NULL)
		return;
	enforce->verify = NULL;
	free(verify->now.marks);
	kernel_free(verify->kernel);
	free(verify);
}
