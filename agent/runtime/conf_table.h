/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the config may say: one row a key, which drives reading, checking,
 * defaults, printing and freeing alike, so that they cannot disagree.
 */
#ifndef RUNTIME_CONF_TABLE_H
#define RUNTIME_CONF_TABLE_H

#include "runtime/conf.h"

#define CONF_KEYS_MAX	24	/* rows of the longest section */
#define CONF_WHY_MAX	384	/* bytes of a sentence about a value */

struct conf_choice {
	const char *name;
	int64_t value;
};

/* How the text of a value reads. */
enum conf_kind {
	/* numbers, in a member of 1, 2, 4 or 8 bytes */
	KIND_CHOICE,		/* one of choices */
	KIND_COUNT,
	KIND_PERCENT,		/* 50% */
	KIND_DURATION,		/* 90s, 15m … in ms */
	KIND_OFF_DURATION,	/* the same, or "off" for 0 */
	KIND_SIZE,		/* bytes, or 256M … */
	/* texts, in a char * */
	KIND_PATH,		/* absolute */
	KIND_LOCATION,		/* absolute path or URL, by the type of the source */
	KIND_URL,		/* http:// or https:// */
	KIND_PROXY,		/* env, none or a URL */
	KIND_WORD,		/* letters, digits, . _ - : @ */
	KIND_RESOURCE,		/* the same and /: the name or ARN of something in AWS */
	KIND_AUTO_WORD,		/* the same, or "auto" for NULL */
	KIND_ACCOUNT,		/* 12 digits */
	KIND_INTERFACE,
	/* struct range * and, behind it, size_t */
	KIND_CIDRS,
};

struct conf_key {
	const char *name;
	enum conf_kind kind;
	size_t at, size;	/* of the member in the section's struct */
	const char *preset;	/* the default as text; NULL: none */
	int64_t low, high;	/* of numbers; of words high is the length */
	const struct conf_choice *choices;
	unsigned int types;	/* 1u << type of those it fits; 0: all */
	bool required;
	bool inherits;		/* where not given and … */
	size_t from;		/* … no preset: this member of struct conf */
};

enum conf_section_id {
	SECTION_AGENT, SECTION_ENFORCE, SECTION_CAPTURE,	/* once, in struct conf */
	SECTION_SOURCE, SECTION_SINK,				/* many, each with a name */
	SECTION_END
};
#define SECTION_FIRST_NAMED	SECTION_SOURCE

struct conf_section {
	const char *word;
	const struct conf_key *keys;
	size_t nkeys;
};

extern const struct conf_section conf_sections[SECTION_END];

/* NULL: no such key. */
const struct conf_key *conf_key_find(const struct conf_section *section, const char *name);

/*
 * Reads a value into its member of base.  0; -ENOMEM; or -EINVAL and *why says
 * what is wrong where that is not plain from what is allowed, else it is empty.
 */
int conf_value_read(const struct conf_key *key, const char *value, void *base,
    char why[static CONF_WHY_MAX]);

/* Puts the inherited value into base.  0 or -ENOMEM. */
int conf_value_inherit(const struct conf_key *key, const struct conf *conf, void *base);

/* "KEY = VALUE\n", on a line that can be read; nothing for a text that is not there. */
void conf_value_print(const struct conf_key *key, const void *base, FILE *out);
void conf_value_free(const struct conf_key *key, void *base);

/* What the value may be, for messages. */
void conf_value_allowed(const struct conf_key *key, char text[static CONF_WHY_MAX]);

/* Does the key belong to a source or sink of this type? */
static inline bool
conf_key_fits(const struct conf_key *key, unsigned int type)
{
	return key->types == 0 || (key->types & (1u << type)) != 0;
}

/* The host of a URL, between "://" and the port or path, brackets off.  NULL: malformed. */
const char *conf_url_host(const char *url, size_t *len);
#endif
