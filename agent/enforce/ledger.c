/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "enforce/ledger.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/aggregate.h"
#include "enforce/ledger_rows.h"

#define ENTRIES_MAX	4096u	/* watched for floods at once */
#define EXPIRY_SLACK_MS	1000	/* when an element expires is known no better than a reading takes */

/*
 * Is it the element of the last reading?  One that expired and came again before
 * enough readings missed it counts from zero, and whoever calls once an hour would
 * be taken for silent.  Its packets show in the time when it expires; they made it
 * anew if they came after that time.
 */
enum life {
	LIFE_SAME = 0,
	LIFE_ANEW = -1,
	LIFE_UNSURE = -2,	/* it expired, or was about to, between this reading and the last */
};

/* What no restart needs is kept beside the rows, in memory of the process. */
struct ledger {
	struct rows rows;
	struct aggregate *aggregate;
	uint32_t max_elements, max_keys;
	uint32_t reading;		/* number of the one that goes on */
	uint32_t *last_reading;		/* by element: the last one that saw it */
	/* by element: as the last reading had it, 0: unknown; what is negative is an enum life */
	int64_t *expires_ms;
	uint32_t *references;		/* by key: elements booked there */
	bool *waits;			/* by key: it is in the queue */
	uint32_t *queue;		/* ring of keys to tell; each is in it at most once */
	uint32_t queue_first, queue_n;
	bool inherits, full;		/* full: no key to be had in this reading */
	uint32_t elements, keys;	/* in use */
	uint64_t refused;
};

uint64_t
ledger_size(uint32_t max_elements, uint32_t max_keys)
{
	return rows_size(max_elements, max_keys);
}

static void
enqueue(struct ledger *ledger, uint32_t key)
{
	if (ledger->waits[key])
		return;
	assert(ledger->queue_n < ledger->max_keys);
	ledger->queue[(ledger->queue_first + ledger->queue_n) % ledger->max_keys] = key;
	ledger->queue_n++;
	ledger->waits[key] = true;
}

/* What was taken over: references are counted anew, labels are of another run's images. */
static void
survey(struct ledger *ledger)
{
	struct rows *rows = &ledger->rows;
	uint32_t i;

	for (i = 0; i < rows->header->nelements; i++) {
		if (rows->elements[i].used == 0)
			continue;
		ledger->references[rows->elements[i].key]++;
		ledger->elements++;
	}
	for (i = 0; i < rows->header->nkeys; i++) {
		if (rows->keys[i].used == 0)
			continue;
		rows->keys[i].count.lists = 0;
		rows->keys[i].count.generation = 0;
		ledger->keys++;
		enqueue(ledger, i);
	}
}

int
ledger_open(struct ledger **ledgerp, const struct ledger_conf *conf, const char **anew)
{
	struct ledger *ledger;
	int error;

	ledger = calloc(1, sizeof(*ledger));
	if (ledger == NULL)
		return -ENOMEM;
	ledger->max_elements = conf->max_elements;
	ledger->max_keys = conf->max_keys;
	ledger->aggregate = aggregate_new(ENTRIES_MAX);
	ledger->last_reading = calloc(conf->max_elements, sizeof(*ledger->last_reading));
	ledger->expires_ms = calloc(conf->max_elements, sizeof(*ledger->expires_ms));
	ledger->references = calloc(conf->max_keys, sizeof(*ledger->references));
	ledger->waits = calloc(conf->max_keys, sizeof(*ledger->waits));
	ledger->queue = calloc(conf->max_keys, sizeof(*ledger->queue));
	error = -ENOMEM;
	if (ledger->aggregate == NULL || ledger->last_reading == NULL ||
	    ledger->expires_ms == NULL || ledger->references == NULL || ledger->waits == NULL || ledger->queue == NULL)
		goto fail;
	error = rows_open(&ledger->rows, conf, anew);
	if (error != 0)
		goto fail;
	survey(ledger);
	*ledgerp = ledger;
	return 0;
fail:
	ledger_free(ledger);
	return error;
}

