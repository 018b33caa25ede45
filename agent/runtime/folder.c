/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "threatlistd/log.h"

#define OTHERS_WRITE	(S_IWGRP | S_IWOTH)

/* Closes it to others, or says that this cannot be. */
static void
close_to_others(int fd, const struct stat *st, const char *path)
{
	if (st->st_uid != 0 && st->st_uid != geteuid() && geteuid() != 0)
		log_error("folder is another user's path=%s uid=%u: who owns it commands the agent",
		    path, (unsigned int)st->st_uid);
	if ((st->st_mode & OTHERS_WRITE) == 0)
		return;
	if (fchmod(fd, st->st_mode & 07777 & ~(mode_t)OTHERS_WRITE) == 0)
		log_warn("folder was writable by others path=%s mode=%04o: closed to others", path,
		    (unsigned int)(st->st_mode & 07777));
	else
		log_error("folder is writable by others path=%s mode=%04o: who writes there commands "
		    "the agent", path, (unsigned int)(st->st_mode & 07777));
}

int
folder_make(const char *path, mode_t mode)
{
	struct stat st;
	int fd, error = 0;
	bool made = mkdir(path, mode) == 0;

	if (!made && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* whatever the umask: who may ask must get to the control socket */
	if ((made && fchmod(fd, mode) != 0) || fstat(fd, &st) != 0)
		error = -errno;
	else
		close_to_others(fd, &st, path);
	close(fd);
	return error;
}

int
folder_check_below(const char *above, const char *path)
{
	struct stat st, st_above;

	if (lstat(path, &st) != 0 || stat(above, &st_above) != 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if ((st.st_mode & OTHERS_WRITE) != 0)
		return -EPERM;
	return st.st_uid == 0 || st.st_uid == geteuid() || st.st_uid == st_above.st_uid ? 0 :
	    -EPERM;
}
