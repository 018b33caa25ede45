/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "route.h"

#define DUMP_RETRIES	10	/* of a dump that a change of addresses or routes broke off */
#define ROUTE_BYTES	(32u << 10)

/* One dump: 0, -errno, -EINTR when it was broken off. */
static int
dump_once(struct mnl_socket *socket, uint16_t type, size_t header, route_take_fn *take, void *arg)
{
	_Alignas(struct nlmsghdr) uint8_t buf[ROUTE_BYTES];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	bool interrupted = false;
	int error = 0;

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = type;
	/* the family's byte comes first in every rtnetlink header: AF_UNSPEC */
	mnl_nlmsg_put_extra_header(request, header);
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(socket, buf, sizeof(buf));
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			interrupted |= (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error;
			if (nlh->nlmsg_type == NLMSG_DONE)
				return error != 0 ? error : interrupted ? -EINTR : 0;
			if (error == 0 && mnl_nlmsg_get_payload_len(nlh) >= header)
				error = take(nlh, arg);
		}
	}
}

int
route_dump(uint16_t type, size_t header, route_take_fn *take, route_forget_fn *forget, void *arg)
{
	struct mnl_socket *socket;
	int error = 0, try;

	socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (socket == NULL)
		return -errno;
	for (try = 0; try < DUMP_RETRIES; try++) {
		if (try > 0)
			forget(arg);
		error = dump_once(socket, type, header, take, arg);
		if (error != -EINTR)
			break;
	}
	mnl_socket_close(socket);
	return error == -EINTR ? 0 : error;
}
