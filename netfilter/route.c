/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

#include "attr.h"
#include "route.h"

#define DUMP_RETRIES	10	/* of a dump that a change of addresses or routes broke off */
#define ROUTE_BYTES	(32u << 10)
#define QUESTION_BYTES	128u

static struct nlmsghdr *
put_question(void *buf, uint16_t type, uint16_t flags, size_t header)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);

	request->nlmsg_type = type;
	request->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	request->nlmsg_seq = type;
	/* the family's byte comes first in every rtnetlink header: AF_UNSPEC */
	mnl_nlmsg_put_extra_header(request, header);
	return request;
}

/* A dump that failed from the start, or half way, says so at its end. */
static int
done_error(const struct nlmsghdr *nlh)
{
	int error = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(error))
		memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	return error < 0 ? error : 0;
}

/* The answers to one dump: 0, -errno, -EINTR when it was broken off. */
static int
read_answers(struct mnl_socket *socket, size_t header, route_take_fn *take, void *arg)
{
	_Alignas(struct nlmsghdr) uint8_t buf[ROUTE_BYTES];
	bool interrupted = false;
	int error = 0;

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
			if (nlh->nlmsg_type == NLMSG_DONE) {
				error = error != 0 ? error : done_error(nlh);
				return error != 0 ? error : interrupted ? -EINTR : 0;
			}
			if (error == 0 && mnl_nlmsg_get_payload_len(nlh) >= header)
				error = take(nlh, arg);
		}
	}
}

static int
ask(const struct nlmsghdr *request, size_t header, route_take_fn *take, route_forget_fn *forget,
    void *arg)
{
	struct mnl_socket *socket;
	int error = 0, try;

	socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (socket == NULL)
		return -errno;
	for (try = 0; try < DUMP_RETRIES; try++) {
		if (try > 0)
			forget(arg);
		if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
			error = -errno;
		else
			error = read_answers(socket, header, take, arg);
		if (error != -EINTR)
			break;
	}
	mnl_socket_close(socket);
	return error == -EINTR ? 0 : error;
}

int
route_dump(uint16_t type, size_t header, route_take_fn *take, route_forget_fn *forget, void *arg)
{
	_Alignas(struct nlmsghdr) uint8_t buf[QUESTION_BYTES];

	return ask(put_question(buf, type, NLM_F_DUMP, header), header, take, forget, arg);
}

int
route_dump_links_of(int32_t namespace, route_take_fn *take, route_forget_fn *forget, void *arg)
{
	_Alignas(struct nlmsghdr) uint8_t buf[QUESTION_BYTES];
	struct nlmsghdr *request = put_question(buf, RTM_GETLINK, NLM_F_DUMP,
	    sizeof(struct ifinfomsg));

	mnl_attr_put_u32(request, IFLA_TARGET_NETNSID, (uint32_t)namespace);
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return ask(request, sizeof(struct ifinfomsg), take, forget, arg);
}

int32_t
route_namespace(void)
{
	_Alignas(struct nlmsghdr) uint8_t buf[ROUTE_BYTES];
	struct nlmsghdr *request = put_question(buf, RTM_GETNSID, 0, sizeof(struct rtgenmsg));
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
	const struct nlattr *attr;
	int32_t id = -1;
	ssize_t n = -1;

	mnl_attr_put_u32(request, NETNSA_PID, (uint32_t)getpid());
	if (socket != NULL && mnl_socket_sendto(socket, request, request->nlmsg_len) >= 0)
		n = mnl_socket_recvfrom(socket, buf, sizeof(buf));
	if (n > 0 && mnl_nlmsg_ok(nlh, (int)n) && nlh->nlmsg_type == RTM_NEWNSID) {
		attr_for_each(attr, nlh, sizeof(struct rtgenmsg)) {
			if (mnl_attr_get_type(attr) == NETNSA_NSID &&
			    mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
				id = (int32_t)mnl_attr_get_u32(attr);
		}
	}
	if (socket != NULL)
		mnl_socket_close(socket);
	return id;
}
