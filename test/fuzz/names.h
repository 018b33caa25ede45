/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every format's target asks of domain names: that their text is one its reader takes. */
#ifndef FUZZ_NAMES_H
#define FUZZ_NAMES_H

#include <stdlib.h>

#include "core/domains.h"
#include "core/format.h"

/* Entries that keep names as well; NULL: no memory. */
static inline struct entries *
entries_with_names(void)
{
	struct entries *entries = entries_new();

	if (entries != NULL && entries_want_domains(entries) != 0)
		abort();
	return entries;
}

/* Frees entries. */
static inline void
check_names(struct entries *entries)
{
	uint32_t n, again;
	size_t size;
	char *text;

	if (domains_print(entries_domains(entries), &text, &size, &n) != 0 ||
	    !domains_check(text, size, &again) || n != again ||
	    n > domains_count(entries_domains(entries)))
		abort();
	free(text);
	entries_free(entries);
}

#endif
