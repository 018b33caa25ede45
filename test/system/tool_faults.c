/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tool_enforce over a netlink that fails on demand.  The calls below libmnl are
 * this program's own; the file that FAULTS names says, in one line, what is to
 * happen: KIND FIRST COUNT [ERRNO].  From the FIRST transaction (or dump) after
 * the line was written on, COUNT of them go wrong:
 *
 *	send	not sent, with ERRNO
 *	answer	judged and taken back by the kernel, answered with -ERRNO
 *	lost	committed, but the answer found no room in the socket
 *	before	the process is killed instead of it
 *	after	… when the kernel has committed it
 *	intr	a dump was interrupted by somebody's transaction
 *	then	when the kernel has committed it, somebody else's is next: nft -f ASIDE
 *	amid	… when the first answer of a dump has come, and there are more
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include "tool_enforce.c"

#define BATCH_PARTS	3		/* begin, messages, end: a transaction that is meant */

static struct {
	char line[64], kind[16];
	int first, count, error;
	int seen;			/* transactions or dumps since the line was read */
	bool rewrite, lose;		/* what the next answers get */
	bool dumping;			/* some answers of a dump came, not its end */
} faults;

static void
read_line(void)
{
	const char *path = getenv("FAULTS");
	char line[sizeof(faults.line)] = "";
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, line, sizeof(line) - 1) < 0)
			line[0] = '\0';
		close(fd);
	}
	if (strcmp(line, faults.line) == 0)
		return;
	memset(&faults, 0, sizeof(faults));
	memcpy(faults.line, line, sizeof(line));
	if (sscanf(line, "%15s %d %d %d", faults.kind, &faults.first, &faults.count,
	    &faults.error) < 3)
		faults.count = 0;
}

/* One more transaction or dump: does it go wrong? */
static bool
strikes(void)
{
	faults.seen++;
	return faults.seen >= faults.first && faults.seen < faults.first + faults.count;
}

static bool
is_kind(const char *kind)
{
	return strcmp(faults.kind, kind) == 0;
}

/* What another program commits just now. */
static void
somebody_else(void)
{
	const char *path = getenv("ASIDE");
	pid_t pid = path == NULL ? -1 : fork();

	if (pid == 0) {
		execlp("nft", "nft", "-f", path, NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static bool
is_about_dumps(void)
{
	return is_kind("intr") || is_kind("amid");
}

static ssize_t
pass_on(int fd, const struct msghdr *msg, int flags)
{
	return syscall(SYS_sendmsg, fd, msg, flags);
}

ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct msghdr part = *msg;
	ssize_t n;

	if (msg->msg_iovlen != BATCH_PARTS)
		return pass_on(fd, msg, flags);
	read_line();
	if (is_about_dumps() || !strikes())
		return pass_on(fd, msg, flags);
	if (is_kind("send")) {
		errno = faults.error;
		return -1;
	}
	if (is_kind("before"))
		raise(SIGKILL);
	faults.rewrite = is_kind("answer");
	faults.lose = is_kind("lost");
	if (faults.rewrite)
		part.msg_iovlen--;	/* without its end the kernel takes all back */
	n = pass_on(fd, &part, flags);
	if (is_kind("after"))
		raise(SIGKILL);
	if (is_kind("then"))
		somebody_else();
	return n;
}

ssize_t
recv(int fd, void *buf, size_t size, int flags)
{
	ssize_t n = syscall(SYS_recvfrom, fd, buf, size, flags, NULL, NULL);
	struct nlmsghdr *nlh = buf;
	struct nlmsgerr *answer = NLMSG_DATA(nlh);

	if (n < (ssize_t)NLMSG_LENGTH(sizeof(*answer)) || nlh->nlmsg_type != NLMSG_ERROR)
		return n;
	if (faults.rewrite)
		answer->error = -faults.error;
	if (faults.lose) {
		errno = ENOBUFS;
		n = -1;
	}
	faults.rewrite = faults.lose = false;
	return n;
}

static bool
has_end(const struct nlmsghdr *nlh, ssize_t size)
{
	int left = (int)size;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_type == NLMSG_DONE)
			return true;
	}
	return false;
}

/* libmnl's way to answers of a question. */
ssize_t
recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n = syscall(SYS_recvmsg, fd, msg, flags);
	struct nlmsghdr *nlh = msg->msg_iov[0].iov_base;
	bool first;

	if (n < (ssize_t)sizeof(*nlh) || !(nlh->nlmsg_flags & NLM_F_MULTI))
		return n;
	read_line();
	if (is_kind("intr") && strikes())
		nlh->nlmsg_flags |= NLM_F_DUMP_INTR;
	first = !faults.dumping;
	faults.dumping = !has_end(nlh, n);
	if (is_kind("amid") && first && faults.dumping && strikes())
		somebody_else();
	return n;
}
