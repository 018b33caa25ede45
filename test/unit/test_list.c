/* SPDX-License-Identifier: GPL-3.0-or-later */
/* List images: what is opened, what is refused and why, and what they answer. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/compile.h"
#include "core/image.h"
#include "runtime/channel.h"

/* Two sources united: nested entries, neighbours, both families. */
static void
make_source(struct image *image, const char *name, uint8_t action, const char *const texts[])
{
	struct list_source source = { .action = action };
	struct entries *entries = entries_new();
	struct range range;
	unsigned int notes = 0;
	size_t i;

	strcpy(source.name, name);
	for (i = 0; texts[i] != NULL; i++) {
		assert_null(range_parse(&range, texts[i], strlen(texts[i]), &notes));
		assert_int_equal(entries_add(entries, &range, (uint32_t)i + 1), 0);
	}
	assert_int_equal(compile_source(entries, &source, image), 0);
	entries_free(entries);
}

static void
make_image(struct image *image)
{
	static const char *const one[] = { "9.0.0.0/24", "9.0.0.7", "11.0.0.0-11.0.0.9",
	    "2a00::/32", "2a00::1", NULL };
	static const char *const two[] = { "9.0.0.0/25", "12.0.0.1", "2a01::5", NULL };
	struct image images[2];
	struct list *lists[2];
	struct compile_notes notes;
	struct list_error err;
	int i;

	make_source(&images[0], "one", LIST_REJECT, one);
	make_source(&images[1], "two", LIST_DROP, two);
	for (i = 0; i < 2; i++)
		assert_int_equal(list_open_memory(&lists[i], images[i].bytes, images[i].size,
		    &err), 0);
	assert_int_equal(compile_union((const struct list *const *)lists, 2, SCOPE_ANY, image,
	    &notes), 0);
	for (i = 0; i < 2; i++) {
		list_free(lists[i]);
		image_free(&images[i]);
	}
}

static struct addr
addr_of(const char *text)
{
	struct addr addr;

	assert_null(addr_parse(&addr, text, strlen(text)));
	return addr;
}

static void
listed(const struct list *list, const char *text, const char *range, const char *entry,
    uint64_t lists, uint8_t action)
{
	struct addr addr = addr_of(text);
	char buf[RANGE_TEXT_MAX];
	struct list_hit hit;

	assert_true(list_find(list, &addr, &hit));
	assert_string_equal(range_text(&hit.range, buf), range);
	assert_string_equal(range_text(&hit.entry, buf), entry);
	assert_int_equal(hit.lists, lists);
	assert_int_equal(hit.action, action);
}

static void
clear(const struct list *list, const char *text)
{
	struct addr addr = addr_of(text);
	struct list_hit hit;

	assert_false(list_find(list, &addr, &hit));
}

