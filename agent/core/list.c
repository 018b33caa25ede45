/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opening list images and asking them. */
#include "threatlistd/list.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/image.h"

/* No image is larger: all ranges there can be, and a row for each. */
#define IMAGE_SIZE_MAX	(sizeof(struct image_head) + IMAGE_ALIGN * 8 + \
	LIST_SOURCES_MAX * sizeof(struct list_source) + \
	LIST_RANGES_MAX * (uint64_t)(sizeof(struct list_range4) + sizeof(struct list_range6) + \
	2 * sizeof(struct list_attr)))

#define NEEDED_SEALS	(F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

enum memory {
	MEMORY_BORROWED,
	MEMORY_MAPPED,
	MEMORY_OWN,
};

struct list {
	const struct image_head *head;
	const struct list_source *sources;
	const struct list_attr *attrs;
	const struct list_range4 *ranges4;
	const struct list_range6 *ranges6;
	union {
		const void *bytes;
		void *free;		/* the same, for munmap and free */
	} image;
	size_t size;
	enum memory memory;
};

static int
failed(struct list_error *err, const char *what, int number)
{
	image_refuse(err, "%s: %s", what, strerror(number));
	return -number;
}

static void
find_sections(struct list *list)
{
	const struct image_head *head = list->image.bytes;
	const uint8_t *bytes = list->image.bytes;

	list->head = head;
	list->sources = (const void *)(bytes + head->sources_at);
	list->attrs = (const void *)(bytes + head->attrs_at);
	list->ranges4 = (const void *)(bytes + head->ranges4_at);
	list->ranges6 = (const void *)(bytes + head->ranges6_at);
}

/* Takes over the memory, also when it is refused. */
static int
take_image(struct list **opened, struct list *list, struct list_error *err)
{
	int error;

	error = image_check(list->image.bytes, list->size, err);
	if (error != 0) {
		list_free(list);
		return error;
	}
	find_sections(list);
	*opened = list;
	return 0;
}

int
list_open_memory(struct list **opened, const void *image, size_t size, struct list_error *err)
{
	struct list *list;

	assert((uintptr_t)image % IMAGE_ALIGN == 0);
	list = calloc(1, sizeof(*list));
	if (list == NULL)
		return failed(err, "list image", ENOMEM);
	list->image.bytes = image;
	list->size = size;
	list->memory = MEMORY_BORROWED;
	return take_image(opened, list, err);
}