void
ledger_free(struct ledger *ledger)
{
	if (ledger == NULL)
		return;
	rows_close(&ledger->rows);
	aggregate_free(ledger->aggregate);
	free(ledger->last_reading);
	free(ledger->expires_ms);
	free(ledger->references);
	free(ledger->waits);
	free(ledger->queue);
	free(ledger);
}

/* Values of every key may be missing packets from now on. */
static void
mark_approximate(struct ledger *ledger)
{
	struct rows *rows = &ledger->rows;
	uint32_t i;

	for (i = 0; i < rows->header->nkeys; i++) {
		if (rows->keys[i].used == 0)
			continue;
		rows->keys[i].count.flags |= COUNT_APPROXIMATE;
		enqueue(ledger, i);
	}
}

void
ledger_begin(struct ledger *ledger, uint64_t table_epoch)
{
	struct rows_header *header = ledger->rows.header;

	assert(table_epoch != 0);
	if (header->table_epoch != table_epoch) {
		if (header->table_epoch != 0)
			mark_approximate(ledger);
		header->table_epoch = table_epoch;
	}
	ledger->reading++;
	ledger->full = false;
}

/* The values to subtract: none if the kernel's started anew since. */
static void
last_values(const struct ledger *ledger, const struct element_row *row, uint64_t *packets,
    uint64_t *bytes)
{
	bool same_table = row->table_epoch == ledger->rows.header->table_epoch;

	*packets = same_table ? row->packets : 0;
	*bytes = same_table ? row->bytes : 0;
}

static enum life
life_of(const struct ledger *ledger, uint32_t element, const struct ledger_reading *reading)
{
	const struct element_row *row = &ledger->rows.elements[element];
	int64_t before = ledger->expires_ms[element], moved = reading->expires_ms - before;

	if (before < 0)
		return (enum life)before;
	if (before == 0 || reading->expires_ms == 0 ||
	    row->table_epoch != ledger->rows.header->table_epoch)
		return LIFE_SAME;
	/* packets came, but there are no more of them: half the time is beyond any doubt */
	if (reading->packets <= row->packets)
		return moved >= ENFORCE_SEEN_MS / 2 ? LIFE_ANEW : LIFE_SAME;
	if (moved < ENFORCE_SEEN_MS - EXPIRY_SLACK_MS)
		return LIFE_SAME;
	return reading->since_ms >= before + EXPIRY_SLACK_MS ? LIFE_ANEW : LIFE_UNSURE;
}

bool
ledger_changed(struct ledger *ledger, const struct ledger_reading *reading)
{
	uint32_t element = rows_find_element(&ledger->rows, &reading->remote,
	    reading->dir, reading->instance);
	uint64_t last_packets, last_bytes;
	enum life life;

	if (element == ROWS_NONE)
		return reading->packets != 0;
	life = life_of(ledger, element, reading);
	ledger->last_reading[element] = ledger->reading;
	if (life != LIFE_SAME) {
		/* kept until it is booked */
		ledger->expires_ms[element] = life;
		return true;
	}
	last_values(ledger, &ledger->rows.elements[element], &last_packets, &last_bytes);
	if (reading->packets != last_packets || reading->bytes != last_bytes)
		return true;
	ledger->expires_ms[element] = reading->expires_ms;
	return false;
}

/* The direction as it is told. */
static uint8_t
way_of(const struct ledger_reading *reading)
{
	return reading->dir & (uint8_t)~LEDGER_ENDPOINT;
}

/*
 * Is the remote told under its entry?  One that is known by itself, by any of its
 * elements, stays so; one of which another element is folded follows.
 */
