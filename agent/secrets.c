/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secrets.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "threatlistd/log.h"
#include "users.h"

#define ANYBODY		(S_IROTH | S_IWOTH)

/* What is gone through, and what was told of already: sinks share tokens. */
struct look {
	secret_fn *found;
	void *arg;
	struct {
		dev_t dev;
		ino_t ino;
	} told[SECRETS_MAX];
	size_t ntold;
};

/* A file that may be read is safe where nobody else can get to it. */
static bool
is_closed_above(const char *file)
{
	char path[PATH_MAX], *slash;
	struct stat st;

	if (realpath(file, path) == NULL)
		return true;
	slash = strrchr(path, '/');
	for (; slash != NULL && slash != path; slash = strrchr(path, '/')) {
		*slash = '\0';
		if (stat(path, &st) == 0 && (st.st_mode & S_IXOTH) == 0)
			return true;
	}
	return false;
}

static bool
is_known(const struct look *look, const struct stat *st)
{
	size_t i;

	for (i = 0; i < look->ntold; i++) {
		if (look->told[i].dev == st->st_dev && look->told[i].ino == st->st_ino)
			return true;
	}
	return false;
}

/* Without such a user the agent is somebody else's, and the file is as it should be with its owner. */
static bool
is_of_agent(const struct stat *st)
{
	uid_t agent;

	return !user_id(AGENT_USER, &agent) || st->st_uid == agent;
}

/* The agent must still be able to read it: as its owner, or as a member of its group. */
static void
say_fix(struct secret *secret, const struct stat *st)
{
	if (secret->list)
		snprintf(secret->fix, sizeof(secret->fix), "chmod o-w %s", secret->path);
	else if (is_of_agent(st))
		snprintf(secret->fix, sizeof(secret->fix), "chmod 0600 %s", secret->path);
	else
		snprintf(secret->fix, sizeof(secret->fix), "chown root:" AGENT_USER
		    " %s; chmod 0640 %s", secret->path, secret->path);
}

static void __attribute__((format(printf, 4, 5)))
look_at(struct look *look, const char *path, mode_t wrong, const char *fmt, ...)
{
	struct secret secret = { .path = path, .list = wrong == S_IWOTH };
	struct stat st;
	va_list args;

	if (path == NULL || stat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
	    (st.st_mode & wrong) == 0 || is_known(look, &st) || is_closed_above(path) ||
	    look->ntold == SECRETS_MAX)
		return;
	look->told[look->ntold].dev = st.st_dev;
	look->told[look->ntold].ino = st.st_ino;
	look->ntold++;
	secret.mode = st.st_mode & 07777;
	va_start(args, fmt);
	vsnprintf(secret.use, sizeof(secret.use), fmt, args);
	va_end(args);
	say_fix(&secret, &st);
	look->found(&secret, look->arg);
}

static void
look_at_sink(struct look *look, const struct conf_sink *sink)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];

	look_at(look, sink->token_file, ANYBODY, "token_file of sink %.64s", sink->name);
	look_at(look, sink->header_file, ANYBODY, "header_file of sink %.64s", sink->name);
	look_at(look, sink->key_file, ANYBODY, "key_file of sink %.64s", sink->name);
	if (dir != NULL && sink->token_credential != NULL && snprintf(path, sizeof(path), "%s/%s",
	    dir, sink->token_credential) < (int)sizeof(path))
		look_at(look, path, ANYBODY, "token_credential of sink %.64s", sink->name);
}

static void
look_at_aws(struct look *look)
{
	const char *file = getenv("AWS_SHARED_CREDENTIALS_FILE"), *home = getenv("HOME");
	char path[PATH_MAX];

	if (file != NULL && file[0] != '\0')
		look_at(look, file, ANYBODY, "AWS_SHARED_CREDENTIALS_FILE");
	else if (home != NULL && home[0] != '\0' &&
	    snprintf(path, sizeof(path), "%s/.aws/credentials", home) < (int)sizeof(path))
		look_at(look, path, ANYBODY, "AWS credentials");
	look_at(look, getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), ANYBODY,
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
}

void
secrets_look(const struct conf *conf, secret_fn *found, void *arg)
{
	struct look look = { .found = found, .arg = arg };
	size_t i;

	for (i = 0; i < conf->nsources; i++) {
		if (conf->sources[i].type == SOURCE_FILE)
			look_at(&look, conf->sources[i].location, S_IWOTH, "list of source %.64s",
			    conf->sources[i].name);
	}
	for (i = 0; i < conf->nsinks; i++)
		look_at_sink(&look, &conf->sinks[i]);
	if (conf_calls_aws(conf))
		look_at_aws(&look);
}

static void
log_secret(const struct secret *secret, void *arg)
{
	if (secret->list)
		log_warn("list writable by everyone path=%s use=\"%s\" mode=%04o run=\"%s\"",
		    secret->path, secret->use, (unsigned int)secret->mode, secret->fix);
	else
		log_warn("secret open to others path=%s use=\"%s\" mode=%04o run=\"%s\"",
		    secret->path, secret->use, (unsigned int)secret->mode, secret->fix);
}

void
secrets_log(const struct conf *conf)
{
	secrets_look(conf, log_secret, NULL);
}
