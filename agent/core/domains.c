/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names lie one behind the other, each with its NUL; an index beside them is what is sorted. */
#include "core/domains.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES	253	/* RFC 1035 §2.3.4, as text */
#define LABEL_MAX	63
#define ROOM_FIRST	256	/* names */
#define HEADING_LEN	(sizeof(DOMAINS_HEADING) - 1)

struct domains {
	char *names;
	size_t used, room;		/* bytes of names */
	uint32_t *at;			/* where each begins */
	size_t n, nroom;
	uint64_t left_out;
};

struct domains *
domains_new(void)
{
	return calloc(1, sizeof(struct domains));
}

void
domains_free(struct domains *domains)
{
	if (domains == NULL)
		return;
	free(domains->names);
	free(domains->at);
	free(domains);
}

static bool
is_letter(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_label_char(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Two labels or more of a…z, 0…9, - and _, the last one with a letter; "*" may be the first. */
static bool
is_name(const char *name, size_t len)
{
	size_t label = 0, labels = 1, i = 0;
	bool letter = false;

	if (len > 2 && name[0] == '*' && name[1] == '.') {
		i = 2;
		labels = 2;
	}
	if (len > NAME_MAX_BYTES)
		return false;
	for (; i < len; i++) {
		if (name[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			letter = false;
			labels++;
		} else if (!is_label_char(name[i]) || ++label > LABEL_MAX) {
			return false;
		} else {
			letter = letter || is_letter(name[i]);
		}
	}
	return label > 0 && letter && labels > 1;
}

static int
make_room(struct domains *domains, size_t len)
{
	size_t room, nroom;
	uint32_t *at;
	char *names;

	if (domains->n == domains->nroom) {
		nroom = domains->nroom == 0 ? ROOM_FIRST : 2 * domains->nroom;
		at = realloc(domains->at, nroom * sizeof(*at));
		if (at == NULL)
			return -ENOMEM;
		domains->at = at;
		domains->nroom = nroom;
	}
	if (domains->used + len > domains->room) {
		room = 2 * domains->room + len + 4096;
		names = realloc(domains->names, room);
		if (names == NULL)
			return -ENOMEM;
		domains->names = names;
		domains->room = room;
	}
	return 0;
}

int
domains_add(struct domains *domains, const char *text, size_t len)
{
	char name[NAME_MAX_BYTES + 1];
	size_t i;
	int error;

	if (len > 0 && text[len - 1] == '.')
		len--;
	for (i = 0; i < len && i < sizeof(name); i++)
		name[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];
	/* a line end takes the place of the NUL */
	if (!is_name(name, len) || domains->n == DOMAINS_MAX ||
	    HEADING_LEN + domains->used + len + 1 > DOMAINS_BYTES) {
		domains->left_out++;
		return 0;
	}
	error = make_room(domains, len + 1);
	if (error != 0)
		return error;
	domains->at[domains->n++] = (uint32_t)domains->used;
	memcpy(domains->names + domains->used, name, len);
	domains->names[domains->used + len] = '\0';
	domains->used += len + 1;
	return 0;
}

size_t
domains_count(const struct domains *domains)
{
	return domains->n;
}

uint64_t
domains_left_out(const struct domains *domains)
{
	return domains->left_out;
}

static int
compare(const void *a, const void *b, void *names)
{
	const uint32_t *left = a, *right = b;

	return strcmp((const char *)names + *left, (const char *)names + *right);
}

int
domains_print(struct domains *domains, char **text, size_t *size, uint32_t *n)
{
	const char *name, *before = "";
	size_t i, len;

	*n = 0;
	*size = 0;
	*text = malloc(HEADING_LEN + domains->used + 1);
	if (*text == NULL)
		return -ENOMEM;
	if (domains->n > 0)
		qsort_r(domains->at, domains->n, sizeof(*domains->at), compare, domains->names);
	memcpy(*text, DOMAINS_HEADING, HEADING_LEN);
	*size = HEADING_LEN;
	for (i = 0; i < domains->n; i++) {
		name = domains->names + domains->at[i];
		if (strcmp(name, before) == 0)
			continue;
		len = strlen(name);
		memcpy(*text + *size, name, len);
		(*text)[*size + len] = '\n';
		*size += len + 1;
		(*n)++;
		before = name;
	}
	return 0;
}

/* Does the line come behind the one before, in the order of strcmp? */
static bool
ascends(const char *before, size_t nbefore, const char *line, size_t len)
{
	int order = memcmp(before, line, nbefore < len ? nbefore : len);

	return order < 0 || (order == 0 && nbefore < len);
}

bool
domains_check(const char *text, size_t size, uint32_t *n)
{
	const char *at = text + HEADING_LEN, *end = text + size, *stop, *before = "";
	size_t nbefore = 0, len;

	*n = 0;
	if (size < HEADING_LEN || size > DOMAINS_BYTES ||
	    memcmp(text, DOMAINS_HEADING, HEADING_LEN) != 0)
		return false;
	for (; at < end; at = stop + 1) {
		stop = memchr(at, '\n', (size_t)(end - at));
		if (stop == NULL)
			return false;
		len = (size_t)(stop - at);
		if (!is_name(at, len) || !ascends(before, nbefore, at, len) || *n == DOMAINS_MAX)
			return false;
		before = at;
		nbefore = len;
		(*n)++;
	}
	return true;
}
