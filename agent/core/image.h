/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The layout of a list image, and the builder that writes one.
 *
 *	head | sources | attribute rows | IPv4 ranges | IPv6 ranges
 *
 * Each section begins at the next multiple of 8 after the one before, the gap
 * is zero, and the image ends with the last range, rounded up likewise.  So
 * for given counts there is one valid set of offsets, and list_open() demands it.
 */
#ifndef CORE_IMAGE_H
#define CORE_IMAGE_H

#include "threatlistd/list.h"
#include "core/compile.h"
#include "core/key.h"

#define IMAGE_MAGIC		"tl-list\n"	/* 8 bytes, without the NUL */
#define IMAGE_VERSION		1u
#define IMAGE_BYTE_ORDER	0x01020304u	/* reads differently on the other kind of host */
#define IMAGE_ALIGN		8u

struct image_head {
	char magic[8];
	uint32_t version;
	uint32_t byte_order;
	uint64_t size;			/* of the whole image */
	uint8_t checksum[LIST_HASH_LEN];	/* SHA-256 of all that follows it */
	uint32_t nsources, nattrs, nranges4, nranges6;
	uint64_t sources_at, attrs_at, ranges4_at, ranges6_at;
};

/* Fills in size and offsets as the counts demand. */
void image_place(struct image_head *head);

/* Computes the checksum of a whole image.  0, -ENOMEM (libcrypto failed). */
int image_checksum(const void *bytes, size_t size, uint8_t checksum[static LIST_HASH_LEN]);

/* Fills *err (may be NULL) and returns -EINVAL. */
int image_refuse(struct list_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Everything that list.h promises of an opened image.  0, or -EINVAL and *err. */
int image_check(const void *bytes, size_t size, struct list_error *err);

/* One range on its way into an image, with all that is known of it. */
struct piece {
	struct key first, last;
	struct key entry_first, entry_last;	/* covers first…last */
	uint64_t lists;
	uint8_t family;			/* enum addr_family */
	uint8_t action;			/* enum list_action */
};

/*
 * Collects pieces in ascending order, all IPv4 before all IPv6, and keeps what
 * is known of them once, in attribute rows.
 */
struct builder;

struct builder *builder_new(void);	/* NULL: no memory */
void builder_free(struct builder *builder);

/*
 * Appends a piece.  One that touches the piece before it and has the same
 * entry, lists and action is joined to it.  0, -ENOMEM, -E2BIG.
 */
int builder_add(struct builder *builder, const struct piece *piece);

/*
 * Writes the image; the builder is spent then.  hash_source: also put the hash
 * of ranges and rows into the (one) source.  0, -ENOMEM, -E2BIG.
 */
int builder_finish(struct builder *builder, const struct list_source *sources, size_t nsources,
    bool hash_source, struct image *image);

#endif
