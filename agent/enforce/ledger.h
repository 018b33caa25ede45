/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ledger: what the kernel's accounting says, made cumulative.
 *
 * The kernel counts per listed remote and direction (an element of a seen
 * set), and per wide prefix what comes from too many remotes of it (a member
 * of a wide set); its values vanish when an element expires or a set or table
 * goes.  The ledger remembers the last value of each element, adds the difference to a key (the
 * remote itself, or its entry once that is in flood) and tells keys as struct
 * count.  It lives in a mapped file, so neither a restart nor a kill -9 doubles
 * or loses a packet.
 *
 * Pure over its region; time is an argument.  Made for one thread.
 */
#ifndef ENFORCE_LEDGER_H
#define ENFORCE_LEDGER_H

#include "threatlistd/enforce.h"
#include "threatlistd/sighting.h"

#define LEDGER_ELEMENTS		(5u * 65536)	/* the four seen sets', and wide prefixes */
#define LEDGER_KEYS		LEDGER_ELEMENTS
#define LEDGER_ORIGIN_MAX	64		/* bytes with the NUL */
#define LEDGER_KEY_IDLE_MS	(2 * ENFORCE_SEEN_MS)
#define LEDGER_MISSES		4	/* readings an element must miss before it has expired */

struct ledger;

/* Makes size bytes at offset of the region safe to write.  0 or -errno. */
typedef int ledger_reserve_fn(uint64_t offset, uint64_t size, void *arg);

struct ledger_conf {
	void *region;			/* ledger_size bytes, aligned for uint64_t; borrowed */
	uint32_t max_elements, max_keys;
	const char *origin;		/* whose tables: this boot, this network namespace */
	uint64_t epoch;			/* random, for a ledger that starts anew */
	uint64_t seed[2];		/* random, for the hash */
	ledger_reserve_fn *reserve;	/* NULL: all of it is */
	void *reserve_arg;
};

uint64_t ledger_size(uint32_t max_elements, uint32_t max_keys);

/*
 * A region of another origin, version or size, or a damaged one, is started
 * anew: *anew says why (a constant text), NULL when it was taken over.
 * Everything taken over counts as unsent, and its labels as outdated
 * (generation 0): generations start anew with the agent.  0 or -errno.
 */
int ledger_open(struct ledger **ledger, const struct ledger_conf *conf, const char **anew);
void ledger_free(struct ledger *ledger);

/* What the list says of a remote. */
struct ledger_label {
	struct range entry;
	uint64_t lists;
	uint64_t generation;
	uint8_t action;			/* enum list_action */
};

/*
 * Or'd to the dir of a reading: the kernel counts apart what a remote had to do
 * with us as an endpoint; it is told as that remote's like the rest.
 */
#define LEDGER_ENDPOINT		0x02u

struct ledger_reading {
	struct addr remote;
	uint8_t dir;			/* enum packet_dir, LEDGER_ENDPOINT */
	uint8_t verdict;		/* enum verdict */
	uint32_t instance;		/* 0: a remote's; else a wide prefix's, in this set */
	uint64_t packets, bytes;	/* as the kernel says, since its element exists */
	/* monotonic: when it expires, later with each packet, and what came after which is new.  0: not said */
	int64_t expires_ms, since_ms;
	struct ledger_label label;
};

/*
 * One reading of the seen sets: begin, then for each element ledger_changed
 * and, if that is true, ledger_book; then end.  A reading that broke off is
 * not ended: what it did not see has not expired.
 *
 * A new table_epoch (never 0) means the kernel's values started anew; if
 * ledger_closed did not announce it they were lost, and keys are approximate
 * from then on.
 */
void ledger_begin(struct ledger *ledger, uint64_t table_epoch);
/* Of the reading only what the kernel says is looked at, the label is not needed. */
bool ledger_changed(struct ledger *ledger, const struct ledger_reading *reading);
/* false: no room; the next reading finds the element changed again. */
bool ledger_book(struct ledger *ledger, const struct ledger_reading *reading, int64_t now_ms);
/*
 * How many elements were missed and have not expired yet: some more readings
 * will tell.  wide: the wide prefixes were read, too; those that were not seen
 * are gone.  They stay where they were not asked for.
 */
uint32_t ledger_end(struct ledger *ledger, bool wide);

/* The table goes by our own hand and was read to its end. */
void ledger_closed(struct ledger *ledger);

/* The kernel's values are older than this ledger: what they make new is approximate. */
void ledger_inherits(struct ledger *ledger);

/*
 * Packets that found their seen set full, as the kernel says since the table is
 * there: how many of this table and those before nobody was told of, until
 * ledger_overflow_told says that all were.
 */
uint64_t ledger_overflow(struct ledger *ledger, uint64_t table_epoch, uint64_t packets);
void ledger_overflow_told(struct ledger *ledger);

/* What was known of a remote when it was last booked. */
bool ledger_known(const struct ledger *ledger, const struct ledger_reading *reading,
    struct ledger_label *label);

/* Asks for a new label of every outdated one: of a remote, or of the entry's first address. */
typedef bool ledger_label_fn(const struct addr *addr, struct ledger_label *label, void *arg);
void ledger_relabel(struct ledger *ledger, ledger_label_fn *label, void *arg);

/* Forgets keys that were told, have no element and were idle for LEDGER_KEY_IDLE_MS. */
void ledger_tidy(struct ledger *ledger, int64_t now_ms);

/* The next counts to tell, longest waiting first; ledger_sent takes the first n of them off. */
uint32_t ledger_unsent(const struct ledger *ledger, struct count *counts, uint32_t max);
void ledger_sent(struct ledger *ledger, uint32_t n);
void ledger_send_all(struct ledger *ledger);

struct ledger_stat {
	uint32_t elements, keys, unsent;
	uint64_t refused;		/* bookings without room since open */
};
void ledger_stat(const struct ledger *ledger, struct ledger_stat *stat);

#endif
