/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two steps, one builder: a source's entries are nested (nest.c); sources are
 * united by walking all of them at once, together with what is taken away.
 */
#include "core/compile.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/image.h"
#include "core/nest.h"
#include "core/scope.h"

struct source_pieces {
	struct builder *builder;
	uint8_t family;
	uint8_t action;
};

static int
add_source_piece(const struct span *span, const struct span *entry, uint32_t index, void *arg)
{
	struct source_pieces *pieces = arg;
	struct piece piece = {
		.first = span->first,
		.last = span->last,
		.entry_first = entry->first,
		.entry_last = entry->last,
		.lists = 1,
		.family = pieces->family,
		.action = pieces->action,
	};

	return builder_add(pieces->builder, &piece);
}

int
compile_source(const struct entries *entries, const struct list_source *source,
    struct image *image)
{
	static const uint8_t families[] = { ADDR_V4, ADDR_V6 };
	struct source_pieces pieces = { .action = source->action };
	struct list_source head;
	size_t i;
	int error = 0;

	pieces.builder = builder_new();
	if (pieces.builder == NULL)
		return -ENOMEM;
	for (i = 0; i < sizeof(families) && error == 0; i++) {
		pieces.family = families[i];
		error = nest(entries, families[i], add_source_piece, &pieces);
	}
	memset(&head, 0, sizeof(head));
	snprintf(head.name, sizeof(head.name), "%s", source->name);
	head.role = source->role;
	head.action = source->action;
	head.entries = entries_count(entries);
	if (error == 0)
		error = builder_finish(pieces.builder, &head, 1, true, image);
	builder_free(pieces.builder);
	return error;
}

struct lines {
	uint32_t *lines;
	size_t n, room;
	const struct entries *entries;
	uint8_t family;
};

static int
add_line(const struct span *span, const struct span *entry, uint32_t index, void *arg)
{
	struct lines *lines = arg;

	if (lines->n == lines->room)
		return -EINVAL;
	lines->lines[lines->n++] = lines->family == ADDR_V4 ? lines->entries->v4[index].line :
	    lines->entries->v6[index].line;
	return 0;
}

uint32_t *
compile_lines(const struct entries *entries, const struct list *list)
{
	struct lines lines = { .entries = entries };
	int error;

	lines.room = list_nranges4(list) + list_nranges6(list);
	lines.lines = calloc(lines.room + 1, sizeof(*lines.lines));
	if (lines.lines == NULL)
		return NULL;
	lines.family = ADDR_V4;
	error = nest(entries, ADDR_V4, add_line, &lines);
	if (error == 0) {
		lines.family = ADDR_V6;
		error = nest(entries, ADDR_V6, add_line, &lines);
	}
	if (error != 0) {
		free(lines.lines);
		return NULL;
	}
	return lines.lines;
}

enum part {
	PART_THREAT,		/* adds */
	PART_TRUSTED,		/* takes away */
	PART_SCOPE,		/* takes away */
	PART_END
};

/* A walk along the disjoint ranges of one source, or of the scope. */
struct cursor {
	enum part part;
	const struct list *list;	/* NULL: the scope */
	const struct span *spans;	/* of the scope */
	uint64_t bit;			/* in the mask of lists */
	size_t next, n;			/* range that comes next */
	struct span range;		/* the one we are in or come to next */
	struct span entry;		/* its entry */
	bool inside, ended;
	bool noted[PART_END];		/* already counted as touched by the part */
};

#define CURSORS_MAX	(LIST_SOURCES_MAX + 1)

struct walk {
	struct cursor cursors[CURSORS_MAX];
	size_t n;
	unsigned int inside[PART_END];	/* how many cursors of a part are inside */
	uint8_t family;
	uint8_t actions[LIST_SOURCES_MAX];	/* by bit number */
	struct builder *builder;
	struct compile_notes *notes;
};

static struct key
key_of_entry(uint8_t family, const uint8_t bytes[static 16])
{
	struct key key = key_of6(bytes);

	return family == ADDR_V4 ? key_of4((uint32_t)(key.hi >> 32)) : key;
}

