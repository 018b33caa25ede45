/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a role gives up once it has opened what it needs. */
#ifndef RUNTIME_SANDBOX_H
#define RUNTIME_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/* AddressSanitizer reserves address space, and looks around in its process: it needs more room. */
#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_SANITIZED	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_SANITIZED	1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED	0
#endif

/* No new privileges, not dumpable (core dumps, ptrace, /proc/PID/mem).  First thing in every role.  0 or -errno. */
int sandbox_begin(void);

/*
 * Keeps exactly the capabilities in mask (bit CAP_NET_ADMIN = 1 << 12, see
 * capabilities(7)) that are held; clears the ambient, inheritable and, where
 * allowed, the bounding set down to it.  0 or -errno.
 */
int sandbox_keep_capabilities(uint64_t mask);
#define SANDBOX_CAP_NET_ADMIN	(UINT64_C(1) << 12)
#define SANDBOX_CAP_NET_RAW	(UINT64_C(1) << 13)

/* Is this capability effective? */
bool sandbox_has_capability(unsigned int number);

/*
 * For the parent: no capability is effective, and only those in mask stay
 * permitted (and ambient, where they were) for the roles it starts.  0 or -errno.
 */
int sandbox_hold_capabilities(uint64_t mask);

/* Opens what sandbox_pss reads, for a process that opens nothing later. */
void sandbox_keep_pss(void);

/* Proportional set size of this process in bytes (proc_pid_smaps_rollup(5)); 0: unknown. */
uint64_t sandbox_pss(void);

/*
 * Gives back what only starting needed of program and libraries: pages as they are
 * in the file leave this process's memory, and come again when they are touched.
 */
void sandbox_trim(void);

/* Bounds the address space, in bytes.  0 or -errno. */
int sandbox_limit_memory(uint64_t bytes);

#endif
