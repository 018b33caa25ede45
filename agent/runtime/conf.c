/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads the config in two steps: all lines of all files into their members,
 * then what only the whole can tell: required keys, keys that do not fit the
 * type, inherited defaults.  The first error ends it.
 */
#include "runtime/conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/conf_build.h"
#include "runtime/conf_check.h"
#include "runtime/conf_text.h"

#define NAME_ALLOWED	"1 to 63 letters, digits and . _ -, the first a letter or digit"

int
conf_wrong_at(struct builder *builder, const struct place *at, const char *fmt, ...)
{
	struct conf_error *err = builder->err;
	va_list args;
	int len;

	len = snprintf(err->text, sizeof(err->text), "%s:%u: ", at->file, at->line);
	if (len < 0 || (size_t)len >= sizeof(err->text))
		return -EINVAL;
	va_start(args, fmt);
	vsnprintf(err->text + len, sizeof(err->text) - (size_t)len, fmt, args);
	va_end(args);
	return -EINVAL;
}
#define wrong_here(builder, ...)	conf_wrong_at(builder, &(builder)->here, __VA_ARGS__)

static int
no_memory(struct builder *builder)
{
	snprintf(builder->err->text, sizeof(builder->err->text), "out of memory");
	return -ENOMEM;
}

static void *
base_of(struct conf *conf, enum conf_section_id id, size_t index)
{
	switch (id) {
	case SECTION_SOURCE:
		return &conf->sources[index];
	case SECTION_SINK:
		return &conf->sinks[index];
	default:
		return conf;
	}
}

const char *
conf_name_of(const struct conf *conf, const struct met *met)
{
	return met->id == SECTION_SOURCE ? conf->sources[met->index].name :
	    met->id == SECTION_SINK ? conf->sinks[met->index].name : NULL;
}

unsigned int
conf_type_of(const struct conf *conf, enum conf_section_id id, size_t index)
{
	return id == SECTION_SOURCE ? (unsigned int)conf->sources[index].type :
	    id == SECTION_SINK ? (unsigned int)conf->sinks[index].type : 0;
}

static struct met *
find_met(struct builder *builder, enum conf_section_id id, const char *name)
{
	size_t i;

	for (i = 0; i < builder->nmet; i++) {
		struct met *met = &builder->met[i];

		if (met->id == id &&
		    (name == NULL || strcmp(conf_name_of(builder->conf, met), name) == 0))
			return met;
	}
	return NULL;
}

static bool
name_is_good(const char *name)
{
	static const char begin[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(name);

	return len > 0 && len < LIST_NAME_MAX && strspn(name, begin) > 0 &&
	    strspn(name, letters) == len;
}

/* Makes room for one more source or sink of this name. */
static int
add_named(struct builder *builder, struct met *met, const char *name)
{
	struct conf *conf = builder->conf;
	bool source = met->id == SECTION_SOURCE;
	size_t most = source ? LIST_SOURCES_MAX : CONF_SINKS_MAX;
	char *copy;

	if ((source ? conf->nsources : conf->nsinks) == most) {
		return wrong_here(builder, "[%s %s] is one too many, at most %zu are allowed",
		    conf_sections[met->id].word, name, most);
	}
	copy = strdup(name);
	if (copy == NULL)
		return no_memory(builder);
	if (source) {
		met->index = conf->nsources++;
		conf->sources[met->index].name = copy;
	} else {
		met->index = conf->nsinks++;
		conf->sinks[met->index].name = copy;
	}
	return 0;
}

/* A section that is there already: fixed ones go on in another file. */
static int
again(struct builder *builder, struct met *met, const char *header)
{
	if (met->id >= SECTION_FIRST_NAMED || met->at.file == builder->here.file) {
		return wrong_here(builder, "[%s] is there already, at %s:%u", header,
		    met->at.file, met->at.line);
	}
	met->at = builder->here;
	builder->now = met;
	return 0;
}

static int
begin_section(struct builder *builder, enum conf_section_id id, const char *name)
{
	char header[LIST_NAME_MAX + 16];
	struct met *met;
	int error;

	snprintf(header, sizeof(header), "%s%s%s", conf_sections[id].word,
	    name != NULL ? " " : "", name != NULL ? name : "");
	met = find_met(builder, id, name);
	if (met != NULL)
		return again(builder, met, header);
	met = &builder->met[builder->nmet];
	memset(met, 0, sizeof(*met));
	met->id = id;
	met->at = builder->here;
	if (name != NULL) {
		error = add_named(builder, met, name);
		if (error != 0)
			return error;
	}
	builder->nmet++;
	builder->now = met;
	return 0;
}

/* header is what stands between the brackets. */
static int
read_header(struct builder *builder, char *header)
{
	char *name = header + strcspn(header, " \t");
	enum conf_section_id id;

	if (*name != '\0') {
		*name++ = '\0';
		name += strspn(name, " \t");
	}
	for (id = 0; id < SECTION_END; id++) {
		if (strcmp(conf_sections[id].word, header) == 0)
			break;
	}
	if (id == SECTION_END) {
		return wrong_here(builder, "no section [%.60s], there are [agent], [enforce], "
		    "[capture], [source NAME] and [sink NAME]", header);
	}
	if (id < SECTION_FIRST_NAMED) {
		if (*name != '\0')
			return wrong_here(builder, "[%s] has no name, this one has `%.80s'",
			    header, name);
		return begin_section(builder, id, NULL);
	}
	if (!name_is_good(name)) {
		return wrong_here(builder, "the name of a %s is %s, this one is `%.80s'", header,
		    NAME_ALLOWED, name);
	}
	return begin_section(builder, id, name);
}

static int
unknown_key(struct builder *builder, const char *name)
{
	const struct conf_section *section = &conf_sections[builder->now->id];
	char names[400];
	size_t i, len = 0;

	names[0] = '\0';
	for (i = 0; i < section->nkeys && len < sizeof(names); i++) {
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s",
		    i == 0 ? "" : ", ", section->keys[i].name);
	}
	return wrong_here(builder, "[%s] has no key `%.40s', it has %s", section->word, name, names);
}