static void
load_range(const struct walk *walk, struct cursor *cursor)
{
	const struct list_attr *attr;
	size_t i = cursor->next++;

	memset(cursor->noted, 0, sizeof(cursor->noted));
	if (cursor->list == NULL) {
		cursor->range = cursor->spans[i];
		return;
	}
	if (walk->family == ADDR_V4) {
		const struct list_range4 *range = &list_ranges4(cursor->list)[i];

		cursor->range.first = key_of4(range->first);
		cursor->range.last = key_of4(range->last);
		attr = list_attr(cursor->list, range->attr);
	} else {
		const struct list_range6 *range = &list_ranges6(cursor->list)[i];

		cursor->range.first = key_of6(range->first);
		cursor->range.last = key_of6(range->last);
		attr = list_attr(cursor->list, range->attr);
	}
	cursor->entry = cursor->range;
	if (attr->entry_family != ADDR_NONE) {
		cursor->entry.first = key_of_entry(walk->family, attr->entry_first);
		cursor->entry.last = key_of_entry(walk->family, attr->entry_last);
	}
}

/* Goes on to the next range, or ends. */
static void
advance(const struct walk *walk, struct cursor *cursor)
{
	if (cursor->next == cursor->n)
		cursor->ended = true;
	else
		load_range(walk, cursor);
}

/* Where the cursor will enter or leave a range; false: never again. */
static bool
next_event(const struct cursor *cursor, struct key *at)
{
	if (cursor->ended || (cursor->inside && key_is_max(cursor->range.last)))
		return false;
	*at = cursor->inside ? key_next(cursor->range.last) : cursor->range.first;
	return true;
}

static bool
walk_next(const struct walk *walk, struct key *at)
{
	struct key one;
	bool found = false;
	size_t i;

	for (i = 0; i < walk->n; i++) {
		if (next_event(&walk->cursors[i], &one) && (!found || key_less(one, *at))) {
			*at = one;
			found = true;
		}
	}
	return found;
}

static void
walk_step(struct walk *walk, struct key at)
{
	struct key one;
	size_t i;

	for (i = 0; i < walk->n; i++) {
		struct cursor *cursor = &walk->cursors[i];

		/* twice where one range ends and its neighbour begins */
		while (next_event(cursor, &one) && key_equal(one, at)) {
			cursor->inside = !cursor->inside;
			if (cursor->inside) {
				walk->inside[cursor->part]++;
			} else {
				walk->inside[cursor->part]--;
				advance(walk, cursor);
			}
		}
	}
}

/* Counts the ranges that what is taken away has just begun to touch. */
static void
walk_note(struct walk *walk)
{
	size_t i;

	if (walk->inside[PART_TRUSTED] == 0 && walk->inside[PART_SCOPE] == 0)
		return;
	for (i = 0; i < walk->n; i++) {
		struct cursor *cursor = &walk->cursors[i];

		if (cursor->part != PART_THREAT || !cursor->inside)
			continue;
		if (walk->inside[PART_TRUSTED] > 0 && !cursor->noted[PART_TRUSTED]) {
			cursor->noted[PART_TRUSTED] = true;
			walk->notes->trusted++;
		}
		if (walk->inside[PART_SCOPE] > 0 && !cursor->noted[PART_SCOPE]) {
			cursor->noted[PART_SCOPE] = true;
			walk->notes->not_public++;
		}
	}
}

static struct key
span_size(const struct span *span)
{
	return key_minus(span->last, span->first);
}

