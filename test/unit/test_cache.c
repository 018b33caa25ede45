/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The last good images on disk, whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/compile.h"
#include "core/domains.h"
#include "runtime/cache.h"
#include "runtime/durable.h"

static char folder[64];

static int
make_folder(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/threatlistd-cache-XXXXXX");
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int
remove_folder(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	return system(command);
}

static struct image
make_image(const char *entry)
{
	struct list_source source = { .name = "s", .action = LIST_DROP };
	struct entries *entries = entries_new();
	struct format_report report;
	struct image image;

	assert_non_null(entries);
	assert_int_equal(format_read(entries, FORMAT_TXT, entry, strlen(entry), &report), 0);
	assert_int_equal(compile_source(entries, &source, &image), 0);
	entries_free(entries);
	return image;
}

static void
store(const char *name, const char *entry, const char *etag)
{
	struct image image = make_image(entry);

	assert_int_equal(cache_store(folder, name, image.bytes, image.size, etag, "yesterday",
	    "eu-west-3"), 0);
	image_free(&image);
}

static bool
has(const struct cache_copy *copy, const char *address)
{
	struct list_hit hit;
	struct addr addr;

	assert_null(addr_parse(&addr, address, strlen(address)));
	return list_find(copy->list, &addr, &hit);
}

static void
path_of(char path[static 256], const char *name)
{
	snprintf(path, 256, "%s/lists/%s", folder, name);
}

static void
what_is_stored_comes_back(void **state)
{
	struct cache_copy copy;
	struct list_error err;
	struct stat st;
	char path[256];

	assert_int_equal(cache_load(folder, "a", &copy, &err), -ENOENT);
	store("a", "192.0.2.1", "\"v1\"");
	store("a.list", "192.0.2.2", "");
	assert_int_equal(cache_load(folder, "a", &copy, &err), 0);
	assert_true(has(&copy, "192.0.2.1"));
	assert_string_equal(copy.etag, "\"v1\"");
	assert_string_equal(copy.last_modified, "yesterday");
	assert_string_equal(copy.region, "eu-west-3");
	path_of(path, "a.list");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(copy.stored_ms / 1000, st.st_mtim.tv_sec);
	list_free(copy.list);
	store("a", "192.0.2.3", "\"v2\"");
	assert_int_equal(cache_load(folder, "a", &copy, &err), 0);
	assert_false(has(&copy, "192.0.2.1"));
	assert_true(has(&copy, "192.0.2.3"));
	assert_string_equal(copy.etag, "\"v2\"");
	list_free(copy.list);
	assert_int_equal(cache_forget(folder, "a"), 0);
	assert_int_equal(cache_forget(folder, "a"), 0);
	assert_int_equal(cache_load(folder, "a", &copy, &err), -ENOENT);
	assert_int_equal(cache_load(folder, "a.list", &copy, &err), 0);
	assert_true(has(&copy, "192.0.2.2"));
	list_free(copy.list);
}

/* A crash after the image and before its validators. */
static void
validators_of_another_image_are_not_used(void **state)
{
	char of_old[256], of_new[256];
	struct cache_copy copy;
	struct list_error err;

	store("old", "192.0.2.1", "\"old\"");
	store("new", "192.0.2.9", "\"new\"");
	path_of(of_old, "old.from");
	path_of(of_new, "new.from");
	assert_int_equal(rename(of_old, of_new), 0);
	assert_int_equal(cache_load(folder, "new", &copy, &err), 0);
	assert_true(has(&copy, "192.0.2.9"));
	assert_string_equal(copy.etag, "");
	assert_string_equal(copy.last_modified, "");
	assert_string_equal(copy.region, "");
	list_free(copy.list);
}

static void
flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	char byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte = (char)~byte;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void
damage_is_noticed(void **state)
{
	struct cache_copy copy;
	struct list_error err;
	struct stat st;
	char path[256];
	off_t at;

	store("d", "192.0.2.1", "e");
	path_of(path, "d.list");
	assert_int_equal(stat(path, &st), 0);
	for (at = 0; at < st.st_size; at++) {
		flip(path, at);
		if (cache_load(folder, "d", &copy, &err) == 0)
			fail_msg("byte %ld may be anything", (long)at);
		assert_null(copy.list);
		flip(path, at);
	}
	assert_int_equal(cache_load(folder, "d", &copy, &err), 0);
	list_free(copy.list);
	assert_int_equal(truncate(path, st.st_size - 1), 0);
	assert_int_not_equal(cache_load(folder, "d", &copy, &err), 0);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_not_equal(cache_load(folder, "d", &copy, &err), 0);
}

static void
only_images_and_safe_names_are_stored(void **state)
{
	struct image image = make_image("192.0.2.1");
	const uint64_t none[64] = { 1 };

	assert_int_equal(cache_store(folder, "../x", image.bytes, image.size, "", "", ""), -EINVAL);
	assert_int_equal(cache_store(folder, ".x", image.bytes, image.size, "", "", ""), -EINVAL);
	assert_int_equal(cache_store(folder, "", image.bytes, image.size, "", "", ""), -EINVAL);
	assert_int_not_equal(cache_store(folder, "x", none, sizeof(none), "", "", ""), 0);
	assert_int_equal(cache_store("/nonexistent", "x", image.bytes, image.size, "", "", ""), -ENOENT);
	image_free(&image);
}

/* The old file stays when the new one cannot be written; what a crash left is no hindrance. */
static void
replacing_is_one_step(void **state)
{
	char path[256], got[8] = "";
	int fd;

	assert_int_equal(durable_replace(folder, "f", "old", 3), 0);
	snprintf(path, sizeof(path), "%s/.f.new", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_not_equal(durable_replace(folder, "f", "new", 3), 0);
	snprintf(path, sizeof(path), "%s/f", folder);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, got, sizeof(got)), 3);
	assert_string_equal(got, "old");
	close(fd);
	snprintf(path, sizeof(path), "%s/.f.new", folder);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("/nonexistent/elsewhere", path), 0);
	assert_int_equal(durable_replace(folder, "f", "new", 3), 0);
}

