/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing list images: rows deduped, sections placed, sealed with a checksum. */
#include "core/image.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST	256	/* elements */

static const uint32_t no_row = UINT32_MAX;

struct builder {
	struct piece pending;		/* may still grow; family ADDR_NONE: none */
	struct list_range4 *ranges4;
	struct list_range6 *ranges6;
	struct list_attr *rows;
	uint32_t *slots;		/* open addressing: index of a row, or no_row */
	size_t n4, n6, nrows, nslots;
	size_t room4, room6, room_rows;
	uint32_t last_row;		/* most pieces are told of the same way as the one before */
};

void
image_free(struct image *image)
{
	free(image->bytes);
	image->bytes = NULL;
	image->size = 0;
}

static uint64_t
aligned(uint64_t at)
{
	return (at + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN;
}

void
image_place(struct image_head *head)
{
	head->sources_at = aligned(sizeof(*head));
	head->attrs_at = aligned(head->sources_at +
	    head->nsources * (uint64_t)sizeof(struct list_source));
	head->ranges4_at = aligned(head->attrs_at +
	    head->nattrs * (uint64_t)sizeof(struct list_attr));
	head->ranges6_at = aligned(head->ranges4_at +
	    head->nranges4 * (uint64_t)sizeof(struct list_range4));
	head->size = aligned(head->ranges6_at +
	    head->nranges6 * (uint64_t)sizeof(struct list_range6));
}

int
image_checksum(const void *bytes, size_t size, uint8_t checksum[static LIST_HASH_LEN])
{
	const size_t skip = offsetof(struct image_head, nsources);

	assert(size >= sizeof(struct image_head));
	return EVP_Digest((const uint8_t *)bytes + skip, size - skip, checksum, NULL, EVP_sha256(),
	    NULL) == 1 ? 0 : -ENOMEM;
}

struct builder *
builder_new(void)
{
	struct builder *builder;

	builder = calloc(1, sizeof(*builder));
	if (builder != NULL)
		builder->last_row = no_row;
	return builder;
}

void
builder_free(struct builder *builder)
{
	if (builder == NULL)
		return;
	free(builder->ranges4);
	free(builder->ranges6);
	free(builder->rows);
	free(builder->slots);
	free(builder);
}

/* The array with room for one more than used, or NULL (and the old one stays). */
static void *
make_room(void *array, size_t size, size_t used, size_t *room)
{
	size_t more;

	if (used < *room)
		return array;
	more = *room == 0 ? ROOM_FIRST : *room + *room / 2;
	array = realloc(array, more * size);
	if (array != NULL)
		*room = more;
	return array;
}

static uint64_t
mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15u;	/* 2^64 / golden ratio */
	return hash ^ hash >> 29;
}

static size_t
row_hash(const struct list_attr *row)
{
	uint64_t hash = mix(row->lists, (uint64_t)row->entry_family << 8 | row->action);

	hash = mix(hash, key_load64(row->entry_first));
	hash = mix(hash, key_load64(row->entry_first + 8));
	hash = mix(hash, key_load64(row->entry_last));
	return (size_t)mix(hash, key_load64(row->entry_last + 8));
}

/* The slot that holds the row, or the free one where it belongs. */
static uint32_t *
find_slot(const struct builder *builder, const struct list_attr *row)
{
	size_t i = row_hash(row);

	for (;; i++) {
		uint32_t *slot = &builder->slots[i & (builder->nslots - 1)];

		if (*slot == no_row || memcmp(&builder->rows[*slot], row, sizeof(*row)) == 0)
			return slot;
	}
}

