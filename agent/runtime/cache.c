/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/domains.h"
#include "runtime/durable.h"
#include "runtime/folder.h"

#define FOLDER		"lists"
#define HASH_DIGITS	(2 * LIST_HASH_LEN)
#define SETS_TEXT_MAX	131072	/* bytes of NAME.sets: 64 lines of less than 2048 */
#define FROM_MAX	(HASH_DIGITS + ETAG_MAX + 64 + FETCH_REGION_MAX + 8)	/* bytes of NAME.from */

/* Names become file names.  The config allows no others; here it is made sure of. */
static bool
name_is_safe(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < LIST_NAME_MAX && name[0] != '.' && strchr(name, '/') == NULL;
}

static bool
make_path(char path[static PATH_MAX], const char *state_dir, const char *name, const char *ending)
{
	return snprintf(path, PATH_MAX, "%s/" FOLDER "/%s%s", state_dir, name, ending) < PATH_MAX;
}

static int
make_folder(char folder[static PATH_MAX], const char *state_dir)
{
	if (snprintf(folder, PATH_MAX, "%s/" FOLDER, state_dir) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (mkdir(folder, 0700) == 0)
		return durable_sync_above(folder);
	return errno == EEXIST ? folder_check_below(state_dir, folder) : -errno;
}

/* What somebody else put in the folder's place, while he could, is not to be read. */
static int
open_in_folder(const char *state_dir, const char *path)
{
	char folder[PATH_MAX];
	int error;

	if (snprintf(folder, sizeof(folder), "%s/" FOLDER, state_dir) >= PATH_MAX)
		return -ENAMETOOLONG;
	error = folder_check_below(state_dir, folder);
	return error == 0 ? durable_open(path) : error;
}

static void
hash_text(const uint8_t *hash, char text[static HASH_DIGITS + 1])
{
	size_t i;

	for (i = 0; i < LIST_HASH_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", hash[i]);
}

/* The hash of an image that is going to be stored. */
static int
hash_of(const void *image, size_t size, char text[static HASH_DIGITS + 1])
{
	struct list_error err;
	struct list *list;
	int error = list_open_memory(&list, image, size, &err);

	if (error == 0) {
		hash_text(list_hash(list), text);
		list_free(list);
	}
	return error;
}

int
cache_store(const char *state_dir, const char *name, const void *image, size_t size,
    const char *etag, const char *last_modified, const char *region)
{
	char folder[PATH_MAX], file[LIST_NAME_MAX + 8], from[FROM_MAX], hash[HASH_DIGITS + 1];
	int error, len;

	if (!name_is_safe(name))
		return -EINVAL;
	error = make_folder(folder, state_dir);
	if (error == 0)
		error = hash_of(image, size, hash);
	if (error != 0)
		return error;
	snprintf(file, sizeof(file), "%s.list", name);
	error = durable_replace(folder, file, image, size);
	if (error != 0)
		return error;
	len = snprintf(from, sizeof(from), "%s\n%.*s\n%.*s\n%.*s\n", hash, ETAG_MAX - 1, etag, 63,
	    last_modified, FETCH_REGION_MAX - 1, region);
	snprintf(file, sizeof(file), "%s.from", name);
	return durable_replace(folder, file, from, (size_t)len);
}

/* Takes the next line off *text; NULL when there is none. */
static char *
next_line(char **text)
{
	char *line = *text, *end = strchr(line, '\n');

	if (end == NULL)
		return NULL;
	*end = '\0';
	*text = end + 1;
	return line;
}

/* Validators of exactly this image, or none. */
static void
load_from(const char *state_dir, const char *path, struct cache_copy *copy)
{
	char text[FROM_MAX], hash[HASH_DIGITS + 1], *at = text;
	char *line, *etag, *last_modified, *region;
	ssize_t n;
	int fd;

	fd = open_in_folder(state_dir, path);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	hash_text(list_hash(copy->list), hash);
	line = next_line(&at);
	if (line == NULL || strcmp(line, hash) != 0)
		return;
	etag = next_line(&at);
	last_modified = etag != NULL ? next_line(&at) : NULL;
	if (last_modified == NULL || strlen(etag) >= sizeof(copy->etag) ||
	    strlen(last_modified) >= sizeof(copy->last_modified))
		return;
	memcpy(copy->etag, etag, strlen(etag) + 1);
	memcpy(copy->last_modified, last_modified, strlen(last_modified) + 1);
	region = next_line(&at);
	if (region != NULL && strlen(region) < sizeof(copy->region))
		memcpy(copy->region, region, strlen(region) + 1);
}

static int
wrong(struct list_error *err, int error)
{
	snprintf(err->text, sizeof(err->text), "%s", strerror(-error));
	return error;
}

int
cache_load(const char *state_dir, const char *name, struct cache_copy *copy, struct list_error *err)
{
	char path[PATH_MAX];
	struct stat st;
	int fd, error;

	memset(copy, 0, sizeof(*copy));
	if (!name_is_safe(name))
		return wrong(err, -EINVAL);
	if (!make_path(path, state_dir, name, ".list"))
		return wrong(err, -ENAMETOOLONG);
	fd = open_in_folder(state_dir, path);
	if (fd < 0)
		return wrong(err, fd);
	if (fstat(fd, &st) != 0)
		error = wrong(err, -errno);
	else
		error = list_open(&copy->list, fd, false, err);
	close(fd);
	if (error != 0)
		return error;
	copy->stored_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	if (make_path(path, state_dir, name, ".from"))
		load_from(state_dir, path, copy);
	return 0;
}

int
cache_sets_store(const char *state_dir, const char *name, const char *text, size_t size)
{
	char folder[PATH_MAX], file[LIST_NAME_MAX + 8];
	int error = name_is_safe(name) ? make_folder(folder, state_dir) : -EINVAL;

	if (error != 0)
		return error;
	snprintf(file, sizeof(file), "%s.sets", name);
	return durable_replace(folder, file, text, size);
}

int
cache_sets_load(const char *state_dir, const char *name, char **text)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd, error = 0;

	*text = NULL;
	if (!name_is_safe(name) || !make_path(path, state_dir, name, ".sets"))
		return -EINVAL;
	fd = open_in_folder(state_dir, path);
	if (fd < 0)
		return fd;
	*text = malloc(SETS_TEXT_MAX);
	n = *text != NULL ? read(fd, *text, SETS_TEXT_MAX - 1) : -1;
	if (n < 0) {
		error = *text == NULL ? -ENOMEM : -errno;
		free(*text);
		*text = NULL;
	} else {
		(*text)[n] = '\0';
	}
	close(fd);
	return error;
}

/* At most size bytes of a file.  How many, or -errno. */
static ssize_t
read_file(const char *state_dir, const char *path, char *text, size_t size)
{
	size_t have = 0;
	ssize_t n = 0;
	int fd = open_in_folder(state_dir, path);

	if (fd < 0)
		return fd;
	while (have < size && (n = read(fd, text + have, size - have)) > 0)
		have += (size_t)n;
	if (n < 0)
		n = -errno;
	close(fd);
	return n < 0 ? n : (ssize_t)have;
}

int
cache_domains_load(const char *state_dir, const char *name, char **text, size_t *size,
    uint32_t *n)
{
	char path[PATH_MAX];
	ssize_t have;

	*text = NULL;
	if (!name_is_safe(name) || !make_path(path, state_dir, name, ".domains"))
		return -EINVAL;
	*text = malloc(DOMAINS_BYTES + 1);
	if (*text == NULL)
		return -ENOMEM;
	have = read_file(state_dir, path, *text, DOMAINS_BYTES + 1);
	if (have >= 0 && !domains_check(*text, (size_t)have, n))
		have = -EINVAL;
	if (have < 0) {
		free(*text);
		*text = NULL;
		return (int)have;
	}
	*size = (size_t)have;
	return 0;
}

/* It is gone, also after a power failure; one that is not there is.  0 or -errno. */
static int
remove_file(const char *path)
{
	if (unlink(path) != 0)
		return errno == ENOENT ? 0 : -errno;
	return durable_sync_above(path);
}

int
cache_domains_store(const char *state_dir, const char *name, const char *text, size_t size)
{
	char folder[PATH_MAX], path[PATH_MAX], file[LIST_NAME_MAX + 16], *old;
	size_t nold;
	uint32_t n;
	bool same;
	int error;

	if (!name_is_safe(name) || !make_path(path, state_dir, name, ".domains"))
		return -EINVAL;
	if (text == NULL || size == 0)
		return remove_file(path);
	same = cache_domains_load(state_dir, name, &old, &nold, &n) == 0 && nold == size &&
	    memcmp(old, text, size) == 0;
	free(old);
	if (same)
		return 0;
	error = make_folder(folder, state_dir);
	snprintf(file, sizeof(file), "%s.domains", name);
	return error == 0 ? durable_replace(folder, file, text, size) : error;
}

int
cache_failing_store(const char *state_dir, const char *name, const struct failing *failing)
{
	char folder[PATH_MAX], path[PATH_MAX], file[LIST_NAME_MAX + 16], text[FAILING_TEXT_MAX];
	size_t len;
	int error;

	if (!name_is_safe(name) || !make_path(path, state_dir, name, ".failing"))
		return -EINVAL;
	if (failing == NULL)
		return remove_file(path);
	error = make_folder(folder, state_dir);
	snprintf(file, sizeof(file), "%s.failing", name);
	len = failing_print(failing, text);
	return error == 0 ? durable_replace(folder, file, text, len) : error;
}

int
cache_failing_load(const char *state_dir, const char *name, struct failing *failing)
{
	char path[PATH_MAX], text[FAILING_TEXT_MAX + 1];
	ssize_t n;

	memset(failing, 0, sizeof(*failing));
	if (!name_is_safe(name) || !make_path(path, state_dir, name, ".failing"))
		return -EINVAL;
	n = read_file(state_dir, path, text, sizeof(text) - 1);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	return failing_read(failing, text) ? 0 : -EINVAL;
}

int
cache_forget(const char *state_dir, const char *name)
{
	static const char *const endings[] = { ".from", ".list", ".domains", ".failing" };
	char path[PATH_MAX];
	int error = 0, rc;
	size_t i;

	if (!name_is_safe(name))
		return -EINVAL;
	for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		rc = make_path(path, state_dir, name, endings[i]) ? remove_file(path) :
		    -ENAMETOOLONG;
		error = rc != 0 ? rc : error;
	}
	return error;
}
