/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/exceptions.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/durable.h"
#include "threatlistd/log.h"

#define ALLOW_FILE	"allow"
#define ALLOW_HEAD	"# kept from the sets allow4 and allow6; edit those, not this\n"
#define LINE_MAX_BYTES	(RANGE_TEXT_MAX + ENFORCE_COMMENT_MAX + 8)
#define EXCEPTIONS_MAX	131072u	/* of both families */
#define READINGS_MAX	(2 * EXCEPTIONS_MAX)	/* pieces of lines: a file that is not ours may be endless */

struct writing {
	FILE *out;
	size_t n;
};

static void
write_one(const struct enforce_allow *allow, void *arg)
{
	struct writing *writing = arg;
	char text[RANGE_TEXT_MAX], comment[ENFORCE_COMMENT_MAX];
	size_t i;

	if (writing->n++ >= EXCEPTIONS_MAX)
		return;
	memcpy(comment, allow->comment, sizeof(comment));
	for (i = 0; comment[i] != '\0'; i++) {
		if (comment[i] == '\n' || comment[i] == '\r')
			comment[i] = ' ';
	}
	fprintf(writing->out, "%s%s%s\n", range_text(&allow->range, text),
	    comment[0] != '\0' ? " # " : "", comment);
}

void
exceptions_keep(const struct enforce *enforce, const char *state_dir)
{
	struct writing writing = { .n = 0 };
	char *text = NULL;
	size_t size = 0;
	int error = -ENOMEM;

	writing.out = open_memstream(&text, &size);
	if (writing.out != NULL) {
		fputs(ALLOW_HEAD, writing.out);
		enforce_allow(enforce, write_one, &writing);
		if (fclose(writing.out) == 0)
			error = durable_replace(state_dir, ALLOW_FILE, text, size);
	}
	free(text);
	if (error != 0)
		log_error("exceptions not kept path=%s/" ALLOW_FILE " error=\"%s\"",
		    state_dir, strerror(-error));
}

/* "RANGE # COMMENT"; false: it is something else. */
static bool
read_line(char *line, struct enforce_allow *allow)
{
	unsigned int notes = 0;
	char *comment;

	line[strcspn(line, "\n")] = '\0';
	comment = strstr(line, " # ");
	if (comment != NULL) {
		*comment = '\0';
		comment += 3;
	}
	memset(allow, 0, sizeof(*allow));
	snprintf(allow->comment, sizeof(allow->comment), "%s", comment != NULL ? comment : "");
	return range_parse(&allow->range, line, strlen(line), &notes) == NULL;
}

size_t
exceptions_load(const char *state_dir, struct enforce_allow **all)
{
	char path[PATH_MAX], line[LINE_MAX_BYTES];
	unsigned int bad = 0, readings = 0;
	size_t n = 0, room = 0;
	FILE *file;
	int fd;

	*all = NULL;
	snprintf(path, sizeof(path), "%s/" ALLOW_FILE, state_dir);
	fd = durable_open(path);
	file = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (file == NULL) {
		if (fd != -ENOENT)
			log_error("exceptions not read path=%s error=\"%s\"", path,
			    strerror(fd < 0 ? -fd : errno));
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (n < EXCEPTIONS_MAX && readings++ < READINGS_MAX &&
	    fgets(line, sizeof(line), file) != NULL) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (n == room) {
			size_t more = room == 0 ? 16 : 2 * room;
			struct enforce_allow *grown = realloc(*all, more * sizeof(*grown));

			if (grown == NULL)
				break;
			*all = grown;
			room = more;
		}
		if (read_line(line, &(*all)[n]))
			n++;
		else
			bad++;
	}
	if (bad > 0)
		log_warn("exceptions not understood path=%s lines=%u", path, bad);
	fclose(file);
	return n;
}
