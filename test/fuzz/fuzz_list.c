/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text lists, all the way: read, compiled, opened, and every entry found again. */
#include <stdlib.h>

#include "core/compile.h"
#include "core/entries.h"
#include "names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_have(const struct list *list, const struct addr *addr)
{
	struct list_hit hit;

	if (!list_find(list, addr, &hit) || !range_contains(&hit.entry, addr))
		abort();
}

static void
find_all(const struct entries *entries, const struct list *list)
{
	struct addr addr;
	size_t i;

	for (i = 0; i < entries->n4; i++) {
		addr = addr_from_v4(entries->v4[i].first);
		must_have(list, &addr);
		addr = addr_from_v4(entries->v4[i].last);
		must_have(list, &addr);
	}
	for (i = 0; i < entries->n6; i++) {
		addr = addr_from_v6(entries->v6[i].first);
		must_have(list, &addr);
		addr = addr_from_v6(entries->v6[i].last);
		must_have(list, &addr);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct list_source source = { .name = "fuzz", .action = LIST_DROP };
	struct entries *entries = entries_with_names();
	struct format_report report;
	struct image image = { NULL, 0 };
	struct list *list;
	struct list_error err;

	if (entries == NULL)
		return 0;
	if (format_read(entries, FORMAT_AUTO, data, size, &report) == 0) {
		if (report.accepted != entries_count(entries) || report.accepted == 0)
			abort();
		if (compile_source(entries, &source, &image) != 0 ||
		    list_open_memory(&list, image.bytes, image.size, &err) != 0)
			abort();
		find_all(entries, list);
		list_free(list);
		image_free(&image);
	}
	check_names(entries);
	return 0;
}