/* Between two events everything is the same: one piece, or none. */
static int
walk_piece(struct walk *walk, struct key first, struct key last)
{
	struct piece piece = { .first = first, .last = last, .family = walk->family };
	const struct cursor *best = NULL;
	size_t i;

	if (walk->inside[PART_THREAT] == 0 || walk->inside[PART_TRUSTED] > 0 ||
	    walk->inside[PART_SCOPE] > 0)
		return 0;
	for (i = 0; i < walk->n; i++) {
		const struct cursor *cursor = &walk->cursors[i];

		if (cursor->part != PART_THREAT || !cursor->inside)
			continue;
		piece.lists |= cursor->bit;
		if (walk->actions[i] > piece.action)
			piece.action = walk->actions[i];
		if (best == NULL || key_less(span_size(&cursor->entry), span_size(&best->entry)))
			best = cursor;
	}
	assert(best != NULL);	/* inside[] says so */
	piece.entry_first = best->entry.first;
	piece.entry_last = best->entry.last;
	return builder_add(walk->builder, &piece);
}

static int
walk_family(struct walk *walk)
{
	struct key at = { 0, 0 }, next = { 0, 0 };
	bool more;
	int error = 0;

	more = walk_next(walk, &at);
	while (more && error == 0) {
		walk_step(walk, at);
		walk_note(walk);
		more = walk_next(walk, &next);
		error = walk_piece(walk, at, more ? key_prev(next) : key_low_bits(128));
		at = next;
	}
	return error;
}

static void
add_cursor(struct walk *walk, const struct cursor *cursor)
{
	struct cursor *added = &walk->cursors[walk->n++];

	*added = *cursor;
	advance(walk, added);
}

static void
start_family(struct walk *walk, uint8_t family, const struct list *const lists[], size_t nlists,
    enum list_scope scope)
{
	struct cursor cursor;
	size_t i;

	walk->family = family;
	walk->n = 0;
	memset(walk->inside, 0, sizeof(walk->inside));
	for (i = 0; i < nlists; i++) {
		if (lists[i] == NULL)
			continue;
		memset(&cursor, 0, sizeof(cursor));
		cursor.list = lists[i];
		cursor.part = list_source(lists[i], 0)->role == LIST_TRUSTED ? PART_TRUSTED :
		    PART_THREAT;
		cursor.bit = UINT64_C(1) << i;
		cursor.n = family == ADDR_V4 ? list_nranges4(lists[i]) : list_nranges6(lists[i]);
		walk->actions[walk->n] = list_source(lists[i], 0)->action;
		add_cursor(walk, &cursor);
	}
	memset(&cursor, 0, sizeof(cursor));
	cursor.part = PART_SCOPE;
	cursor.spans = scope_excluded(scope, family, &cursor.n);
	add_cursor(walk, &cursor);
}

static int
copy_sources(struct list_source *sources, const struct list *const lists[], size_t nlists)
{
	size_t i;

	if (nlists > LIST_SOURCES_MAX)
		return -EINVAL;
	memset(sources, 0, LIST_SOURCES_MAX * sizeof(*sources));
	for (i = 0; i < nlists; i++) {
		if (lists[i] == NULL)
			continue;
		if (list_nsources(lists[i]) != 1)
			return -EINVAL;
		sources[i] = *list_source(lists[i], 0);
	}
	return 0;
}

int
compile_union(const struct list *const lists[], size_t nlists, enum list_scope scope,
    struct image *image, struct compile_notes *notes)
{
	static const uint8_t families[] = { ADDR_V4, ADDR_V6 };
	struct list_source sources[LIST_SOURCES_MAX];
	struct walk *walk = NULL;
	size_t i;
	int error;

	memset(notes, 0, sizeof(*notes));
	error = copy_sources(sources, lists, nlists);
	if (error != 0)
		return error;
	error = -ENOMEM;
	walk = calloc(1, sizeof(*walk));
	if (walk == NULL)
		goto out;
	walk->notes = notes;
	walk->builder = builder_new();
	if (walk->builder == NULL)
		goto out;
	for (i = 0, error = 0; i < sizeof(families) && error == 0; i++) {
		start_family(walk, families[i], lists, nlists, scope);
		error = walk_family(walk);
	}
	if (error == 0)
		error = builder_finish(walk->builder, sources, nlists, false, image);
out:
	if (walk != NULL)
		builder_free(walk->builder);
	free(walk);
	return error;
}
