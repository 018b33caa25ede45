/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tool_confine ROLE CONF [read=PATH | write=PATH]…: what a process can still do once it is
 * confined as this role, one line an attempt: "NAME allowed", "NAME errno N",
 * or "NAME signal N"; of files "read=PATH allowed" and so on.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <linux/netlink.h>
#include <unistd.h>

#include "runtime/confine.h"
#include "runtime/preload.h"
#include "runtime/sandbox.h"
#include "threatlistd/log.h"

#define PAGE	4096
#define DONE	100	/* exit codes: this, or errno */

static const char *const roles[FILTER_ROLES] = {
	[FILTER_FEED] = "feed", [FILTER_ENFORCER] = "enforcer", [FILTER_SENSOR] = "sensor",
	[FILTER_REPORTER] = "reporter", [FILTER_PARENT] = "parent",
};

static long
run_program(void)
{
	/* ends as an attempt that succeeds: DONE */
	static char name[] = "/bin/sh", option[] = "-c", script[] = "exit 100";
	char *argv[] = { name, option, script, NULL };

	return execv(name, argv);
}

static long
map_executable(void)
{
	return mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	    MAP_FAILED ? -1 : 0;
}

static long
make_executable(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(page, PAGE, PROT_READ | PROT_EXEC);
}

static long
map_writable_code(void)
{
	return mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
	    -1, 0) == MAP_FAILED ? -1 : 0;
}

static long
bind_port(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&any, sizeof(any));
}

static long
listen_local(void)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	/* by its family alone: the kernel chooses an abstract address, unix(7) */
	return fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any.sun_family)) != 0 ?
	    -1 : listen(fd, 1);
}

static long
start_process(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return pid;
}

static long
limit_parent(void)
{
	struct rlimit limit;

	return prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit);
}

/* Of the kinds that Landlock tells apart. */
static long
make_link(void)
{
	return symlink("/etc/passwd", "/tmp/threatlistd-tool-link") != 0 ? -1 :
	    unlink("/tmp/threatlistd-tool-link");
}

static long
make_fifo(void)
{
	return mkfifo("/tmp/threatlistd-tool-fifo", 0600) != 0 ? -1 :
	    unlink("/tmp/threatlistd-tool-fifo");
}

static long
make_local_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX,
		.sun_path = "/tmp/threatlistd-tool-socket" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&address, sizeof(address));
}

/* Signals of another kind than kill(2)'s. */
static long
own_parent(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0 ? -1 :
	    fcntl(fds[0], F_SETOWN, getppid());
}

