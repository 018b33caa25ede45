/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "enforce/ledger_rows.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAGIC	UINT64_C(0x7472656764656c74)
#define ROWS_VERSION	3u
#define ROWS_ALIGN	64u
#define ROWS_CHUNK	1024u	/* rows reserved at once */
#define HASH_WORDS	5u	/* a range and what tells its rows apart */

static uint64_t
elements_offset(void)
{
	return (sizeof(struct rows_header) + ROWS_ALIGN - 1) / ROWS_ALIGN * ROWS_ALIGN;
}

static uint64_t
keys_offset(uint32_t max_elements)
{
	uint64_t end = elements_offset() + (uint64_t)max_elements * sizeof(struct element_row);

	return (end + ROWS_ALIGN - 1) / ROWS_ALIGN * ROWS_ALIGN;
}

uint64_t
rows_size(uint32_t max_elements, uint32_t max_keys)
{
	return keys_offset(max_elements) + (uint64_t)max_keys * sizeof(struct key_row);
}

static uint64_t
rotate(uint64_t value, unsigned int bits)
{
	return value << bits | value >> (64 - bits);
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1]; v[1] = rotate(v[1], 13); v[1] ^= v[0]; v[0] = rotate(v[0], 32);
	v[2] += v[3]; v[3] = rotate(v[3], 16); v[3] ^= v[2];
	v[0] += v[3]; v[3] = rotate(v[3], 21); v[3] ^= v[0];
	v[2] += v[1]; v[1] = rotate(v[1], 17); v[1] ^= v[2]; v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein) over whole words. */
static uint32_t
hash(const struct rows *rows, const uint64_t words[HASH_WORDS])
{
	uint64_t v[4] = {
		rows->seed[0] ^ UINT64_C(0x736f6d6570736575),
		rows->seed[1] ^ UINT64_C(0x646f72616e646f6d),
		rows->seed[0] ^ UINT64_C(0x6c7967656e657261),
		rows->seed[1] ^ UINT64_C(0x7465646279746573),
	};
	size_t i;

	for (i = 0; i < HASH_WORDS; i++) {
		v[3] ^= words[i];
		sip_round(v);
		v[0] ^= words[i];
	}
	v[2] ^= 0xff;
	for (i = 0; i < 3; i++)
		sip_round(v);
	return (uint32_t)(v[0] ^ v[1] ^ v[2] ^ v[3]) & (rows->nbuckets - 1);
}

static uint32_t
hash_element(const struct rows *rows, const struct addr *remote, uint8_t dir, uint32_t instance)
{
	uint64_t words[HASH_WORDS] = { 0, 0, (uint64_t)instance << 32 | (uint64_t)dir << 8 |
	    remote->family };

	memcpy(words, remote->bytes, sizeof(remote->bytes));
	return hash(rows, words);
}

static uint32_t
hash_remote(const struct rows *rows, const struct addr *remote, uint8_t dir)
{
	return hash_element(rows, remote, dir, 0);
}

static uint32_t
hash_entry(const struct rows *rows, const struct range *entry, uint8_t dir)
{
	uint64_t words[HASH_WORDS] = { 0, 0, 0, 0, (uint64_t)dir << 8 | entry->first.family };

	memcpy(words, entry->first.bytes, sizeof(entry->first.bytes));
	memcpy(words + 2, entry->last.bytes, sizeof(entry->last.bytes));
	return hash(rows, words);
}

static uint32_t
hash_key(const struct rows *rows, const struct count *count)
{
	if ((count->flags & COUNT_AGGREGATED) != 0)
		return hash_entry(rows, &count->entry, count->dir);
	return hash_remote(rows, &count->remote, count->dir);
}

static uint32_t
hash_row(const struct rows *rows, const struct element_row *row)
{
	return hash_element(rows, &row->remote, row->dir, row->instance);
}

static void
index_add(struct rows_index *index, uint32_t bucket, uint32_t row)
{
	index->next[row] = index->heads[bucket];
	index->heads[bucket] = row + 1;
}

static void
index_remove(struct rows_index *index, uint32_t bucket, uint32_t row)
{
	uint32_t *at = &index->heads[bucket];

	while (*at != row + 1) {
		assert(*at != 0);
		at = &index->next[*at - 1];
	}
	*at = index->next[row];
}

