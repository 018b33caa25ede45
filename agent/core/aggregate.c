/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/aggregate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS_MIN	64
#define NEVER		INT64_MIN

/*
 * times is a ring of the last AGGREGATE_REMOTES arrivals: the next one makes
 * the window overfull exactly when the arrival it overwrites is still inside.
 */
struct entry {
	struct range range;
	int64_t newest_ms, folded_until_ms;
	unsigned int next, n;
	int64_t times[AGGREGATE_REMOTES];
	TAILQ_ENTRY(entry) age;
	SLIST_ENTRY(entry) chain;
};

SLIST_HEAD(bucket, entry);

struct aggregate {
	size_t max, n, nbuckets;	/* nbuckets is a power of two */
	struct bucket *buckets;
	TAILQ_HEAD(, entry) by_age;	/* quiet longest first */
};

struct aggregate *
aggregate_new(size_t max_entries)
{
	struct aggregate *aggregate;

	assert(max_entries > 0);
	aggregate = calloc(1, sizeof(*aggregate));
	if (aggregate == NULL)
		return NULL;
	aggregate->max = max_entries;
	aggregate->nbuckets = BUCKETS_MIN;
	while (aggregate->nbuckets < max_entries)
		aggregate->nbuckets *= 2;
	aggregate->buckets = calloc(aggregate->nbuckets, sizeof(*aggregate->buckets));
	if (aggregate->buckets == NULL) {
		free(aggregate);
		return NULL;
	}
	TAILQ_INIT(&aggregate->by_age);
	return aggregate;
}

void
aggregate_free(struct aggregate *aggregate)
{
	struct entry *entry;

	if (aggregate == NULL)
		return;
	while ((entry = TAILQ_FIRST(&aggregate->by_age)) != NULL) {
		TAILQ_REMOVE(&aggregate->by_age, entry, age);
		free(entry);
	}
	free(aggregate->buckets);
	free(aggregate);
}

/* FNV-1a; a range is bytes alone, without padding. */
static struct bucket *
bucket_of(struct aggregate *aggregate, const struct range *range)
{
	const uint8_t *bytes = (const uint8_t *)range;
	uint64_t hash = UINT64_C(14695981039346656037);
	size_t i;

	for (i = 0; i < sizeof(*range); i++)
		hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
	return &aggregate->buckets[(hash ^ hash >> 32) & (aggregate->nbuckets - 1)];
}

static struct entry *
find(struct aggregate *aggregate, const struct range *range)
{
	struct entry *entry;

	SLIST_FOREACH(entry, bucket_of(aggregate, range), chain) {
		if (memcmp(&entry->range, range, sizeof(*range)) == 0)
			return entry;
	}
	return NULL;
}

static void
forget(struct aggregate *aggregate, struct entry *entry)
{
	TAILQ_REMOVE(&aggregate->by_age, entry, age);
	SLIST_REMOVE(bucket_of(aggregate, &entry->range), entry, entry, chain);
	aggregate->n--;
	free(entry);
}

/* Entries that could not fold any more than unknown ones. */
static void
forget_quiet(struct aggregate *aggregate, int64_t now_ms)
{
	struct entry *entry;

	while ((entry = TAILQ_FIRST(&aggregate->by_age)) != NULL) {
		if (entry->newest_ms > now_ms - AGGREGATE_WINDOW_MS ||
		    entry->folded_until_ms > now_ms)
			return;
		forget(aggregate, entry);
	}
}

static struct entry *
remember(struct aggregate *aggregate, const struct range *range, int64_t now_ms)
{
	struct entry *entry;

	if (aggregate->n == aggregate->max)
		forget(aggregate, TAILQ_FIRST(&aggregate->by_age));
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return NULL;
	entry->range = *range;
	entry->newest_ms = now_ms;
	entry->folded_until_ms = NEVER;
	SLIST_INSERT_HEAD(bucket_of(aggregate, range), entry, chain);
	TAILQ_INSERT_TAIL(&aggregate->by_age, entry, age);
	aggregate->n++;
	return entry;
}

/* Is this arrival one too many for the window that ends with it? */
static bool
overfull(struct entry *entry, int64_t now_ms)
{
	bool full = entry->n == AGGREGATE_REMOTES &&
	    entry->times[entry->next] > now_ms - AGGREGATE_WINDOW_MS;

	entry->times[entry->next] = now_ms;
	entry->next = (entry->next + 1) % AGGREGATE_REMOTES;
	if (entry->n < AGGREGATE_REMOTES)
		entry->n++;
	return full;
}

bool
aggregate_new_remote(struct aggregate *aggregate, const struct range *range, int64_t now_ms)
{
	struct entry *entry;

	if (memcmp(&range->first, &range->last, sizeof(range->first)) == 0)
		return true;
	forget_quiet(aggregate, now_ms);
	entry = find(aggregate, range);
	if (entry != NULL && now_ms < entry->newest_ms - AGGREGATE_WINDOW_MS) {
		forget(aggregate, entry);
		entry = NULL;
	}
	if (entry == NULL)
		entry = remember(aggregate, range, now_ms);
	if (entry == NULL)
		return true;
	if (now_ms < entry->newest_ms)
		now_ms = entry->newest_ms;
	entry->newest_ms = now_ms;
	TAILQ_REMOVE(&aggregate->by_age, entry, age);
	TAILQ_INSERT_TAIL(&aggregate->by_age, entry, age);
	if (overfull(entry, now_ms))
		entry->folded_until_ms = now_ms + AGGREGATE_HOLD_MS;
	return now_ms >= entry->folded_until_ms;
}
