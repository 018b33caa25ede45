/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What each role calls, by purpose.  A call that only one C library or one
 * machine has stands in an #ifdef; one that a library merely tries, and can do
 * without, gets the error that makes it do without.
 */
#include "runtime/filter_rules.h"

#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/membarrier.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "runtime/filter.h"
#include "runtime/sandbox.h"

#define FEED		(1u << FILTER_FEED)
#define ENFORCER	(1u << FILTER_ENFORCER)
#define SENSOR		(1u << FILTER_SENSOR)
#define REPORTER	(1u << FILTER_REPORTER)
#define PARENT		(1u << FILTER_PARENT)	/* which may all below, too: filter_build */
#define ALL		(FEED | ENFORCER | SENSOR | REPORTER)
#define WEB		(FEED | REPORTER)	/* names, TLS, threads of libcurl */
#define WRITERS		(ENFORCER | REPORTER)	/* of files in the state directory */
#define READERS		(FEED | ENFORCER | REPORTER)

#define WHOLE		UINT32_MAX	/* mask: all of an int */
#define VALUES(...)	.n = sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t), \
			.values = { __VA_ARGS__ }
#define CALL(name, who)	{ .call = __NR_##name, .roles = (who) }
#define NONE_OF(arg, bits)	{ .argument = (arg), .mask = (bits), VALUES(0) }
#define ONE_OF(arg, ...)	{ .argument = (arg), .mask = WHOLE, VALUES(__VA_ARGS__) }
#define OWN_PID(arg)		{ .argument = (arg), .mask = WHOLE, .n = 0 }

/* Flags of clone(2) that a thread has, and those that would make more than a thread. */
#define THREAD_HAS	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define NAMESPACES	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
			CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define THREAD_LACKS	(NAMESPACES | CLONE_PTRACE | CLONE_VFORK)

#define KIND		0xf	/* of a socket, without SOCK_CLOEXEC and SOCK_NONBLOCK */
#define NEGATIVE	0x80000000u	/* of a pid: a group, or all */
#define DEVICE_CALLS	0xffffff00u	/* of an ioctl: all but which one of its family, sockios.h's 0x89 */
#define PROT_BRANCHES	0x10		/* PROT_BTI of arm64, asm/mman.h */
#define WRITING		(O_ACCMODE | O_CREAT | O_TRUNC | __O_TMPFILE)

