/* SPDX-License-Identifier: GPL-3.0-or-later */
/* parse: what the agent would make of list files, without an agent. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/lists.h"

static const char help[] =
    "usage: threatlistctl parse [--format FORMAT] [--scope public|any] [--trusted FILE]...\n"
    "                           [--json] FILE...\n"
    "Reads list files (- is standard input) and prints the minimal CIDR cover of their union,\n"
    "minus the trusted files and, with the default scope public, minus what is not publicly\n"
    "routable. Rejected lines and a summary go to stderr.\n"
    "  --format auto (by content), txt, stix (1.x, XML), stix2 (2.x, JSON), otx_csv, alien_vault,\n"
    "           proof_point or fire_eye: of all files\n"
    "  --json   every range with the files that list it, its most specific entry and line\n"
    "Exit status: 0 something usable was found, 1 nothing was or a file could not be read,\n"
    "2 usage.\n";

struct totals {
	size_t files;			/* threat lists */
	struct format_report all;	/* sums of what they report */
};

static void
sum_up(const struct ctl_lists *lists, const struct ctl_list_options *options,
    struct totals *totals)
{
	size_t i;
	int note, skip;

	memset(totals, 0, sizeof(*totals));
	for (i = 0; i < lists->n; i++) {
		if (options->files[i].role == LIST_TRUSTED)
			continue;
		totals->files++;
		totals->all.accepted += lists->reports[i].accepted;
		totals->all.rejected += lists->reports[i].rejected;
		for (note = 0; note < NOTE_END; note++)
			totals->all.notes[note] += lists->reports[i].notes[note];
		for (skip = 0; skip < FORMAT_SKIP_END; skip++)
			totals->all.skipped[skip] += lists->reports[i].skipped[skip];
	}
	totals->all.notes[NOTE_NOT_PUBLIC] = lists->notes.not_public;
	totals->all.notes[NOTE_TRUSTED] = lists->notes.trusted;
}

static uint64_t
print_prefixes(struct range run)
{
	char text[RANGE_TEXT_MAX];
	struct range head;
	uint64_t n = 0;
	bool more;

	do {
		more = range_cut_prefix(&run, &head);
		puts(range_cidr(&head, text));
		n++;
	} while (more);
	return n;
}

static void
hit_at(const struct list *list, size_t i, struct list_hit *hit)
{
	size_t n4 = list_nranges4(list);

	if (i < n4)
		list_hit4(list, i, hit);
	else
		list_hit6(list, i - n4, hit);
}

/* Prefixes printed. */
static uint64_t
print_cover(const struct list *list)
{
	size_t n = list_nranges4(list) + list_nranges6(list), i;
	struct list_hit hit;
	struct range run;
	struct addr after;
	uint64_t prefixes = 0;

	for (i = 0; i < n; i++) {
		hit_at(list, i, &hit);
		if (i > 0) {
			after = run.last;
			/* the last IPv4 address is never followed by an IPv6 one */
			if (addr_next(&after) && addr_equal(&after, &hit.range.first)) {
				run.last = hit.range.last;
				continue;
			}
			prefixes += print_prefixes(run);
		}
		run = hit.range;
	}
	if (n > 0)
		prefixes += print_prefixes(run);
	return prefixes;
}

/* What --json knows of a file beside its image. */
struct file_lines {
	char *name;		/* quoted */
	uint32_t *lines;	/* by range of the image; NULL: file was skipped */
	size_t at;		/* range reached */
};

/* The line of the entry that the range's file has there; 0: not this file's entry. */
static uint32_t
line_in(const struct list *source, struct file_lines *file, const struct list_hit *wanted)
{
	size_t n = list_nranges4(source) + list_nranges6(source);
	struct list_hit hit;

	for (; file->at < n; file->at++) {
		hit_at(source, file->at, &hit);
		if (addr_compare(&hit.range.last, &wanted->range.first) >= 0)
			return range_equal(&hit.entry, &wanted->entry) ? file->lines[file->at] : 0;
	}
	return 0;
}

static void
print_range(const struct ctl_lists *lists, struct file_lines *files, const struct list_hit *hit)
{
	char first[ADDR_TEXT_MAX], last[ADDR_TEXT_MAX], entry[RANGE_TEXT_MAX];
	const char *comma = "";
	uint32_t line = 0;
	size_t i;

	printf("{\"first\":\"%s\",\"last\":\"%s\",\"lists\":[", addr_text(&hit->range.first, first),
	    addr_text(&hit->range.last, last));
	for (i = 0; i < lists->n; i++) {
		if ((hit->lists >> i & 1) == 0)
			continue;
		printf("%s%s", comma, files[i].name);
		comma = ",";
		if (line == 0)
			line = line_in(lists->sources[i], &files[i], hit);
	}
	printf("],\"entry\":\"%s\",\"line\":%" PRIu32 "}", range_cidr(&hit->entry, entry), line);
}

