/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A config while it is read, and where each key of it was given: conf.c, conf_check.c. */
#ifndef RUNTIME_CONF_BUILD_H
#define RUNTIME_CONF_BUILD_H

#include "runtime/conf.h"
#include "runtime/conf_table.h"

#define SECTIONS_MAX	(SECTION_FIRST_NAMED + LIST_SOURCES_MAX + CONF_SINKS_MAX)
#define SHOWN_MAX	120	/* bytes of a value in a message */

struct place {
	const char *file;	/* NULL: nowhere */
	unsigned int line;
};

/* A section as it was met, and where each of its keys was given. */
struct met {
	enum conf_section_id id;
	size_t index;		/* of named ones, in conf->sources or conf->sinks */
	struct place at, keys[CONF_KEYS_MAX];
};

struct builder {
	struct conf *conf;
	struct conf_error *err;
	struct place here;
	struct met met[SECTIONS_MAX];
	size_t nmet;
	struct met *now;	/* NULL: before the first section */
};

/* The sentence with its place; always -EINVAL. */
int conf_wrong_at(struct builder *builder, const struct place *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* NULL: a section without a name. */
const char *conf_name_of(const struct conf *conf, const struct met *met);
/* enum source_type or sink_type; 0: of a section that has none. */
unsigned int conf_type_of(const struct conf *conf, enum conf_section_id id, size_t index);

#endif
