/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/threat_set.h"

#include <string.h>

#define LETTERS		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS		"0123456789"
#define HEADING		"threatlistd sets 1"
#define ID_SHOWN	8	/* bytes of an id that tell names apart */
#define FIELDS		7

/* GuardDuty's quotas: guardduty_limits in its user guide */
static const struct {
	const char *text;
	uint8_t role;
	uint64_t quota;
} kinds[SET_KIND_END] = {
	[SET_THREAT_INTEL] = { "threat intel set", LIST_THREAT, 250000 },
	[SET_IP] = { "trusted IP list", LIST_TRUSTED, 2000 },
	[SET_THREAT_ENTITY] = { "threat entity set", LIST_THREAT, 1000 },
	[SET_TRUSTED_ENTITY] = { "trusted entity set", LIST_TRUSTED, 1000 },
};

const char *
set_kind_text(enum set_kind kind)
{
	return kinds[kind].text;
}

uint8_t
set_kind_role(enum set_kind kind)
{
	return kinds[kind].role;
}

uint64_t
set_kind_quota(enum set_kind kind)
{
	return kinds[kind].quota;
}

enum list_format
set_format(const struct threat_set *set)
{
	int format = format_by_name(set->format);

	return format < 0 ? FORMAT_AUTO : (enum list_format)format;
}

enum set_state
set_state_of(const char *status)
{
	static const char *const out[] = {
		"INACTIVE", "DEACTIVATING", "ERROR", "DELETE_PENDING", "DELETED",
	};
	size_t i;

	if (strcmp(status, "ACTIVE") == 0)
		return SET_IN_USE;
	for (i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
		if (strcmp(status, out[i]) == 0)
			return SET_OUT;
	}
	return SET_CHANGING;
}

/* Puts "-" and the beginning of the id at the end of the name. */
static void
tell_apart(char *name, const char *id)
{
	char ending[ID_SHOWN + 2];
	size_t len = strlen(name), n;

	n = (size_t)snprintf(ending, sizeof(ending), "-%.*s", ID_SHOWN, id);
	if (len + n > LIST_NAME_MAX - 1)
		len = LIST_NAME_MAX - 1 - n;
	memcpy(name + len, ending, n + 1);
}

void
set_name_make(char name[static LIST_NAME_MAX], const char *title, const char *id)
{
	static const char good[] = LETTERS DIGITS "._-";
	size_t n = 0;

	if (strspn(title, LETTERS DIGITS) == 0)
		n = (size_t)snprintf(name, LIST_NAME_MAX, "set-");
	for (; *title != '\0' && n < LIST_NAME_MAX - 1; title++)
		name[n++] = strchr(good, *title) != NULL ? *title : *title == ' ' ? '-' : '_';
	name[n] = '\0';
	if (*title != '\0')
		tell_apart(name, id);
}

static bool
is_text(const char *text, size_t size, bool may_be_empty)
{
	if (memchr(text, '\0', size) == NULL || (*text == '\0' && !may_be_empty))
		return false;
	for (; *text >= ' ' && *text <= '~'; text++)
		continue;
	return *text == '\0';
}

static bool
is_made_of(const char *text, const char *letters)
{
	return text[strspn(text, letters)] == '\0';
}

bool
set_is_good(const struct threat_set *set)
{
	return set->kind < SET_KIND_END && set->state < SET_STATE_END &&
	    is_text(set->id, sizeof(set->id), false) && is_made_of(set->id, LETTERS DIGITS "_-") &&
	    is_text(set->name, sizeof(set->name), false) &&
	    is_made_of(set->name, LETTERS DIGITS "._-") && strspn(set->name, LETTERS DIGITS) > 0 &&
	    is_text(set->location, sizeof(set->location), false) &&
	    is_text(set->owner, sizeof(set->owner), true) && is_made_of(set->owner, DIGITS) &&
	    (set->owner[0] == '\0' || strlen(set->owner) == 12) &&
	    is_text(set->format, sizeof(set->format), false) &&
	    is_made_of(set->format, "abcdefghijklmnopqrstuvwxyz" DIGITS "_");
}

bool
detector_is_good(const char *detector)
{
	size_t len = strlen(detector);

	return len > 0 && len < DETECTOR_MAX && is_made_of(detector, LETTERS DIGITS);
}

const struct threat_set *
set_find(const struct set_table *table, const char *id)
{
	size_t i;

	for (i = 0; i < table->n; i++) {
		if (strcmp(table->sets[i].id, id) == 0)
			return &table->sets[i];
	}
	return NULL;
}

