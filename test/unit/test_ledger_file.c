/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ledger's file: kept, discarded, refused. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "threatlistd/log.h"
#include "enforce/ledger_file.h"

static char dir[64], path[80];

static int
set_up(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/test_ledger_file.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ledger", dir);
	return 0;
}

static int
tear_down(void **state)
{
	unlink(path);
	rmdir(dir);
	return 0;
}

/* Opens it, books so many packets more of one remote, and tells what is there. */
static uint64_t
book_one(struct ledger_file *file, uint64_t packets)
{
	struct ledger_reading reading = {
		.remote = addr_from_v4(0x01020304), .verdict = VERDICT_DROPPED,
		.packets = packets, .bytes = packets,
	};
	struct count count;

	reading.label.entry.first = reading.label.entry.last = reading.remote;
	assert_int_equal(ledger_file_open(file, dir), 0);
	ledger_begin(file->ledger, 1);
	assert_true(ledger_book(file->ledger, &reading, 1));
	ledger_end(file->ledger, true);
	assert_int_equal(ledger_unsent(file->ledger, &count, 1), 1);
	return count.packets;
}

static void
is_kept(void **state)
{
	struct ledger_file file;
	struct stat stat_now;

	assert_int_equal(book_one(&file, 5), 5);
	assert_true(file.anew);
	assert_string_equal(file.trouble, "");
	ledger_file_close(&file);
	assert_int_equal(book_one(&file, 7), 7);
	assert_false(file.anew);
	ledger_file_close(&file);
	/* nobody else reads it, and it takes the room that it uses, not all that it may */
	assert_int_equal(stat(path, &stat_now), 0);
	assert_int_equal(stat_now.st_mode & 07777, 0600);
	assert_true(stat_now.st_blocks * INT64_C(512) < 1 << 20);
}

static void
cut_short_is_begun_anew(void **state)
{
	struct ledger_file file;

	assert_int_equal(book_one(&file, 5), 5);
	ledger_file_close(&file);
	assert_int_equal(truncate(path, 1000), 0);
	assert_int_equal(book_one(&file, 7), 7);
	assert_true(file.anew);
	assert_string_equal(file.trouble, "");
	ledger_file_close(&file);
}

static void
garbage_is_begun_anew(void **state)
{
	struct ledger_file file;
	int fd;

	assert_int_equal(book_one(&file, 5), 5);
	ledger_file_close(&file);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "garbage", 7, 0), 7);
	close(fd);
	assert_int_equal(book_one(&file, 7), 7);
	assert_true(file.anew);
	ledger_file_close(&file);
}

static void
in_memory_alone(uint64_t packets)
{
	struct ledger_file file;

	assert_int_equal(book_one(&file, packets), packets);
	assert_int_equal(file.fd, -1);
	assert_non_null(strstr(file.trouble, "memory alone"));
	ledger_file_close(&file);
}

static void
what_is_no_file_of_ours_makes_way_but_for_a_folder(void **state)
{
	struct ledger_file first;
	struct stat st;

	/* a link, not what it leads to */
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(book_one(&first, 4), 4);
	assert_true(first.fd >= 0);
	ledger_file_close(&first);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	/* one that others may write */
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(book_one(&first, 3), 3);
	ledger_file_close(&first);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	in_memory_alone(3);
	assert_int_equal(rmdir(path), 0);
	/* another process has it */
	assert_int_equal(book_one(&first, 5), 5);
	in_memory_alone(3);
	ledger_file_close(&first);
}

static void
without_room_it_works_in_memory(void **state)
{
	const struct rlimit little = { 4096, RLIM_INFINITY };
	struct rlimit before;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	in_memory_alone(3);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

int
main(void)
{
#define TEST(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(is_kept),
		TEST(cut_short_is_begun_anew),
		TEST(garbage_is_begun_anew),
		TEST(what_is_no_file_of_ours_makes_way_but_for_a_folder),
		TEST(without_room_it_works_in_memory),
	};

	log_init("test", LOG_STYLE_SILENT);
	return cmocka_run_group_tests_name("ledger file", tests, NULL, NULL);
}
