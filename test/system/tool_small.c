/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The whole agent on a kernel that has no memory for a large transaction, as in a
 * cgroup whose limit is the list's: it is answered with ENOMEM.  The call below
 * libmnl is this program's own; the roles are this program, too.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../agent/main.c"

#define MESSAGES	1		/* iovec of a transaction: begin, messages, end */
#define LARGE		200000		/* bytes */

ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (msg->msg_iovlen > MESSAGES + 1 && msg->msg_iov[MESSAGES].iov_len > LARGE) {
		errno = ENOMEM;
		return -1;
	}
	return syscall(SYS_sendmsg, fd, msg, flags);
}
