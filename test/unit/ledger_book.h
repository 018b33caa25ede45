/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A ledger over memory that survives it, and short ways to book; for the ledger's tests. */
#ifndef TEST_LEDGER_BOOK_H
#define TEST_LEDGER_BOOK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "enforce/ledger.h"

#define SMALL		256u		/* rows of most ledgers here */
#define EPOCH		1000u
#define NOW		INT64_C(1700000000000)

struct book {
	void *region;
	uint32_t max_elements, max_keys;
	struct ledger *ledger;
	const char *anew;
	char origin[40];
};

static inline void
open_book(struct book *book)
{
	const struct ledger_conf conf = {
		.region = book->region, .max_elements = book->max_elements,
		.max_keys = book->max_keys, .origin = book->origin, .epoch = EPOCH,
		.seed = { 1, 2 },
	};

	assert_int_equal(ledger_open(&book->ledger, &conf, &book->anew), 0);
}

static inline void
new_book(struct book *book, uint32_t max_elements, uint32_t max_keys)
{
	memset(book, 0, sizeof(*book));
	book->max_elements = max_elements;
	book->max_keys = max_keys;
	memcpy(book->origin, "boot-1", 7);
	book->region = mmap(NULL, ledger_size(max_elements, max_keys), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(book->region, MAP_FAILED);
	open_book(book);
	assert_string_equal(book->anew, "new");
}

static inline void
reopen(struct book *book)
{
	ledger_free(book->ledger);
	open_book(book);
}

static inline void
close_book(struct book *book)
{
	ledger_free(book->ledger);
	munmap(book->region, ledger_size(book->max_elements, book->max_keys));
}

static inline struct addr
remote(uint32_t number)
{
	struct addr addr = { .family = ADDR_V4 };

	addr.bytes[0] = 9;
	addr.bytes[1] = (uint8_t)(number >> 16);
	addr.bytes[2] = (uint8_t)(number >> 8);
	addr.bytes[3] = (uint8_t)number;
	return addr;
}

/* The /16 around a remote, or the remote. */
static inline struct range
entry_of(uint32_t number, bool wide)
{
	struct range range = { .first = remote(number), .last = remote(number) };

	if (wide) {
		range.first.bytes[2] = range.first.bytes[3] = 0;
		range.last.bytes[2] = range.last.bytes[3] = 255;
	}
	return range;
}

static inline struct ledger_reading
reading(uint32_t number, uint8_t dir, uint64_t packets, bool wide)
{
	struct ledger_reading one = {
		.remote = remote(number), .dir = dir, .verdict = VERDICT_DROPPED,
		.packets = packets, .bytes = packets * 100,
		.label = { .entry = entry_of(number, wide), .lists = 1, .generation = 7,
		    .action = LIST_DROP },
	};

	return one;
}

static inline void
read_one(struct ledger *ledger, uint32_t number, uint8_t dir, uint64_t packets, bool wide)
{
	const struct ledger_reading one = reading(number, dir, packets, wide);

	if (ledger_changed(ledger, &one))
		assert_true(ledger_book(ledger, &one, NOW));
}

/* A whole reading with one element in it. */
static inline void
sweep_one(struct ledger *ledger, uint64_t epoch, uint32_t number, uint64_t packets)
{
	ledger_begin(ledger, epoch);
	read_one(ledger, number, DIR_IN, packets, false);
	ledger_end(ledger, true);
}

static inline struct count
only_unsent(struct ledger *ledger)
{
	struct count counts[2];

	assert_int_equal(ledger_unsent(ledger, counts, 2), 1);
	ledger_sent(ledger, 1);
	return counts[0];
}

#endif
