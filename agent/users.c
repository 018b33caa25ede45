/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "users.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define PASSWD_FILE	"/etc/passwd"

/* The first user with this name, or (NULL) with this uid.  What it says is static. */
static const struct passwd *
find(const char *name, uid_t uid)
{
	FILE *file = fopen(PASSWD_FILE, "re");
	const struct passwd *user = NULL;

	if (file == NULL)
		return NULL;
	do {
		user = fgetpwent(file);
	} while (user != NULL &&
	    (name != NULL ? strcmp(user->pw_name, name) != 0 : user->pw_uid != uid));
	fclose(file);
	return user;
}

bool
user_id(const char *name, uid_t *uid)
{
	const struct passwd *user = find(name, 0);

	if (user != NULL)
		*uid = user->pw_uid;
	return user != NULL;
}

bool
user_name(uid_t uid, char name[static USER_NAME_MAX])
{
	const struct passwd *user = find(NULL, uid);

	snprintf(name, USER_NAME_MAX, "%s", user != NULL ? user->pw_name : "?");
	return user != NULL;
}
