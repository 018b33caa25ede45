/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ctl/session.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "threatlistd/addr.h"

#define VARIABLE	"SSH_CONNECTION"
#define ANCESTORS_MAX	32	/* sudo, shells, screen … between us and sshd */
#define ENVIRON_MAX	(128u << 10)	/* bytes of an environment that are looked through */
#define STAT_MAX	512	/* the first fields of /proc/PID/stat */

void
session_append_value(char *text, size_t size, const char *value)
{
	char client[64], out[ADDR_TEXT_MAX];
	unsigned int from, port;
	size_t at = strlen(text);
	struct addr addr;

	if (sscanf(value, "%63s %5u %*s %5u", client, &from, &port) != 3)
		return;
	client[strcspn(client, "%")] = '\0';	/* fe80::1%eth0 */
	if (port == 0 || port > 65535 || addr_parse(&addr, client, strlen(client)) != NULL)
		return;
	snprintf(text + at, size - at, " %s %u", addr_text(&addr, out), port);
}

/* In an environment as /proc has it; NULL: it is not there. */
static const char *
find(const char *environment, size_t size)
{
	const char *at = environment;

	while (at < environment + size) {
		if (strncmp(at, VARIABLE "=", strlen(VARIABLE) + 1) == 0)
			return at + strlen(VARIABLE) + 1;
		at += strlen(at) + 1;
	}
	return NULL;
}

/* False: there is none that may be read. */
static bool
append_of(pid_t pid, char *text, size_t size)
{
	static char environment[ENVIRON_MAX + 1];
	const char *value;
	char path[64];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	n = fread(environment, 1, ENVIRON_MAX, file);
	fclose(file);
	environment[n] = '\0';
	value = find(environment, n);
	if (value == NULL)
		return false;
	session_append_value(text, size, value);
	return true;
}

/* 0: it has none, or it cannot be read. */
static pid_t
parent_of(pid_t pid)
{
	char path[64], stat[STAT_MAX];
	const char *name_end;
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	stat[fread(stat, 1, sizeof(stat) - 1, file)] = '\0';
	fclose(file);
	/* PID (NAME) STATE PPID: the name may hold anything, also parentheses */
	name_end = strrchr(stat, ')');
	if (name_end == NULL || sscanf(name_end + 1, " %*c %d", &parent) != 1)
		return 0;
	return (pid_t)parent;
}

void
session_append(char *text, size_t size)
{
	const char *own = getenv(VARIABLE);
	pid_t pid = getpid();
	int i;

	if (own != NULL) {
		session_append_value(text, size, own);
		return;
	}
	for (i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
		pid = parent_of(pid);
		if (pid > 1 && append_of(pid, text, size))
			return;
	}
}
