/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The last good image of every source on disk, in STATE_DIR/lists: NAME.list is
 * the image, NAME.from its validators, its bucket's region and the hash of the image they belong to.
 * A crash between the two leaves an image without validators, never validators
 * of another image.
 */
#ifndef RUNTIME_CACHE_H
#define RUNTIME_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "core/failing.h"
#include "runtime/channel.h"
#include "threatlistd/list.h"

struct cache_copy {
	struct list *list;		/* the caller's; opened and checked */
	char etag[ETAG_MAX], last_modified[64];		/* empty: unknown */
	char region[FETCH_REGION_MAX];	/* of its bucket; empty: unknown */
	int64_t stored_ms;		/* wall clock */
};

/* image is what list_bytes gives.  Durable when it returns.  0 or -errno. */
int cache_store(const char *state_dir, const char *name, const void *image, size_t size,
    const char *etag, const char *last_modified, const char *region);

/* 0 and *copy, -ENOENT when there is none, or -errno and *err. */
int cache_load(const char *state_dir, const char *name, struct cache_copy *copy,
    struct list_error *err);

/* What discovery found, beside the images: NAME.sets, a text.  0 or -errno. */
int cache_sets_store(const char *state_dir, const char *name, const char *text, size_t size);
/* 0 and *text (the caller's, with a NUL), -ENOENT, -errno. */
int cache_sets_load(const char *state_dir, const char *name, char **text);

/*
 * The domain names of a source beside its image: NAME.domains, as core/domains.h
 * has it.  Written only if it differs from what is there; none (NULL or size 0): it goes.
 * 0 or -errno.
 */
int cache_domains_store(const char *state_dir, const char *name, const char *text, size_t size);
/* 0 and *text (the caller's), checked, with *n names; -ENOENT, -EINVAL, -errno. */
int cache_domains_load(const char *state_dir, const char *name, char **text, size_t *size,
    uint32_t *n);

/*
 * How long a source has failed, beside its image: NAME.failing.  NULL: it does not,
 * the file goes.  0 or -errno.
 */
int cache_failing_store(const char *state_dir, const char *name, const struct failing *failing);
/* 0 and *failing; -ENOENT, -EINVAL, -errno, and then it is zero. */
int cache_failing_load(const char *state_dir, const char *name, struct failing *failing);

/* Of a source that is no more.  0 or -errno; nothing there is no error. */
int cache_forget(const char *state_dir, const char *name);

#endif
