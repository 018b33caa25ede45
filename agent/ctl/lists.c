/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ctl/lists.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/format.h"
#include "ctl/command.h"

#define FILE_MAX_BYTES	(35u << 20)	/* GuardDuty's own limit for a list file, aws.md */

static void
say_formats(const char *value)
{
	int format;

	fputs("threatlistctl: --format takes ", stderr);
	for (format = 0; format < FORMAT_END; format++)
		fprintf(stderr, "%s%s", format == 0 ? "" : format == FORMAT_END - 1 ? " or " : ", ",
		    format_name((enum list_format)format));
	fprintf(stderr, ", not %s\n", value);
}

bool
ctl_list_option(struct ctl_list_options *options, int option, const char *value, int *rc)
{
	int format;

	switch (option) {
	case 'f':
		format = format_by_name(value);
		if (format < 0) {
			say_formats(value);
			*rc = EXIT_USAGE;
			return true;
		}
		options->format = (enum list_format)format;
		return true;
	case 'l':
	case 't':
		if (options->n == LIST_SOURCES_MAX) {
			fprintf(stderr, "threatlistctl: at most %d list files, %s is one more\n",
			    LIST_SOURCES_MAX, value);
			*rc = EXIT_USAGE;
			return true;
		}
		options->files[options->n].path = value;
		options->files[options->n].role = option == 't' ? LIST_TRUSTED : LIST_THREAT;
		options->n++;
		return true;
	case 's':
		if (strcmp(value, "public") == 0)
			options->scope = SCOPE_PUBLIC;
		else if (strcmp(value, "any") == 0)
			options->scope = SCOPE_ANY;
		else
			*rc = EXIT_USAGE;
		if (*rc != EXIT_DONE)
			fprintf(stderr, "threatlistctl: --scope takes public or any, not %s\n", value);
		return true;
	default:
		return false;
	}
}

/* The whole file, malloc'd; NULL: said on stderr. */
static char *
read_file(const char *path, size_t *size)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *data = NULL;
	size_t n = 0;

	if (file == NULL)
		goto out;
	data = malloc(FILE_MAX_BYTES + 1);
	if (data == NULL)
		goto out;
	n = fread(data, 1, FILE_MAX_BYTES + 1, file);
	if (ferror(file) || n > FILE_MAX_BYTES) {
		if (n > FILE_MAX_BYTES)
			errno = EFBIG;
		free(data);
		data = NULL;
	}
	*size = n;
out:
	if (data == NULL && errno == EFBIG)
		fprintf(stderr, "threatlistctl: %s: a list may have %u MiB, this is larger\n", path,
		    FILE_MAX_BYTES >> 20);
	else if (data == NULL)
		fprintf(stderr, "threatlistctl: %s: %s\n", path, strerror(errno));
	if (file != NULL && file != stdin)
		fclose(file);
	return data;
}

/* The first rejected lines, and why all of it is refused. */
static void
print_rejects(const char *path, const struct format_report *report)
{
	unsigned int i;

	if (report->refused[0] != '\0') {
		fprintf(stderr, "%s:%u: %s\n", path, report->refused_line, report->refused);
		return;
	}
	for (i = 0; i < report->nrejects; i++)
		fprintf(stderr, "%s:%u: %s: %s\n", path, report->rejects[i].line,
		    report->rejects[i].reason, report->rejects[i].text);
}

static void
say_unusable(const char *path, const struct format_report *report)
{
	char skipped[FORMAT_SKIPPED_MAX];

	if (report->refused[0] != '\0') {
		fprintf(stderr, "threatlistctl: %s: refused as a whole\n", path);
		return;
	}
	format_skipped(report, skipped);
	fprintf(stderr, "threatlistctl: %s: no acceptable entry in %llu lines%s%s\n", path,
	    (unsigned long long)report->lines, skipped[0] == '\0' ? "" : ", skipped: ", skipped);
}