static bool
is_folded(struct ledger *ledger, const struct ledger_reading *reading, int64_t now_ms)
{
	static const uint8_t others[] = { LEDGER_ENDPOINT, DIR_OUT, DIR_OUT | LEDGER_ENDPOINT };
	const struct rows *rows = &ledger->rows;
	const struct range *entry = &reading->label.entry;
	size_t i;

	if (reading->instance != 0)
		return true;
	if (rows_find_remote(rows, &reading->remote, way_of(reading)) != ROWS_NONE)
		return false;
	for (i = 0; i < sizeof(others); i++) {
		uint32_t other = rows_find_element(rows, &reading->remote,
		    reading->dir ^ others[i], 0);
		const struct count *count;

		if (other == ROWS_NONE)
			continue;
		count = &rows->keys[rows->elements[other].key].count;
		if ((count->flags & COUNT_AGGREGATED) == 0)
			return false;
		if (memcmp(&count->entry, entry, sizeof(*entry)) == 0)
			return true;
	}
	return !aggregate_new_remote(ledger->aggregate, entry, now_ms);
}

/* Forgets told keys without element that nothing changed since before_ms. */
static void
evict(struct ledger *ledger, int64_t before_ms)
{
	struct rows *rows = &ledger->rows;
	uint32_t i;

	/* downwards: the high-water mark follows the last ones */
	for (i = rows->header->nkeys; i-- > 0; ) {
		if (rows->keys[i].used == 0 || ledger->references[i] != 0 || ledger->waits[i] ||
		    rows->keys[i].count.last_ms >= before_ms)
			continue;
		rows_drop_key(rows, i);
		ledger->keys--;
	}
}

void
ledger_tidy(struct ledger *ledger, int64_t now_ms)
{
	evict(ledger, now_ms - LEDGER_KEY_IDLE_MS);
}

static uint32_t
take_key(struct ledger *ledger, int64_t now_ms)
{
	uint32_t key;

	if (ledger->full)
		return ROWS_NONE;
	key = rows_take_key(&ledger->rows);
	if (key == ROWS_NONE) {
		ledger_tidy(ledger, now_ms);
		key = rows_take_key(&ledger->rows);
	}
	if (key == ROWS_NONE) {
		evict(ledger, INT64_MAX);
		key = rows_take_key(&ledger->rows);
	}
	ledger->full = key == ROWS_NONE;
	return key;
}

/* The key of a remote that is booked for the first time or under a new entry, used or free. */
static uint32_t
choose_key(struct ledger *ledger, const struct ledger_reading *reading, int64_t now_ms,
    struct key_row *row)
{
	bool folded = is_folded(ledger, reading, now_ms);
	uint32_t key;

	key = folded ? rows_find_entry(&ledger->rows, &reading->label.entry, way_of(reading)) :
	    rows_find_remote(&ledger->rows, &reading->remote, way_of(reading));
	if (key != ROWS_NONE) {
		*row = ledger->rows.keys[key];
		return key;
	}
	key = take_key(ledger, now_ms);
	memset(row, 0, sizeof(*row));
	row->used = 1;
	row->count.dir = way_of(reading);
	row->count.epoch = ledger->rows.header->epoch;
	row->count.first_ms = now_ms;
	row->count.entry = reading->label.entry;
	if (folded)
		row->count.flags |= COUNT_AGGREGATED;
	else
		row->count.remote = reading->remote;
	if (ledger->inherits)
		row->count.flags |= COUNT_APPROXIMATE;
	return key;
}

/* The key where an element is booked, unless it was folded into an entry that is no longer its. */
static uint32_t
booked_key(const struct ledger *ledger, const struct element_row *element,
    const struct ledger_reading *reading, struct key_row *row)
{
	const struct count *count = &ledger->rows.keys[element->key].count;

	if ((count->flags & COUNT_AGGREGATED) != 0 &&
	    memcmp(&count->entry, &reading->label.entry, sizeof(count->entry)) != 0)
		return ROWS_NONE;
	*row = ledger->rows.keys[element->key];
	return element->key;
}

