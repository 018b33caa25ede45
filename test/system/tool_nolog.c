/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The whole agent on a kernel without nfnetlink_log: as such a kernel does, a
 * transaction with a log statement in it is judged, taken back, and answered
 * with ENOENT.  The calls below libmnl are this program's own; the roles are
 * this program, too.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <linux/netfilter/nf_tables.h>

#include "../../agent/main.c"

#define MESSAGES	1	/* iovec of a transaction: begin, messages, end */

static bool refused;

/* The name of an expression in these messages? */
static bool
has_log(const struct iovec *iov)
{
	const struct nlattr name = { NLA_HDRLEN + sizeof("log"), NFTA_EXPR_NAME };
	uint8_t wanted[NLA_HDRLEN + sizeof("log")];

	memcpy(wanted, &name, NLA_HDRLEN);
	memcpy(wanted + NLA_HDRLEN, "log", sizeof("log"));
	return memmem(iov->iov_base, iov->iov_len, wanted, sizeof(wanted)) != NULL;
}

ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct msghdr part = *msg;

	if (msg->msg_iovlen > MESSAGES && has_log(&msg->msg_iov[MESSAGES])) {
		refused = true;
		part.msg_iovlen = MESSAGES + 1;	/* without its end the kernel takes all back */
	}
	return syscall(SYS_sendmsg, fd, &part, flags);
}

ssize_t
recv(int fd, void *buf, size_t size, int flags)
{
	ssize_t n = syscall(SYS_recvfrom, fd, buf, size, flags, NULL, NULL);
	struct nlmsghdr *nlh = buf;
	struct nlmsgerr *answer = NLMSG_DATA(nlh);

	if (refused && n >= (ssize_t)NLMSG_LENGTH(sizeof(*answer)) &&
	    nlh->nlmsg_type == NLMSG_ERROR) {
		answer->error = -ENOENT;
		refused = false;
	}
	return n;
}
