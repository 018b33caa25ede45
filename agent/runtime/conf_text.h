/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files of the config and their lines. */
#ifndef RUNTIME_CONF_TEXT_H
#define RUNTIME_CONF_TEXT_H

#include "runtime/conf.h"

struct conf_text {
	const char *name;	/* in messages */
	const char *data;
	size_t size;
};

struct conf_texts {
	struct conf_text texts[CONF_FILES_MAX];
	char *names[CONF_FILES_MAX], *data[CONF_FILES_MAX];	/* owned */
	size_t n;
};

/* path and the *.conf in conf.d beside it.  conf_texts_free in every case. */
int conf_texts_load(struct conf_texts *texts, const char *path, struct conf_error *err);
int conf_texts_from_fd(struct conf_texts *texts, int fd, struct conf_error *err);
void conf_texts_free(struct conf_texts *texts);

struct conf_lines {
	const char *at, *end;
	unsigned int number;		/* of the line, from 1 */
	char line[CONF_LINE_MAX + 1];	/* comment and outer blanks off; may be empty */
};

void conf_lines_begin(struct conf_lines *lines, const struct conf_text *text);

/* False at the end.  *wrong is NULL or says why the line cannot be used. */
bool conf_lines_next(struct conf_lines *lines, const char **wrong);

/* Takes blanks off the end. */
void conf_text_trim(char *text);

#endif
