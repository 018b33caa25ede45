/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A list in a file that someone may be writing: what was read counts only if
 * the file is the same before and after, and has been left alone for a moment.
 */
#include "feed/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/loop.h"

#define SETTLED_MS	500	/* untouched for so long: the writer is done */
#define AGAIN_MS	100	/* between readings of a file that changed meanwhile */
#define PATIENCE_MS	3000	/* then it is being written, and the old list stays */

static void
wait_ms(int64_t ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* Identity and state of a file, as a validator. */
static void
name_state(const struct stat *st, char state[static ETAG_MAX])
{
	snprintf(state, ETAG_MAX, "%" PRIu64 ":%" PRIu64 ":%" PRId64 ":%" PRId64 ".%09ld",
	    (uint64_t)st->st_dev, (uint64_t)st->st_ino, (int64_t)st->st_size,
	    (int64_t)st->st_mtim.tv_sec, (long)st->st_mtim.tv_nsec);
}

/* Is path still what st says? */
static bool
is_unchanged(const char *path, const struct stat *st)
{
	char before[ETAG_MAX], after[ETAG_MAX];
	struct stat now;

	if (stat(path, &now) != 0)
		return false;
	name_state(st, before);
	name_state(&now, after);
	return strcmp(before, after) == 0;
}

/* How long to wait until it counts as left alone; a time in the future says nothing. */
static int64_t
unsettled_ms(const struct stat *st)
{
	int64_t age = loop_wall_ms() - ((int64_t)st->st_mtim.tv_sec * 1000 +
	    st->st_mtim.tv_nsec / 1000000);

	return age >= SETTLED_MS ? 0 : age >= 0 ? SETTLED_MS - age : SETTLED_MS;
}

/* Reads exactly size bytes; false with errno 0 when there were more or fewer. */
static bool
read_exactly(int fd, struct source_text *text, size_t size)
{
	size_t have = 0;
	ssize_t n;

	free(text->data);
	text->data = malloc(size + 1);
	if (text->data == NULL)
		return false;
	do {
		n = read(fd, (char *)text->data + have, size + 1 - have);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			have += (size_t)n;
	} while (n != 0 && have <= size);
	errno = 0;
	text->size = have;
	return have == size;
}

/*
 * One reading of the open file.  *again: it changed meanwhile; otherwise the
 * outcome is final.
 */
static enum source_outcome
read_once(const struct source_ask *ask, int fd, struct source_text *text, bool *again)
{
	const char *path = ask->source->location;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return source_failed(text, "cannot be read: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return source_failed(text, "is not a regular file");
	if ((uint64_t)st.st_size > ask->source->max_bytes) {
		return source_failed(text, "is %" PRId64 " bytes, at most %" PRIu64
		    " are allowed (max_bytes)", (int64_t)st.st_size, ask->source->max_bytes);
	}
	name_state(&st, text->etag);
	if (ask->last->have_hash && strcmp(text->etag, ask->last->etag) == 0)
		return SOURCE_SAME;
	/* left alone first, then read: two writes may share one tick of the file's clock */
	wait_ms(unsettled_ms(&st));
	*again = !is_unchanged(path, &st);
	if (*again)
		return SOURCE_FAILED;
	if (!read_exactly(fd, text, (size_t)st.st_size)) {
		if (errno != 0)
			return source_failed(text, "cannot be read: %s", strerror(errno));
		*again = true;
		return SOURCE_FAILED;
	}
	*again = !is_unchanged(path, &st);
	return SOURCE_READ;
}

enum source_outcome
source_file_read(const struct source_ask *ask, struct source_text *text)
{
	int64_t until = loop_now_ms() + PATIENCE_MS;
	enum source_outcome outcome;
	bool again;
	int fd;

	do {
		again = false;
		/* O_NONBLOCK: a FIFO must not hang us */
		fd = open(ask->source->location, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd < 0)
			return source_failed(text, "cannot be opened%s: %s",
			    errno == EACCES ? " by the agent's user" : "", strerror(errno));
		outcome = read_once(ask, fd, text, &again);
		close(fd);
		if (!again)
			return outcome;
		wait_ms(AGAIN_MS);
	} while (loop_now_ms() < until);
	return source_failed(text, "is being written: it changed whenever it was read for %d s",
	    PATIENCE_MS / 1000);
}
