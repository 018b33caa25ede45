/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "threatlistd/log.h"

int
folder_make(const char *path, mode_t mode)
{
	struct stat st;
	int fd, error = 0;

	if (mkdir(path, mode) != 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0)
		error = -errno;
	else if ((st.st_mode & S_IWOTH) != 0 &&
	    fchmod(fd, st.st_mode & 07777 & ~(mode_t)(S_IWGRP | S_IWOTH)) == 0)
		log_warn("folder was writable by everyone path=%s: closed to others", path);
	else if ((st.st_mode & S_IWOTH) != 0)
		log_error("folder is writable by everyone path=%s: who writes there commands the agent",
		    path);
	close(fd);
	return error;
}