bool
set_table_merge(struct set_table *into, const struct set_table *old,
    const struct set_table *fresh, unsigned int failed)
{
	const struct threat_set *before;
	size_t i;

	into->n = 0;
	for (i = 0; i < fresh->n; i++) {
		if (set_find(fresh, fresh->sets[i].id) != &fresh->sets[i])
			return false;
	}
	for (i = 0; i < fresh->n; i++) {
		const struct threat_set *set = &fresh->sets[i];

		before = set_find(old, set->id);
		if (set->state == SET_IN_USE) {
			into->sets[into->n++] = *set;
		} else if (set->state == SET_CHANGING && before != NULL) {
			into->sets[into->n] = *before;
			into->sets[into->n++].state = SET_CHANGING;
		}
	}
	for (i = 0; i < old->n && into->n < SETS_MAX; i++) {
		if ((failed & (1u << old->sets[i].kind)) != 0 &&
		    set_find(fresh, old->sets[i].id) == NULL)
			into->sets[into->n++] = old->sets[i];
	}
	memcpy(into->detector, fresh->detector[0] != '\0' ? fresh->detector : old->detector,
	    sizeof(into->detector));
	return true;
}

static bool
name_is_free(const struct set_table *table, size_t index, const bool *named,
    bool (*taken)(const char *name, void *arg), void *arg)
{
	size_t i;

	for (i = 0; i < table->n; i++) {
		if (i != index && named[i] &&
		    strcmp(table->sets[i].name, table->sets[index].name) == 0)
			return false;
	}
	return !taken(table->sets[index].name, arg);
}

void
set_table_name(struct set_table *table, const struct set_table *old,
    bool (*taken)(const char *name, void *arg), void *arg)
{
	bool named[SETS_MAX] = { false };
	const struct threat_set *before;
	unsigned int tries;
	size_t i;

	for (i = 0; i < table->n; i++) {
		before = set_find(old, table->sets[i].id);
		if (before == NULL)
			continue;
		memcpy(table->sets[i].name, before->name, sizeof(before->name));
		named[i] = name_is_free(table, i, named, taken, arg);
	}
	for (i = 0; i < table->n; i++) {
		struct threat_set *set = &table->sets[i];

		for (tries = 0; !named[i] && tries < SETS_MAX; tries++) {
			named[i] = name_is_free(table, i, named, taken, arg);
			if (!named[i])
				tell_apart(set->name, tries == 0 ? set->id : set->id + strlen(set->id) / 2);
		}
	}
}

void
set_table_print(const struct set_table *table, FILE *out)
{
	size_t i;

	fprintf(out, "%s%s%s\n", HEADING, table->detector[0] != '\0' ? "\t" : "",
	    table->detector);
	for (i = 0; i < table->n; i++) {
		const struct threat_set *set = &table->sets[i];

		fprintf(out, "%u\t%u\t%s\t%s\t%s\t%s\t%s\n", set->kind, set->state,
		    set->format, set->id, set->name,
		    set->owner[0] != '\0' ? set->owner : "-", set->location);
	}
}

/* A copy into a member, if it fits. */
static bool
take(char *to, size_t size, const char *from)
{
	size_t len = strlen(from);

	if (len >= size)
		return false;
	memcpy(to, from, len + 1);
	return true;
}

static bool
parse_line(struct threat_set *set, char *line)
{
	char *fields[FIELDS];
	size_t i;

	memset(set, 0, sizeof(*set));
	for (i = 0; i < FIELDS; i++) {
		fields[i] = strsep(&line, "\t");
		if (fields[i] == NULL)
			return false;
	}
	if (line != NULL || strlen(fields[0]) != 1 || strlen(fields[1]) != 1)
		return false;
	set->kind = (uint8_t)(fields[0][0] - '0');
	set->state = (uint8_t)(fields[1][0] - '0');
	return take(set->format, sizeof(set->format), fields[2]) &&
	    take(set->id, sizeof(set->id), fields[3]) &&
	    take(set->name, sizeof(set->name), fields[4]) &&
	    (strcmp(fields[5], "-") == 0 || take(set->owner, sizeof(set->owner), fields[5])) &&
	    take(set->location, sizeof(set->location), fields[6]) && set_is_good(set);
}

/* The detector follows if it is known. */
static bool
parse_heading(struct set_table *table, char *line)
{
	const char *word = strsep(&line, "\t");

	table->detector[0] = '\0';
	if (word == NULL || strcmp(word, HEADING) != 0)
		return false;
	return line == NULL || (detector_is_good(line) &&
	    take(table->detector, sizeof(table->detector), line));
}

bool
set_table_parse(struct set_table *table, char *text)
{
	char *line = strsep(&text, "\n");

	table->n = 0;
	if (!parse_heading(table, line))
		return false;
	while ((line = strsep(&text, "\n")) != NULL && *line != '\0') {
		if (table->n == SETS_MAX || !parse_line(&table->sets[table->n], line) ||
		    set_find(table, table->sets[table->n].id) != NULL) {
			table->n = 0;
			return false;
		}
		table->n++;
	}
	return true;
}
