/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The whole agent on a host whose name services are far away: what asks them waits
 * for ever where the file that NAMES names is empty, and else learns the id that it
 * holds of the group "far".  Its clocks are tool_ahead's.
 */
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "tool_ahead.c"

static int
answer(void)
{
	const char *path = getenv("NAMES");
	FILE *file = path == NULL ? NULL : fopen(path, "re");
	int id, got = 0;

	if (file != NULL) {
		got = fscanf(file, "%d", &id);
		fclose(file);
	}
	while (got != 1)
		poll(NULL, 0, -1);
	return id;
}

struct group *
getgrnam(const char *name)
{
	static char known[] = "far";
	static struct group far = { .gr_name = known };

	far.gr_gid = (gid_t)answer();
	errno = 0;
	return strcmp(name, known) == 0 && far.gr_gid != 0 ? &far : NULL;
}

struct passwd *
getpwuid(uid_t uid)
{
	answer();
	return NULL;
}

struct passwd *
getpwnam(const char *name)
{
	answer();
	return NULL;
}
