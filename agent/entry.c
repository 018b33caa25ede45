/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "entry.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "runtime/channel.h"
#include "threatlistd/log.h"

#define MMAP_THRESHOLD	(128 * 1024)	/* bytes, mallopt(3) */

void
entry_begin(bool person)
{
	log_init("threatlistd", person ? LOG_STYLE_PERSON : LOG_STYLE_JOURNAL);
	/* a list's worth of memory goes back when it is freed: glibc would raise this by itself */
	mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	mallopt(M_TRIM_THRESHOLD, MMAP_THRESHOLD);
	mallopt(M_ARENA_MAX, 1);
}

int
entry_become(const struct entry *entries, size_t n, const char *role)
{
	struct stat st;
	char name[16];
	size_t i;

	for (i = 0; i < n && strcmp(entries[i].role, role) != 0; i++)
		;
	if (i == n) {
		fprintf(stderr, "threatlistd: there is no role %s here\n", role);
		return 2;
	}
	if (fstat(CHANNEL_FD, &st) != 0 || !S_ISSOCK(st.st_mode)) {
		fprintf(stderr, "threatlistd: roles are started by the agent itself\n");
		return 2;
	}
	/* in ps: the kernel's choice is the last part of the path, "exe" or a number */
	snprintf(name, sizeof(name), "tl-%s", role);
	prctl(PR_SET_NAME, name);
	log_init(entries[i].role, log_style());
	return entries[i].main();
}
