/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From entries to images: first one image a source, then the union of all
 * threat sources minus the trusted ones minus what scope excludes.
 */
#ifndef CORE_COMPILE_H
#define CORE_COMPILE_H

#include "threatlistd/list.h"
#include "core/format.h"

enum list_scope {
	SCOPE_PUBLIC = 0,	/* contract §2: only publicly routable addresses */
	SCOPE_ANY = 1,
};

/* An image in memory of our own, for memfd_with() and list_open_memory(). */
struct image {
	void *bytes;		/* malloc'd */
	size_t size;
};
void image_free(struct image *image);

/*
 * Compiles one source: the union of its entries, each range with its most
 * specific entry (the first one of equal size).  source->name, role, action
 * are taken, entries and hash are computed.  Consumes nothing.  0, -ENOMEM,
 * -E2BIG.
 */
int compile_source(const struct entries *entries, const struct list_source *source,
    struct image *image);

/*
 * What compile_union left out: entries (ranges of the sources, not addresses) touched
 * by each.
 */
struct compile_notes {
	uint64_t not_public;
	uint64_t trusted;
};

/*
 * The list to enforce: threat sources united, trusted sources and scope
 * subtracted.  lists[i] is an image with exactly one source, which becomes
 * source i of the result; NULL entries are skipped but keep their bit.  An
 * empty result is an image with no ranges.  0, -ENOMEM, -E2BIG, -EINVAL
 * (more than LIST_SOURCES_MAX).
 */
int compile_union(const struct list *const lists[], size_t nlists, enum list_scope scope,
    struct image *image, struct compile_notes *notes);

/*
 * The line of every range of a source image, for parse --json: same order as
 * the image (IPv4 then IPv6), malloc'd; NULL: no memory.
 */
uint32_t *compile_lines(const struct entries *entries, const struct list *list);

#endif
