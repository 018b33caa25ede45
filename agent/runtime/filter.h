/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which system calls a role may make: seccomp(2), an allow list for each role.
 *
 * Anything else fails with EPERM, is counted and said once in the log for each
 * call.  Built with FILTER_KILL ("make VARIANT=kill", for the tests) it ends
 * the process instead, so that nothing refused goes unnoticed.  A call by
 * another convention than the program's own (32 bit, x32) always ends it.
 */
#ifndef RUNTIME_FILTER_H
#define RUNTIME_FILTER_H

#include <linux/filter.h>
#include <stdint.h>

enum filter_role {
	FILTER_FEED,
	FILTER_ENFORCER,
	FILTER_SENSOR,
	FILTER_REPORTER,
	FILTER_PARENT,		/* what it may, all may that it starts, until they confine themselves */
	FILTER_ROLES
};

#define FILTER_CODE_MAX	1024	/* instructions; the kernel takes 4096, BPF_MAXINSNS */

struct filter_program {
	struct sock_filter code[FILTER_CODE_MAX];
	unsigned int n;
};

/* The program for this role in the process pid; refusal: SECCOMP_RET_… of what is not allowed. */
void filter_build(struct filter_program *program, enum filter_role role, uint32_t pid,
    uint32_t refusal);

/*
 * From here on this process and its threads are held to the role's list.
 * SIGSYS must never be blocked afterwards.  0, or -errno: the kernel cannot.
 */
int filter_enter(enum filter_role role);

#endif
