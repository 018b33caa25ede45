/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of the agent's own: written whole, read only if nobody else can have put them there. */
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

#include "runtime/durable.h"
#include "runtime/folder.h"
#include "threatlistd/log.h"

static char dir[] = "/tmp/threatlistd-durable-XXXXXX";
static char file[64], temp[64], other[64];

static int
make_dir(void **state)
{
	log_init("test", LOG_STYLE_SILENT);
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(file, sizeof(file), "%s/file", dir);
	snprintf(temp, sizeof(temp), "%s/.file.new", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	return 0;
}

static int
empty_dir(void **state)
{
	rmdir(file);
	unlink(file);
	unlink(temp);
	unlink(other);
	return 0;
}

static int
remove_dir(void **state)
{
	return rmdir(dir);
}

static void
holds(const char *path, const char *text)
{
	char found[64] = "";
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, found, sizeof(found)), strlen(text));
	close(fd);
	assert_string_equal(found, text);
}

static void
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
is_private(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void
what_is_written_is_private_and_whole(void **state)
{
	int fd;

	umask(0);
	assert_int_equal(durable_replace(dir, "file", "one", 3), 0);
	assert_int_equal(durable_replace(dir, "file", "second", 6), 0);
	umask(022);
	holds(file, "second");
	is_private(file);
	assert_int_equal(access(temp, F_OK), -1);
	fd = durable_open(file);
	assert_true(fd >= 0);
	close(fd);
}

/* A link in the place of the file or of the temporary one is replaced, never followed. */
static void
links_are_not_written_through(void **state)
{
	put(other, "kept");
	assert_int_equal(symlink(other, file), 0);
	assert_int_equal(symlink(other, temp), 0);
	assert_int_equal(durable_replace(dir, "file", "new", 3), 0);
	holds(other, "kept");
	holds(file, "new");
	is_private(file);
	unlink(file);
	assert_int_equal(link(other, file), 0);
	assert_int_equal(link(other, temp), 0);
	assert_int_equal(durable_replace(dir, "file", "new", 3), 0);
	holds(other, "kept");
	holds(file, "new");
}

static void
a_failure_leaves_the_old_file(void **state)
{
	char name[300];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(durable_replace(dir, name, "x", 1), -ENAMETOOLONG);
	assert_int_equal(durable_replace("/nonexistent", "file", "x", 1), -ENOENT);
	/* no rename over a folder */
	assert_int_equal(mkdir(file, 0700), 0);
	assert_int_equal(durable_replace(dir, "file", "x", 1), -EISDIR);
	assert_int_equal(access(temp, F_OK), -1);
}

static void
only_regular_files_are_read(void **state)
{
	put(other, "text");
	assert_int_equal(symlink(other, file), 0);
	assert_int_equal(durable_open(file), -ELOOP);
	unlink(file);
	/* a FIFO would make us wait for ever */
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_int_equal(durable_open(file), -EINVAL);
	unlink(file);
	assert_int_equal(mkdir(file, 0700), 0);
	assert_int_equal(durable_open(file), -EINVAL);
	rmdir(file);
	assert_int_equal(durable_open(file), -ENOENT);
}

static void
files_that_others_may_write_are_not_read(void **state)
{
	int fd;

	put(file, "text");
	assert_int_equal(chmod(file, 0644), 0);
	fd = durable_open(file);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(chmod(file, 0602), 0);
	assert_int_equal(durable_open(file), -EPERM);
	assert_int_equal(chmod(file, 0620), 0);
	assert_int_equal(durable_open(file), -EPERM);
	if (geteuid() != 0)
		return;
	/* of somebody who is neither root nor the folder's owner */
	assert_int_equal(chmod(file, 0600), 0);
	assert_int_equal(chown(file, 65531, 65531), 0);
	assert_int_equal(durable_open(file), -EPERM);
	assert_int_equal(chown(dir, 65531, 65531), 0);
	fd = durable_open(file);
	assert_true(fd >= 0);
	close(fd);
	/* and what root writes there belongs to who has to read it */
	assert_int_equal(durable_replace(dir, "file", "root's", 6), 0);
	assert_int_equal(chown(dir, 0, 0), 0);
	assert_int_equal(durable_open(file), -EPERM);
}

static void
folders_are_closed_to_others(void **state)
{
	struct stat st;

	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(folder_make(dir, 0750), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	put(file, "text");
	assert_int_equal(folder_make(file, 0750), -ENOTDIR);
	unlink(file);
	assert_int_equal(folder_make(file, 0750), 0);
	assert_int_equal(folder_make("/nonexistent/folder", 0750), -ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_is_written_is_private_and_whole, empty_dir),
		cmocka_unit_test_teardown(links_are_not_written_through, empty_dir),
		cmocka_unit_test_teardown(a_failure_leaves_the_old_file, empty_dir),
		cmocka_unit_test_teardown(only_regular_files_are_read, empty_dir),
		cmocka_unit_test_teardown(files_that_others_may_write_are_not_read, empty_dir),
		cmocka_unit_test_teardown(folders_are_closed_to_others, empty_dir),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
