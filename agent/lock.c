/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/folder.h"

#define LOCK_FILE	"lock"
#define NAMESPACE_NAME	"threatlistd"	/* behind the NUL of an abstract address, unix(7) */

int
lock_run_dir(const char *run_dir, pid_t *holder)
{
	char path[PATH_MAX], text[32];
	struct stat st;
	ssize_t n;
	int fd, error;

	*holder = 0;
	error = folder_make(run_dir, 0755);
	if (error != 0)
		return error;
	snprintf(path, sizeof(path), "%s/" LOCK_FILE, run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	/* root writes here as well: never through another name of a file that is elsewhere */
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1) {
		close(fd);
		return -EINVAL;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		error = errno == EWOULDBLOCK ? -EBUSY : -errno;
		n = read(fd, text, sizeof(text) - 1);
		if (n > 0) {
			text[n] = '\0';
			*holder = (pid_t)strtol(text, NULL, 10);
		}
		close(fd);
		return error;
	}
	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) != 0 || write(fd, text, strlen(text)) < 0) {
		/* only the name of the holder is lost */
	}
	return 0;	/* fd stays open: it is the lock */
}

int
lock_namespace(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + sizeof(NAMESPACE_NAME);
	int fd, error;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	memcpy(address.sun_path + 1, NAMESPACE_NAME, sizeof(NAMESPACE_NAME) - 1);
	if (bind(fd, (struct sockaddr *)&address, size) == 0)
		return 0;	/* fd stays open: it is the claim */
	error = errno == EADDRINUSE ? -EBUSY : -errno;
	close(fd);
	return error;
}