/* The entries of one file; NULL: said on stderr, *rc the exit code or -ENODATA. */
static struct entries *
read_entries(const char *path, enum list_format format, struct format_report *report, int *rc)
{
	struct entries *entries;
	char *data;
	size_t size = 0;
	int error;

	*rc = EXIT_NO;
	data = read_file(path, &size);
	if (data == NULL)
		return NULL;
	entries = entries_new();
	error = entries == NULL ? -ENOMEM : format_read(entries, format, data, size, report);
	free(data);
	if (entries != NULL)
		print_rejects(path, report);
	if (error == 0)
		return entries;
	entries_free(entries);
	if (error == -ENODATA || error == -EBADMSG) {
		say_unusable(path, report);
		*rc = -ENODATA;
	} else if (error == -E2BIG) {
		fprintf(stderr, "threatlistctl: %s: a list may have %u entries of a family, this"
		    " has more\n", path, LIST_RANGES_MAX);
	} else {
		fprintf(stderr, "threatlistctl: %s: %s\n", path, strerror(-error));
	}
	return NULL;
}

/* An image takes short, printable names only; of a long path its end tells one file from another. */
static void
name_source(struct list_source *source, const char *path)
{
	size_t len = strlen(path), most = sizeof(source->name) - 1;
	char *at;

	snprintf(source->name, sizeof(source->name), "%s", path + (len > most ? len - most : 0));
	for (at = source->name; *at != '\0'; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?';
	}
}

/* One file into one source image. */
static int
read_source(struct ctl_lists *lists, const struct ctl_list_options *options, size_t i)
{
	const char *path = options->files[i].path;
	struct list_source source = { .role = options->files[i].role, .action = LIST_DROP };
	struct image image = { NULL, 0 };
	struct entries *entries;
	struct list_error err;
	int rc;

	entries = read_entries(path, options->format, &lists->reports[i], &rc);
	if (entries == NULL)
		return rc == -ENODATA && options->skip_unusable && source.role == LIST_THREAT ?
		    EXIT_DONE : EXIT_NO;
	name_source(&source, path);
	rc = compile_source(entries, &source, &image);
	if (options->keep_entries)
		lists->entries[i] = entries;
	else
		entries_free(entries);
	if (rc != 0) {
		fprintf(stderr, "threatlistctl: %s: %s\n", path, strerror(-rc));
		return EXIT_NO;
	}
	lists->images[i] = image.bytes;
	if (list_open_memory(&lists->sources[i], image.bytes, image.size, &err) != 0) {
		fprintf(stderr, "threatlistctl: %s: %s\n", path, err.text);
		return EXIT_NO;
	}
	return EXIT_DONE;
}

int
ctl_lists_read(struct ctl_lists *lists, const struct ctl_list_options *options)
{
	const struct list *sources[LIST_SOURCES_MAX];
	struct list_error error;
	struct image image;
	size_t i;
	int rc;

	memset(lists, 0, sizeof(*lists));
	for (i = 0; i < options->n; i++) {
		rc = read_source(lists, options, i);
		if (rc != EXIT_DONE)
			return rc;
		sources[i] = lists->sources[i];
		lists->n++;
	}
	rc = compile_union(sources, lists->n, options->scope, &image, &lists->notes);
	if (rc != 0) {
		fprintf(stderr, "threatlistctl: lists not united: %s\n", strerror(-rc));
		return EXIT_NO;
	}
	lists->images[LIST_SOURCES_MAX] = image.bytes;
	if (list_open_memory(&lists->list, image.bytes, image.size, &error) != 0) {
		fprintf(stderr, "threatlistctl: %s\n", error.text);
		return EXIT_NO;
	}
	return EXIT_DONE;
}

void
ctl_lists_free(struct ctl_lists *lists)
{
	size_t i;

	list_free(lists->list);
	for (i = 0; i < LIST_SOURCES_MAX; i++) {
		list_free(lists->sources[i]);
		entries_free(lists->entries[i]);
	}
	for (i = 0; i <= LIST_SOURCES_MAX; i++)
		free(lists->images[i]);
}

bool
ctl_lists_trusted(const struct ctl_lists *lists, const struct addr *addr, struct list_hit *hit,
    size_t *index)
{
	bool threat = false, trusted = false;
	struct list_hit found;
	size_t i;

	for (i = 0; i < lists->n; i++) {
		if (lists->sources[i] == NULL || !list_find(lists->sources[i], addr, &found))
			continue;
		if (list_source(lists->sources[i], 0)->role == LIST_THREAT) {
			threat = true;
		} else if (!trusted) {
			trusted = true;
			*hit = found;
			*index = i;
		}
	}
	return threat && trusted;
}
