/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's highest capability is found by asking: it grows over versions. */
#define CAPABILITIES_MAX	64
#define PSS_TEXT		4096	/* bytes of smaps_rollup, of which the kernel fills about 800 */

static int pss_fd = -1;		/* of sandbox_keep_pss */

int
sandbox_begin(void)
{
	const struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    setrlimit(RLIMIT_CORE, &none) != 0)
		return -errno;
	return 0;
}

static int
capabilities_get(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	memset(data, 0, 2 * sizeof(data[0]));
	return syscall(SYS_capget, &head, data) == 0 ? 0 : -errno;
}

static void
bound_capabilities(uint64_t mask)
{
	unsigned int i;

	/* without CAP_SETPCAP this is refused, and needless: nothing is left to gain */
	for (i = 0; i < CAPABILITIES_MAX; i++) {
		if ((mask & (UINT64_C(1) << i)) == 0)
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	}
}

int
sandbox_keep_capabilities(uint64_t mask)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	unsigned int i;
	int error;

	error = capabilities_get(data);
	if (error != 0)
		return error;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	bound_capabilities(mask);
	for (i = 0; i < 2; i++) {
		uint32_t keep = (uint32_t)(mask >> (32 * i));

		data[i].permitted &= keep;
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, data) == 0 ? 0 : -errno;
}

int
sandbox_hold_capabilities(uint64_t mask)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	unsigned int i;
	int error;

	error = capabilities_get(data);
	if (error != 0)
		return error;
	bound_capabilities(mask);
	for (i = 0; i < 2; i++) {
		uint32_t keep = (uint32_t)(mask >> (32 * i));

		data[i].permitted &= keep;
		data[i].inheritable &= keep;
		data[i].effective = 0;
	}
	return syscall(SYS_capset, &head, data) == 0 ? 0 : -errno;
}

void
sandbox_keep_pss(void)
{
	if (pss_fd < 0)
		pss_fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
}

uint64_t
sandbox_pss(void)
{
	unsigned long long kib = 0;
	char text[PSS_TEXT], *line;
	ssize_t n;

	sandbox_keep_pss();
	n = pss_fd < 0 ? -1 : pread(pss_fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return 0;
	text[n] = '\0';
	line = strstr(text, "\nPss:");
	if (line == NULL || sscanf(line + 1, "Pss: %llu kB", &kib) != 1)
		return 0;
	return kib * 1024;
}

/* Of one library or the program: what no one writes to comes back from the file when it is touched. */
static int
unmap_pages(struct dl_phdr_info *info, size_t size, void *arg)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	size_t i;

	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + part->p_vaddr, start = at - at % page;

		/* relocations are in parts that were writable once: those stay */
		if (part->p_type == PT_LOAD && (part->p_flags & PF_W) == 0)
			(void)madvise((void *)start, at + part->p_memsz - start, MADV_DONTNEED);
	}
	return 0;
}

void
sandbox_trim(void)
{
	dl_iterate_phdr(unmap_pages, NULL);
}

bool
sandbox_has_capability(unsigned int number)
{
	struct __user_cap_data_struct data[2];

	if (capabilities_get(data) != 0)
		return false;
	return (data[number / 32].effective & (1u << (number % 32))) != 0;
}

int
sandbox_limit_memory(uint64_t bytes)
{
	const struct rlimit limit = { bytes, bytes };

	return setrlimit(RLIMIT_AS, &limit) == 0 ? 0 : -errno;
}
