/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Entries in the order they were read, one array a family. */
#include "core/entries.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/domains.h"
#include "threatlistd/list.h"

#define ROOM_FIRST	256	/* entries */

struct entries *
entries_new(void)
{
	return calloc(1, sizeof(struct entries));
}

void
entries_free(struct entries *entries)
{
	if (entries == NULL)
		return;
	free(entries->v4);
	free(entries->v6);
	domains_free(entries->domains);
	free(entries);
}

int
entries_want_domains(struct entries *entries)
{
	if (entries->domains == NULL)
		entries->domains = domains_new();
	return entries->domains != NULL ? 0 : -ENOMEM;
}

struct domains *
entries_domains(const struct entries *entries)
{
	return entries->domains;
}

/* Half as much again, so that a large list does not reserve twice its size. */
static int
make_room(void **array, size_t size, size_t used, size_t *room)
{
	size_t more;
	void *moved;

	if (used < *room)
		return 0;
	if (used >= LIST_RANGES_MAX)
		return -E2BIG;
	more = *room == 0 ? ROOM_FIRST : *room + *room / 2;
	moved = realloc(*array, more * size);
	if (moved == NULL)
		return -ENOMEM;
	*array = moved;
	*room = more;
	return 0;
}

static int
add4(struct entries *entries, const struct range *range, uint32_t line)
{
	void *array = entries->v4;
	int error;

	error = make_room(&array, sizeof(*entries->v4), entries->n4, &entries->room4);
	if (error != 0)
		return error;
	entries->v4 = array;
	entries->v4[entries->n4++] = (struct entry4){
		.first = addr_to_v4(&range->first),
		.last = addr_to_v4(&range->last),
		.line = line,
	};
	return 0;
}

static int
add6(struct entries *entries, const struct range *range, uint32_t line)
{
	void *array = entries->v6;
	struct entry6 *entry;
	int error;

	error = make_room(&array, sizeof(*entries->v6), entries->n6, &entries->room6);
	if (error != 0)
		return error;
	entries->v6 = array;
	entry = &entries->v6[entries->n6++];
	memcpy(entry->first, range->first.bytes, sizeof(entry->first));
	memcpy(entry->last, range->last.bytes, sizeof(entry->last));
	entry->line = line;
	return 0;
}

int
entries_add(struct entries *entries, const struct range *range, uint32_t line)
{
	assert(range->first.family == range->last.family);
	assert(addr_compare(&range->first, &range->last) <= 0);
	return range->first.family == ADDR_V4 ? add4(entries, range, line) :
	    add6(entries, range, line);
}

size_t
entries_count(const struct entries *entries)
{
	return entries->n4 + entries->n6;
}
