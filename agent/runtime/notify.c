/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The protocol is documented in sd_notify(3) and sd_watchdog_enabled(3). */
#include "runtime/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un notify_to;
static socklen_t notify_len;		/* 0: nobody to tell */
static int64_t notify_period_ms;

static void
read_socket(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len;

	if (path == NULL || (path[0] != '/' && path[0] != '@'))
		return;
	len = strlen(path);
	if (len >= sizeof(notify_to.sun_path))
		return;
	notify_to.sun_family = AF_UNIX;
	memcpy(notify_to.sun_path, path, len);
	if (path[0] == '@')
		notify_to.sun_path[0] = '\0';	/* abstract: the length counts, no NUL */
	notify_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static void
read_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	long long period;

	if (usec == NULL || (pid != NULL && strtoll(pid, NULL, 10) != getpid()))
		return;
	period = strtoll(usec, NULL, 10);
	if (period > 0)
		notify_period_ms = period / 2000;
}

void
notify_init(void)
{
	read_socket();
	read_watchdog();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void
notify_send(const char *text)
{
	int fd;

	if (notify_len == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&notify_to,
	    notify_len);
	close(fd);
}

int64_t
notify_watchdog_ms(void)
{
	return notify_period_ms;
}