/* Adds to the key what came since the last reading. */
static void
add_up(struct ledger *ledger, const struct ledger_reading *reading, struct element_row *element,
    enum life life, struct count *count, int64_t now_ms)
{
	bool dropped = reading->verdict == VERDICT_DROPPED ||
	    reading->verdict == VERDICT_REJECTED;
	uint64_t packets, bytes;

	last_values(ledger, element, &packets, &bytes);
	if (life == LIFE_ANEW) {
		packets = bytes = 0;
	} else if (reading->packets < packets || reading->bytes < bytes) {
		/* it went and came again: what it counted before it went is unknown */
		packets = bytes = 0;
		count->flags |= COUNT_APPROXIMATE;
	} else if (life == LIFE_UNSURE) {
		count->flags |= COUNT_APPROXIMATE;
	}
	packets = reading->packets - packets;
	bytes = reading->bytes - bytes;
	count->packets += packets;
	count->bytes += bytes;
	if (dropped)
		count->dropped += packets;
	count->verdict = reading->verdict;
	count->action = reading->label.action;
	count->entry = reading->label.entry;
	count->lists = reading->label.lists;
	count->generation = reading->label.generation;
	count->last_ms = now_ms;
	element->table_epoch = ledger->rows.header->table_epoch;
	element->packets = reading->packets;
	element->bytes = reading->bytes;
}

/* A free row for a remote seen for the first time. */
static uint32_t
take_element(struct ledger *ledger, const struct ledger_reading *reading,
    struct element_row *row)
{
	memset(row, 0, sizeof(*row));
	row->used = 1;
	row->dir = reading->dir;
	row->remote = reading->remote;
	row->instance = reading->instance;
	return rows_take_element(&ledger->rows);
}

bool
ledger_book(struct ledger *ledger, const struct ledger_reading *reading, int64_t now_ms)
{
	struct rows *rows = &ledger->rows;
	struct element_row element_row;
	struct key_row key_row;
	uint32_t element, key = ROWS_NONE, before = ROWS_NONE;
	enum life life = LIFE_SAME;

	element = rows_find_element(rows, &reading->remote, reading->dir, reading->instance);
	if (element == ROWS_NONE) {
		element = take_element(ledger, reading, &element_row);
		if (element == ROWS_NONE)
			goto refuse;
	} else {
		element_row = rows->elements[element];
		before = element_row.key;
		if (ledger->expires_ms[element] < 0)
			life = (enum life)ledger->expires_ms[element];
		key = booked_key(ledger, &element_row, reading, &key_row);
	}
	if (key == ROWS_NONE)
		key = choose_key(ledger, reading, now_ms, &key_row);
	if (key == ROWS_NONE)
		goto refuse;
	add_up(ledger, reading, &element_row, life, &key_row.count, now_ms);
	element_row.key = key;
	ledger->elements += rows->elements[element].used == 0;
	ledger->keys += rows->keys[key].used == 0;
	rows_commit(rows, element, &element_row, key, &key_row);
	if (before != ROWS_NONE)
		ledger->references[before]--;
	ledger->references[key]++;
	ledger->last_reading[element] = ledger->reading;
	ledger->expires_ms[element] = reading->expires_ms;
	enqueue(ledger, key);
	return true;
refuse:
	ledger->refused++;
	return false;
}

uint32_t
ledger_end(struct ledger *ledger, bool wide)
{
	struct rows *rows = &ledger->rows;
	uint32_t missing = 0, missed, i;

	for (i = rows->header->nelements; i-- > 0; ) {
		missed = ledger->reading - ledger->last_reading[i];
		if (rows->elements[i].used == 0 || missed == 0 ||
		    (rows->elements[i].instance != 0 && !wide))
			continue;
		if (missed < LEDGER_MISSES && rows->elements[i].instance == 0) {
			missing++;
			continue;
		}
		ledger->references[rows->elements[i].key]--;
		rows_drop_element(rows, i);
		ledger->expires_ms[i] = 0;
		ledger->elements--;
	}
	ledger->inherits = false;
	return missing;
}

