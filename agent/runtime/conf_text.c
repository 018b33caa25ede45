/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/conf_text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "threatlistd/log.h"

void
conf_text_trim(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		text[--len] = '\0';
}

void
conf_lines_begin(struct conf_lines *lines, const struct conf_text *text)
{
	static const char mark[] = "\xef\xbb\xbf";	/* UTF-8 byte order mark */

	lines->at = text->data;
	lines->end = text->data + text->size;
	lines->number = 0;
	if (text->size >= 3 && memcmp(text->data, mark, 3) == 0)
		lines->at += 3;
}

/* Bytes of the UTF-8 character at text (RFC 3629: no overlong forms, no surrogates), 0: none. */
static size_t
character_len(const unsigned char *text, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len, i;

	if (text[0] < 0x80)
		return 1;
	len = text[0] >= 0xc2 && text[0] <= 0xdf ? 2 : text[0] >= 0xe0 && text[0] <= 0xef ? 3 :
	    text[0] >= 0xf0 && text[0] <= 0xf4 ? 4 : 0;
	if (len == 0 || len > left)
		return 0;
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	if (text[1] < low || text[1] > high)
		return 0;
	for (i = 2; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

static const char *
check_characters(const char *line, size_t size)
{
	const unsigned char *text = (const unsigned char *)line;
	size_t i, len;

	for (i = 0; i < size; i += len) {
		if ((text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
			return text[i] == '\0' ? "a NUL byte: the config is text" :
			    "a control character: the config is text";
		len = character_len(text + i, size - i);
		if (len == 0)
			return "not UTF-8";
	}
	return NULL;
}

/* A comment begins at the start of a line or after a blank: URLs may hold # and ;. */
static void
cut_comment(char *line)
{
	char *at;

	for (at = line; *at != '\0'; at++) {
		if ((*at == '#' || *at == ';') && (at == line || at[-1] == ' ' || at[-1] == '\t')) {
			*at = '\0';
			return;
		}
	}
}

bool
conf_lines_next(struct conf_lines *lines, const char **wrong)
{
	const char *begin = lines->at, *end;
	size_t size, blank;

	if (begin == lines->end)
		return false;
	end = memchr(begin, '\n', (size_t)(lines->end - begin));
	size = (size_t)((end != NULL ? end : lines->end) - begin);
	lines->at = end != NULL ? end + 1 : lines->end;
	lines->number++;
	if (size > 0 && begin[size - 1] == '\r')
		size--;
	*wrong = size > CONF_LINE_MAX ? "a line has at most 4096 bytes, this one is longer" :
	    check_characters(begin, size);
	if (*wrong != NULL)
		return true;
	memcpy(lines->line, begin, size);
	lines->line[size] = '\0';
	cut_comment(lines->line);
	conf_text_trim(lines->line);
	blank = strspn(lines->line, " \t");
	memmove(lines->line, lines->line + blank, strlen(lines->line + blank) + 1);
	return true;
}

static int
cannot(struct conf_error *err, const char *path, const char *why, int error)
{
	snprintf(err->text, sizeof(err->text), "%.300s: %s", path, why);
	return error;
}

/* Reads to the end, at most CONF_FILE_MAX.  0, -errno, or -EFBIG. */
static int
read_all(int fd, char **data, size_t *size)
{
	size_t have = 0;
	ssize_t n;

	*data = malloc(CONF_FILE_MAX + 1);
	if (*data == NULL)
		return -ENOMEM;
	do {
		n = pread(fd, *data + have, CONF_FILE_MAX + 1 - have, (off_t)have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		have += (size_t)n;
	} while (n != 0 && have <= CONF_FILE_MAX);
	*size = have;
	return have > CONF_FILE_MAX ? -EFBIG : 0;
}

/* Adds the file behind fd; name is taken, also on failure. */
static int
add(struct conf_texts *texts, int fd, char *name, struct conf_error *err)
{
	struct conf_text *text = &texts->texts[texts->n];
	char *data = NULL;
	struct stat st;
	int error;

	if (fstat(fd, &st) != 0)
		error = cannot(err, name, strerror(errno), -errno);
	else if (!S_ISREG(st.st_mode))
		error = cannot(err, name, "not a regular file", -EINVAL);
	else
		error = read_all(fd, &data, &text->size);
	if (error == -EFBIG)
		cannot(err, name, "a config file has at most 1 MiB, this one is larger", error);
	else if (error != 0 && S_ISREG(st.st_mode))
		cannot(err, name, strerror(-error), error);
	if (error != 0) {
		free(data);
		free(name);
		return error;
	}
	text->name = texts->names[texts->n] = name;
	text->data = texts->data[texts->n] = data;
	texts->n++;
	return 0;
}

static void
warn_if_open(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (st.st_mode & S_IWOTH) != 0)
		log_warn("config writable by everyone path=%s", path);
}

/* Who can add files to conf.d, or put another in the place of the first, writes the config. */
static void
warn_if_folder_open(const char *folder, bool sticky_is_fine)
{
	struct stat st;

	if (stat(folder, &st) == 0 && (st.st_mode & S_IWOTH) != 0 &&
	    !(sticky_is_fine && (st.st_mode & S_ISVTX) != 0))
		log_warn("config writable by everyone path=%s", folder);
}

static int
add_path(struct conf_texts *texts, const char *path, struct conf_error *err)
{
	char *name;
	int fd, error;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return cannot(err, path, strerror(errno), -errno);
	name = strdup(path);
	error = name == NULL ? cannot(err, path, strerror(ENOMEM), -ENOMEM) :
	    add(texts, fd, name, err);
	if (error == 0)
		warn_if_open(fd, path);
	close(fd);
	return error;
}

static int
wanted(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

static int
by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
add_folder(struct conf_texts *texts, const char *folder, struct conf_error *err)
{
	struct dirent **entries;
	char path[PATH_MAX];
	int n, i, error = 0;

	warn_if_folder_open(folder, false);
	n = scandir(folder, &entries, wanted, by_bytes);
	if (n < 0)
		return errno == ENOENT ? 0 : cannot(err, folder, strerror(errno), -errno);
	for (i = 0; i < n; i++) {
		if (error == 0 && texts->n == CONF_FILES_MAX)
			error = cannot(err, folder, "holds more than 63 files", -E2BIG);
		else if (error == 0 && snprintf(path, sizeof(path), "%s/%s", folder,
		    entries[i]->d_name) >= (int)sizeof(path))
			error = cannot(err, folder, strerror(ENAMETOOLONG), -ENAMETOOLONG);
		else if (error == 0)
			error = add_path(texts, path, err);
		free(entries[i]);
	}
	free(entries);
	return error;
}

int
conf_texts_load(struct conf_texts *texts, const char *path, struct conf_error *err)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	int len = slash == NULL ? 0 : (int)(slash - path + 1);
	int error;

	texts->n = 0;
	error = add_path(texts, path, err);
	if (error != 0)
		return error;
	if (snprintf(folder, sizeof(folder), "%.*s.", len, path) < (int)sizeof(folder))
		warn_if_folder_open(folder, true);
	if (snprintf(folder, sizeof(folder), "%.*sconf.d", len, path) >= (int)sizeof(folder))
		return cannot(err, path, strerror(ENAMETOOLONG), -ENAMETOOLONG);
	return add_folder(texts, folder, err);
}

int
conf_texts_from_fd(struct conf_texts *texts, int fd, struct conf_error *err)
{
	char *name = strdup("config");

	texts->n = 0;
	if (name == NULL)
		return cannot(err, "config", strerror(ENOMEM), -ENOMEM);
	return add(texts, fd, name, err);
}

void
conf_texts_free(struct conf_texts *texts)
{
	size_t i;

	for (i = 0; i < texts->n; i++) {
		free(texts->names[i]);
		free(texts->data[i]);
	}
	texts->n = 0;
}
