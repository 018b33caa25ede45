/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * List images with the checksum put right, so that the checks behind it are
 * reached.  What is opened must be usable to its last row.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every range is found by its own ends, and is in its entry. */
static void
use(const struct list *list, size_t n, void (*at)(const struct list *, size_t, struct list_hit *))
{
	struct list_hit hit, found;
	size_t i;

	for (i = 0; i < n; i++) {
		at(list, i, &hit);
		if (!list_find(list, &hit.range.last, &found) ||
		    !range_equal(&found.range, &hit.range) ||
		    !range_contains(&hit.entry, &hit.range.first) || hit.lists == 0)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct list *list;
	struct list_error err;
	uint8_t *copy;

	/* aligned as memory of malloc and mmap is, and exactly as long */
	copy = malloc(size > 0 ? size : 1);
	if (copy == NULL)
		return 0;
	if (size > 0)
		memcpy(copy, data, size);
	if (size >= sizeof(struct image_head))
		image_checksum(copy, size, copy + offsetof(struct image_head, checksum));
	if (list_open_memory(&list, copy, size, &err) == 0) {
		use(list, list_nranges4(list), list_hit4);
		use(list, list_nranges6(list), list_hit6);
		list_free(list);
	}
	free(copy);
	return 0;
}
