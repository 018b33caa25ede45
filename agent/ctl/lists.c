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

bool
ctl_list_option(struct ctl_list_options *options, int option, const char *value, int *rc)
{
	switch (option) {
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
		fprintf(stderr, "threatlistctl: %s: larger than %u MiB\n", path,
		    FILE_MAX_BYTES >> 20);
	else if (data == NULL)
		fprintf(stderr, "threatlistctl: %s: %s\n", path, strerror(errno));
	if (file != NULL && file != stdin)
		fclose(file);
	return data;
}

static void
print_rejects(const char *path, const struct format_report *report)
{
	unsigned int i;

	for (i = 0; i < report->nrejects; i++)
		fprintf(stderr, "%s:%u: %s: %s\n", path, report->rejects[i].line,
		    report->rejects[i].reason, report->rejects[i].text);
}

/* One file into one source image. */
static int
read_source(struct ctl_lists *lists, const char *path, uint8_t role)
{
	struct list_source source = { .role = role, .action = LIST_DROP };
	struct format_report report;
	struct image image = { NULL, 0 };
	struct entries *entries;
	struct list_error error;
	char *data;
	size_t size;
	int rc;

	data = read_file(path, &size);
	if (data == NULL)
		return EXIT_NO;
	entries = entries_new();
	rc = entries == NULL ? -ENOMEM : format_read(entries, FORMAT_AUTO, data, size, &report);
	free(data);
	if (entries != NULL)
		print_rejects(path, &report);
	snprintf(source.name, sizeof(source.name), "%s", path);
	if (rc == 0)
		rc = compile_source(entries, &source, &image);
	entries_free(entries);
	if (rc == -ENODATA)
		fprintf(stderr, "threatlistctl: %s: no acceptable entry in %llu lines\n", path,
		    (unsigned long long)report.lines);
	else if (rc != 0)
		fprintf(stderr, "threatlistctl: %s: %s\n", path, strerror(-rc));
	if (rc != 0)
		return EXIT_NO;
	lists->images[lists->n] = image.bytes;
	if (list_open_memory(&lists->sources[lists->n], image.bytes, image.size, &error) != 0) {
		fprintf(stderr, "threatlistctl: %s: %s\n", path, error.text);
		return EXIT_NO;
	}
	lists->n++;
	return EXIT_DONE;
}

int
ctl_lists_read(struct ctl_lists *lists, const struct ctl_list_options *options)
{
	const struct list *sources[LIST_SOURCES_MAX];
	struct compile_notes notes;
	struct list_error error;
	struct image image;
	size_t i;
	int rc;

	memset(lists, 0, sizeof(*lists));
	for (i = 0; i < options->n; i++) {
		rc = read_source(lists, options->files[i].path, options->files[i].role);
		if (rc != EXIT_DONE)
			return rc;
		sources[i] = lists->sources[i];
	}
	rc = compile_union(sources, lists->n, options->scope, &image, &notes);
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
	for (i = 0; i < LIST_SOURCES_MAX; i++)
		list_free(lists->sources[i]);
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
		if (!list_find(lists->sources[i], addr, &found))
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
