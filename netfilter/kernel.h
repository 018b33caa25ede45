/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One request socket to nftables: transactions and questions.  The kernel
 * answers while it is asked, so nothing here waits for anyone else.
 */
#ifndef NETFILTER_KERNEL_H
#define NETFILTER_KERNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/netlink.h>

#include "threatlistd/enforce.h"
#include "batch.h"

struct kernel;

int kernel_open(struct kernel **kernel, struct enforce_error *err);
void kernel_free(struct kernel *kernel);

/* Netlink's address of this socket: who made a change, in events. */
uint32_t kernel_portid(const struct kernel *kernel);

/* Bytes that one transaction may have. */
size_t kernel_batch_max(const struct kernel *kernel);

/*
 * Commits the batch, all or nothing; what says for the log what it is about.
 * generation (if not 0): only if that is still nftables' generation id, else
 * -ERESTART.  An empty batch is 0.
 */
int kernel_commit(struct kernel *kernel, struct batch *batch, uint32_t generation,
    const char *what, struct enforce_error *err);

/* Lets the kernel judge the batch and changes nothing. */
int kernel_validate(struct kernel *kernel, struct batch *batch, const char *what,
    struct enforce_error *err);

/* How many transactions this socket committed, for comparing generations. */
uint32_t kernel_commits(const struct kernel *kernel);

/* nftables' generation id; 0: could not be asked. */
uint32_t kernel_generation(struct kernel *kernel);

/*
 * Asks: a dump if the request has NLM_F_DUMP, else a single object.  each() is
 * called for every answer.  A dump that a commit interrupted is done again, so
 * each() may see an object twice; restart() (may be NULL) is told before.
 */
typedef void kernel_answer_fn(const struct nlmsghdr *nlh, void *arg);
typedef void kernel_restart_fn(void *arg);
int kernel_ask(struct kernel *kernel, struct nlmsghdr *request, kernel_answer_fn *each,
    kernel_restart_fn *restart, void *arg);

/*
 * The same of a dump, an answer's datagram at a time; nothing else may be asked
 * of this kernel meanwhile.  next: 1 there is more, 0 done, -EINTR a commit
 * interrupted it: what was told is not to be relied on; -errno.
 */
int kernel_dump_begin(struct kernel *kernel, struct nlmsghdr *request);
int kernel_dump_next(struct kernel *kernel, kernel_answer_fn *each, void *arg);

/* A request about family inet in buf. */
#define KERNEL_REQUEST_MAX	1024u
struct nlmsghdr *kernel_request(uint8_t buf[static KERNEL_REQUEST_MAX], uint16_t type,
    uint16_t flags);

/* Writes the text for an error, naming what is missing if it is a right. */
int enforce_fail(struct enforce_error *err, int error, const char *what, const char *detail);

/*
 * Waits until no packet is left that began its way through the rules before
 * now (an RCU grace period).
 */
void kernel_settle(void);

#endif