static int
map_image(struct list *list, int fd, struct list_error *err)
{
	void *bytes;

	bytes = mmap(NULL, list->size, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		return failed(err, "list image", errno);
	list->image.free = bytes;
	list->memory = MEMORY_MAPPED;
	return 0;
}

static int
read_image(struct list *list, int fd, struct list_error *err)
{
	size_t done = 0;
	ssize_t n;

	list->image.free = malloc(list->size);
	if (list->image.free == NULL)
		return failed(err, "list image", ENOMEM);
	list->memory = MEMORY_OWN;
	while (done < list->size) {
		n = pread(fd, (char *)list->image.free + done, list->size - done, (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(err, "list image", errno);
		if (n == 0)
			return image_refuse(err, "list image ended after %zu of %zu bytes", done,
			    list->size);
		done += (size_t)n;
	}
	return 0;
}

static int
check_fd(int fd, bool sealed, size_t *size, struct list_error *err)
{
	struct stat st;
	int seals;

	if (sealed) {
		seals = fcntl(fd, F_GET_SEALS);
		if (seals < 0)
			return image_refuse(err, "list image is not in a sealed memfd");
		if ((seals & NEEDED_SEALS) != NEEDED_SEALS)
			return image_refuse(err, "list image has seals %#x, it must have %#x",
			    (unsigned int)seals, (unsigned int)NEEDED_SEALS);
	}
	if (fstat(fd, &st) != 0)
		return failed(err, "list image", errno);
	if (!S_ISREG(st.st_mode))
		return image_refuse(err, "list image is not a regular file");
	if (st.st_size < (off_t)sizeof(struct image_head) || (uint64_t)st.st_size > IMAGE_SIZE_MAX)
		return image_refuse(err, "list image has %lld bytes, it may have %zu to %llu",
		    (long long)st.st_size, sizeof(struct image_head),
		    (unsigned long long)IMAGE_SIZE_MAX);
	*size = (size_t)st.st_size;
	return 0;
}

int
list_open(struct list **opened, int fd, bool sealed, struct list_error *err)
{
	struct list *list;
	size_t size = 0;
	int error;

	error = check_fd(fd, sealed, &size, err);
	if (error != 0)
		return error;
	list = calloc(1, sizeof(*list));
	if (list == NULL)
		return failed(err, "list image", ENOMEM);
	list->size = size;
	list->memory = MEMORY_BORROWED;
	error = sealed ? map_image(list, fd, err) : read_image(list, fd, err);
	if (error != 0) {
		list_free(list);
		return error;
	}
	return take_image(opened, list, err);
}

void
list_free(struct list *list)
{
	if (list == NULL)
		return;
	if (list->memory == MEMORY_MAPPED)
		munmap(list->image.free, list->size);
	else if (list->memory == MEMORY_OWN)
		free(list->image.free);
	free(list);
}

const void *
list_bytes(const struct list *list, size_t *size)
{
	*size = list->size;
	return list->image.bytes;
}

const uint8_t *
list_hash(const struct list *list)
{
	return list->head->checksum;
}

size_t
list_nsources(const struct list *list)
{
	return list->head->nsources;
}

const struct list_source *
list_source(const struct list *list, size_t index)
{
	assert(index < list->head->nsources);
	return &list->sources[index];
}

size_t
list_nranges4(const struct list *list)
{
	return list->head->nranges4;
}

size_t
list_nranges6(const struct list *list)
{
	return list->head->nranges6;
}

const struct list_range4 *
list_ranges4(const struct list *list)
{
	return list->ranges4;
}

const struct list_range6 *
list_ranges6(const struct list *list)
{
	return list->ranges6;
}

const struct list_attr *
list_attr(const struct list *list, uint32_t attr)
{
	assert(attr < list->head->nattrs);
	return &list->attrs[attr];
}

/* hit->range is set: the rest. */
static void
fill_hit(const struct list *list, uint32_t row, struct list_hit *hit)
{
	const struct list_attr *attr = list_attr(list, row);

	hit->entry = hit->range;
	if (attr->entry_family != ADDR_NONE) {
		memcpy(hit->entry.first.bytes, attr->entry_first, sizeof(attr->entry_first));
		memcpy(hit->entry.last.bytes, attr->entry_last, sizeof(attr->entry_last));
	}
	hit->lists = attr->lists;
	hit->action = attr->action;
}

void
list_hit4(const struct list *list, size_t i, struct list_hit *hit)
{
	const struct list_range4 *range = &list->ranges4[i];

	assert(i < list->head->nranges4);
	hit->range.first = addr_from_v4(range->first);
	hit->range.last = addr_from_v4(range->last);
	fill_hit(list, range->attr, hit);
}

void
list_hit6(const struct list *list, size_t i, struct list_hit *hit)
{
	const struct list_range6 *range = &list->ranges6[i];

	assert(i < list->head->nranges6);
	hit->range.first = addr_from_v6(range->first);
	hit->range.last = addr_from_v6(range->last);
	fill_hit(list, range->attr, hit);
}

static bool
find4(const struct list *list, uint32_t addr, struct list_hit *hit)
{
	size_t low = 0, high = list->head->nranges4, middle;

	/* ranges below low begin at or before addr, those from high on behind it */
	while (low < high) {
		middle = low + (high - low) / 2;
		if (list->ranges4[middle].first <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || list->ranges4[low - 1].last < addr)
		return false;
	list_hit4(list, low - 1, hit);
	return true;
}

static bool
find6(const struct list *list, const uint8_t addr[static 16], struct list_hit *hit)
{
	size_t low = 0, high = list->head->nranges6, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (memcmp(list->ranges6[middle].first, addr, 16) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || memcmp(list->ranges6[low - 1].last, addr, 16) < 0)
		return false;
	list_hit6(list, low - 1, hit);
	return true;
}

bool
list_find(const struct list *list, const struct addr *addr, struct list_hit *hit)
{
	switch (addr->family) {
	case ADDR_V4:
		return find4(list, addr_to_v4(addr), hit);
	case ADDR_V6:
		return find6(list, addr->bytes, hit);
	default:
		return false;
	}
}

const char *
list_action_text(uint8_t action)
{
	return action == LIST_DROP ? "drop" : action == LIST_REJECT ? "reject" : "watch";
}

const char *
list_role_text(uint8_t role)
{
	return role == LIST_TRUSTED ? "trusted" : "threat";
}
