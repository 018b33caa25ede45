/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The check of an image from the least trusted role: one pass, in an order in
 * which each step may rely on the ones before it.
 */
#include "core/image.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct sections {
	const void *bytes;
	size_t size;
	const struct image_head *head;
	const struct list_source *sources;
	const struct list_attr *attrs;
	const struct list_range4 *ranges4;
	const struct list_range6 *ranges6;
};

int
image_refuse(struct list_error *err, const char *format, ...)
{
	va_list args;

	if (err != NULL) {
		va_start(args, format);
		vsnprintf(err->text, sizeof(err->text), format, args);
		va_end(args);
	}
	return -EINVAL;
}

/* The head alone: everything in it must be what its counts say. */
static int
check_head(const struct sections *image, struct list_error *err)
{
	const struct image_head *head = image->head;
	struct image_head expected;

	if (image->size < sizeof(*head))
		return image_refuse(err, "a list image has %zu bytes at least, this has %zu",
		    sizeof(*head), image->size);
	if (memcmp(head->magic, IMAGE_MAGIC, sizeof(head->magic)) != 0)
		return image_refuse(err, "not a list image");
	if (head->byte_order != IMAGE_BYTE_ORDER)
		return image_refuse(err, "list image of a host with another byte order");
	if (head->version != IMAGE_VERSION)
		return image_refuse(err, "list image has version %u, this agent reads version %u",
		    head->version, IMAGE_VERSION);
	if (head->nsources > LIST_SOURCES_MAX)
		return image_refuse(err, "list image has %u sources, at most %d are allowed",
		    head->nsources, LIST_SOURCES_MAX);
	if (head->nranges4 > LIST_RANGES_MAX || head->nranges6 > LIST_RANGES_MAX)
		return image_refuse(err, "list image has %u and %u ranges, at most %u are allowed",
		    head->nranges4, head->nranges6, LIST_RANGES_MAX);
	if (head->nattrs > head->nranges4 + head->nranges6)
		return image_refuse(err, "list image has %u rows for %u ranges", head->nattrs,
		    head->nranges4 + head->nranges6);
	expected = *head;
	image_place(&expected);
	if (memcmp(&expected, head, sizeof(expected)) != 0)
		return image_refuse(err, "list image has sections at wrong places");
	if (head->size != image->size)
		return image_refuse(err, "list image should have %llu bytes, this has %zu",
		    (unsigned long long)head->size, image->size);
	return 0;
}

static int
check_checksum(const struct sections *image, struct list_error *err)
{
	uint8_t checksum[LIST_HASH_LEN];

	if (image_checksum(image->bytes, image->size, checksum) != 0)
		return image_refuse(err, "image: no memory for the checksum");
	if (memcmp(checksum, image->head->checksum, sizeof(checksum)) != 0)
		return image_refuse(err, "list image has a wrong checksum");
	return 0;
}

static bool
all_zero(const void *bytes, size_t n)
{
	const uint8_t *at = bytes;

	while (n > 0 && *at == 0) {
		at++;
		n--;
	}
	return n == 0;
}

/* The gap behind a section that ends at end. */
static bool
gap_is_zero(const struct sections *image, uint64_t end, uint64_t next)
{
	return all_zero((const uint8_t *)image->bytes + end, (size_t)(next - end));
}

static int
check_gaps(const struct sections *image, struct list_error *err)
{
	const struct image_head *head = image->head;

	if (!gap_is_zero(image, sizeof(*head), head->sources_at) ||
	    !gap_is_zero(image, head->sources_at + head->nsources * sizeof(*image->sources),
	    head->attrs_at) ||
	    !gap_is_zero(image, head->attrs_at + head->nattrs * sizeof(*image->attrs),
	    head->ranges4_at) ||
	    !gap_is_zero(image, head->ranges4_at + head->nranges4 * sizeof(*image->ranges4),
	    head->ranges6_at) ||
	    !gap_is_zero(image, head->ranges6_at + head->nranges6 * sizeof(*image->ranges6),
	    head->size))
		return image_refuse(err, "list image has something between its sections");
	return 0;
}

/* Printable ASCII, a NUL, zeros.  An empty name is a source without an image. */
static bool
name_is_good(const char name[static LIST_NAME_MAX])
{
	size_t i = 0;

	while (i < LIST_NAME_MAX && name[i] >= ' ' && name[i] <= '~')
		i++;
	return i < LIST_NAME_MAX && all_zero(name + i, LIST_NAME_MAX - i);
}

static int
check_sources(const struct sections *image, struct list_error *err)
{
	uint32_t i;

	for (i = 0; i < image->head->nsources; i++) {
		const struct list_source *source = &image->sources[i];

		if (!name_is_good(source->name))
			return image_refuse(err, "image: name of source %u is not printable", i);
		if (source->role > LIST_TRUSTED || source->action > LIST_DROP ||
		    !all_zero(source->pad, sizeof(source->pad)))
			return image_refuse(err, "image: source %u has an unknown role or action",
			    i);
	}
	return 0;
}