static const struct attempt {
	const char *name;
	long (*call)(void);		/* NULL: the call below */
	long number, arguments[5];
} attempts[] = {
	{ "inet", NULL, SYS_socket, { AF_INET, SOCK_STREAM } },
	{ "inet6-udp", NULL, SYS_socket, { AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC } },
	{ "raw", NULL, SYS_socket, { AF_INET, SOCK_RAW, IPPROTO_ICMP } },
	{ "unix", NULL, SYS_socket, { AF_UNIX, SOCK_STREAM } },
	{ "packet", NULL, SYS_socket, { AF_PACKET, SOCK_RAW } },
	{ "route", NULL, SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_ROUTE } },
	{ "netfilter", NULL, SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER } },
	{ "audit", NULL, SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_AUDIT } },
	{ "vsock", NULL, SYS_socket, { AF_VSOCK, SOCK_STREAM } },
	{ "execve", run_program, 0, { 0 } },
	{ "process", start_process, 0, { 0 } },
	{ "clone3", NULL, SYS_clone3, { 0 } },
	{ "unshare", NULL, SYS_unshare, { CLONE_NEWUSER } },
	{ "ptrace", NULL, SYS_ptrace, { PTRACE_TRACEME } },
	{ "kill", NULL, SYS_kill, { 1, 0 } },
	{ "kill-all", NULL, SYS_kill, { -1, 0 } },
	{ "kill-self", NULL, SYS_kill, { 0, 0 } },
	{ "setown", own_parent, 0, { 0 } },
	{ "prlimit", limit_parent, 0, { 0 } },
	{ "map-exec", map_executable, 0, { 0 } },
	{ "map-write-exec", map_writable_code, 0, { 0 } },
	{ "protect-exec", make_executable, 0, { 0 } },
	{ "bind", bind_port, 0, { 0 } },
	{ "link", make_link, 0, { 0 } },
	{ "fifo", make_fifo, 0, { 0 } },
	{ "local-socket", make_local_socket, 0, { 0 } },
	{ "listen", listen_local, 0, { 0 } },
	{ "bpf", NULL, SYS_bpf, { 0 } },
	{ "io_uring", NULL, SYS_io_uring_setup, { 1 } },
	{ "userfaultfd", NULL, SYS_userfaultfd, { 0 } },
	{ "keyctl", NULL, SYS_keyctl, { 0 } },
	{ "perf", NULL, SYS_perf_event_open, { 0 } },
	{ "module", NULL, SYS_init_module, { 0 } },
	{ "mount", NULL, SYS_mount, { 0 } },
	{ "setuid", NULL, SYS_setuid, { 0 } },
	{ "chroot", NULL, SYS_chroot, { 0 } },
	{ "vm-read", NULL, SYS_process_vm_readv, { 1 } },
	{ "dumpable", NULL, SYS_prctl, { PR_SET_DUMPABLE, 1 } },
	{ "seccomp", NULL, SYS_seccomp, { 0 } },
	{ "personality", NULL, SYS_personality, { 0 } },
	{ "console", NULL, SYS_ioctl, { 0, 0x5412 /* TIOCSTI */ } },
};

/* 0 or an errno. */
static int
try(const struct attempt *attempt)
{
	long rc;

	rc = attempt->call != NULL ? attempt->call() :
	    syscall(attempt->number, attempt->arguments[0], attempt->arguments[1],
	    attempt->arguments[2], attempt->arguments[3], attempt->arguments[4]);
	return rc >= 0 ? 0 : errno;
}

static int
try_file(const char *wanted)
{
	const char *path = strchr(wanted, '=') + 1;
	int fd;

	fd = wanted[0] == 'w' ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) :
	    open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? 0 : errno;
}

static void
report(const char *name, pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("%s signal %d\n", name, WTERMSIG(status));
	else if (WEXITSTATUS(status) == DONE)
		printf("%s allowed\n", name);
	else
		printf("%s errno %d\n", name, WEXITSTATUS(status));
	fflush(stdout);
}

static int
become(size_t role, const struct conf *conf)
{
	struct msg_confined done;
	int error = sandbox_begin();

	if (role == FILTER_FEED || role == FILTER_REPORTER)
		preload_online();
	if (error == 0)
		confine((enum filter_role)role, conf, &done);
	return error;
}

static void __attribute__((noreturn))
leave(int error)
{
	_exit(error == 0 ? DONE : error);
}

int
main(int argc, char **argv)
{
	struct conf_error error;
	struct conf *conf;
	size_t i, role = 0;
	pid_t pid;

	while (argc >= 3 && role < FILTER_ROLES && strcmp(roles[role], argv[1]) != 0)
		role++;
	if (argc < 3 || role == FILTER_ROLES || conf_load(&conf, argv[2], &error) != 0) {
		fprintf(stderr, "usage: tool_confine ROLE CONF [read=PATH | write=PATH]…\n");
		return 2;
	}
	log_init(argv[1], LOG_STYLE_PERSON);
	for (i = 3; i < (size_t)argc; i++) {
		pid = fork();
		if (pid == 0)
			leave(become(role, conf) == 0 ? try_file(argv[i]) : EINVAL);
		report(argv[i], pid);
	}
	for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		pid = fork();
		if (pid == 0)
			leave(become(role, conf) == 0 ? try(&attempts[i]) : EINVAL);
		report(attempts[i].name, pid);
	}
	conf_free(conf);
	return 0;
}
