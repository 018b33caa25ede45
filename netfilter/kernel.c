/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/membarrier.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "attr.h"
#include "kernel.h"

#define ANSWER_BYTES	(64u << 10)	/* the kernel fills at most 32 KiB of a dump at once */
#define DUMP_RETRIES	50		/* a dump is broken off by any commit of anybody */
#define RECEIVE_BYTES	(1 << 20)	/* error answers of one transaction */
/*
 * A transaction's bytes: large enough that its fixed costs vanish (a quarter of
 * a million hosts), small enough that its copy in the kernel does not matter.
 */
#define BATCH_BYTES	(4 << 20)
#define BATCH_OVERHEAD	4096		/* begin, end, and what sendmsg(2) wants to spare */

#ifndef ERESTART
#define ERESTART	85
#endif

struct kernel {
	struct mnl_socket *socket;
	uint32_t seq;
	uint32_t commits;
	size_t batch_max;
	bool interrupted;		/* the dump that is being read */
	_Alignas(struct nlmsghdr) uint8_t answer[ANSWER_BYTES];
};

int
enforce_fail(struct enforce_error *err, int error, const char *what, const char *detail)
{
	if (err == NULL)
		return error;
	if (error == -EPERM)
		snprintf(err->text, sizeof(err->text),
		    "%s: not permitted: CAP_NET_ADMIN is missing", what);
	else
		snprintf(err->text, sizeof(err->text), "%s: %s%s%s%s", what,
		    error == -ERESTART ? "someone else changed nftables" : strerror(-error),
		    detail != NULL && *detail != '\0' ? " (" : "",
		    detail != NULL ? detail : "",
		    detail != NULL && *detail != '\0' ? ")" : "");
	return error;
}

/*
 * A transaction must fit into the send buffer as a whole.  Without the right
 * to go past the system's limit (another user namespace) transactions stay small.
 */
static void
size_buffers(struct kernel *kernel, int fd)
{
	int bytes = BATCH_BYTES + BATCH_OVERHEAD, got = 0;
	socklen_t len = sizeof(got);

	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	/* less than a system ever gives would be no transaction at all */
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &len) != 0 || got < 2 * BATCH_OVERHEAD)
		got = 64 << 10;
	/* of what getsockopt tells, one half is the kernel's own allowance */
	if (got > BATCH_BYTES + BATCH_OVERHEAD)
		got = BATCH_BYTES + BATCH_OVERHEAD;
	kernel->batch_max = (size_t)got - BATCH_OVERHEAD;
	bytes = RECEIVE_BYTES;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

int
kernel_open(struct kernel **out, struct enforce_error *err)
{
	struct kernel *kernel;
	int on = 1, error;

	kernel = calloc(1, sizeof(*kernel));
	if (kernel == NULL)
		return enforce_fail(err, -ENOMEM, "netlink", NULL);
	kernel->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (kernel->socket == NULL || mnl_socket_bind(kernel->socket, 0, MNL_SOCKET_AUTOPID) != 0) {
		error = -errno;
		kernel_free(kernel);
		return enforce_fail(err, error, "netlink socket", NULL);
	}
	/* without them an error would echo 64 KiB of elements, and give no reason */
	mnl_socket_setsockopt(kernel->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(kernel->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	size_buffers(kernel, mnl_socket_get_fd(kernel->socket));
	*out = kernel;
	return 0;
}

void
kernel_free(struct kernel *kernel)
{
	if (kernel == NULL)
		return;
	if (kernel->socket != NULL)
		mnl_socket_close(kernel->socket);
	free(kernel);
}

uint32_t
kernel_portid(const struct kernel *kernel)
{
	return mnl_socket_get_portid(kernel->socket);
}

size_t
kernel_batch_max(const struct kernel *kernel)
{
	return kernel->batch_max;
}

uint32_t
kernel_commits(const struct kernel *kernel)
{
	return kernel->commits;
}

static void
batch_mark(uint8_t buf[static KERNEL_REQUEST_MAX], uint16_t type, uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nlh->nlmsg_seq = seq;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(NFNL_SUBSYS_NFTABLES);
}

/* The kernel's own sentence in an error answer, if it gave one. */
static void
copy_reason(const struct nlmsghdr *nlh, char reason[static 128])
{
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	/* NETLINK_CAP_ACK: the offending message is cut to its header */
	attr_for_each(attr, nlh, sizeof(struct nlmsgerr)) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			snprintf(reason, 128, "%s", mnl_attr_get_str(attr));
	}
}

/* What is left in the socket from an earlier, broken-off talk. */
static void
drain(struct kernel *kernel)
{
	while (recv(mnl_socket_get_fd(kernel->socket), kernel->answer, sizeof(kernel->answer),
	    MSG_DONTWAIT) > 0)
		;
}

/*
 * Reads all answers to the transaction with this seq: the first error, or 0
 * when its last message was acknowledged.
 */
static int
read_acks(struct kernel *kernel, uint32_t seq, char reason[static 128])
{
	int fd = mnl_socket_get_fd(kernel->socket), first = 0;
	bool acked = false;

	for (;;) {
		ssize_t n = recv(fd, kernel->answer, sizeof(kernel->answer), MSG_DONTWAIT);
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)kernel->answer;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS) {
			/* so many errors that they did not fit: one is enough */
			first = first == 0 ? -ENOBUFS : first;
			continue;
		}
		if (n <= 0)
			break;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			const struct nlmsgerr *answer = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type != NLMSG_ERROR || nlh->nlmsg_seq != seq)
				continue;
			acked |= answer->error == 0;
			if (answer->error != 0 && first == 0) {
				first = answer->error;
				copy_reason(nlh, reason);
			}
		}
	}
	return first != 0 ? first : acked ? 0 : -EIO;
}

