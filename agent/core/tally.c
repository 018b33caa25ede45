/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/tally.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NONE	UINT32_MAX

/*
 * In one chain of its bucket, in the list from least to most recent and, while it waits
 * to be given, in the queue.
 */
struct entry {
	struct count count;
	uint32_t chain;
	uint32_t older, newer;
	uint32_t next;			/* in the queue */
	bool queued;
};

struct tally {
	struct entry *entries;
	uint32_t *buckets;
	uint32_t max, used, mask;
	uint32_t oldest, newest;
	uint32_t head, tail;		/* of the queue */
	uint64_t epoch;			/* of those that are taken in */
	uint64_t seed, lost;
};

struct tally *
tally_new(size_t max, uint64_t epoch, uint64_t seed)
{
	struct tally *tally;
	size_t nbuckets = 1;

	assert(max > 0 && max < NONE / 2);
	tally = calloc(1, sizeof(*tally));
	if (tally == NULL)
		return NULL;
	while (nbuckets < max)
		nbuckets *= 2;
	tally->entries = calloc(max, sizeof(*tally->entries));
	tally->buckets = malloc(nbuckets * sizeof(*tally->buckets));
	if (tally->entries == NULL || tally->buckets == NULL) {
		tally_free(tally);
		return NULL;
	}
	memset(tally->buckets, 0xff, nbuckets * sizeof(*tally->buckets));
	tally->max = (uint32_t)max;
	tally->mask = (uint32_t)nbuckets - 1;
	tally->oldest = tally->newest = tally->head = tally->tail = NONE;
	tally->epoch = epoch;
	tally->seed = seed;
	return tally;
}

void
tally_free(struct tally *tally)
{
	if (tally == NULL)
		return;
	free(tally->entries);
	free(tally->buckets);
	free(tally);
}

uint64_t
tally_lost(const struct tally *tally)
{
	return tally->lost;
}

static uint32_t *
bucket_of(struct tally *tally, const struct addr *remote, uint8_t dir)
{
	uint64_t words[2], hash = tally->seed ^ dir;
	unsigned int i;

	memcpy(words, remote->bytes, sizeof(words));
	for (i = 0; i < 2; i++) {
		hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return &tally->buckets[(hash >> 32) & tally->mask];
}

static void
enqueue(struct tally *tally, uint32_t index)
{
	struct entry *entry = &tally->entries[index];

	if (entry->queued)
		return;
	entry->queued = true;
	entry->next = NONE;
	if (tally->head == NONE)
		tally->head = index;
	else
		tally->entries[tally->tail].next = index;
	tally->tail = index;
}

static void
leave_order(struct tally *tally, const struct entry *entry)
{
	if (entry->older != NONE)
		tally->entries[entry->older].newer = entry->newer;
	else
		tally->oldest = entry->newer;
	if (entry->newer != NONE)
		tally->entries[entry->newer].older = entry->older;
	else
		tally->newest = entry->older;
}

static void
enter_order(struct tally *tally, uint32_t index)
{
	struct entry *entry = &tally->entries[index];

	entry->newer = NONE;
	entry->older = tally->newest;
	if (tally->newest != NONE)
		tally->entries[tally->newest].newer = index;
	else
		tally->oldest = index;
	tally->newest = index;
}

/* A free entry, NONE: all are needed. */
static uint32_t
take_entry(struct tally *tally, int64_t now_ms)
{
	uint32_t index = tally->oldest, *at;
	struct entry *entry;
	int64_t idle;

	if (tally->used < tally->max)
		return tally->used++;
	entry = &tally->entries[index];
	idle = now_ms - entry->count.last_ms;
	/* less than nothing: the clock was set back */
	if (entry->queued || (idle >= 0 && idle < TALLY_IDLE_MS))
		return NONE;
	at = bucket_of(tally, &entry->count.remote, entry->count.dir);
	while (*at != index)
		at = &tally->entries[*at].chain;
	*at = entry->chain;
	leave_order(tally, entry);
	/* it may come again, from zero: that must be another epoch */
	tally->epoch++;
	return index;
}

static uint32_t
find_or_add(struct tally *tally, const struct addr *remote, uint8_t dir, int64_t now_ms)
{
	uint32_t *bucket = bucket_of(tally, remote, dir);
	struct entry *entry;
	uint32_t index;

	for (index = *bucket; index != NONE; index = entry->chain) {
		entry = &tally->entries[index];
		if (entry->count.dir == dir && addr_equal(&entry->count.remote, remote)) {
			leave_order(tally, entry);
			enter_order(tally, index);
			return index;
		}
	}
	index = take_entry(tally, now_ms);
	if (index == NONE)
		return NONE;
	entry = &tally->entries[index];
	memset(entry, 0, sizeof(*entry));
	enter_order(tally, index);
	entry->count.remote = *remote;
	entry->count.dir = dir;
	entry->count.verdict = VERDICT_WATCHED;
	entry->count.flags = COUNT_SENSED;
	entry->count.epoch = tally->epoch;
	entry->chain = *bucket;
	*bucket = index;
	return index;
}

void
tally_add(struct tally *tally, const struct sighting *sighting, uint32_t bytes)
{
	int64_t time_ms = sighting->time_us / 1000;
	uint32_t index = find_or_add(tally, &sighting->remote, sighting->dir, time_ms);
	struct count *count;

	if (index == NONE) {
		tally->lost++;
		return;
	}
	count = &tally->entries[index].count;
	if (count->packets == 0)
		count->first_ms = time_ms;
	count->last_ms = time_ms;
	count->packets++;
	count->bytes += bytes;
	count->action = sighting->action;
	count->entry = sighting->entry;
	count->lists = sighting->lists;
	count->generation = sighting->generation;
	enqueue(tally, index);
}

bool
tally_next(struct tally *tally, struct count *count)
{
	struct entry *entry;

	if (tally->head == NONE)
		return false;
	entry = &tally->entries[tally->head];
	tally->head = entry->next;
	entry->queued = false;
	*count = entry->count;
	return true;
}

void
tally_again(struct tally *tally)
{
	uint32_t i;

	for (i = 0; i < tally->used; i++)
		enqueue(tally, i);
}