void
ledger_closed(struct ledger *ledger)
{
	ledger->rows.header->table_epoch = 0;
}

void
ledger_inherits(struct ledger *ledger)
{
	ledger->inherits = true;
}

uint64_t
ledger_overflow(struct ledger *ledger, uint64_t table_epoch, uint64_t packets)
{
	struct rows_header *header = ledger->rows.header;

	assert(table_epoch != 0);
	if (header->overflow_epoch == 0 && ledger->inherits)
		header->overflow_last = packets;
	else if (header->overflow_epoch != table_epoch || packets < header->overflow_last)
		header->overflow_last = 0;
	header->overflow_epoch = table_epoch;
	/* in this order: killed in between, it tells of too many rather than of none */
	header->overflow_untold += packets - header->overflow_last;
	rows_in_order();
	header->overflow_last = packets;
	return header->overflow_untold;
}

void
ledger_overflow_told(struct ledger *ledger)
{
	ledger->rows.header->overflow_untold = 0;
}

bool
ledger_known(const struct ledger *ledger, const struct ledger_reading *reading,
    struct ledger_label *label)
{
	const struct rows *rows = &ledger->rows;
	uint32_t element = rows_find_element(rows, &reading->remote, reading->dir,
	    reading->instance);
	const struct count *count;

	if (element == ROWS_NONE)
		return false;
	count = &rows->keys[rows->elements[element].key].count;
	label->entry = count->entry;
	label->lists = count->lists;
	label->generation = count->generation;
	label->action = count->action;
	return true;
}

void
ledger_relabel(struct ledger *ledger, ledger_label_fn *ask, void *arg)
{
	struct rows *rows = &ledger->rows;
	uint32_t i;

	for (i = 0; i < rows->header->nkeys; i++) {
		struct key_row row = rows->keys[i];
		struct count *count = &row.count;
		bool folded = (count->flags & COUNT_AGGREGATED) != 0;
		struct ledger_label label;

		if (row.used == 0 || count->generation != 0)
			continue;
		if (!ask(folded ? &count->entry.first : &count->remote, &label, arg))
			continue;
		/* the entry is what a folded key is: it keeps it */
		if (folded && memcmp(&label.entry, &count->entry, sizeof(label.entry)) != 0)
			continue;
		count->entry = label.entry;
		count->action = label.action;
		count->lists = label.lists;
		count->generation = label.generation;
		rows_commit_key(rows, i, &row);
		enqueue(ledger, i);
	}
}

uint32_t
ledger_unsent(const struct ledger *ledger, struct count *counts, uint32_t max)
{
	uint32_t n = ledger->queue_n < max ? ledger->queue_n : max, i;

	for (i = 0; i < n; i++) {
		uint32_t key = ledger->queue[(ledger->queue_first + i) % ledger->max_keys];

		counts[i] = ledger->rows.keys[key].count;
	}
	return n;
}

void
ledger_sent(struct ledger *ledger, uint32_t n)
{
	assert(n <= ledger->queue_n);
	for (; n > 0; n--) {
		ledger->waits[ledger->queue[ledger->queue_first]] = false;
		ledger->queue_first = (ledger->queue_first + 1) % ledger->max_keys;
		ledger->queue_n--;
	}
}

void
ledger_send_all(struct ledger *ledger)
{
	uint32_t i;

	for (i = 0; i < ledger->rows.header->nkeys; i++) {
		if (ledger->rows.keys[i].used != 0)
			enqueue(ledger, i);
	}
}

void
ledger_stat(const struct ledger *ledger, struct ledger_stat *stat)
{
	stat->elements = ledger->elements;
	stat->keys = ledger->keys;
	stat->unsent = ledger->queue_n;
	stat->refused = ledger->refused;
}
