/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The allow lists as the kernel would run them: classic BPF, in an interpreter of the few instructions in use. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "runtime/filter.h"
#include "runtime/sandbox.h"

#define PID	4711
#define FOREIGN	4712
#define REFUSE	SECCOMP_RET_KILL_THREAD		/* of this test: no rule has it */
#define PLAIN_THREAD	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | \
			CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

#if defined(__x86_64__)
#define ARCH	AUDIT_ARCH_X86_64
#else
#define ARCH	AUDIT_ARCH_AARCH64
#endif

static struct filter_program programs[FILTER_ROLES];

static int
build_all(void **state)
{
	int role;

	for (role = 0; role < FILTER_ROLES; role++)
		filter_build(&programs[role], (enum filter_role)role, PID, REFUSE);
	return 0;
}

/* Fails on an instruction that reads elsewhere, jumps out or ends without a verdict. */
static uint32_t
judge(const struct filter_program *program, const struct seccomp_data *data)
{
	uint32_t a = 0;
	unsigned int at;

	for (at = 0; at < program->n; at++) {
		const struct sock_filter *one = &program->code[at];

		switch (one->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(one->k % 4 == 0 && one->k + 4 <= sizeof(*data));
			memcpy(&a, (const char *)data + one->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= one->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += a == one->k ? one->jt : one->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			at += a >= one->k ? one->jt : one->jf;
			break;
		case BPF_RET | BPF_K:
			return one->k;
		default:
			fail_msg("instruction %#x", one->code);
		}
	}
	fail_msg("ran over the end");
	return 0;
}

static uint32_t
ask(int role, long call, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	const struct seccomp_data data = {
		.nr = (int)call, .arch = ARCH, .args = { a0, a1, a2, a3 },
	};

	return judge(&programs[role], &data);
}

/* Who may: letters of feed, enforcer, sensor, reporter, parent; what any may, the parent may. */
static void
expect(const char *who, long call, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	static const char letters[FILTER_ROLES] = {
		[FILTER_FEED] = 'f', [FILTER_ENFORCER] = 'e', [FILTER_SENSOR] = 's',
		[FILTER_REPORTER] = 'r', [FILTER_PARENT] = 'p',
	};
	int role;

	for (role = 0; role < FILTER_ROLES; role++) {
		uint32_t verdict = ask(role, call, a0, a1, a2, a3);
		bool may = role == FILTER_PARENT ? who[0] != '\0' : strchr(who, letters[role]) != NULL;
		uint32_t wanted = may ? SECCOMP_RET_ALLOW : REFUSE;

		if (verdict != wanted)
			fail_msg("role %c call %ld(%#llx, %#llx, %#llx, %#llx): %#x", letters[role],
			    call, (unsigned long long)a0, (unsigned long long)a1,
			    (unsigned long long)a2, (unsigned long long)a3, verdict);
	}
}

static void
test_sockets(void **state)
{
	expect("fr", SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0);
	expect("fr", SYS_socket, AF_INET6, SOCK_DGRAM, 0, 0);
	expect("", SYS_socket, AF_INET, SOCK_RAW, 1, 0);
	expect("", SYS_socket, AF_INET6, SOCK_SEQPACKET, 132, 0);
	expect("fr", SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0);
	expect("fesr", SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE, 0);
	expect("e", SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER, 0);
	expect("", SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_AUDIT, 0);
	expect("p", SYS_socket, AF_PACKET, SOCK_RAW, 0, 0);
	expect("p", SYS_socket, AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0);
	expect("", SYS_socket, AF_PACKET, 10 /* SOCK_PACKET */, 0, 0);
	expect("", SYS_socket, AF_VSOCK, SOCK_STREAM, 0, 0);
	/* the kernel looks at the lower half alone, and so does the filter */
	expect("fr", SYS_socket, UINT64_C(0xffffffff00000000) | AF_INET, SOCK_STREAM, 0, 0);
	expect("p", SYS_listen, 3, 1, 0, 0);
	expect("p", SYS_accept4, 3, 0, 0, 0);
	expect("fr", SYS_connect, 3, 0, 0, 0);
}

static void
test_memory(void **state)
{
	expect("fesr", SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	expect("p", SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	expect("", SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE);
	expect("fesr", SYS_mprotect, 0, 4096, PROT_NONE, 0);
	expect("", SYS_mprotect, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, 0);
	expect("", SYS_pkey_mprotect, 0, 4096, PROT_READ, 0);
	expect("", SYS_remap_file_pages, 0, 0, 0, 0);
}

static void
test_processes(void **state)
{
	if (!SANDBOX_SANITIZED) {
		expect("fr", SYS_clone, PLAIN_THREAD, 0, 0, 0);
		expect("p", SYS_clone, 17 /* SIGCHLD: fork(2) */, 0, 0, 0);
		expect("", SYS_clone, 17 | CLONE_NEWUSER, 0, 0, 0);
		expect("", SYS_clone, 17 | CLONE_NEWNET, 0, 0, 0);
		expect("", SYS_clone, PLAIN_THREAD | CLONE_NEWUSER, 0, 0, 0);
		expect("", SYS_ptrace, 0, 0, 0, 0);
		expect("fesr", SYS_tgkill, PID, PID, 6, 0);
		expect("p", SYS_wait4, 0, 0, 0, 0);
		expect("p", SYS_tgkill, FOREIGN, FOREIGN, 6, 0);
		expect("", SYS_tgkill, (uint64_t)-1, FOREIGN, 6, 0);
		expect("p", SYS_prctl, 4 /* PR_SET_DUMPABLE */, 0, 0, 0);
		expect("", SYS_prctl, 4, 1, 0, 0);
		expect("p", SYS_prctl, 1 /* PR_SET_PDEATHSIG */, 9, 0, 0);
		expect("", SYS_prctl, 8 /* PR_SET_KEEPCAPS */, 1, 0, 0);
	}
	expect("p", SYS_kill, PID, 9, 0, 0);
	expect("", SYS_kill, (uint64_t)-1, 9, 0, 0);
	expect("", SYS_kill, (uint32_t)-PID, 9, 0, 0);
	expect("p", SYS_execve, 0, 0, 0, 0);
	expect("", SYS_execveat, 0, 0, 0, 0);
	expect("fesr", SYS_prlimit64, 0, 7, 0, 0);
	expect("", SYS_prlimit64, FOREIGN, 7, 0, 0);
	expect("", SYS_seccomp, 0, 0, 0, 0);
	expect("p", SYS_seccomp, 1 /* SECCOMP_SET_MODE_FILTER */, 0, 0, 0);
	expect("p", SYS_capset, 0, 0, 0, 0);
	expect("", SYS_setuid, 0, 0, 0, 0);
	expect("", SYS_unshare, CLONE_NEWUSER, 0, 0, 0);
	expect("", SYS_mount, 0, 0, 0, 0);
	expect("fesr", SYS_exit_group, 0, 0, 0, 0);
}

/* What libpcap asks before the sensor is confined is refused, and no breach: not even where those end a role. */
static void
test_wireless_is_refused(void **state)
{
	int role;

	for (role = 0; role < FILTER_ROLES; role++)
		assert_int_equal(ask(role, SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_GENERIC, 0),
		    role == FILTER_PARENT ? SECCOMP_RET_ERRNO | EPERM : REFUSE);
}

/* Its flags cannot be seen: the C library then uses clone. */
static void
test_clone3_is_not_there(void **state)
{
	int role;

	for (role = 0; role < FILTER_ROLES; role++)
		assert_int_equal(ask(role, SYS_clone3, 0, 88, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
}

static void
test_files(void **state)
{
	const uint64_t here = (uint32_t)-100;	/* AT_FDCWD */

	if (!SANDBOX_SANITIZED) {
		expect("fer", SYS_openat, here, 0, 02000000 /* O_RDONLY | O_CLOEXEC */, 0);
		expect("er", SYS_openat, here, 0, 01 /* O_WRONLY */, 0);
		expect("er", SYS_openat, here, 0, 0100 /* O_CREAT */, 0600);
	}
	expect("er", SYS_unlinkat, here, 0, 0, 0);
	expect("p", SYS_mkdirat, here, 0, 0700, 0);
	expect("", SYS_symlinkat, 0, here, 0, 0);
	expect("", SYS_mknodat, here, 0, 0, 0);
	expect("", SYS_ioctl, 0, 0x5412 /* TIOCSTI */, 0, 0);
	expect("p", SYS_ioctl, 3, 0x8933 /* SIOCGIFINDEX */, 0, 0);
	expect("fesr", SYS_fcntl, 3, 2 /* F_SETFD */, 1, 0);
	expect("", SYS_fcntl, 3, 8 /* F_SETOWN */, PID, 0);
}

/* 32-bit calls have other numbers: exit is 1 there, which is write here. */
static void
test_other_conventions_end_it(void **state)
{
	struct seccomp_data data = { .nr = SYS_read, .arch = AUDIT_ARCH_I386 };
	int role;

	for (role = 0; role < FILTER_ROLES; role++) {
		data.arch = AUDIT_ARCH_I386;
		assert_int_equal(judge(&programs[role], &data), SECCOMP_RET_KILL_PROCESS);
		data.arch = AUDIT_ARCH_ARM;
		assert_int_equal(judge(&programs[role], &data), SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
		assert_int_equal(ask(role, 0x40000000 | SYS_read, 0, 0, 0, 0),
		    SECCOMP_RET_KILL_PROCESS);
#endif
		assert_int_equal(ask(role, -1, 0, 0, 0, 0),
		    ARCH == AUDIT_ARCH_AARCH64 ? REFUSE : SECCOMP_RET_KILL_PROCESS);
		assert_int_equal(ask(role, SYS_read, 0, 0, 0, 0), SECCOMP_RET_ALLOW);
	}
}

/* What the kernel checks: every jump ends within, and the last instruction is a verdict. */
static void
test_the_kernel_would_take_it(void **state)
{
	unsigned int at;
	int role;

	for (role = 0; role < FILTER_ROLES; role++) {
		const struct filter_program *program = &programs[role];

		assert_in_range(program->n, 1, FILTER_CODE_MAX);
		for (at = 0; at < program->n; at++) {
			const struct sock_filter *one = &program->code[at];

			if (BPF_CLASS(one->code) == BPF_JMP)
				assert_true(at + 1 + one->jt < program->n && at + 1 + one->jf < program->n);
		}
		assert_int_equal(program->code[program->n - 1].code, BPF_RET | BPF_K);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_wireless_is_refused),
		cmocka_unit_test(test_clone3_is_not_there),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_other_conventions_end_it),
		cmocka_unit_test(test_the_kernel_would_take_it),
	};

	return cmocka_run_group_tests_name("filter", tests, build_all, NULL);
}