/* struct addr and struct range are bytes alone, without padding. */
static bool
same_addr(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

uint32_t
rows_find_element(const struct rows *rows, const struct addr *remote, uint8_t dir,
    uint32_t instance)
{
	uint32_t at = rows->element_index.heads[hash_element(rows, remote, dir, instance)];

	for (; at != 0; at = rows->element_index.next[at - 1]) {
		const struct element_row *row = &rows->elements[at - 1];

		if (row->dir == dir && row->instance == instance &&
		    same_addr(&row->remote, remote))
			return at - 1;
	}
	return ROWS_NONE;
}

uint32_t
rows_find_remote(const struct rows *rows, const struct addr *remote, uint8_t dir)
{
	uint32_t at = rows->key_index.heads[hash_remote(rows, remote, dir)];

	for (; at != 0; at = rows->key_index.next[at - 1]) {
		const struct count *count = &rows->keys[at - 1].count;

		if ((count->flags & COUNT_AGGREGATED) == 0 && count->dir == dir &&
		    same_addr(&count->remote, remote))
			return at - 1;
	}
	return ROWS_NONE;
}

uint32_t
rows_find_entry(const struct rows *rows, const struct range *entry, uint8_t dir)
{
	uint32_t at = rows->key_index.heads[hash_entry(rows, entry, dir)];

	for (; at != 0; at = rows->key_index.next[at - 1]) {
		const struct count *count = &rows->keys[at - 1].count;

		if ((count->flags & COUNT_AGGREGATED) != 0 && count->dir == dir &&
		    memcmp(&count->entry, entry, sizeof(*entry)) == 0)
			return at - 1;
	}
	return ROWS_NONE;
}

/* Makes the first want rows of a table safe to write. */
static bool
reserve(struct rows *rows, uint32_t *reserved, uint64_t offset, uint64_t row_size, uint32_t want,
    uint32_t max)
{
	uint64_t upto;

	if (want <= *reserved)
		return true;
	upto = ((uint64_t)want + ROWS_CHUNK - 1) / ROWS_CHUNK * ROWS_CHUNK;
	if (upto > max)
		upto = max;
	if (rows->reserve != NULL && rows->reserve(offset + *reserved * row_size,
	    (upto - *reserved) * row_size, rows->reserve_arg) != 0)
		return false;
	*reserved = (uint32_t)upto;
	return true;
}

static bool
reserve_elements(struct rows *rows, uint32_t want)
{
	return reserve(rows, &rows->elements_reserved, elements_offset(),
	    sizeof(*rows->elements), want, rows->header->max_elements);
}

static bool
reserve_keys(struct rows *rows, uint32_t want)
{
	return reserve(rows, &rows->keys_reserved, keys_offset(rows->header->max_elements),
	    sizeof(*rows->keys), want, rows->header->max_keys);
}

static bool
reserve_header(struct rows *rows)
{
	return rows->reserve == NULL ||
	    rows->reserve(0, elements_offset(), rows->reserve_arg) == 0;
}

uint32_t
rows_take_element(struct rows *rows)
{
	struct rows_header *header = rows->header;
	uint32_t at;

	for (at = rows->element_hint; at < header->nelements; at++) {
		if (rows->elements[at].used == 0)
			break;
	}
	rows->element_hint = at;
	if (at < header->nelements)
		return at;
	if (at == header->max_elements || !reserve_elements(rows, at + 1))
		return ROWS_NONE;
	rows->elements[at].used = 0;
	rows_in_order();
	header->nelements = at + 1;
	rows_in_order();
	return at;
}

uint32_t
rows_take_key(struct rows *rows)
{
	struct rows_header *header = rows->header;
	uint32_t at;

	for (at = rows->key_hint; at < header->nkeys; at++) {
		if (rows->keys[at].used == 0)
			break;
	}
	rows->key_hint = at;
	if (at < header->nkeys)
		return at;
	if (at == header->max_keys || !reserve_keys(rows, at + 1))
		return ROWS_NONE;
	rows->keys[at].used = 0;
	rows_in_order();
	header->nkeys = at + 1;
	rows_in_order();
	return at;
}

static void
apply_journal(struct rows *rows)
{
	struct rows_journal *journal = &rows->header->journal;

	if (journal->element != ROWS_NONE)
		rows->elements[journal->element] = journal->element_row;
	rows->keys[journal->key] = journal->key_row;
	rows_in_order();
	journal->complete = 0;
	rows_in_order();
}

static void
complete_journal(struct rows *rows)
{
	rows_in_order();
	rows->header->journal.complete = 1;
	rows_in_order();
	apply_journal(rows);
}

void
rows_commit(struct rows *rows, uint32_t element, const struct element_row *element_row,
    uint32_t key, const struct key_row *key_row)
{
	struct rows_journal *journal = &rows->header->journal;
	bool new_element = rows->elements[element].used == 0;
	bool new_key = rows->keys[key].used == 0;

	assert(element < rows->header->nelements && key < rows->header->nkeys);
	assert(element_row->used != 0 && element_row->key == key && key_row->used != 0);
	journal->element = element;
	journal->key = key;
	journal->element_row = *element_row;
	journal->key_row = *key_row;
	complete_journal(rows);
	if (new_element)
		index_add(&rows->element_index, hash_row(rows, element_row), element);
	if (new_key)
		index_add(&rows->key_index, hash_key(rows, &key_row->count), key);
}

void
rows_commit_key(struct rows *rows, uint32_t key, const struct key_row *key_row)
{
	struct rows_journal *journal = &rows->header->journal;

	assert(key < rows->header->nkeys && rows->keys[key].used != 0);
	journal->element = ROWS_NONE;
	journal->key = key;
	journal->key_row = *key_row;
	complete_journal(rows);
}

void
rows_drop_element(struct rows *rows, uint32_t element)
{
	struct element_row *row = &rows->elements[element];
	uint32_t *n = &rows->header->nelements;

	index_remove(&rows->element_index, hash_row(rows, row), element);
	row->used = 0;
	rows_in_order();
	if (element < rows->element_hint)
		rows->element_hint = element;
	while (*n > 0 && rows->elements[*n - 1].used == 0)
		(*n)--;
	if (rows->element_hint > *n)
		rows->element_hint = *n;
}

void
rows_drop_key(struct rows *rows, uint32_t key)
{
	struct key_row *row = &rows->keys[key];
	uint32_t *n = &rows->header->nkeys;

	index_remove(&rows->key_index, hash_key(rows, &row->count), key);
	/* the same key may come again, from zero: that must be another epoch */
	rows->header->epoch++;
	rows_in_order();
	row->used = 0;
	rows_in_order();
	if (key < rows->key_hint)
		rows->key_hint = key;
	while (*n > 0 && rows->keys[*n - 1].used == 0)
		(*n)--;
	if (rows->key_hint > *n)
		rows->key_hint = *n;
}

static bool
sane_range(const struct range *range)
{
	return (range->first.family == ADDR_V4 || range->first.family == ADDR_V6) &&
	    range->first.family == range->last.family &&
	    memcmp(range->first.bytes, range->last.bytes, sizeof(range->first.bytes)) <= 0;
}

static bool
sane_key(const struct key_row *row)
{
	const uint8_t flags = COUNT_AGGREGATED | COUNT_APPROXIMATE;
	const struct count *count = &row->count;
	uint8_t family = (count->flags & COUNT_AGGREGATED) != 0 ? ADDR_NONE :
	    count->entry.first.family;

	return count->dir <= DIR_OUT && count->verdict <= VERDICT_PROTECTED &&
	    count->action <= LIST_DROP && (count->flags & ~flags) == 0 &&
	    sane_range(&count->entry) && count->remote.family == family &&
	    count->dropped <= count->packets && count->packets <= INT64_MAX;
}

static bool
sane_element(const struct rows *rows, const struct element_row *row)
{
	return row->dir <= (DIR_OUT | LEDGER_ENDPOINT) &&
	    (row->remote.family == ADDR_V4 || row->remote.family == ADDR_V6) &&
	    row->key < rows->header->nkeys && rows->keys[row->key].used != 0 &&
	    rows->keys[row->key].count.dir == (row->dir & ~LEDGER_ENDPOINT);
}

static bool
index_keys(struct rows *rows)
{
	uint32_t i;

	for (i = 0; i < rows->header->nkeys; i++) {
		const struct count *count = &rows->keys[i].count;
		uint32_t twin;

		if (rows->keys[i].used == 0)
			continue;
		if (!sane_key(&rows->keys[i]))
			return false;
		twin = (count->flags & COUNT_AGGREGATED) != 0 ?
		    rows_find_entry(rows, &count->entry, count->dir) :
		    rows_find_remote(rows, &count->remote, count->dir);
		if (twin != ROWS_NONE)
			return false;
		index_add(&rows->key_index, hash_key(rows, count), i);
	}
	return true;
}

static bool
index_elements(struct rows *rows)
{
	uint32_t i;

	for (i = 0; i < rows->header->nelements; i++) {
		const struct element_row *row = &rows->elements[i];

		if (row->used == 0)
			continue;
		if (!sane_element(rows, row) ||
		    rows_find_element(rows, &row->remote, row->dir, row->instance) != ROWS_NONE)
			return false;
		index_add(&rows->element_index, hash_row(rows, row), i);
	}
	return true;
}

static const char *
check_header(const struct rows_header *header, const struct ledger_conf *conf)
{
	if (header->magic == 0)
		return "new";
	if (header->magic != ROWS_MAGIC)
		return "damaged: not a ledger";
	if (header->version != ROWS_VERSION || header->header_size != sizeof(*header) ||
	    header->element_size != sizeof(struct element_row) ||
	    header->key_size != sizeof(struct key_row) ||
	    header->max_elements != conf->max_elements || header->max_keys != conf->max_keys)
		return "of another version";
	if (strncmp(header->origin, conf->origin, sizeof(header->origin)) != 0)
		return "of another boot or network namespace";
	if (header->nelements > header->max_elements || header->nkeys > header->max_keys)
		return "damaged: more rows than there is room for";
	if (header->journal.complete != 0 && (header->journal.key >= header->nkeys ||
	    (header->journal.element >= header->nelements &&
	    header->journal.element != ROWS_NONE)))
		return "damaged: journal out of bounds";
	return NULL;
}

/* Finishes what was begun and indexes what is there. */
static const char *
take_over(struct rows *rows)
{
	if (rows->header->journal.complete != 0)
		apply_journal(rows);
	if (!index_keys(rows))
		return "damaged: keys";
	if (!index_elements(rows))
		return "damaged: elements";
	return NULL;
}

static void
start_anew(struct rows *rows, const struct ledger_conf *conf)
{
	struct rows_header *header = rows->header;

	header->magic = 0;
	rows_in_order();
	memset(header, 0, sizeof(*header));
	header->version = ROWS_VERSION;
	header->header_size = sizeof(*header);
	header->element_size = sizeof(struct element_row);
	header->key_size = sizeof(struct key_row);
	header->max_elements = conf->max_elements;
	header->max_keys = conf->max_keys;
	header->epoch = conf->epoch;
	snprintf(header->origin, sizeof(header->origin), "%s", conf->origin);
	rows_in_order();
	header->magic = ROWS_MAGIC;
	rows_in_order();
}

/* Not done to fresh ones: their pages are zero without being touched. */
static void
forget_indexes(struct rows *rows)
{
	memset(rows->element_index.heads, 0, rows->nbuckets * sizeof(uint32_t));
	memset(rows->key_index.heads, 0, rows->nbuckets * sizeof(uint32_t));
}

static bool
allocate(struct rows_index *index, uint32_t nbuckets, uint32_t max)
{
	index->heads = calloc(nbuckets, sizeof(*index->heads));
	index->next = calloc(max, sizeof(*index->next));
	return index->heads != NULL && index->next != NULL;
}

int
rows_open(struct rows *rows, const struct ledger_conf *conf, const char **anew)
{
	uint32_t max = conf->max_elements > conf->max_keys ? conf->max_elements : conf->max_keys;
	char *base = conf->region;

	assert(conf->max_elements > 0 && conf->max_keys > 0);
	memset(rows, 0, sizeof(*rows));
	rows->header = (struct rows_header *)(void *)base;
	rows->elements = (struct element_row *)(void *)(base + elements_offset());
	rows->keys = (struct key_row *)(void *)(base + keys_offset(conf->max_elements));
	memcpy(rows->seed, conf->seed, sizeof(rows->seed));
	rows->reserve = conf->reserve;
	rows->reserve_arg = conf->reserve_arg;
	rows->nbuckets = 1;
	while (rows->nbuckets < max)
		rows->nbuckets *= 2;
	if (!allocate(&rows->element_index, rows->nbuckets, conf->max_elements) ||
	    !allocate(&rows->key_index, rows->nbuckets, conf->max_keys)) {
		rows_close(rows);
		return -ENOMEM;
	}
	if (!reserve_header(rows)) {
		rows_close(rows);
		return -ENOSPC;
	}
	*anew = check_header(rows->header, conf);
	if (*anew == NULL && (!reserve_elements(rows, rows->header->nelements) ||
	    !reserve_keys(rows, rows->header->nkeys))) {
		rows_close(rows);
		return -ENOSPC;
	}
	if (*anew == NULL) {
		*anew = take_over(rows);
		if (*anew != NULL)
			forget_indexes(rows);
	}
	if (*anew != NULL)
		start_anew(rows, conf);
	return 0;
}

void
rows_close(struct rows *rows)
{
	free(rows->element_index.heads);
	free(rows->element_index.next);
	free(rows->key_index.heads);
	free(rows->key_index.next);
	memset(rows, 0, sizeof(*rows));
}