static int
read_key(struct builder *builder, const char *name, const char *value)
{
	struct met *met = builder->now;
	const struct conf_section *section;
	const struct conf_key *key;
	struct place *given;
	char why[CONF_WHY_MAX], allowed[CONF_WHY_MAX];
	int error;

	if (met == NULL)
		return wrong_here(builder, "`%.40s' stands before the first [section]", name);
	section = &conf_sections[met->id];
	key = conf_key_find(section, name);
	if (key == NULL)
		return unknown_key(builder, name);
	given = &met->keys[key - section->keys];
	if (given->file != NULL) {
		return wrong_here(builder, "%s is given already, at %s:%u", name, given->file,
		    given->line);
	}
	*given = builder->here;
	error = conf_value_read(key, value, base_of(builder->conf, met->id, met->index), why);
	if (error == -ENOMEM)
		return no_memory(builder);
	if (error == 0)
		return 0;
	conf_value_allowed(key, allowed);
	if (why[0] != '\0')
		return wrong_here(builder, "%s is %s: %s", name, allowed, why);
	/* a password in a URL stays out of the log */
	if (strstr(value, "://") != NULL && strchr(value, '@') != NULL)
		return wrong_here(builder, "%s is %s, not one with `@'", name, allowed);
	return wrong_here(builder, "%s is %s, not `%.*s'", name, allowed, SHOWN_MAX, value);
}

static int
read_line(struct builder *builder, char *line)
{
	char *value, *end;

	if (*line == '[') {
		end = strchr(line, ']');
		if (end == NULL || end[1] != '\0')
			return wrong_here(builder, "a section is [WORD] or [WORD NAME] alone on "
			    "its line, not `%.*s'", SHOWN_MAX, line);
		*end = '\0';
		conf_text_trim(line + 1);
		return read_header(builder, line + 1);
	}
	value = strchr(line, '=');
	if (value == NULL || value == line) {
		return wrong_here(builder, "a line is [SECTION], KEY = VALUE or a comment, not `%.*s'",
		    SHOWN_MAX, line);
	}
	*value++ = '\0';
	conf_text_trim(line);
	value += strspn(value, " \t");
	if (*value == '\0')
		return wrong_here(builder, "%.40s has no value; leave the key out for its default",
		    line);
	return read_key(builder, line, value);
}

static int
read_text(struct builder *builder, const struct conf_text *text)
{
	struct conf_lines lines;
	const char *wrong;
	int error;

	builder->here = (struct place){ .file = text->name };
	builder->now = NULL;
	conf_lines_begin(&lines, text);
	while (conf_lines_next(&lines, &wrong)) {
		builder->here.line = lines.number;
		if (wrong != NULL)
			return wrong_here(builder, "%s", wrong);
		if (lines.line[0] == '\0')
			continue;
		error = read_line(builder, lines.line);
		if (error != 0)
			return error;
	}
	return 0;
}

/* Defaults of what was not given; only of keys that fit. */
static int
preset(struct builder *builder, const struct met *met, enum conf_section_id id, size_t index)
{
	const struct conf_section *section = &conf_sections[id];
	void *base = base_of(builder->conf, id, index);
	char why[CONF_WHY_MAX];
	size_t i;
	int error = 0;

	for (i = 0; i < section->nkeys && error == 0; i++) {
		const struct conf_key *key = &section->keys[i];

		if ((met != NULL && met->keys[i].file != NULL) ||
		    !conf_key_fits(key, conf_type_of(builder->conf, id, index)))
			continue;
		if (key->preset != NULL)
			error = conf_value_read(key, key->preset, base, why);
		else if (key->inherits)
			error = conf_value_inherit(key, builder->conf, base);
	}
	return error == 0 ? 0 : no_memory(builder);
}

