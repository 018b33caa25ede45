/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files that are whole after a crash: the old or the new one. */
#ifndef RUNTIME_DURABLE_H
#define RUNTIME_DURABLE_H

#include <stddef.h>

/*
 * Replaces DIR/NAME by these bytes in one move (temporary file, fsync, rename,
 * fsync of the directory), mode 0600.  0 or -errno; then the old file is
 * untouched.  NAME has no slash.
 */
int durable_replace(const char *dir, const char *name, const void *data, size_t size);

/* On disk is what was made, renamed or removed in the folder that PATH is in.  0 or -errno. */
int durable_sync_above(const char *path);

/*
 * Opens such a file for reading.  Only what was put there as above, or by root:
 * no symbolic link (-ELOOP), nothing but a regular file (-EINVAL), owned by us or
 * root (for root: or by the folder's owner) and writable by its owner alone (-EPERM).  Never
 * waits.  The descriptor or -errno.
 */
int durable_open(const char *path);

/* The same of a file that is open otherwise.  0, -EINVAL or -EPERM. */
int durable_check(int fd, const char *path);

#endif
