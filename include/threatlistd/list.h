/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list image: an immutable, compiled list of address ranges in one block
 * of memory, passed between roles as a sealed memfd and kept on disk as the
 * last good copy.
 *
 * The ranges of a family are sorted, disjoint and inclusive.  Neighbours are
 * kept apart when they differ in what is known of them: each range points to
 * an attribute row with the mask of lists that name it, the action, and its
 * most specific original entry.  Numbers are in the host's byte order (an
 * image never leaves the host), IPv6 addresses in network order.
 *
 * The maker of an image is the least trusted role.  list_open() therefore
 * checks every count, offset, order and checksum before anything is used, and
 * accepts a memfd only when all seals are set.
 */
#ifndef THREATLISTD_LIST_H
#define THREATLISTD_LIST_H

#include "threatlistd/addr.h"

#define LIST_SOURCES_MAX	64		/* bits in a mask of lists */
#define LIST_NAME_MAX		64		/* bytes of a list's name with its NUL */
#define LIST_RANGES_MAX		4000000u	/* per family */
#define LIST_HASH_LEN		32		/* SHA-256 */

enum list_role {
	LIST_THREAT = 0,
	LIST_TRUSTED = 1,
};

/* The higher one wins where lists disagree. */
enum list_action {
	LIST_WATCH = 0,
	LIST_REJECT = 1,
	LIST_DROP = 2,
};

struct list_source {
	char name[LIST_NAME_MAX];	/* NUL-terminated */
	uint8_t role;			/* enum list_role */
	uint8_t action;			/* enum list_action */
	uint8_t pad[6];			/* zero */
	uint64_t entries;		/* original entries accepted */
	uint8_t hash[LIST_HASH_LEN];	/* of the ranges, order and text of the source apart */
};

struct list_range4 {
	uint32_t first, last;		/* host byte order */
	uint32_t attr;
};

struct list_range6 {
	uint8_t first[16], last[16];	/* network byte order */
	uint32_t attr;
};

struct list_attr {
	uint64_t lists;			/* bit i: source i names it */
	uint8_t action;			/* enum list_action, the highest of the lists */
	uint8_t entry_family;		/* ADDR_NONE: the entry is the range itself */
	uint8_t pad[6];			/* zero */
	uint8_t entry_first[16], entry_last[16];	/* as struct addr.bytes */
};

/* An opened image.  Safe to share between readers; freed by list_free. */
struct list;

struct list_error {
	char text[200];			/* for the log: what was allowed, what came */
};

/*
 * Maps and checks the image behind fd in one pass.  fd is borrowed and may be
 * closed afterwards.  sealed: demand F_SEAL_WRITE, _SHRINK, _GROW and _SEAL (a
 * memfd from another process); false for a file, which is read into memory of
 * our own first.  Returns 0 and *list, or -EINVAL / -errno and *err filled.
 */
int list_open(struct list **list, int fd, bool sealed, struct list_error *err);

/*
 * The same for memory of the caller's, which must stay unchanged and mapped
 * until list_free.
 */
int list_open_memory(struct list **list, const void *image, size_t size, struct list_error *err);
void list_free(struct list *list);

/* The bytes of the image, for writing it to a file. */
const void *list_bytes(const struct list *list, size_t *size);

/* SHA-256 over the ranges, their masks and the sources: equal images, equal lists. */
const uint8_t *list_hash(const struct list *list);

size_t list_nsources(const struct list *list);
const struct list_source *list_source(const struct list *list, size_t index);

size_t list_nranges4(const struct list *list);
size_t list_nranges6(const struct list *list);
const struct list_range4 *list_ranges4(const struct list *list);
const struct list_range6 *list_ranges6(const struct list *list);
const struct list_attr *list_attr(const struct list *list, uint32_t attr);

/* What is known of a listed address. */
struct list_hit {
	struct range range;		/* of the image */
	struct range entry;		/* most specific original entry */
	uint64_t lists;
	uint8_t action;			/* enum list_action */
};

/* Binary search.  Returns false, *hit untouched, when addr is not listed. */
bool list_find(const struct list *list, const struct addr *addr, struct list_hit *hit);

/* Fills *hit for range i of a family. */
void list_hit4(const struct list *list, size_t i, struct list_hit *hit);
void list_hit6(const struct list *list, size_t i, struct list_hit *hit);

const char *list_action_text(uint8_t action);	/* drop, reject, watch */
const char *list_role_text(uint8_t role);	/* threat, trusted */

#endif