static int
settle(struct builder *builder)
{
	enum conf_section_id id;
	size_t i;
	int error = 0;

	/* the fixed ones first: the others inherit from them */
	for (id = 0; id < SECTION_FIRST_NAMED && error == 0; id++)
		error = preset(builder, find_met(builder, id, NULL), id, 0);
	for (i = 0; i < builder->nmet && error == 0; i++) {
		const struct met *met = &builder->met[i];

		if (met->id < SECTION_FIRST_NAMED)
			continue;
		error = conf_check_fit(builder, met);
		if (error == 0)
			error = preset(builder, met, met->id, met->index);
		if (error == 0)
			error = met->id == SECTION_SOURCE ? conf_check_source(builder, met) :
			    conf_check_sink(builder, met);
	}
	return error;
}

static int
build(struct conf **conf, const struct conf_text *texts, size_t ntexts, struct conf_error *err)
{
	struct builder *builder;
	size_t i;
	int error = 0;

	*conf = NULL;
	builder = calloc(1, sizeof(*builder));
	if (builder == NULL)
		return -ENOMEM;
	builder->err = err;
	builder->conf = calloc(1, sizeof(*builder->conf));
	if (builder->conf == NULL) {
		error = no_memory(builder);
		goto out;
	}
	builder->conf->sources = calloc(LIST_SOURCES_MAX, sizeof(*builder->conf->sources));
	builder->conf->sinks = calloc(CONF_SINKS_MAX, sizeof(*builder->conf->sinks));
	if (builder->conf->sources == NULL || builder->conf->sinks == NULL)
		error = no_memory(builder);
	for (i = 0; i < ntexts && error == 0; i++)
		error = read_text(builder, &texts[i]);
	if (error == 0)
		error = settle(builder);
	if (error == 0) {
		*conf = builder->conf;
		builder->conf = NULL;
	}
out:
	conf_free(builder->conf);
	free(builder);
	return error;
}

int
conf_parse(struct conf **conf, const char *name, const char *text, size_t size,
    struct conf_error *err)
{
	const struct conf_text one = { .name = name, .data = text, .size = size };

	return build(conf, &one, 1, err);
}

int
conf_load(struct conf **conf, const char *path, struct conf_error *err)
{
	struct conf_texts texts;
	int error;

	*conf = NULL;
	error = conf_texts_load(&texts, path, err);
	if (error == 0)
		error = build(conf, texts.texts, texts.n, err);
	conf_texts_free(&texts);
	return error;
}

int
conf_from_fd(struct conf **conf, int fd, struct conf_error *err)
{
	struct conf_texts texts;
	int error;

	*conf = NULL;
	error = conf_texts_from_fd(&texts, fd, err);
	if (error == 0)
		error = build(conf, texts.texts, texts.n, err);
	conf_texts_free(&texts);
	return error;
}

static void
each_key(struct conf *conf, enum conf_section_id id, size_t index)
{
	size_t i;

	for (i = 0; i < conf_sections[id].nkeys; i++)
		conf_value_free(&conf_sections[id].keys[i], base_of(conf, id, index));
}

bool
conf_calls_aws(const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nsources; i++) {
		if (conf->sources[i].type == SOURCE_S3 || conf->sources[i].type == SOURCE_GUARDDUTY)
			return true;
	}
	for (i = 0; i < conf->nsinks; i++) {
		if (conf->sinks[i].type == SINK_SECURITYHUB ||
		    conf->sinks[i].type == SINK_EVENTBRIDGE || conf->sinks[i].type == SINK_SNS)
			return true;
	}
	return false;
}

void
conf_free(struct conf *conf)
{
	enum conf_section_id id;
	size_t i;

	if (conf == NULL)
		return;
	for (id = 0; id < SECTION_FIRST_NAMED; id++)
		each_key(conf, id, 0);
	for (i = 0; i < conf->nsources; i++) {
		each_key(conf, SECTION_SOURCE, i);
		free(conf->sources[i].name);
	}
	for (i = 0; i < conf->nsinks; i++) {
		each_key(conf, SECTION_SINK, i);
		free(conf->sinks[i].name);
	}
	free(conf->sources);
	free(conf->sinks);
	free(conf);
}

static void
print_section(const struct conf *conf, enum conf_section_id id, size_t index, const void *base,
    const char *name, FILE *out)
{
	const struct conf_section *section = &conf_sections[id];
	size_t i;

	fprintf(out, "%s[%s%s%s]\n", id == 0 ? "" : "\n", section->word, name != NULL ? " " : "",
	    name != NULL ? name : "");
	for (i = 0; i < section->nkeys; i++) {
		if (conf_key_fits(&section->keys[i], conf_type_of(conf, id, index)))
			conf_value_print(&section->keys[i], base, out);
	}
}

int
conf_print(const struct conf *conf, FILE *out)
{
	enum conf_section_id id;
	size_t i;

	for (id = 0; id < SECTION_FIRST_NAMED; id++)
		print_section(conf, id, 0, conf, NULL, out);
	for (i = 0; i < conf->nsources; i++) {
		print_section(conf, SECTION_SOURCE, i, &conf->sources[i], conf->sources[i].name,
		    out);
	}
	for (i = 0; i < conf->nsinks; i++)
		print_section(conf, SECTION_SINK, i, &conf->sinks[i], conf->sinks[i].name, out);
	return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}
