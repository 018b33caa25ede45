/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Findings as JSON lines: appended to a file, or to standard output.
 *
 * A file is synced before a batch counts as delivered.  A line that a crash
 * tore is cut off before the next one is appended; the spool still has it and
 * gives it again whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "threatlistd/log.h"
#include "report/sink.h"
#include "runtime/durable.h"

#define FILE_MODE	0640
#define LOOK_BACK	4096	/* bytes read at once in search of a line's end */
#define STDOUT_WAIT_MS	10000	/* for a reader that does not read */

struct file {
	const char *path;
	uint64_t max_size;		/* 0: no bound */
	int fd;				/* -1: not open */
	bool torn;			/* standard output stands in the middle of a line */
};

static void __attribute__((format(printf, 2, 3)))
again(struct sink_result *result, const char *fmt, ...)
{
	va_list args;

	result->outcome = OUTCOME_AGAIN;
	va_start(args, fmt);
	vsnprintf(result->error, sizeof(result->error), fmt, args);
	va_end(args);
}

/* 0 or -errno.  Waits for a pipe or terminal up to wait_ms.  *written: how much went, in any case. */
static int
write_all(int fd, const char *data, size_t size, int wait_ms, size_t *written)
{
	*written = 0;
	while (*written < size) {
		ssize_t n = write(fd, data + *written, size - *written);

		if (n > 0) {
			*written += (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

			if (poll(&pollfd, 1, wait_ms) == 0)
				return -ETIMEDOUT;
		} else if (n < 0 && errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/* The bodies as lines, malloc'd. */
static char *
make_lines(const struct spool_body *bodies, unsigned int n, size_t *size)
{
	unsigned int i;
	char *lines, *at;

	*size = 0;
	for (i = 0; i < n; i++)
		*size += bodies[i].size + 1;
	lines = at = malloc(*size);
	if (lines == NULL)
		return NULL;
	for (i = 0; i < n; i++) {
		memcpy(at, bodies[i].text, bodies[i].size);
		at += bodies[i].size;
		*at++ = '\n';
	}
	return lines;
}

/* Cuts off what follows the last line's end. */
static int
cut_torn_line(struct file *file, off_t size)
{
	char piece[LOOK_BACK], *end;
	off_t at = size;
	ssize_t n;

	while (at > 0) {
		off_t from = at > LOOK_BACK ? at - LOOK_BACK : 0;

		n = pread(file->fd, piece, (size_t)(at - from), from);
		if (n != (ssize_t)(at - from))
			return n < 0 ? -errno : -EIO;
		end = memrchr(piece, '\n', (size_t)n);
		if (end != NULL) {
			at = from + (end - piece) + 1;
			break;
		}
		at = from;
	}
	if (at == size)
		return 0;
	log_warn("torn line cut off path=%s bytes=%lld", file->path, (long long)(size - at));
	return ftruncate(file->fd, at) == 0 ? 0 : -errno;
}

static void
close_file(struct file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

static int
open_at(const char *path, int making)
{
	/* O_NONBLOCK: a FIFO in its place must not hang us */
	return open(path, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | making, FILE_MODE);
}

/* A new one is for the group to read whatever the umask, the unit's 0077 too: who ships findings need not be root. */
static int
open_or_make(const char *path)
{
	int fd = open_at(path, 0);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	fd = open_at(path, O_CREAT | O_EXCL);
	if (fd >= 0 && fchmod(fd, FILE_MODE) != 0) {
		/* a disk without modes */
	}
	return fd;
}

static int
open_file(struct file *file)
{
	struct stat st;
	int error = 0;

	file->fd = open_or_make(file->path);
	if (file->fd < 0)
		return -errno;
	if (fstat(file->fd, &st) != 0)
		error = -errno;
	else if (!S_ISREG(st.st_mode))
		error = -EINVAL;
	if (error == 0)
		error = cut_torn_line(file, st.st_size);
	if (error == 0)
		error = durable_sync_above(file->path);
	if (error != 0)
		close_file(file);
	return error;
}

/* Has someone (logrotate) moved or removed the file under us? */
static bool
still_there(const struct file *file)
{
	struct stat ours, there;

	return fstat(file->fd, &ours) == 0 && stat(file->path, &there) == 0 &&
	    ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

/* Moves a file that would grow above its bound to PATH.1. */
static int
rotate(struct file *file, size_t more)
{
	char old[4096 + 4];
	struct stat st;

	if (fstat(file->fd, &st) != 0)
		return -errno;
	if (file->max_size == 0 || st.st_size == 0 ||
	    (uint64_t)st.st_size + more <= file->max_size)
		return 0;
	snprintf(old, sizeof(old), "%s" SINK_FILE_FULL, file->path);
	if (rename(file->path, old) != 0)
		return -errno;
	close_file(file);
	return open_file(file);
}

/* All of it and on disk, or none of it. */
static int
append(struct file *file, const char *lines, size_t size)
{
	off_t before = lseek(file->fd, 0, SEEK_END);
	size_t written;
	int error;

	if (before < 0)
		return -errno;
	error = write_all(file->fd, lines, size, 0, &written);
	if (error == 0 && fdatasync(file->fd) != 0)
		error = -errno;
	if (error != 0 && ftruncate(file->fd, before) != 0)
		close_file(file);	/* opening it again cuts the torn line */
	return error;
}

static void *
file_open(const struct sink_setting *setting)
{
	struct file *file = calloc(1, sizeof(*file));

	if (file == NULL)
		return NULL;
	file->path = setting->conf->path;
	file->max_size = setting->conf->max_size;
	file->fd = -1;
	return file;
}

static void
file_deliver(void *state, const struct spool_body *bodies, unsigned int n,
    struct sink_result *result)
{
	struct file *file = state;
	size_t size;
	char *lines;
	int error = 0;

	lines = make_lines(bodies, n, &size);
	if (lines == NULL) {
		again(result, "out of memory");
		return;
	}
	if (file->fd >= 0 && !still_there(file))
		close_file(file);
	if (file->fd < 0)
		error = open_file(file);
	if (error == 0)
		error = rotate(file, size);
	if (error == 0)
		error = append(file, lines, size);
	free(lines);
	if (error == 0)
		result->outcome = OUTCOME_ACCEPTED;
	else
		again(result, "%s: %s", file->path, error == -EINVAL ?
		    "a regular file is wanted" : strerror(-error));
}

static void
file_close(void *state)
{
	struct file *file = state;

	close_file(file);
	free(file);
}

#define LINES_KIND	.batch = SINK_LINES, .gaps = true, \
	.batch_bytes = SINK_BATCH_BYTES - SINK_BATCH_FRAME

const struct sink_kind sink_file = {
	LINES_KIND, .open = file_open, .deliver = file_deliver, .close = file_close,
};

static void *
stdout_open(const struct sink_setting *setting)
{
	return file_open(setting);
}

/*
 * One line by itself: a pipe takes one of up to PIPE_BUF bytes whole or not at all, even
 * if we are killed.  What a reader has of a longer one is ended, and no line grows out
 * of two.
 */
static int
write_line(struct file *file, const struct spool_body *body)
{
	size_t size, written = 0;
	char *line = make_lines(body, 1, &size);
	int error;

	if (line == NULL)
		return -ENOMEM;
	error = file->torn ? write_all(STDOUT_FILENO, "\n", 1, STDOUT_WAIT_MS, &written) : 0;
	if (error == 0) {
		error = write_all(STDOUT_FILENO, line, size, STDOUT_WAIT_MS, &written);
		file->torn = written > 0 && written < size;
	}
	free(line);
	return error;
}

static void
stdout_deliver(void *state, const struct spool_body *bodies, unsigned int n,
    struct sink_result *result)
{
	unsigned int i;
	int error = 0;

	for (i = 0; i < n && error == 0; i++)
		error = write_line(state, &bodies[i]);
	if (error == 0) {
		result->outcome = OUTCOME_ACCEPTED;
		return;
	}
	again(result, "standard output: %s", strerror(-error));
	/* those before it were read, or will be */
	if (i == 1)
		return;
	for (i--; i < n; i++) {
		if (!sink_result_part(result, bodies[i].sequence, OUTCOME_AGAIN, result->error)) {
			again(result, "out of memory");
			return;
		}
	}
}

const struct sink_kind sink_stdout = {
	LINES_KIND, .open = stdout_open, .deliver = stdout_deliver, .close = file_close,
};
