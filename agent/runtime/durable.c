/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES	256	/* NAME_MAX and a NUL */

static int
write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

/* What root orders while no agent runs is for the agent to read, which is not root. */
static int
give_to_owner(int dir, int fd)
{
	struct stat st;

	if (fstat(dir, &st) != 0)
		return -errno;
	if (geteuid() != 0 || st.st_uid == 0)
		return 0;
	return fchown(fd, st.st_uid, st.st_gid) == 0 ? 0 : -errno;
}

/* A new file with these bytes, on disk when it returns. */
static int
write_file(int dir, const char *name, const void *data, size_t size)
{
	int fd, error;

	/* what a crash left behind */
	unlinkat(dir, name, 0);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	error = give_to_owner(dir, fd);
	if (error == 0)
		error = write_all(fd, data, size);
	if (error == 0 && fsync(fd) != 0)
		error = -errno;
	if (close(fd) != 0 && error == 0)
		error = -errno;
	return error;
}

int
durable_replace(const char *dir, const char *name, const void *data, size_t size)
{
	char temp[NAME_BYTES];
	int dir_fd, error;

	if (snprintf(temp, sizeof(temp), ".%s.new", name) >= (int)sizeof(temp))
		return -ENAMETOOLONG;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	error = write_file(dir_fd, temp, data, size);
	if (error == 0 && renameat(dir_fd, temp, dir_fd, name) != 0)
		error = -errno;
	if (error != 0)
		unlinkat(dir_fd, temp, 0);
	else if (fsync(dir_fd) != 0)
		error = -errno;
	close(dir_fd);
	return error;
}

int
durable_sync_above(const char *path)
{
	char dir[PATH_MAX], *slash;
	int fd, error;

	if (snprintf(dir, sizeof(dir), "%s", path) >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	slash = strrchr(dir, '/');
	if (slash != NULL)
		slash[1] = '\0';
	fd = open(slash != NULL ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	error = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return error;
}

/* Root reads what the agent keeps in a folder of its own; nobody else obeys a folder's owner. */
static bool
is_folders_owner(const char *path, uid_t uid)
{
	char dir[PATH_MAX], *slash;
	struct stat st;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash == NULL || geteuid() != 0)
		return false;
	slash[slash == dir] = '\0';
	return stat(dir, &st) == 0 && st.st_uid == uid;
}

int
durable_check(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return -EPERM;
	if (st.st_uid != 0 && st.st_uid != geteuid() && !is_folders_owner(path, st.st_uid))
		return -EPERM;
	return 0;
}

int
durable_open(const char *path)
{
	int fd, error;

	/* O_NONBLOCK: a FIFO in its place must not hang us */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	error = durable_check(fd, path);
	if (error == 0)
		return fd;
	close(fd);
	return error;
}
