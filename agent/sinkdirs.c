/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sinkdirs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/durable.h"
#include "threatlistd/log.h"

#define SINKDIR_MODE	0750

static bool
dir_of(const char *file, char dir[static PATH_MAX])
{
	char *slash;

	if (snprintf(dir, PATH_MAX, "%s", file) >= PATH_MAX)
		return false;
	slash = strrchr(dir, '/');
	if (slash == NULL || slash == dir)
		return false;
	*slash = '\0';
	return true;
}

/* Cuts dir to the first part of it that is not there; false: all of it is. */
static bool
cut_to_missing(char dir[static PATH_MAX])
{
	struct stat st;
	char *at = dir;

	while (at != NULL) {
		at = strchr(at + 1, '/');
		if (at != NULL)
			*at = '\0';
		if (stat(dir, &st) != 0)
			return errno == ENOENT;
		if (at != NULL)
			*at = '/';
	}
	return false;
}

void
sinkdirs_look(const struct conf *conf, sinkdir_fn *found, void *arg)
{
	char dir[PATH_MAX];
	size_t i;

	for (i = 0; i < conf->nsinks; i++) {
		const struct conf_sink *sink = &conf->sinks[i];

		if (sink->type == SINK_FILE && dir_of(sink->path, dir) && cut_to_missing(dir))
			found(sink, dir, arg);
	}
}

/* Only the file's own directory is missing. */
static bool
is_last(const struct conf_sink *sink, const char *missing)
{
	char dir[PATH_MAX];

	return dir_of(sink->path, dir) && strcmp(dir, missing) == 0;
}

static void
log_missing(const struct conf_sink *sink, const char *missing, const char *error)
{
	log_warn("sink directory missing sink=%s path=%s missing=%s error=\"%s\"", sink->name,
	    sink->path, missing, error);
}

/* Whatever the umask of the service: the group that may read findings gets to them. */
static int
make_with_mode(const char *dir)
{
	mode_t mask = umask((mode_t)~SINKDIR_MODE & 0777);
	int error = mkdir(dir, SINKDIR_MODE) == 0 ? 0 : -errno;

	umask(mask);
	return error;
}

static void
make_dir(const struct conf_sink *sink, const char *missing, void *arg)
{
	int error;

	if (!is_last(sink, missing)) {
		log_missing(sink, missing, "the agent makes no more than the last directory");
		return;
	}
	error = make_with_mode(missing);
	if (error == 0)
		error = durable_sync_above(missing);
	else if (error == -EEXIST)
		error = 0;
	if (error != 0)
		log_missing(sink, missing, strerror(-error));
	else
		log_notice("sink directory made sink=%s path=%s", sink->name, missing);
}

void
sinkdirs_make(const struct conf *conf)
{
	sinkdirs_look(conf, make_dir, NULL);
}

static void
check_dir(const struct conf_sink *sink, const char *missing, void *arg)
{
	if (!is_last(sink, missing))
		log_missing(sink, missing, "the agent makes no more than the last directory");
}

void
sinkdirs_check(const struct conf *conf)
{
	sinkdirs_look(conf, check_dir, NULL);
}