static uint8_t
highest_action(const struct sections *image, uint64_t lists)
{
	uint8_t action = LIST_WATCH;
	unsigned int i;

	for (; lists != 0; lists &= lists - 1) {
		i = (unsigned int)__builtin_ctzll(lists);
		if (image->sources[i].action > action)
			action = image->sources[i].action;
	}
	return action;
}

static bool
entry_is_good(const struct list_attr *attr)
{
	unsigned int used;

	if (attr->entry_family != ADDR_NONE && attr->entry_family != ADDR_V4 &&
	    attr->entry_family != ADDR_V6)
		return false;
	used = attr->entry_family == ADDR_NONE ? 0 : addr_bits(attr->entry_family) / 8;
	return all_zero(attr->entry_first + used, 16 - used) &&
	    all_zero(attr->entry_last + used, 16 - used) &&
	    memcmp(attr->entry_first, attr->entry_last, 16) <= 0;
}

static int
check_attrs(const struct sections *image, struct list_error *err)
{
	uint64_t all;
	uint32_t i;

	all = image->head->nsources == 64 ? UINT64_MAX :
	    (UINT64_C(1) << image->head->nsources) - 1;
	for (i = 0; i < image->head->nattrs; i++) {
		const struct list_attr *attr = &image->attrs[i];

		if (attr->lists == 0 || (attr->lists & ~all) != 0)
			return image_refuse(err, "image: row %u names a source that is not there",
			    i);
		if (attr->action != highest_action(image, attr->lists))
			return image_refuse(err, "image: row %u has action %u, its sources have %u",
			    i, attr->action, highest_action(image, attr->lists));
		if (!entry_is_good(attr) || !all_zero(attr->pad, sizeof(attr->pad)))
			return image_refuse(err, "image: row %u has an impossible entry", i);
	}
	return 0;
}

static uint32_t
load32(const uint8_t bytes[static 4])
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	    bytes[3];
}

static bool
entry_covers4(const struct list_attr *attr, const struct list_range4 *range)
{
	return attr->entry_family == ADDR_NONE || (attr->entry_family == ADDR_V4 &&
	    load32(attr->entry_first) <= range->first && range->last <= load32(attr->entry_last));
}

static bool
entry_covers6(const struct list_attr *attr, const struct list_range6 *range)
{
	return attr->entry_family == ADDR_NONE || (attr->entry_family == ADDR_V6 &&
	    memcmp(attr->entry_first, range->first, 16) <= 0 &&
	    memcmp(range->last, attr->entry_last, 16) <= 0);
}

static int
check_ranges4(const struct sections *image, struct list_error *err)
{
	uint32_t i;

	for (i = 0; i < image->head->nranges4; i++) {
		const struct list_range4 *range = &image->ranges4[i];

		if (range->first > range->last || (i > 0 && range[-1].last >= range->first))
			return image_refuse(err, "image: IPv4 range %u is out of order", i);
		if (range->attr >= image->head->nattrs)
			return image_refuse(err, "image: IPv4 range %u has row %u of %u", i,
			    range->attr, image->head->nattrs);
		if (!entry_covers4(&image->attrs[range->attr], range))
			return image_refuse(err, "image: IPv4 range %u is not in its entry", i);
	}
	return 0;
}

static int
check_ranges6(const struct sections *image, struct list_error *err)
{
	uint32_t i;

	for (i = 0; i < image->head->nranges6; i++) {
		const struct list_range6 *range = &image->ranges6[i];

		if (memcmp(range->first, range->last, 16) > 0 ||
		    (i > 0 && memcmp(range[-1].last, range->first, 16) >= 0))
			return image_refuse(err, "image: IPv6 range %u is out of order", i);
		if (range->attr >= image->head->nattrs)
			return image_refuse(err, "image: IPv6 range %u has row %u of %u", i,
			    range->attr, image->head->nattrs);
		if (!entry_covers6(&image->attrs[range->attr], range))
			return image_refuse(err, "image: IPv6 range %u is not in its entry", i);
	}
	return 0;
}

int
image_check(const void *bytes, size_t size, struct list_error *err)
{
	static int (*const checks[])(const struct sections *, struct list_error *) = {
		check_checksum, check_gaps, check_sources, check_attrs, check_ranges4,
		check_ranges6,
	};
	struct sections image = { .bytes = bytes, .size = size, .head = bytes };
	const uint8_t *start = bytes;
	size_t i;
	int error;

	error = check_head(&image, err);
	if (error != 0)
		return error;
	image.sources = (const void *)(start + image.head->sources_at);
	image.attrs = (const void *)(start + image.head->attrs_at);
	image.ranges4 = (const void *)(start + image.head->ranges4_at);
	image.ranges6 = (const void *)(start + image.head->ranges6_at);
	for (i = 0; i < sizeof(checks) / sizeof(checks[0]) && error == 0; i++)
		error = checks[i](&image, err);
	return error;
}