static bool
load_lines(const struct ctl_lists *lists, const struct ctl_list_options *options,
    struct file_lines *files)
{
	size_t i;

	for (i = 0; i < lists->n; i++) {
		files[i].name = json_quoted(options->files[i].path);
		if (files[i].name == NULL)
			return false;
		if (lists->sources[i] == NULL || options->files[i].role == LIST_TRUSTED)
			continue;
		files[i].lines = compile_lines(lists->entries[i], lists->sources[i]);
		if (files[i].lines == NULL)
			return false;
	}
	return true;
}

static void
print_page(const struct ctl_lists *lists, struct file_lines *files, const struct totals *totals)
{
	size_t n = list_nranges4(lists->list) + list_nranges6(lists->list), i;
	const struct format_report *all = &totals->all;
	struct list_hit hit;
	int note, skip;

	printf("{\"entries\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"notes\":{", all->accepted,
	    all->rejected);
	for (note = 0; note < NOTE_END; note++)
		printf("%s\"%s\":%" PRIu64, note == 0 ? "" : ",", format_note_text(note),
		    all->notes[note]);
	fputs("},\"skipped\":{", stdout);
	for (skip = 0; skip < FORMAT_SKIP_END; skip++)
		printf("%s\"%s\":%" PRIu64, skip == 0 ? "" : ",", format_skip_text(skip),
		    all->skipped[skip]);
	fputs("},\"ranges\":[", stdout);
	for (i = 0; i < n; i++) {
		fputs(i == 0 ? "\n" : ",\n", stdout);
		hit_at(lists->list, i, &hit);
		print_range(lists, files, &hit);
	}
	puts("]}");
}

static int
print_json(const struct ctl_lists *lists, const struct ctl_list_options *options,
    const struct totals *totals)
{
	struct file_lines *files;
	size_t i;
	int rc = EXIT_DONE;

	files = calloc(LIST_SOURCES_MAX, sizeof(*files));
	if (files == NULL || !load_lines(lists, options, files)) {
		fprintf(stderr, "threatlistctl: out of memory\n");
		rc = EXIT_NO;
	} else {
		print_page(lists, files, totals);
	}
	for (i = 0; files != NULL && i < lists->n; i++) {
		free(files[i].name);
		free(files[i].lines);
	}
	free(files);
	return rc;
}

static void
print_summary(const struct totals *totals, uint64_t ranges)
{
	const struct format_report *all = &totals->all;
	char skipped[FORMAT_SKIPPED_MAX];

	format_skipped(all, skipped);
	fprintf(stderr, "threatlistctl: %zu files, %" PRIu64 " entries, %" PRIu64 " rejected, %"
	    PRIu64 " with host bits, %" PRIu64 " IPv4-mapped, %" PRIu64 " not public, %" PRIu64
	    " trusted%s%s%s: %" PRIu64 " ranges\n", totals->files, all->accepted, all->rejected,
	    all->notes[NOTE_HOST_BITS], all->notes[NOTE_MAPPED], all->notes[NOTE_NOT_PUBLIC],
	    all->notes[NOTE_TRUSTED], skipped[0] == '\0' ? "" : ", skipped (", skipped,
	    skipped[0] == '\0' ? "" : ")", ranges);
}

static int
parse_files(const struct ctl_list_options *options, bool json)
{
	struct ctl_lists lists;
	struct totals totals;
	uint64_t ranges;
	int rc;

	rc = ctl_lists_read(&lists, options);
	if (rc != EXIT_DONE)
		goto out;
	sum_up(&lists, options, &totals);
	ranges = list_nranges4(lists.list) + list_nranges6(lists.list);
	if (json)
		rc = print_json(&lists, options, &totals);
	else
		print_cover(lists.list);
	print_summary(&totals, ranges);
	if (ranges == 0)
		rc = EXIT_NO;
out:
	ctl_lists_free(&lists);
	return rc;
}

int
ctl_parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "scope", required_argument, NULL, 's' },
		{ "trusted", required_argument, NULL, 't' },
		CLIENT_LONGS,
	};
	struct client_options shared = { NULL, NULL, false };
	struct ctl_list_options options = { .keep_entries = false, .skip_unusable = true };
	int option, rc = EXIT_DONE;

	while ((option = getopt_long(argc, argv, CLIENT_SHORTS, longs, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return EXIT_DONE;
		}
		if (!ctl_list_option(&options, option, optarg, &rc) &&
		    !client_option(&shared, option))
			rc = EXIT_USAGE;
		if (rc != EXIT_DONE)
			break;
	}
	if (rc == EXIT_DONE && optind == argc) {
		fprintf(stderr, "threatlistctl: parse needs a list file\n");
		rc = EXIT_USAGE;
	}
	for (; rc == EXIT_DONE && optind < argc; optind++)
		ctl_list_option(&options, 'l', argv[optind], &rc);
	if (rc != EXIT_DONE) {
		fputs(help, stderr);
		return rc;
	}
	options.keep_entries = shared.json;
	return parse_files(&options, shared.json);
}
