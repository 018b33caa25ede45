/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The C library has no functions for this, and the kernel headers of the
 * oldest systems we build on know only a part: the interface is spelt out
 * here, from include/uapi/linux/landlock.h of Linux 6.15.
 */
#include "runtime/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same numbers on every machine. */
#define CALL_CREATE_RULESET	444
#define CALL_ADD_RULE		445
#define CALL_RESTRICT_SELF	446

#define CREATE_RULESET_VERSION	1u
#define RULE_PATH_BENEATH	1

#define FS_EXECUTE		(UINT64_C(1) << 0)
#define FS_WRITE_FILE		(UINT64_C(1) << 1)
#define FS_READ_FILE		(UINT64_C(1) << 2)
#define FS_READ_DIR		(UINT64_C(1) << 3)
#define FS_REMOVE_DIR		(UINT64_C(1) << 4)
#define FS_REMOVE_FILE		(UINT64_C(1) << 5)
#define FS_MAKE_CHAR		(UINT64_C(1) << 6)
#define FS_MAKE_REG		(UINT64_C(1) << 8)
#define FS_MAKE_SOCK		(UINT64_C(1) << 9)
#define FS_MAKE_FIFO		(UINT64_C(1) << 10)
#define FS_MAKE_BLOCK		(UINT64_C(1) << 11)
#define FS_MAKE_SYM		(UINT64_C(1) << 12)
#define FS_TRUNCATE		(UINT64_C(1) << 14)
#define FS_OF_ABI1		((UINT64_C(1) << 13) - 1)
#define FS_OF_ABI2		((UINT64_C(1) << 14) - 1)	/* and links between directories */
#define FS_OF_ABI3		((UINT64_C(1) << 15) - 1)	/* and truncate */
#define FS_OF_ABI5		((UINT64_C(1) << 16) - 1)	/* and ioctl of devices */
#define NET_BIND_TCP		(UINT64_C(1) << 0)		/* since ABI 4 */
#define NET_CONNECT_TCP		(UINT64_C(1) << 1)
#define SCOPE_ABSTRACT		(UINT64_C(1) << 0)		/* sockets; since ABI 6 */
#define SCOPE_SIGNAL		(UINT64_C(1) << 1)

#define FS_OF_A_FILE		(FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)
#define FS_READ			(FS_READ_FILE | FS_READ_DIR)
#define FS_STARTER		(FS_EXECUTE | FS_REMOVE_DIR | FS_MAKE_CHAR | FS_MAKE_SOCK | \
				 FS_MAKE_FIFO | FS_MAKE_BLOCK | FS_MAKE_SYM)
#define FS_WRITE		(FS_READ | FS_WRITE_FILE | FS_REMOVE_FILE | FS_MAKE_REG | FS_TRUNCATE)

struct ruleset_attr {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

struct landlock {
	int fd;
	uint64_t handled;
};

int
landlock_abi(void)
{
	long abi = syscall(CALL_CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

/* What is handled is refused where no rule allows it. */
static struct ruleset_attr
handled_by(enum landlock_kind kind, int abi)
{
	struct ruleset_attr attr = { 0 };

	attr.handled_access_fs = kind == LANDLOCK_STARTER ? FS_STARTER : abi >= 5 ? FS_OF_ABI5 :
	    abi >= 3 ? FS_OF_ABI3 : abi == 2 ? FS_OF_ABI2 : FS_OF_ABI1;
	if (abi >= 4)
		attr.handled_access_net = NET_BIND_TCP |
		    (kind == LANDLOCK_OFFLINE ? NET_CONNECT_TCP : 0);
	/* a service manager may listen at an abstract address, and waits for the starter */
	if (abi >= 6)
		attr.scoped = SCOPE_SIGNAL | (kind == LANDLOCK_STARTER ? 0 : SCOPE_ABSTRACT);
	return attr;
}

struct landlock *
landlock_new(enum landlock_kind kind)
{
	struct ruleset_attr attr;
	struct landlock *landlock;
	int abi = landlock_abi();
	size_t size;

	if (abi == 0) {
		errno = ENOSYS;
		return NULL;
	}
	landlock = calloc(1, sizeof(*landlock));
	if (landlock == NULL)
		return NULL;
	attr = handled_by(kind, abi);
	landlock->handled = attr.handled_access_fs;
	/* an older kernel refuses fields that it does not know, even empty ones of a larger size */
	size = (abi >= 6 ? 3 : abi >= 4 ? 2 : 1) * sizeof(uint64_t);
	landlock->fd = (int)syscall(CALL_CREATE_RULESET, &attr, size, 0);
	if (landlock->fd < 0) {
		free(landlock);
		return NULL;
	}
	return landlock;
}

void
landlock_free(struct landlock *landlock)
{
	if (landlock == NULL)
		return;
	close(landlock->fd);
	free(landlock);
}

int
landlock_allow(struct landlock *landlock, const char *path, enum landlock_way way)
{
	static const uint64_t accesses[] = {
		[LANDLOCK_READ] = FS_READ, [LANDLOCK_WRITE] = FS_WRITE,
		[LANDLOCK_EXECUTE] = FS_EXECUTE, [LANDLOCK_SOCKETS] = FS_MAKE_SOCK,
	};
	struct path_beneath_attr attr = { 0 };
	struct stat st;
	int error = 0;

	attr.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (attr.parent_fd < 0)
		return -errno;
	attr.allowed_access = landlock->handled & accesses[way];
	if (fstat(attr.parent_fd, &st) != 0)
		error = -errno;
	else if (!S_ISDIR(st.st_mode))
		attr.allowed_access &= FS_OF_A_FILE;
	if (error == 0 && syscall(CALL_ADD_RULE, landlock->fd, RULE_PATH_BENEATH, &attr, 0) != 0)
		error = -errno;
	close(attr.parent_fd);
	return error;
}

int
landlock_enter(const struct landlock *landlock)
{
	return syscall(CALL_RESTRICT_SELF, landlock->fd, 0) == 0 ? 0 : -errno;
}