/* Keeps the slots at most half full. */
static int
grow_slots(struct builder *builder)
{
	size_t nslots = builder->nslots == 0 ? 2 * ROOM_FIRST : 2 * builder->nslots, i;
	uint32_t *slots;

	if (2 * (builder->nrows + 1) <= builder->nslots)
		return 0;
	slots = malloc(nslots * sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	memset(slots, 0xff, nslots * sizeof(*slots));	/* no_row */
	free(builder->slots);
	builder->slots = slots;
	builder->nslots = nslots;
	for (i = 0; i < builder->nrows; i++)
		*find_slot(builder, &builder->rows[i]) = (uint32_t)i;
	return 0;
}

static int
add_row(struct builder *builder, const struct list_attr *row, uint32_t *index)
{
	struct list_attr *rows;
	uint32_t *slot;
	int error;

	if (builder->last_row != no_row &&
	    memcmp(&builder->rows[builder->last_row], row, sizeof(*row)) == 0) {
		*index = builder->last_row;
		return 0;
	}
	error = grow_slots(builder);
	if (error != 0)
		return error;
	slot = find_slot(builder, row);
	if (*slot == no_row) {
		rows = make_room(builder->rows, sizeof(*rows), builder->nrows, &builder->room_rows);
		if (rows == NULL)
			return -ENOMEM;
		builder->rows = rows;
		rows[builder->nrows] = *row;
		*slot = (uint32_t)builder->nrows++;
	}
	*index = builder->last_row = *slot;
	return 0;
}

/* An IPv4 address lies in the first four bytes, as in struct addr. */
static void
store(uint8_t family, struct key key, uint8_t bytes[static 16])
{
	if (family == ADDR_V4)
		key = (struct key){ .hi = key.lo << 32, .lo = 0 };
	key_to6(key, bytes);
}

static int
piece_row(struct builder *builder, const struct piece *piece, uint32_t *index)
{
	struct list_attr row;

	memset(&row, 0, sizeof(row));
	row.lists = piece->lists;
	row.action = piece->action;
	if (!key_equal(piece->first, piece->entry_first) ||
	    !key_equal(piece->last, piece->entry_last)) {
		row.entry_family = piece->family;
		store(piece->family, piece->entry_first, row.entry_first);
		store(piece->family, piece->entry_last, row.entry_last);
	}
	return add_row(builder, &row, index);
}

static int
write4(struct builder *builder, const struct piece *piece, uint32_t row)
{
	struct list_range4 *ranges;

	if (builder->n4 == LIST_RANGES_MAX)
		return -E2BIG;
	ranges = make_room(builder->ranges4, sizeof(*ranges), builder->n4, &builder->room4);
	if (ranges == NULL)
		return -ENOMEM;
	builder->ranges4 = ranges;
	ranges[builder->n4++] = (struct list_range4){
		.first = (uint32_t)piece->first.lo,
		.last = (uint32_t)piece->last.lo,
		.attr = row,
	};
	return 0;
}

static int
write6(struct builder *builder, const struct piece *piece, uint32_t row)
{
	struct list_range6 *ranges;

	if (builder->n6 == LIST_RANGES_MAX)
		return -E2BIG;
	ranges = make_room(builder->ranges6, sizeof(*ranges), builder->n6, &builder->room6);
	if (ranges == NULL)
		return -ENOMEM;
	builder->ranges6 = ranges;
	ranges += builder->n6++;
	key_to6(piece->first, ranges->first);
	key_to6(piece->last, ranges->last);
	ranges->attr = row;
	return 0;
}

static int
write_pending(struct builder *builder)
{
	uint32_t row;
	int error;

	if (builder->pending.family == ADDR_NONE)
		return 0;
	error = piece_row(builder, &builder->pending, &row);
	if (error != 0)
		return error;
	return builder->pending.family == ADDR_V4 ? write4(builder, &builder->pending, row) :
	    write6(builder, &builder->pending, row);
}

static bool
continues(const struct piece *before, const struct piece *piece)
{
	return before->family == piece->family && before->lists == piece->lists &&
	    before->action == piece->action &&
	    key_equal(key_next(before->last), piece->first) &&
	    key_equal(before->entry_first, piece->entry_first) &&
	    key_equal(before->entry_last, piece->entry_last);
}

int
builder_add(struct builder *builder, const struct piece *piece)
{
	int error;

	if (continues(&builder->pending, piece)) {
		builder->pending.last = piece->last;
		return 0;
	}
	error = write_pending(builder);
	builder->pending = *piece;
	return error;
}

static int
hash_source(const struct image_head *head, const uint8_t *bytes, uint8_t hash[static LIST_HASH_LEN])
{
	EVP_MD_CTX *digest;
	int ok;

	digest = EVP_MD_CTX_new();
	if (digest == NULL)
		return -ENOMEM;
	ok = EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(digest, &head->nranges4, sizeof(head->nranges4)) == 1 &&
	    EVP_DigestUpdate(digest, &head->nranges6, sizeof(head->nranges6)) == 1 &&
	    EVP_DigestUpdate(digest, bytes + head->attrs_at, head->size - head->attrs_at) == 1 &&
	    EVP_DigestFinal_ex(digest, hash, NULL) == 1;
	EVP_MD_CTX_free(digest);
	return ok ? 0 : -ENOMEM;
}

/* memcpy with a NULL source is undefined even for nothing. */
static void
put(uint8_t *bytes, uint64_t at, const void *from, size_t size)
{
	if (size > 0)
		memcpy(bytes + at, from, size);
}

int
builder_finish(struct builder *builder, const struct list_source *sources, size_t nsources,
    bool with_hash, struct image *image)
{
	struct image_head head;
	uint8_t *bytes;
	int error;

	error = write_pending(builder);
	builder->pending.family = ADDR_NONE;
	if (error != 0)
		return error;
	memset(&head, 0, sizeof(head));
	memcpy(head.magic, IMAGE_MAGIC, sizeof(head.magic));
	head.version = IMAGE_VERSION;
	head.byte_order = IMAGE_BYTE_ORDER;
	head.nsources = (uint32_t)nsources;
	head.nattrs = (uint32_t)builder->nrows;
	head.nranges4 = (uint32_t)builder->n4;
	head.nranges6 = (uint32_t)builder->n6;
	image_place(&head);
	bytes = calloc(1, head.size);
	if (bytes == NULL)
		return -ENOMEM;
	put(bytes, head.sources_at, sources, nsources * sizeof(*sources));
	put(bytes, head.attrs_at, builder->rows, builder->nrows * sizeof(*builder->rows));
	put(bytes, head.ranges4_at, builder->ranges4, builder->n4 * sizeof(*builder->ranges4));
	put(bytes, head.ranges6_at, builder->ranges6, builder->n6 * sizeof(*builder->ranges6));
	if (with_hash)
		error = hash_source(&head, bytes, bytes + head.sources_at +
		    offsetof(struct list_source, hash));
	put(bytes, 0, &head, sizeof(head));
	if (error == 0)
		error = image_checksum(bytes, head.size,
		    bytes + offsetof(struct image_head, checksum));
	if (error != 0) {
		free(bytes);
		return error;
	}
	image->bytes = bytes;
	image->size = head.size;
	return 0;
}
