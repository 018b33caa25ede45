/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The domain names of a list.  Nothing is enforced by them; they are kept beside
 * the list's image, for whoever can see names (STATE_DIR/lists/NAME.domains).
 * Its form is a text: a heading, then a name a line, in small letters, without a
 * dot at the end, in ascending order of their bytes, each once.  "*.example.org"
 * is all below example.org, not example.org itself.
 */
#ifndef CORE_DOMAINS_H
#define CORE_DOMAINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOMAINS_MAX	100000u		/* names; GuardDuty's quota is 1,000 of an entity list */
#define DOMAINS_BYTES	(4u << 20)	/* of the whole text */
#define DOMAINS_HEADING	"threatlistd domains 1\n"

struct domains;

struct domains *domains_new(void);	/* NULL: no memory */
void domains_free(struct domains *domains);

/* One name as a list has it; what is none, or has no room, is left out and counted.  0, -ENOMEM. */
int domains_add(struct domains *domains, const char *text, size_t len);

/* How many were added, repeats among them; how many were left out. */
size_t domains_count(const struct domains *domains);
uint64_t domains_left_out(const struct domains *domains);

/*
 * The text, of DOMAINS_BYTES at most, which is the caller's to free; no more may
 * be added then.  *n: names in it.  0, -ENOMEM.
 */
int domains_print(struct domains *domains, char **text, size_t *size, uint32_t *n);

/* Is this such a text, whoever wrote it?  *n: names in it. */
bool domains_check(const char *text, size_t size, uint32_t *n);

#endif
