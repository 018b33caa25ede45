/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/preload.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "runtime/http.h"

#define NSSWITCH	"/etc/nsswitch.conf"
#define NSS_LINE_MAX	512

/* One service of the line "hosts: files resolve [!UNAVAIL=return] dns". */
static void
load_service(const char *word)
{
	char name[64];
	const char *at;

	for (at = word; *at != '\0'; at++) {
		if (!isalnum((unsigned char)*at) && *at != '_')
			return;
	}
	/* in the C library itself */
	if (strcmp(word, "files") == 0 || strcmp(word, "dns") == 0)
		return;
	if (snprintf(name, sizeof(name), "libnss_%s.so.2", word) < (int)sizeof(name))
		(void)dlopen(name, RTLD_NOW);
}

/* The C library's name services are modules, loaded at the first look-up: code, which comes no more then. */
static void
load_name_services(void)
{
	char line[NSS_LINE_MAX], *word, *next;
	FILE *file;

	file = fopen(NSSWITCH, "re");
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		next = line + strspn(line, " \t");
		if (strncmp(next, "hosts:", 6) != 0)
			continue;
		next[strcspn(next, "#\r\n")] = '\0';
		next += 6;
		while ((word = strsep(&next, " \t")) != NULL)
			load_service(word);
	}
	fclose(file);
}

void
preload_online(void)
{
	load_name_services();
	/* glibc unwinds a thread that ends early with it */
	(void)dlopen("libgcc_s.so.1", RTLD_NOW);
	http_free(http_new());
}
