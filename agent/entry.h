/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where processes of the agent begin, in whichever of its two programs. */
#ifndef AGENT_ENTRY_H
#define AGENT_ENTRY_H

#include <stdbool.h>
#include <stddef.h>

struct entry {
	const char *role;
	int (*main)(void);	/* of roles.h */
};

/* person: log for one, not for the journal. */
void entry_begin(bool person);

/* Becomes the role of that name.  Its exit code, or 2: it is not here, or not started by the agent. */
int entry_become(const struct entry *entries, size_t n, const char *role);

#endif