/* Arguments: mmap's and mprotect's are (addr, length, prot, …), openat's (dir, path, flags, mode). */
static const struct filter_rule rules[] = {
	/* what happens, and the channel to the parent */
#ifdef __NR_epoll_wait
	CALL(epoll_wait, ALL),
#endif
	CALL(epoll_pwait, ALL),
	CALL(epoll_ctl, ALL),
	CALL(recvmsg, ALL),
	CALL(sendmsg, ALL),
	CALL(read, ALL),
	CALL(write, ALL),
	CALL(close, ALL),
#ifdef __NR_poll
	CALL(poll, ALL),
#endif
	CALL(ppoll, ALL),
	CALL(timerfd_settime, ALL),
	CALL(timerfd_create, ALL),
	CALL(eventfd2, READERS),
	CALL(pipe2, WEB),
	CALL(signalfd4, REPORTER),
	CALL(epoll_create1, READERS),

	/* the clock */
	CALL(clock_gettime, ALL),
	CALL(clock_getres, ALL),
	CALL(gettimeofday, ALL),
	CALL(clock_nanosleep, ALL),
	CALL(nanosleep, ALL),
#ifdef __NR_time
	CALL(time, ALL),
#endif

	/* memory, of which none is writable and executable, nor becomes executable */
	{ .call = __NR_mmap, .roles = ALL, .conditions = { NONE_OF(2, PROT_EXEC) } },
	{ .call = __NR_mprotect, .roles = ALL, .conditions = { NONE_OF(2, PROT_EXEC) } },
	CALL(munmap, ALL),
	CALL(mremap, ALL),
	CALL(madvise, ALL),
	CALL(brk, ALL),

	/* the process itself; limits and signals of no other one */
	CALL(futex, ALL),
	CALL(getrandom, ALL),
	CALL(getpid, ALL),
	CALL(gettid, ALL),
	CALL(getppid, ALL),
	CALL(getuid, ALL),
	CALL(geteuid, ALL),
	CALL(getgid, ALL),
	CALL(getegid, ALL),
	CALL(uname, ALL),
	CALL(sysinfo, ALL),
	CALL(getrusage, ALL),
	CALL(sched_yield, ALL),
	CALL(sched_getaffinity, ALL),
	CALL(rt_sigaction, ALL),
	CALL(rt_sigprocmask, ALL),
	CALL(rt_sigreturn, ALL),
	CALL(sigaltstack, ALL),
	CALL(restart_syscall, ALL),
	CALL(exit, ALL),
	CALL(exit_group, ALL),
	{ .call = __NR_prlimit64, .roles = ALL, .conditions = { ONE_OF(0, 0) } },
	{ .call = __NR_tgkill, .roles = ALL, .conditions = { OWN_PID(0) } },	/* abort(3) */
	{ .call = __NR_prctl, .roles = ALL, .conditions = {
		ONE_OF(0, PR_SET_NAME, PR_GET_NAME, PR_SET_VMA) } },

	/* descriptors; F_SETOWN would send signals */
	CALL(lseek, ALL),
	CALL(fstat, ALL),
	/* how the C library asks for fstat on some machines */
	{ .call = __NR_newfstatat, .roles = SENSOR, .conditions = { ONE_OF(3, AT_EMPTY_PATH) } },
	CALL(pread64, ALL),
	CALL(readv, ALL),
	CALL(writev, ALL),
	CALL(dup, ALL),
	{ .call = __NR_fcntl, .roles = ALL, .conditions = {
		ONE_OF(1, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_GETLK, F_SETLK,
		    F_SETLKW, F_OFD_SETLK, F_OFD_GETLK, F_ADD_SEALS, F_GET_SEALS) } },
	{ .call = __NR_ioctl, .roles = ALL, .conditions = {
		ONE_OF(1, FIONBIO, FIONREAD, TCGETS) } },
	/* libpcap asks whether an interface that failed is still there, and up */
	{ .call = __NR_ioctl, .roles = SENSOR, .conditions = { ONE_OF(1, SIOCGIFFLAGS) } },

	/* the ledger waits for the kernel's counters to settle */
	{ .call = __NR_membarrier, .roles = ENFORCER, .conditions = {
		ONE_OF(0, MEMBARRIER_CMD_QUERY, MEMBARRIER_CMD_GLOBAL) } },

	/* files that are read: lists, certificates, names, credentials.  Where: Landlock's to say. */
	{ .call = __NR_openat, .roles = FEED, .conditions = { NONE_OF(2, WRITING) } },
	CALL(openat, WRITERS),
#ifdef __NR_open
	{ .call = __NR_open, .roles = FEED, .conditions = { NONE_OF(1, WRITING) } },
	CALL(open, WRITERS),
#endif
	CALL(newfstatat, READERS),
	CALL(statx, READERS),
#ifdef __NR_stat
	CALL(stat, READERS),
	CALL(lstat, READERS),
#endif
	CALL(statfs, READERS),
	CALL(fstatfs, READERS),
	CALL(faccessat, READERS),
	CALL(faccessat2, READERS),
	CALL(readlinkat, READERS),
#ifdef __NR_access
	CALL(access, READERS),
	CALL(readlink, READERS),
#endif
	CALL(getdents64, READERS),
	CALL(getcwd, READERS),
	CALL(fadvise64, READERS),

	/* files that are written: state, spool, file sinks */
	CALL(pwrite64, WRITERS),
	CALL(fsync, WRITERS),
	CALL(fdatasync, WRITERS),
	CALL(fallocate, WRITERS),
	CALL(flock, WRITERS),
	CALL(unlinkat, WRITERS),
	CALL(renameat, WRITERS),
	CALL(renameat2, WRITERS),
	CALL(fchown, WRITERS),
	CALL(fchmod, WRITERS),
	CALL(msync, WRITERS),
#ifdef __NR_unlink
	CALL(unlink, WRITERS),
	CALL(rename, WRITERS),
#endif

	/* what is passed to the parent: an image, answers */
	CALL(memfd_create, READERS),
	CALL(ftruncate, READERS),

	/*
	 * The network.  Of netlink the routing family answers the C library's
	 * question for own addresses; nf_tables is the enforcer's alone.  Local
	 * sockets are how name services are asked.  Nobody listens.
	 */
	{ .call = __NR_socket, .roles = WEB, .conditions = {
		ONE_OF(0, AF_INET, AF_INET6),
		{ .argument = 1, .mask = KIND, VALUES(SOCK_STREAM, SOCK_DGRAM) } } },
	{ .call = __NR_socket, .roles = WEB, .conditions = { ONE_OF(0, AF_UNIX) } },
	{ .call = __NR_socket, .roles = ALL, .conditions = {
		ONE_OF(0, AF_NETLINK), ONE_OF(2, NETLINK_ROUTE) } },
	{ .call = __NR_socket, .roles = ENFORCER, .conditions = {
		ONE_OF(0, AF_NETLINK), ONE_OF(2, NETLINK_NETFILTER) } },
	{ .call = __NR_socketpair, .roles = WEB, .conditions = { ONE_OF(0, AF_UNIX) } },
	CALL(bind, ALL),
	CALL(getsockname, ALL),
	CALL(getsockopt, ALL),
	CALL(sendto, ALL),
	CALL(recvfrom, ALL),
	CALL(setsockopt, READERS),
	/* libpcap takes its ring apart in closing */
	{ .call = __NR_setsockopt, .roles = SENSOR, .conditions = {
		ONE_OF(1, SOL_PACKET), ONE_OF(2, PACKET_RX_RING) } },
	CALL(connect, WEB),
	CALL(getpeername, WEB),
	CALL(sendmmsg, WEB),
	CALL(recvmmsg, WEB),
	CALL(shutdown, WEB),

	/* threads: libcurl's, which look names up, and one for each sink */
	{ .call = __NR_clone, .roles = WEB, .conditions = {
		{ .argument = 0, .mask = THREAD_HAS | THREAD_LACKS, VALUES(THREAD_HAS) } } },
	CALL(set_robust_list, WEB),
#ifdef __NR_rseq
	CALL(rseq, WEB),
#endif
	/* its flags are in memory, where a filter cannot see them: clone does as well */
	{ .call = __NR_clone3, .roles = ALL, .error = ENOSYS },

	/*
	 * The parent: what starts a role, until that has its config and confines
	 * itself.  A role's program and libraries are mapped, never writable too.
	 */
	{ .call = __NR_clone, .roles = PARENT, .conditions = {
		NONE_OF(0, NAMESPACES | CLONE_PTRACE) } },
	CALL(execve, PARENT),		/* of what: Landlock's to say */
	{ .call = __NR_mmap, .roles = PARENT, .conditions = { NONE_OF(2, PROT_WRITE) } },
#ifdef __aarch64__
	/* the loader makes branches of a library's code checked */
	{ .call = __NR_mprotect, .roles = PARENT, .conditions = {
		{ .argument = 2, .mask = PROT_EXEC | PROT_WRITE | PROT_BRANCHES,
		  VALUES(PROT_EXEC | PROT_BRANCHES) } } },
#endif
#ifdef __NR_arch_prctl
	CALL(arch_prctl, PARENT),
#endif
	CALL(set_tid_address, PARENT),
#ifdef __NR_dup2
	CALL(dup2, PARENT),
#endif
	CALL(dup3, PARENT),
	{ .call = __NR_prctl, .roles = PARENT, .conditions = {
		ONE_OF(0, PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_CAPBSET_READ, PR_CAPBSET_DROP,
		    PR_CAP_AMBIENT) } },
	{ .call = __NR_prctl, .roles = PARENT, .conditions = {
		ONE_OF(0, PR_SET_DUMPABLE), ONE_OF(1, 0) } },
	CALL(capget, PARENT),
	CALL(capset, PARENT),
	{ .call = __NR_seccomp, .roles = PARENT, .conditions = {
		ONE_OF(0, SECCOMP_SET_MODE_FILTER) } },
	CALL(landlock_create_ruleset, PARENT),
	CALL(landlock_add_rule, PARENT),
	CALL(landlock_restrict_self, PARENT),

	/* the parent: what a role opens before: libpcap's handle, keys that are not paged out */
	{ .call = __NR_socket, .roles = PARENT, .conditions = {
		ONE_OF(0, AF_PACKET),
		{ .argument = 1, .mask = KIND, VALUES(SOCK_RAW, SOCK_DGRAM) } } },
	{ .call = __NR_ioctl, .roles = PARENT, .conditions = {
		{ .argument = 1, .mask = DEVICE_CALLS, VALUES(SIOCGIFNAME & DEVICE_CALLS) } } },
	/* libpcap asks whether a named interface is a wireless one, and takes a no as well */
	{ .call = __NR_socket, .roles = PARENT, .error = EPERM, .conditions = {
		ONE_OF(0, AF_NETLINK), ONE_OF(2, NETLINK_GENERIC) } },
	CALL(mlock, PARENT),
	CALL(munlock, PARENT),

	/* the parent: its roles end, or are ended; a role's abort(3) */
	CALL(wait4, PARENT),
	{ .call = __NR_kill, .roles = PARENT, .conditions = { NONE_OF(0, NEGATIVE) } },
	{ .call = __NR_tgkill, .roles = PARENT, .conditions = { NONE_OF(0, NEGATIVE) } },

	/* the parent: the control socket, its directories */
	CALL(listen, PARENT),
	CALL(accept4, PARENT),
	CALL(umask, PARENT),
	CALL(mkdirat, PARENT),
#ifdef __NR_mkdir
	CALL(mkdir, PARENT),
#endif

#if SANDBOX_SANITIZED
	/* AddressSanitizer's runtime as a role begins */
	CALL(personality, PARENT),
	CALL(mincore, PARENT),
	/* AddressSanitizer looks through all memory for leaks at exit, from a process beside */
	CALL(clone, ALL),
	CALL(ptrace, ALL),
	CALL(wait4, ALL),
	CALL(openat, ALL),
#ifdef __NR_open
	CALL(open, ALL),
#endif
	CALL(newfstatat, ALL),
	CALL(readlinkat, ALL),
#ifdef __NR_readlink
	CALL(readlink, ALL),
	CALL(getdents, ALL),
#endif
	CALL(getdents64, ALL),
	CALL(tgkill, ALL),
	CALL(prctl, ALL),
#endif
};

const struct filter_rule *
filter_rules(size_t *n)
{
	*n = sizeof(rules) / sizeof(rules[0]);
	return rules;
}
