/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Entries from the inside, for those who compile them. */
#ifndef CORE_ENTRIES_H
#define CORE_ENTRIES_H

#include "core/format.h"

struct entry4 {
	uint32_t first, last;	/* host byte order */
	uint32_t line;
};

struct entry6 {
	uint8_t first[16], last[16];	/* network byte order */
	uint32_t line;
};

struct entries {
	struct entry4 *v4;
	struct entry6 *v6;
	size_t n4, n6;
	size_t room4, room6;
	struct domains *domains;	/* NULL: not wanted */
};

#endif
