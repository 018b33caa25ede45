/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "enforce/ledger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/durable.h"
#include "threatlistd/log.h"

#define BOOT_ID_PATH	"/proc/sys/kernel/random/boot_id"
#define BOOT_ID_LEN	36	/* a UUID, random(4) */

/* since Linux 5.14; older headers do not name it */
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE	71
#endif

/*
 * Tables are numbered anew with each boot and in each network namespace; the
 * cookie of one is never used again while the system is up.
 */
static int
read_origin(char origin[static LEDGER_ORIGIN_MAX])
{
	char boot[BOOT_ID_LEN + 1];
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	ssize_t n;
	int fd;

	fd = open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, boot, BOOT_ID_LEN);
	close(fd);
	if (n != BOOT_ID_LEN)
		return n < 0 ? -errno : -EIO;
	boot[n] = '\0';
	/* any family would do: this one the role may have */
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	n = getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len);
	close(fd);
	if (n != 0)
		return -errno;
	snprintf(origin, LEDGER_ORIGIN_MAX, "%s/%llx", boot, (unsigned long long)cookie);
	return 0;
}

/* Blocks are allocated before they are written: a full disk must not be a SIGBUS. */
static int
reserve_blocks(uint64_t offset, uint64_t size, void *arg)
{
	const struct ledger_file *file = arg;

	return -posix_fallocate(file->fd, (off_t)offset, (off_t)size);
}

/* The agent's own, or none: what somebody else put in its place makes way for one. */
static int
open_own(const char *path)
{
	int fd, error = 0, tries;

	for (tries = 0; tries < 2; tries++) {
		fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
		if (fd >= 0)
			error = durable_check(fd, path);
		else
			error = -errno;
		if (error == 0)
			return fd;
		if (fd >= 0)
			close(fd);
		if ((error != -EPERM && error != -EACCES && error != -EINVAL &&
		    error != -ELOOP) || unlink(path) != 0)
			return error;
		log_warn("ledger replaced path=%s error=\"%s\"", path, strerror(-error));
	}
	return error;
}

/* The file, locked, of the right size: any other is emptied first. */
static int
open_file(struct ledger_file *file, const char *path)
{
	struct stat stat;

	file->fd = open_own(path);
	if (file->fd < 0)
		return file->fd;
	if (fstat(file->fd, &stat) != 0)
		return -errno;
	if (flock(file->fd, LOCK_EX | LOCK_NB) != 0)
		return -errno;
	if ((uint64_t)stat.st_size != file->size &&
	    (ftruncate(file->fd, 0) != 0 || ftruncate(file->fd, (off_t)file->size) != 0))
		return -errno;
	return 0;
}

static int
open_ledger(struct ledger_file *file, const char *origin)
{
	struct ledger_conf conf = {
		.max_elements = LEDGER_ELEMENTS, .max_keys = LEDGER_KEYS, .origin = origin,
		.reserve = file->fd >= 0 ? reserve_blocks : NULL, .reserve_arg = file,
	};
	const char *anew;
	int error;

	file->region = mmap(NULL, file->size, PROT_READ | PROT_WRITE, file->fd >= 0 ?
	    MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, file->fd, 0);
	if (file->region == MAP_FAILED) {
		file->region = NULL;
		return -errno;
	}
	conf.region = file->region;
	if (getrandom(&conf.epoch, sizeof(conf.epoch), 0) < 0 ||
	    getrandom(conf.seed, sizeof(conf.seed), 0) < 0)
		return -errno;
	error = ledger_open(&file->ledger, &conf, &anew);
	if (error != 0)
		return error;
	file->anew = anew != NULL;
	if (anew != NULL)
		log_info("ledger begun reason=\"the file is %s\"", anew);
	return 0;
}

static int
on_disk(struct ledger_file *file, const char *path)
{
	char origin[LEDGER_ORIGIN_MAX];
	int error;

	error = read_origin(origin);
	if (error == 0)
		error = open_file(file, path);
	if (error == 0)
		error = open_ledger(file, origin);
	if (error != 0)
		ledger_file_close(file);
	return error;
}

int
ledger_file_open(struct ledger_file *file, const char *dir)
{
	char path[PATH_MAX];
	int error = -ENAMETOOLONG;

	memset(file, 0, sizeof(*file));
	file->fd = -1;
	file->size = ledger_size(LEDGER_ELEMENTS, LEDGER_KEYS);
	if (snprintf(path, sizeof(path), "%s/ledger", dir) < (int)sizeof(path))
		error = on_disk(file, path);
	if (error == 0)
		return 0;
	snprintf(file->trouble, sizeof(file->trouble),
	    "counts are kept in memory alone: %.120s/ledger: %s", dir, strerror(-error));
	log_warn("ledger in memory alone path=%s error=\"%s\"", path, strerror(-error));
	error = open_ledger(file, "");
	if (error != 0)
		ledger_file_close(file);
	return error;
}

void
ledger_file_close(struct ledger_file *file)
{
	ledger_free(file->ledger);
	file->ledger = NULL;
	if (file->region != NULL)
		munmap(file->region, file->size);
	file->region = NULL;
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}
