/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/channel.h"

#define NAME	"threatlistd-online"

static char opened[32];		/* by its number: the name may be another file's by now */

int
program_open_online(char path[static PROGRAM_PATH_MAX])
{
	static const char *const places[] = { NAME, "../libexec/threatlistd/" NAME };
	char *end;
	size_t i, left;
	ssize_t n;
	int fd = -1, kept;

	n = readlink("/proc/self/exe", path, PROGRAM_PATH_MAX - 1);
	path[n > 0 ? n : 0] = '\0';
	end = strrchr(path, '/');
	if (end == NULL)
		return -ENOENT;
	end++;
	left = PROGRAM_PATH_MAX - (size_t)(end - path);
	for (i = 0; i < sizeof(places) / sizeof(places[0]) && fd < 0; i++) {
		if (snprintf(end, left, "%s", places[i]) >= (int)left)
			return -ENAMETOOLONG;
		fd = open(path, O_PATH | O_CLOEXEC);
	}
	if (fd < 0)
		return -errno;
	/* a role's channel takes its number before the program is executed */
	kept = fcntl(fd, F_DUPFD_CLOEXEC, CHANNEL_FD + 1);
	close(fd);
	if (kept < 0)
		return -errno;
	snprintf(opened, sizeof(opened), "/proc/self/fd/%d", kept);
	return 0;
}

const char *
program_online(void)
{
	return opened[0] == '\0' ? NULL : opened;
}
