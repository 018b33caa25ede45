/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keys that somebody wrote down: in the environment or in a shared credentials file. */
#include "aws/credentials_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#define FILE_MAX	(1 << 20)	/* bytes of a credentials file */
#define PATH_MAX_TEXT	1024
#define ALNUM	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* What a profile may ask for instead of holding keys; the SDKs prefer these to keys beside them. */
static const char *const asks_for_more[] = {
	"role_arn", "source_profile", "credential_source", "web_identity_token_file",
	"credential_process", "sso_session", "sso_start_url", "sso_account_id", "sso_role_name",
	"login_session",
};

static const char *
given(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Printable ASCII without blanks: it becomes part of a header or a key. */
static bool
copy_word(char *to, size_t size, const char *text)
{
	size_t i, len = strlen(text);

	if (len == 0 || len >= size)
		return false;
	for (i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	memcpy(to, text, len + 1);
	return true;
}

bool
credentials_set_id(struct aws_keys *keys, const char *text)
{
	return text[strspn(text, ALNUM "_")] == '\0' &&
	    copy_word(keys->id, sizeof(keys->id), text);
}

bool
credentials_set_secret(struct aws_keys *keys, const char *text)
{
	return copy_word(keys->secret, sizeof(keys->secret), text);
}

bool
credentials_set_token(struct aws_keys *keys, const char *text)
{
	return copy_word(keys->token, sizeof(keys->token), text);
}

int
credentials_environment(struct aws_keys *keys, char *reason)
{
	const char *id = given("AWS_ACCESS_KEY_ID"), *secret = given("AWS_SECRET_ACCESS_KEY");
	const char *token = given("AWS_SESSION_TOKEN");

	if (id == NULL && secret == NULL) {
		if (given("AWS_WEB_IDENTITY_TOKEN_FILE") != NULL)
			return credentials_wrong(reason, -EOPNOTSUPP, "AWS_WEB_IDENTITY_TOKEN_FILE "
			    "is set, but roles by web identity are not supported; use an instance "
			    "role or EKS Pod Identity");
		return credentials_wrong(reason, -ENOENT, "none in the environment");
	}
	if (id == NULL || secret == NULL)
		return credentials_wrong(reason, -EINVAL, "%s is set, but %s is not",
		    id != NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
		    id != NULL ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
	if (!credentials_set_id(keys, id))
		return credentials_wrong(reason, -EINVAL, "AWS_ACCESS_KEY_ID is no access key id");
	if (!credentials_set_secret(keys, secret))
		return credentials_wrong(reason, -EINVAL, "AWS_SECRET_ACCESS_KEY is no secret key");
	if (token != NULL && !credentials_set_token(keys, token))
		return credentials_wrong(reason, -EINVAL, "AWS_SESSION_TOKEN is no session token");
	return 0;
}

static char *
trim(char *text)
{
	char *end;

	text += strspn(text, " \t\r");
	end = text + strlen(text);
	while (end > text && strchr(" \t\r", end[-1]) != NULL)
		*--end = '\0';
	return text;
}

/* [name], as the credentials file has it, or [profile name], as people put it there. */
static bool
opens_profile(char *line, const char *profile)
{
	char *end = strchr(line, ']');

	if (end == NULL)
		return false;
	*end = '\0';
	line = trim(line + 1);
	if (strncmp(line, "profile ", 8) == 0 && strcmp(line, profile) != 0)
		line = trim(line + 8);
	return strcmp(line, profile) == 0;
}

static int
take_setting(struct aws_keys *keys, const char *name, const char *value, const char *profile,
    char *reason)
{
	bool good = true;
	size_t i;

	for (i = 0; i < sizeof(asks_for_more) / sizeof(asks_for_more[0]); i++) {
		if (strcasecmp(name, asks_for_more[i]) == 0)
			return credentials_wrong(reason, -EOPNOTSUPP, "profile `%.64s' asks for "
			    "%s; only aws_access_key_id, aws_secret_access_key and "
			    "aws_session_token are supported", profile, asks_for_more[i]);
	}
	if (strcasecmp(name, "aws_access_key_id") == 0)
		good = credentials_set_id(keys, value);
	else if (strcasecmp(name, "aws_secret_access_key") == 0)
		good = credentials_set_secret(keys, value);
	else if (strcasecmp(name, "aws_session_token") == 0)
		good = credentials_set_token(keys, value);
	if (!good)
		return credentials_wrong(reason, -EINVAL, "%.64s of profile `%.64s' is not one",
		    name, profile);
	return 0;
}

int
credentials_profile(char *text, const char *profile, struct aws_keys *keys, char *reason)
{
	char *line, *split, *next = text;
	bool inside = false, found = false;
	int error = 0;

	while ((line = strsep(&next, "\n")) != NULL && error == 0) {
		/* indented lines belong to the setting above: nothing of ours */
		if (line[0] == '#' || line[0] == ';' || line[0] == ' ' || line[0] == '\t')
			continue;
		if (line[0] == '[') {
			inside = opens_profile(line, profile);
			found = found || inside;
			continue;
		}
		split = strpbrk(line, "=:");
		if (!inside || split == NULL)
			continue;
		*split = '\0';
		error = take_setting(keys, trim(line), trim(split + 1), profile, reason);
	}
	if (error != 0)
		return error;
	if (!found)
		return credentials_wrong(reason, -ENOENT, "there is no profile `%.64s' in the "
		    "shared credentials file (a config file, where roles and SSO are set up, "
		    "is not read)", profile);
	if (keys->id[0] == '\0' && keys->secret[0] == '\0')
		return credentials_wrong(reason, -ENOENT, "profile `%.64s' holds no keys", profile);
	if (keys->id[0] == '\0' || keys->secret[0] == '\0')
		return credentials_wrong(reason, -EINVAL, "profile `%.64s' has no %s", profile,
		    keys->id[0] == '\0' ? "aws_access_key_id" : "aws_secret_access_key");
	return 0;
}

/* The whole file, NUL-terminated, in a block of FILE_MAX + 1 bytes.  0 or -errno. */
static int
read_file(const char *path, char *text)
{
	struct stat st;
	size_t have = 0;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		error = -EINVAL;
	while (error == 0 && have < FILE_MAX && (n = read(fd, text + have, FILE_MAX - have)) > 0)
		have += (size_t)n;
	if (n < 0)
		error = -errno;
	if (error == 0 && have == FILE_MAX)
		error = -EFBIG;
	text[have] = '\0';
	close(fd);
	return error;
}

static bool
find_path(char path[static PATH_MAX_TEXT])
{
	const char *file = given("AWS_SHARED_CREDENTIALS_FILE"), *home = given("HOME");
	int n = 0;

	if (file != NULL)
		n = snprintf(path, PATH_MAX_TEXT, "%s", file);
	else if (home != NULL)
		n = snprintf(path, PATH_MAX_TEXT, "%s/.aws/credentials", home);
	return n > 0 && n < PATH_MAX_TEXT;
}

int
credentials_file(struct aws_keys *keys, char *reason)
{
	const char *profile = given("AWS_PROFILE");
	/* somebody wants it: then it has to work */
	bool wanted = profile != NULL || given("AWS_SHARED_CREDENTIALS_FILE") != NULL;
	char path[PATH_MAX_TEXT], *text;
	int error;

	if (!find_path(path))
		return credentials_wrong(reason, wanted ? -EINVAL : -ENOENT,
		    "AWS_PROFILE is set, but neither HOME nor AWS_SHARED_CREDENTIALS_FILE");
	text = malloc(FILE_MAX + 1);
	if (text == NULL)
		return credentials_wrong(reason, -ENOMEM, "out of memory");
	error = read_file(path, text);
	if (error != 0)
		credentials_wrong(reason, error, "%.160s: %s", path, strerror(-error));
	else
		error = credentials_profile(text, profile != NULL ? profile : "default", keys,
		    reason);
	OPENSSL_cleanse(text, FILE_MAX + 1);
	free(text);
	/* one in the home directory nobody pointed at need not be there or be ours */
	if (wanted && error == -ENOENT)
		return -EINVAL;
	return !wanted && (error == -EACCES || error == -ENOTDIR) ? -ENOENT : error;
}