static void
names_stay_beside_the_image(void **state)
{
	static const char names[] = DOMAINS_HEADING "a.example\nb.example\n";
	static const char other[] = DOMAINS_HEADING "b.example\na.example\n";
	const struct timespec long_ago[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	char path[256], *text;
	struct stat st;
	size_t size;
	uint32_t n;

	path_of(path, "a.domains");
	assert_int_equal(cache_domains_load(folder, "a", &text, &size, &n), -ENOENT);
	assert_int_equal(cache_domains_store(folder, "a", NULL, 0), 0);
	assert_int_equal(cache_domains_store(folder, "../a", names, sizeof(names) - 1), -EINVAL);
	assert_int_equal(cache_domains_store(folder, "a", names, sizeof(names) - 1), 0);
	assert_int_equal(cache_domains_load(folder, "a", &text, &size, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(size, sizeof(names) - 1);
	assert_memory_equal(text, names, size);
	free(text);
	/* the same again costs no write */
	assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
	assert_int_equal(cache_domains_store(folder, "a", names, sizeof(names) - 1), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* a file that somebody changed is not believed */
	assert_int_equal(cache_domains_store(folder, "a", other, sizeof(other) - 1), 0);
	assert_int_equal(cache_domains_load(folder, "a", &text, &size, &n), -EINVAL);
	assert_null(text);
	assert_int_equal(cache_forget(folder, "a"), 0);
	assert_int_equal(stat(path, &st), -1);
}

static void
time_of_failing_stays_beside_the_image(void **state)
{
	struct failing failing = { .for_ms = 5, .last_ms = 7, .boot = "b", .on = true, .here = true };
	struct failing got;
	char path[256];
	struct stat st;
	int fd;

	path_of(path, "a.failing");
	assert_int_equal(cache_failing_load(folder, "a", &got), -ENOENT);
	assert_int_equal(cache_failing_store(folder, "a", NULL), 0);
	assert_int_equal(cache_failing_store(folder, "../a", &failing), -EINVAL);
	assert_int_equal(cache_failing_load(folder, "../a", &got), -EINVAL);
	assert_int_equal(cache_failing_store(folder, "a", &failing), 0);
	assert_int_equal(cache_failing_load(folder, "a", &got), 0);
	assert_true(got.on && !got.here && !got.told);
	assert_int_equal(got.for_ms, 5);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* one that somebody changed is not believed, nor half of one */
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "5 7", 3), 3);
	close(fd);
	assert_int_equal(cache_failing_load(folder, "a", &got), -EINVAL);
	assert_false(got.on);
	assert_int_equal(cache_failing_store(folder, "a", NULL), 0);
	assert_int_equal(cache_failing_load(folder, "a", &got), -ENOENT);
	assert_int_equal(cache_failing_store(folder, "a", &failing), 0);
	assert_int_equal(cache_forget(folder, "a"), 0);
	assert_int_equal(stat(path, &st), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_stored_comes_back, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(validators_of_another_image_are_not_used, make_folder,
		    remove_folder),
		cmocka_unit_test_setup_teardown(names_stay_beside_the_image, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(time_of_failing_stays_beside_the_image, make_folder,
		    remove_folder),
		cmocka_unit_test_setup_teardown(damage_is_noticed, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(only_images_and_safe_names_are_stored, make_folder,
		    remove_folder),
		cmocka_unit_test_setup_teardown(replacing_is_one_step, make_folder, remove_folder),
	};

	return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
