/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lists that GuardDuty names, as one discovery found them: which of them
 * are in use, what they are called here, and how they are kept over a restart.
 */
#ifndef CORE_THREAT_SET_H
#define CORE_THREAT_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "threatlistd/list.h"
#include "core/format.h"

#define SETS_MAX		LIST_SOURCES_MAX
#define SET_ID_MAX		72	/* GuardDuty's ids have 32 bytes */
#define SET_LOCATION_MAX	1024	/* GuardDuty allows 300 characters, of up to 4 bytes */
#define SET_OWNER_MAX		16	/* 12 digits */
#define SET_FORMAT_MAX		16	/* ALIEN_VAULT */
#define DETECTOR_MAX		64	/* GuardDuty's have 32 bytes */

enum set_kind {
	SET_THREAT_INTEL,
	SET_IP,			/* the trusted IP list */
	SET_THREAT_ENTITY,
	SET_TRUSTED_ENTITY,
	SET_KIND_END
};

enum set_state {
	SET_IN_USE,
	SET_CHANGING,		/* the last good copy stays, nothing new is fetched */
	SET_OUT,		/* GuardDuty does not use it */
	SET_STATE_END
};

/* Crosses process borders; texts end with a NUL and are printable ASCII. */
struct threat_set {
	uint8_t kind, state;
	uint8_t pad[6];			/* zero */
	char format[SET_FORMAT_MAX];	/* GuardDuty's word in small letters */
	char id[SET_ID_MAX];
	char name[LIST_NAME_MAX];	/* GuardDuty's, as far as it makes the name of a source */
	char location[SET_LOCATION_MAX];
	char owner[SET_OWNER_MAX];	/* empty: none expected */
};

struct set_table {
	struct threat_set sets[SETS_MAX];
	size_t n;
	char detector[DETECTOR_MAX];	/* that named them; empty: not known yet */
};

const char *set_kind_text(enum set_kind kind);	/* "threat intel set" … */
uint8_t set_kind_role(enum set_kind kind);	/* enum list_role */
/* Entries that GuardDuty itself reads of such a list (its quotas). */
uint64_t set_kind_quota(enum set_kind kind);

/* How it is to be read; a word that is not known is left to detection. */
enum list_format set_format(const struct threat_set *set);

/* GuardDuty's word for a status.  Of one that is not known nothing new is taken. */
enum set_state set_state_of(const char *status);

/* A title as the name of a source: letters, digits, . _ and -; the id tells apart what was cut. */
void set_name_make(char name[static LIST_NAME_MAX], const char *title, const char *id);

/* It comes from the least trusted role: is every member what it must be? */
bool set_is_good(const struct threat_set *set);

/* Letters and digits: it becomes part of an ARN. */
bool detector_is_good(const char *detector);

const struct threat_set *set_find(const struct set_table *table, const char *id);

/*
 * What is in force after a discovery: fresh ones in use, old ones that are
 * changing, and all old ones of kinds that could not be asked (bits of failed).
 * A set that stays keeps its name, even if GuardDuty's changes: its last good
 * copy goes by it.  False, nothing done: fresh has an id twice.
 */
bool set_table_merge(struct set_table *into, const struct set_table *old,
    const struct set_table *fresh, unsigned int failed);

/*
 * Gives every set a name that no other has and taken() does not claim; names of
 * old that can stay do.
 */
void set_table_name(struct set_table *table, const struct set_table *old,
    bool (*taken)(const char *name, void *arg), void *arg);

/* One line a set; reads back to the same. */
void set_table_print(const struct set_table *table, FILE *out);
/* text is cut up.  False: damaged; *table is then empty. */
bool set_table_parse(struct set_table *table, char *text);

#endif