static int
transact(struct kernel *kernel, struct batch *batch, uint32_t generation, bool commit,
    char reason[static 128])
{
	_Alignas(struct nlmsghdr) uint8_t begin[KERNEL_REQUEST_MAX], end[KERNEL_REQUEST_MAX];
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct iovec iov[3];
	struct msghdr msg = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = iov };
	struct nlmsghdr *nlh;
	uint32_t seq = ++kernel->seq;
	size_t at;

	for (at = 0; at < batch->used; at += NLMSG_ALIGN(nlh->nlmsg_len)) {
		nlh = (struct nlmsghdr *)(batch->bytes + at);
		nlh->nlmsg_seq = seq;
		if (at == batch->last)
			nlh->nlmsg_flags |= NLM_F_ACK;
	}
	batch_mark(begin, NFNL_MSG_BATCH_BEGIN, seq);
	if (generation != 0)
		mnl_attr_put_u32((struct nlmsghdr *)begin, NFNL_BATCH_GENID, htonl(generation));
	batch_mark(end, NFNL_MSG_BATCH_END, seq);
	iov[0] = (struct iovec){ begin, ((struct nlmsghdr *)begin)->nlmsg_len };
	iov[1] = (struct iovec){ batch->bytes, batch->used };
	iov[2] = (struct iovec){ end, ((struct nlmsghdr *)end)->nlmsg_len };
	msg.msg_iovlen = commit ? 3 : 2;
	drain(kernel);
	while (sendmsg(mnl_socket_get_fd(kernel->socket), &msg, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return read_acks(kernel, seq, reason);
}

int
kernel_commit(struct kernel *kernel, struct batch *batch, uint32_t generation,
    const char *what, struct enforce_error *err)
{
	char reason[128] = "";
	int error;

	if (batch->failed)
		return enforce_fail(err, -ENOMEM, what, NULL);
	if (batch_empty(batch))
		return 0;
	error = transact(kernel, batch, generation, true, reason);
	if (error == 0)
		kernel->commits++;
	else
		enforce_fail(err, error, what, reason);
	return error;
}

int
kernel_validate(struct kernel *kernel, struct batch *batch, const char *what,
    struct enforce_error *err)
{
	char reason[128] = "";
	int error;

	if (batch->failed)
		return enforce_fail(err, -ENOMEM, what, NULL);
	error = transact(kernel, batch, 0, false, reason);
	return error == 0 ? 0 : enforce_fail(err, error, what, reason);
}

struct nlmsghdr *
kernel_request(uint8_t buf[static KERNEL_REQUEST_MAX], uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = (uint16_t)((NFNL_SUBSYS_NFTABLES << 8) | type);
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = NFPROTO_INET;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

int
kernel_dump_begin(struct kernel *kernel, struct nlmsghdr *request)
{
	drain(kernel);
	kernel->interrupted = false;
	request->nlmsg_seq = ++kernel->seq;
	return mnl_socket_sendto(kernel->socket, request, request->nlmsg_len) < 0 ? -errno : 0;
}

/* A dump that ended half way, as its set is gone, says so in its last message. */
static int
done_error(const struct nlmsghdr *nlh)
{
	int error = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(error))
		memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	return error < 0 ? error : 0;
}

int
kernel_dump_next(struct kernel *kernel, kernel_answer_fn *each, void *arg)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)kernel->answer;
	int left, error;
	ssize_t n;

	do {
		n = mnl_socket_recvfrom(kernel->socket, kernel->answer, sizeof(kernel->answer));
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	for (left = (int)n; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		const struct nlmsgerr *answer = mnl_nlmsg_get_payload(nlh);

		if (nlh->nlmsg_seq != kernel->seq)
			continue;
		if (nlh->nlmsg_type == NLMSG_ERROR)
			return answer->error;
		kernel->interrupted |= (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		if (nlh->nlmsg_type == NLMSG_DONE) {
			error = done_error(nlh);
			return error != 0 ? error : kernel->interrupted ? -EINTR : 0;
		}
		each(nlh, arg);
	}
	return 1;
}

/* One round of question and answers: 0, -errno, or -EINTR for a dump that was broken off. */
static int
ask_once(struct kernel *kernel, struct nlmsghdr *request, kernel_answer_fn *each, void *arg)
{
	int error = kernel_dump_begin(kernel, request);

	if (error != 0)
		return error;
	do {
		error = kernel_dump_next(kernel, each, arg);
	} while (error > 0);
	return error;
}

int
kernel_ask(struct kernel *kernel, struct nlmsghdr *request, kernel_answer_fn *each,
    kernel_restart_fn *restart, void *arg)
{
	int error = 0, try;

	if (!(request->nlmsg_flags & NLM_F_DUMP))
		request->nlmsg_flags |= NLM_F_ACK;
	for (try = 0; try < DUMP_RETRIES; try++) {
		error = ask_once(kernel, request, each, arg);
		if (error != -EINTR)
			return error;
		if (restart != NULL)
			restart(arg);
	}
	return error;
}

static void
take_generation(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;
	uint32_t *generation = arg;

	attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_GEN_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			*generation = ntohl(mnl_attr_get_u32(attr));
	}
}

uint32_t
kernel_generation(struct kernel *kernel)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	uint32_t generation = 0;

	if (kernel_ask(kernel, kernel_request(buf, NFT_MSG_GETGEN, 0), take_generation, NULL,
	    &generation) != 0)
		return 0;
	return generation;
}

void
kernel_settle(void)
{
	/* membarrier(2): the global command is synchronize_rcu; refused on nohz_full only */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}
