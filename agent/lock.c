/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>

#include "runtime/folder.h"
#include "threatlistd/log.h"
#include "users.h"

#define LOCK_FILE	"lock"
#define NAMESPACE_NAME	"threatlistd"	/* behind the NUL of an abstract address, unix(7) */
#define DIAG_BYTES	(32u << 10)	/* the kernel fills as much at once */

int
lock_run_dir(const char *run_dir, pid_t *holder)
{
	char path[PATH_MAX], text[32];
	struct stat st;
	ssize_t n;
	int fd, error;

	*holder = 0;
	error = folder_make(run_dir, 0755);
	if (error != 0)
		return error;
	snprintf(path, sizeof(path), "%s/" LOCK_FILE, run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	/* root writes here as well: never through another name of a file that is elsewhere */
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1) {
		close(fd);
		return -EINVAL;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		error = errno == EWOULDBLOCK ? -EBUSY : -errno;
		n = read(fd, text, sizeof(text) - 1);
		if (n > 0) {
			text[n] = '\0';
			*holder = (pid_t)strtol(text, NULL, 10);
		}
		close(fd);
		return error;
	}
	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) != 0 || write(fd, text, strlen(text)) < 0) {
		/* only the name of the holder is lost */
	}
	return 0;	/* fd stays open: it is the lock */
}

/* Who has bound the name. */
struct holder {
	bool known;
	uint32_t uid;
};

static void
take_socket(struct nlmsghdr *nlh, struct holder *holder)
{
	static const char name[] = "\0" NAMESPACE_NAME;
	struct unix_diag_msg *socket = NLMSG_DATA(nlh);
	int left = (int)nlh->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*socket));
	struct rtattr *attr = (struct rtattr *)(socket + 1);
	bool named = false, told = false;
	uint32_t uid = 0;

	if (left < 0 || socket->udiag_type != SOCK_DGRAM)
		return;
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type == UNIX_DIAG_NAME)
			named = RTA_PAYLOAD(attr) == sizeof(name) - 1 &&
			    memcmp(RTA_DATA(attr), name, sizeof(name) - 1) == 0;
		if (attr->rta_type == UNIX_DIAG_UID && RTA_PAYLOAD(attr) == sizeof(uid)) {
			memcpy(&uid, RTA_DATA(attr), sizeof(uid));
			told = true;
		}
	}
	if (named && told) {
		holder->known = true;
		holder->uid = uid;
	}
}

/* An answer's datagram; false: it was the last. */
static bool
take_sockets(void *bytes, ssize_t size, struct holder *holder)
{
	unsigned int left = size > 0 ? (unsigned int)size : 0;
	struct nlmsghdr *nlh = bytes;

	for (; NLMSG_OK(nlh, left); nlh = NLMSG_NEXT(nlh, left)) {
		if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR)
			return false;
		take_socket(nlh, holder);
	}
	return size > 0;
}

/* sock_diag(7): all sockets of the family in this network namespace. */
static void
find_holder(struct holder *holder)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req body;
	} request = {
		.head = {
			.nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.body = {
			.sdiag_family = AF_UNIX, .udiag_states = UINT32_MAX,
			.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_UID,
		},
	};
	_Alignas(struct nlmsghdr) uint8_t answer[DIAG_BYTES];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	holder->known = false;
	if (fd < 0)
		return;
	if (send(fd, &request, sizeof(request), 0) == sizeof(request)) {
		while (take_sockets(answer, recv(fd, answer, sizeof(answer), 0), holder))
			;
	}
	close(fd);
}

/* Anybody may bind a name: taken by who can be no agent, it is no claim. */
static bool
is_agent(const struct holder *holder)
{
	uid_t agent;

	if (!holder->known || holder->uid == 0 || holder->uid == geteuid())
		return true;
	return user_id(AGENT_USER, &agent) && agent == holder->uid;
}

int
lock_namespace(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct holder holder;
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + sizeof(NAMESPACE_NAME);
	int fd, error;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	memcpy(address.sun_path + 1, NAMESPACE_NAME, sizeof(NAMESPACE_NAME) - 1);
	if (bind(fd, (struct sockaddr *)&address, size) == 0)
		return 0;	/* fd stays open: it is the claim */
	error = errno == EADDRINUSE ? -EBUSY : -errno;
	close(fd);
	if (error != -EBUSY)
		return error;
	find_holder(&holder);
	if (is_agent(&holder))
		return -EBUSY;
	log_warn("name of the agent taken uid=%u reason=\"abstract socket \\\"@" NAMESPACE_NAME
	    "\\\" of who can be no agent\"; going on", holder.uid);
	return 0;
}
