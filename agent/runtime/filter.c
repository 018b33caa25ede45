/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/filter.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/filter_rules.h"
#include "threatlistd/log.h"

#if defined(__x86_64__)
#define OWN_ARCH	AUDIT_ARCH_X86_64
#define X32_BIT		0x40000000u	/* __X32_SYSCALL_BIT, asm/unistd.h */
#elif defined(__aarch64__)
#define OWN_ARCH	AUDIT_ARCH_AARCH64
#else
#error "the seccomp lists are for x86_64 and aarch64: add this machine's AUDIT_ARCH and calls"
#endif

/*
 * Of the parent a role that it has just started inherits the list, but not the
 * handler of SIGSYS: there a refused call fails, and the kernel's own log has it.
 */
#ifdef FILTER_KILL
#define REFUSAL		SECCOMP_RET_KILL_PROCESS
#define PARENT_REFUSAL	SECCOMP_RET_KILL_PROCESS
#else
#define REFUSAL		SECCOMP_RET_TRAP
#define PARENT_REFUSAL	(SECCOMP_RET_ERRNO | EPERM)
#endif

#define CALLS_MAX	512	/* numbers of calls that are told apart in the log */
#define SYS_SECCOMP_CODE	1	/* si_code of a SIGSYS from seccomp(2) */

static atomic_bool said[CALLS_MAX];

static void
emit(struct filter_program *program, struct sock_filter instruction)
{
	assert(program->n < FILTER_CODE_MAX);
	program->code[program->n++] = instruction;
}

static void
load(struct filter_program *program, size_t offset)
{
	emit(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void
end_with(struct filter_program *program, uint32_t verdict)
{
	emit(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
}

static bool
has_conditions(const struct filter_rule *rule)
{
	return rule->conditions[0].mask != 0;
}

/* The lower half of an argument, on machines that are little endian both. */
static size_t
argument_at(unsigned int argument)
{
	return offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t);
}

/* How many instructions add_condition makes. */
static unsigned int
condition_length(const struct filter_condition *condition)
{
	return 2u + (condition->n > 0 ? condition->n : 1u);
}

/* Goes on behind itself when it holds, else over `behind` more instructions. */
static void
add_condition(struct filter_program *program, const struct filter_condition *condition,
    uint32_t pid, unsigned int behind)
{
	unsigned int i, n = condition->n > 0 ? condition->n : 1;

	load(program, argument_at(condition->argument));
	emit(program, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, condition->mask));
	for (i = 0; i < n; i++) {
		uint32_t value = condition->n > 0 ? condition->values[i] : pid;
		unsigned int left = n - 1 - i;

		emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value,
		    (uint8_t)left, (uint8_t)(left == 0 ? behind : 0)));
	}
}

/* The accumulator holds the number of the call before each rule, and behind it. */
static void
add_rule(struct filter_program *program, const struct filter_rule *rule, uint32_t pid)
{
	uint32_t verdict = rule->error != 0 ? SECCOMP_RET_ERRNO | (uint32_t)rule->error :
	    SECCOMP_RET_ALLOW;
	unsigned int i, length = 1;

	for (i = 0; i < FILTER_CONDITIONS_MAX && rule->conditions[i].mask != 0; i++)
		length += condition_length(&rule->conditions[i]);
	if (has_conditions(rule))
		length++;
	assert(length <= UINT8_MAX);
	emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
	    (uint32_t)rule->call, 0, (uint8_t)length));
	length--;
	for (i = 0; i < FILTER_CONDITIONS_MAX && rule->conditions[i].mask != 0; i++) {
		length -= condition_length(&rule->conditions[i]);
		/* over what is left, but not over the reload of the number */
		add_condition(program, &rule->conditions[i], pid, length);
	}
	end_with(program, verdict);
	if (has_conditions(rule))
		load(program, offsetof(struct seccomp_data, nr));
}

void
filter_build(struct filter_program *program, enum filter_role role, uint32_t pid,
    uint32_t refusal)
{
	const struct filter_rule *rules;
	size_t i, n;

	program->n = 0;
	load(program, offsetof(struct seccomp_data, arch));
	emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0));
	end_with(program, SECCOMP_RET_KILL_PROCESS);
	load(program, offsetof(struct seccomp_data, nr));
#ifdef X32_BIT
	emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
	end_with(program, SECCOMP_RET_KILL_PROCESS);
#endif
	rules = filter_rules(&n);
	for (i = 0; i < n; i++) {
		/* the parent's is all of theirs, as it has to be, and its own */
		if ((rules[i].roles & (1u << role)) != 0 || role == FILTER_PARENT)
			add_rule(program, &rules[i], pid);
	}
	end_with(program, refusal);
}

/* In the thread that made the call, whatever lock it holds there: none may be wanted here. */
static void
on_refused(int signo, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	int call = info->si_syscall;

	/* sent by somebody: nothing was called */
	if (info->si_code != SYS_SECCOMP_CODE)
		return;
	if (call < 0 || call >= CALLS_MAX || !atomic_exchange(&said[call], true))
		log_warn_untimed("system call refused call=%d", call);
#if defined(__x86_64__)
	at->uc_mcontext.gregs[REG_RAX] = -EPERM;
#else
	at->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#endif
}

int
filter_enter(enum filter_role role)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART };
	uint32_t refusal = role == FILTER_PARENT ? PARENT_REFUSAL : REFUSAL;
	unsigned long flags = SECCOMP_FILTER_FLAG_TSYNC;
	static struct filter_program program;
	struct sock_fprog form;

	action.sa_sigaction = on_refused;
	if (refusal == SECCOMP_RET_TRAP && sigaction(SIGSYS, &action, NULL) != 0)
		return -errno;
	if (role == FILTER_PARENT)
		flags |= SECCOMP_FILTER_FLAG_LOG;
	filter_build(&program, role, (uint32_t)getpid(), refusal);
	form.len = (unsigned short)program.n;
	form.filter = program.code;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &form) != 0)
		return -errno;
	return 0;
}
