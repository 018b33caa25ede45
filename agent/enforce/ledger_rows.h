/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ledger's memory: rows of elements and of keys in one mapped region, and
 * an index over them in memory of the process.
 *
 * The region outlives the process and is changed in such an order that a
 * kill -9 between any two stores leaves it whole:
 *
 *  - rows are dense below a high-water mark; a row is cleared before the mark
 *    rises over it;
 *  - a booking changes one element and one key.  Both new rows are written to
 *    the journal first, then it is marked complete, then they are copied to
 *    their places, then the mark goes.  Opening finishes a complete journal
 *    and forgets any other: copying is repeatable;
 *  - a row goes with a single store to its used field.
 *
 * A process that is killed leaves its memory as its instructions wrote it, so
 * only the compiler's order matters; after a crash of the machine the origin
 * differs and everything is discarded.
 */
#ifndef ENFORCE_LEDGER_ROWS_H
#define ENFORCE_LEDGER_ROWS_H

#include <stdatomic.h>

#include "threatlistd/sighting.h"
#include "enforce/ledger.h"

#define ROWS_NONE	UINT32_MAX

/* What the kernel said last of one remote in one direction. */
struct element_row {
	uint64_t table_epoch;		/* of these values; in another one they started from zero */
	uint64_t packets, bytes;
	uint32_t key;			/* where they are booked */
	uint32_t instance;		/* 0: of a remote; else of a wide prefix, in this set */
	uint8_t used;
	uint8_t dir;			/* enum packet_dir, LEDGER_ENDPOINT */
	struct addr remote;		/* of a prefix: its first address */
	uint8_t pad[5];			/* zero */
};

/* A remote or a folded entry, in one direction, as it is told. */
struct key_row {
	struct count count;
	uint64_t used;
};

struct rows_journal {
	uint32_t complete;		/* non-zero: the rest is to be copied */
	uint32_t element, key;		/* element may be ROWS_NONE */
	uint32_t pad;			/* zero */
	struct element_row element_row;
	struct key_row key_row;
};

struct rows_header {
	uint64_t magic;			/* written last */
	uint32_t version, header_size, element_size, key_size;
	uint32_t max_elements, max_keys;
	char origin[LEDGER_ORIGIN_MAX];
	uint64_t epoch;			/* given to new keys; moves on when a key goes */
	uint64_t table_epoch;		/* the one read last, 0: none */
	uint32_t nelements, nkeys;	/* high-water marks */
	/* packets that found their seen set full: as that table said last; of all tables, untold */
	uint64_t overflow_epoch, overflow_last, overflow_untold;
	struct rows_journal journal;
};

/* Chains of rows with the same hash; numbers are row + 1, 0 ends a chain. */
struct rows_index {
	uint32_t *heads, *next;
};

struct rows {
	struct rows_header *header;
	struct element_row *elements;
	struct key_row *keys;
	struct rows_index element_index, key_index;
	uint32_t nbuckets;		/* a power of two, of both indexes */
	uint64_t seed[2];		/* remotes choose their addresses: the hash is keyed */
	uint32_t element_hint, key_hint;	/* no free row below */
	uint32_t elements_reserved, keys_reserved;
	ledger_reserve_fn *reserve;
	void *reserve_arg;
};

/* Nothing the compiler does may move a store over this line. */
static inline void
rows_in_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

uint64_t rows_size(uint32_t max_elements, uint32_t max_keys);

/*
 * Takes over what the region holds, or starts anew and says why in *anew (a
 * constant text; NULL: taken over).  0 or -errno.
 */
int rows_open(struct rows *rows, const struct ledger_conf *conf, const char **anew);
void rows_close(struct rows *rows);

uint32_t rows_find_element(const struct rows *rows, const struct addr *remote, uint8_t dir,
    uint32_t instance);
/* The key of a remote by itself, or of a folded entry. */
uint32_t rows_find_remote(const struct rows *rows, const struct addr *remote, uint8_t dir);
uint32_t rows_find_entry(const struct rows *rows, const struct range *entry, uint8_t dir);

/* A free row for rows_commit, ROWS_NONE: no room. */
uint32_t rows_take_element(struct rows *rows);
uint32_t rows_take_key(struct rows *rows);

/* Puts both rows in place, all or nothing.  What identifies a used row stays. */
void rows_commit(struct rows *rows, uint32_t element, const struct element_row *element_row,
    uint32_t key, const struct key_row *key_row);

/* The same for a used key alone. */
void rows_commit_key(struct rows *rows, uint32_t key, const struct key_row *key_row);

void rows_drop_element(struct rows *rows, uint32_t element);
void rows_drop_key(struct rows *rows, uint32_t key);

#endif