static void
ask(const struct list *list)
{
	listed(list, "9.0.0.0", "9.0.0.0-9.0.0.6", "9.0.0.0/25", 3, LIST_DROP);
	listed(list, "9.0.0.7", "9.0.0.7", "9.0.0.7", 3, LIST_DROP);
	listed(list, "9.0.0.8", "9.0.0.8-9.0.0.127", "9.0.0.0/25", 3, LIST_DROP);
	listed(list, "9.0.0.255", "9.0.0.128/25", "9.0.0.0/24", 1, LIST_REJECT);
	listed(list, "11.0.0.9", "11.0.0.0-11.0.0.9", "11.0.0.0-11.0.0.9", 1, LIST_REJECT);
	listed(list, "12.0.0.1", "12.0.0.1", "12.0.0.1", 2, LIST_DROP);
	listed(list, "2a00::1", "2a00::1", "2a00::1", 1, LIST_REJECT);
	listed(list, "2a00:0:ffff::", "2a00::2-2a00:0:ffff:ffff:ffff:ffff:ffff:ffff",
	    "2a00::/32", 1, LIST_REJECT);
	clear(list, "8.255.255.255");
	clear(list, "9.0.1.0");
	clear(list, "11.0.0.10");
	clear(list, "12.0.0.0");
	clear(list, "255.255.255.255");
	clear(list, "0.0.0.0");
	clear(list, "::");
	clear(list, "2a00:1::");
	clear(list, "2a01::4");
	clear(list, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void
answers(void **state)
{
	struct addr none = { .family = ADDR_NONE };
	struct image image;
	struct list *list;
	struct list_hit hit;
	struct list_error err;
	size_t size;

	make_image(&image);
	assert_int_equal(list_open_memory(&list, image.bytes, image.size, &err), 0);
	ask(list);
	assert_false(list_find(list, &none, &hit));
	assert_ptr_equal(list_bytes(list, &size), image.bytes);
	assert_int_equal(size, image.size);
	assert_int_equal(list_nsources(list), 2);
	assert_string_equal(list_source(list, 0)->name, "one");
	assert_int_equal(list_source(list, 0)->entries, 5);
	assert_int_equal(list_source(list, 1)->action, LIST_DROP);
	assert_string_equal(list_action_text(LIST_REJECT), "reject");
	assert_string_equal(list_role_text(LIST_TRUSTED), "trusted");
	list_free(list);
	image_free(&image);
}

static void
sealed_memfd_is_opened(void **state)
{
	struct image image;
	struct list *list;
	struct list_error err;
	int fd;

	make_image(&image);
	fd = memfd_with("list", image.bytes, image.size);
	assert_true(fd >= 0);
	assert_int_equal(list_open(&list, fd, true, &err), 0);
	close(fd);
	ask(list);
	list_free(list);
	image_free(&image);
}

/* Every seal is needed, and a file has none. */
static void
missing_seals_are_refused(void **state)
{
	static const int seals[] = { F_SEAL_WRITE, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL };
	struct image image;
	struct list *list;
	struct list_error err;
	FILE *file = tmpfile();
	int fd, all = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	size_t i;

	make_image(&image);
	for (i = 0; i < sizeof(seals) / sizeof(seals[0]); i++) {
		fd = memfd_create("list", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		assert_int_equal(write(fd, image.bytes, image.size), (ssize_t)image.size);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, all & ~seals[i]), 0);
		assert_int_equal(list_open(&list, fd, true, &err), -EINVAL);
		assert_non_null(strstr(err.text, "has seals"));
		close(fd);
	}
	assert_non_null(file);
	assert_int_equal(fwrite(image.bytes, 1, image.size, file), image.size);
	fflush(file);
	assert_int_equal(list_open(&list, fileno(file), true, &err), -EINVAL);
	assert_int_equal(list_open(&list, fileno(file), false, &err), 0);
	/* it is our own copy: the file may change */
	assert_int_equal(ftruncate(fileno(file), 10), 0);
	ask(list);
	list_free(list);
	assert_int_equal(list_open(&list, fileno(file), false, &err), -EINVAL);
	assert_non_null(strstr(err.text, "has 10 bytes"));
	fclose(file);
	image_free(&image);
}

static void
pipe_is_refused(void **state)
{
	struct list *list;
	struct list_error err;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(list_open(&list, fds[0], false, &err), -EINVAL);
	assert_string_equal(err.text, "list image is not a regular file");
	assert_int_equal(list_open(&list, -1, false, &err), -EBADF);
	close(fds[0]);
	close(fds[1]);
}

/* The one image among all its one-byte changes and cuts that is opened is itself. */
static void
every_changed_byte_is_refused(void **state)
{
	static const uint8_t changes[] = { 0x01, 0x80, 0xff };
	struct image image;
	struct list *list;
	struct list_error err;
	uint8_t *copy;
	size_t at, i;

	make_image(&image);
	copy = malloc(image.size);
	assert_non_null(copy);
	memcpy(copy, image.bytes, image.size);
	for (at = 0; at < image.size; at++) {
		for (i = 0; i < sizeof(changes); i++) {
			copy[at] ^= changes[i];
			assert_int_equal(list_open_memory(&list, copy, image.size, &err), -EINVAL);
			copy[at] ^= changes[i];
		}
	}
	assert_int_equal(list_open_memory(&list, copy, image.size, &err), 0);
	list_free(list);
	free(copy);
	image_free(&image);
}

static void
every_cut_is_refused(void **state)
{
	struct image image;
	struct list *list;
	struct list_error err;
	uint8_t *copy;
	size_t size;

	make_image(&image);
	for (size = 0; size < image.size; size++) {
		/* exactly as long, so that a sanitizer sees one byte too many */
		copy = malloc(size > 0 ? size : 1);
		assert_non_null(copy);
		memcpy(copy, image.bytes, size);
		assert_int_equal(list_open_memory(&list, copy, size, &err), -EINVAL);
		free(copy);
	}
	copy = calloc(1, image.size + 8);
	assert_non_null(copy);
	memcpy(copy, image.bytes, image.size);
	assert_int_equal(list_open_memory(&list, copy, image.size + 8, &err), -EINVAL);
	free(copy);
	image_free(&image);
}

/* The sections of an image that is about to be spoilt. */
struct open_image {
	uint8_t *bytes;
	struct image_head *head;
	struct list_source *sources;
	struct list_attr *attrs;
	struct list_range4 *ranges4;
	struct list_range6 *ranges6;
};

static void
far_first(struct open_image *image)
{
	image->ranges4[0].first = image->ranges4[0].last + 1;
}

static void
overlap4(struct open_image *image)
{
	image->ranges4[1].first = image->ranges4[0].last;
}

static void
overlap6(struct open_image *image)
{
	memcpy(image->ranges6[1].first, image->ranges6[0].last, 16);
}

static void
backwards6(struct open_image *image)
{
	memset(image->ranges6[0].first, 0xff, 16);
}

static void
no_such_row4(struct open_image *image)
{
	image->ranges4[2].attr = image->head->nattrs;
}

static void
no_such_row6(struct open_image *image)
{
	image->ranges6[0].attr = UINT32_MAX;
}

static void
no_such_source(struct open_image *image)
{
	image->attrs[0].lists |= 4;
}

static void
no_source(struct open_image *image)
{
	image->attrs[0].lists = 0;
}

static void
milder_action(struct open_image *image)
{
	image->attrs[0].action = LIST_WATCH;
}

static void
unknown_action(struct open_image *image)
{
	image->sources[0].action = LIST_DROP + 1;
}

static void
unknown_role(struct open_image *image)
{
	image->sources[1].role = LIST_TRUSTED + 1;
}

static void
endless_name(struct open_image *image)
{
	memset(image->sources[0].name, 'x', LIST_NAME_MAX);
}

static void
escape_in_name(struct open_image *image)
{
	image->sources[0].name[0] = '\033';
}

static void
text_after_name(struct open_image *image)
{
	image->sources[0].name[LIST_NAME_MAX - 1] = 'x';
}

static void
filled_pad(struct open_image *image)
{
	image->attrs[0].pad[5] = 1;
}

static void
entry_elsewhere(struct open_image *image)
{
	/* row of 9.0.0.0-9.0.0.6 */
	image->attrs[image->ranges4[0].attr].entry_first[3] = 1;
}

static void
entry_of_other_family(struct open_image *image)
{
	image->attrs[image->ranges4[0].attr].entry_family = ADDR_V6;
}

static void
entry_backwards(struct open_image *image)
{
	image->attrs[image->ranges4[0].attr].entry_first[0] = 0xff;
}

static void
too_many_rows(struct open_image *image)
{
	image->head->nattrs = image->head->nranges4 + image->head->nranges6 + 1;
}

static void
too_many_ranges(struct open_image *image)
{
	image->head->nranges4 = LIST_RANGES_MAX + 1;
}

static void
too_many_sources(struct open_image *image)
{
	image->head->nsources = LIST_SOURCES_MAX + 1;
}

static void
one_range_less(struct open_image *image)
{
	image->head->nranges4--;
}

static void
moved_section(struct open_image *image)
{
	image->head->ranges6_at += 8;
}

static void
later_version(struct open_image *image)
{
	image->head->version++;
}

static void
other_byte_order(struct open_image *image)
{
	image->head->byte_order = 0x04030201;
}

/* With a checksum that is right again, each is refused for what it is. */
static const struct spoiler {
	void (*spoil)(struct open_image *image);
	const char *reason;
} spoilers[] = {
	{ far_first, "IPv4 range 0 is out of order" },
	{ overlap4, "IPv4 range 1 is out of order" },
	{ overlap6, "IPv6 range 1 is out of order" },
	{ backwards6, "IPv6 range 0 is out of order" },
	{ no_such_row4, "IPv4 range 2 has row" },
	{ no_such_row6, "IPv6 range 0 has row" },
	{ no_such_source, "row 0 names a source that is not there" },
	{ no_source, "row 0 names a source that is not there" },
	{ milder_action, "row 0 has action 0, its sources have 2" },
	{ unknown_action, "source 0 has an unknown role or action" },
	{ unknown_role, "source 1 has an unknown role or action" },
	{ endless_name, "name of source 0 is not printable" },
	{ escape_in_name, "name of source 0 is not printable" },
	{ text_after_name, "name of source 0 is not printable" },
	{ filled_pad, "row 0 has an impossible entry" },
	{ entry_elsewhere, "IPv4 range 0 is not in its entry" },
	{ entry_of_other_family, "IPv4 range 0 is not in its entry" },
	{ entry_backwards, "has an impossible entry" },
	{ too_many_rows, "rows for" },
	{ too_many_ranges, "at most 4000000 are allowed" },
	{ too_many_sources, "65 sources, at most 64 are allowed" },
	{ one_range_less, "sections at wrong places" },
	{ moved_section, "sections at wrong places" },
	{ later_version, "has version 2, this agent reads version 1" },
	{ other_byte_order, "another byte order" },
};

static void
spoilt_sections_are_refused(void **state)
{
	struct open_image parts;
	struct image image;
	struct list *list;
	struct list_error err;
	size_t i;

	for (i = 0; i < sizeof(spoilers) / sizeof(spoilers[0]); i++) {
		make_image(&image);
		parts.bytes = image.bytes;
		parts.head = image.bytes;
		parts.sources = (void *)(parts.bytes + parts.head->sources_at);
		parts.attrs = (void *)(parts.bytes + parts.head->attrs_at);
		parts.ranges4 = (void *)(parts.bytes + parts.head->ranges4_at);
		parts.ranges6 = (void *)(parts.bytes + parts.head->ranges6_at);
		spoilers[i].spoil(&parts);
		assert_int_equal(image_checksum(image.bytes, image.size, parts.head->checksum), 0);
		assert_int_equal(list_open_memory(&list, image.bytes, image.size, &err), -EINVAL);
		if (strstr(err.text, spoilers[i].reason) == NULL)
			fail_msg("%s instead of %s", err.text, spoilers[i].reason);
		image_free(&image);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(sealed_memfd_is_opened),
		cmocka_unit_test(missing_seals_are_refused),
		cmocka_unit_test(pipe_is_refused),
		cmocka_unit_test(every_changed_byte_is_refused),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(spoilt_sections_are_refused),
	};

	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
