/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The whole agent with its clocks ahead by what the file that AHEAD names holds,
 * which a test changes while the agent runs.  The roles that are this program see
 * the same time; feed and reporter do not.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../agent/main.c"

/* Written by the test, in the byte order of the host. */
struct ahead {
	int64_t wall_s, boot_s;
};

static const volatile struct ahead *ahead;
static int (*real)(clockid_t clock, struct timespec *now);

/* Before anything is confined; what is mapped needs no call later. */
__attribute__((constructor)) static void
find_clocks(void)
{
	const char *path = getenv("AHEAD");
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	void *mapped = MAP_FAILED;

	*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	if (fd >= 0) {
		mapped = mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (real == NULL || mapped == MAP_FAILED)
		abort();
	ahead = mapped;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int error = real(clock, now);

	if (clock == CLOCK_REALTIME)
		now->tv_sec += ahead->wall_s;
	else if (clock == CLOCK_BOOTTIME)
		now->tv_sec += ahead->boot_s;
	return error;
}
