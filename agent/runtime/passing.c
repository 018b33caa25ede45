/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/passing.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
passing_send(int to, const void *data, size_t size, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_len = size };
	struct msghdr head = { .msg_iov = &iov, .msg_iovlen = 1 };

	/* sendmsg only reads it: the const goes without a cast */
	memcpy(&iov.iov_base, &data, sizeof(iov.iov_base));
	if (fd >= 0) {
		struct cmsghdr *cmsg;

		memset(&control, 0, sizeof(control));
		head.msg_control = &control;
		head.msg_controllen = sizeof(control.room);
		cmsg = CMSG_FIRSTHDR(&head);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	if (sendmsg(to, &head, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

/* Keeps the first descriptor, closes others; returns how many came. */
static size_t
take_descriptors(struct msghdr *head, int *fd)
{
	struct cmsghdr *cmsg;
	size_t came = 0;

	for (cmsg = CMSG_FIRSTHDR(head); cmsg != NULL; cmsg = CMSG_NXTHDR(head, cmsg)) {
		size_t n, i;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			int one;

			memcpy(&one, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(one));
			if (came++ == 0)
				*fd = one;
			else
				close(one);
		}
	}
	return came;
}

ssize_t
passing_receive(int from, void *data, size_t size, int *fd, bool wait)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr head = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control.room),
	};
	ssize_t n;

	*fd = -1;
	n = recvmsg(from, &head, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	if (take_descriptors(&head, fd) > 1 || (head.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		return -EMSGSIZE;
	}
	return n;
}
