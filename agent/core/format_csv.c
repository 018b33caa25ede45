/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The CSV formats.  Columns go by the header's names; PROOF_POINT has its
 * addresses in one column, whether the header calls it ip or domain, and may
 * come without a header.
 */
#include "core/format_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/csv.h"

#define TAKEN_MAX	2	/* columns of addresses in a row */
#define ABOUT_MAX	6

/* Columns of FIRE_EYE that say what a row without an address is about. */
static const struct {
	const char *name;
	enum format_skip skip;
} fire_eye_about[ABOUT_MAX] = {
	{ "domain", FORMAT_SKIP_DOMAIN }, { "url", FORMAT_SKIP_URL }, { "md5", FORMAT_SKIP_HASH },
	{ "sha1", FORMAT_SKIP_HASH }, { "sha256", FORMAT_SKIP_HASH }, { "senderaddress", FORMAT_SKIP_EMAIL },
};

struct reading {
	struct csv *csv;
	struct entries *entries;
	struct format_report *report;
	int taken[TAKEN_MAX];	/* columns; -1: none */
	int type;		/* OTX_CSV: the column of the type; -1 in other formats */
	int about[ABOUT_MAX];	/* FIRE_EYE: columns of fire_eye_about; -1: none */
	int domain;		/* FIRE_EYE: a name beside the addresses; -1 in other formats */
	size_t columns;		/* of the header */
};

bool
format_is_header(enum list_format format, const struct csv *csv)
{
	switch (format) {
	case FORMAT_OTX_CSV:
		return csv_find(csv, "indicatortype") >= 0 && csv_find(csv, "indicator") >= 0;
	case FORMAT_FIRE_EYE:
		return csv_find(csv, "reportid") >= 0 &&
		    (csv_find(csv, "ip") >= 0 || csv_find(csv, "cidr") >= 0);
	case FORMAT_PROOF_POINT:
		return (csv_find(csv, "ip") >= 0 || csv_find(csv, "domain") >= 0) &&
		    (csv->nfields == 1 || csv_find(csv, "category") >= 0 ||
		    csv_find(csv, "score") >= 0);
	default:
		return false;
	}
}

static void
map_columns(struct reading *reading)
{
	const struct csv *csv = reading->csv;
	size_t i;

	reading->columns = csv->nfields;
	switch (reading->report->format) {
	case FORMAT_OTX_CSV:
		reading->type = csv_find(csv, "indicatortype");
		reading->taken[0] = csv_find(csv, "indicator");
		break;
	case FORMAT_FIRE_EYE:
		reading->taken[0] = csv_find(csv, "cidr");
		reading->taken[1] = csv_find(csv, "ip");
		for (i = 0; i < ABOUT_MAX; i++)
			reading->about[i] = csv_find(csv, fire_eye_about[i].name);
		reading->domain = csv_find(csv, "domain");
		break;
	default:
		reading->taken[0] = csv_find(csv, "ip");
		if (reading->taken[0] < 0)
			reading->taken[0] = csv_find(csv, "domain");
		break;
	}
}

/* What an OTX type that holds no address is. */
static enum format_skip
otx_skip(const struct csv *csv, size_t column)
{
	static const struct {
		const char *name;
		enum format_skip skip;
	} types[] = {
		{ "domain", FORMAT_SKIP_DOMAIN }, { "domainname", FORMAT_SKIP_DOMAIN },
		{ "hostname", FORMAT_SKIP_DOMAIN }, { "url", FORMAT_SKIP_URL }, { "uri", FORMAT_SKIP_URL },
		{ "email", FORMAT_SKIP_EMAIL },
	};
	size_t i, len;
	const char *text = csv_field(csv, column, &len);

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (csv_is_named(csv, column, types[i].name))
			return types[i].skip;
	}
	return len >= 8 && strncasecmp(text, "FileHash", 8) == 0 ? FORMAT_SKIP_HASH : FORMAT_SKIP_OTHER;
}

/* What a row of FIRE_EYE without an address is about. */
static enum format_skip
fire_eye_skip(const struct reading *reading)
{
	size_t i, len;

	for (i = 0; i < ABOUT_MAX; i++) {
		if (reading->about[i] < 0)
			continue;
		csv_field(reading->csv, (size_t)reading->about[i], &len);
		if (len > 0)
			return fire_eye_about[i].skip;
	}
	return FORMAT_SKIP_OTHER;
}

static bool
is_otx_address(const struct csv *csv, size_t column)
{
	return csv_is_named(csv, column, "ipv4") || csv_is_named(csv, column, "ipv6") ||
	    csv_is_named(csv, column, "cidr");
}

/* The last column that may hold an address of this row. */
static size_t
last_column(const struct reading *reading)
{
	return (size_t)(reading->taken[1] > reading->taken[0] ? reading->taken[1] :
	    reading->taken[0]);
}

static void
reject_row(struct reading *reading, const char *reason)
{
	format_reject(reading->report, reading->csv->line, reason, reading->csv->begin,
	    reading->csv->begin_len);
}

/* Nothing in the columns of addresses: bad, or about something else? */
static void
judge_empty(struct reading *reading)
{
	if (reading->csv->nfields <= last_column(reading))
		reject_row(reading, "row ends before the column of its address");
	else if (reading->report->format == FORMAT_FIRE_EYE)
		reading->report->skipped[fire_eye_skip(reading)]++;
	else
		reject_row(reading, "empty");
}

/* A name in the column, if there is one. */
static int
take_domain(struct reading *reading, int column)
{
	const char *text;
	size_t len;

	if (column < 0)
		return 0;
	text = csv_field(reading->csv, (size_t)column, &len);
	return len > 0 ? format_take_domain(reading->entries, text, len) : 0;
}

static int
take_row(struct reading *reading)
{
	bool empty = true;
	const char *text;
	size_t i, len;
	int error;

	for (i = 0; i < TAKEN_MAX; i++) {
		if (reading->taken[i] < 0)
			continue;
		text = csv_field(reading->csv, (size_t)reading->taken[i], &len);
		len = format_token(&text, len);
		if (len == 0)
			continue;
		empty = false;
		error = format_take(reading->entries, reading->report, reading->csv->line, text,
		    len);
		if (error != 0)
			return error;
	}
	if (empty)
		judge_empty(reading);
	return take_domain(reading, reading->domain);
}

/* An OTX row that holds no address. */
static int
skip_row(struct reading *reading)
{
	enum format_skip skip = otx_skip(reading->csv, (size_t)reading->type);

	reading->report->skipped[skip]++;
	return skip == FORMAT_SKIP_DOMAIN ? take_domain(reading, reading->taken[0]) : 0;
}

static int
read_row(struct reading *reading)
{
	const struct csv *csv = reading->csv;
	size_t len;

	if (csv->open && csv->nfields < reading->columns &&
	    csv->nfields <= last_column(reading) + 1) {
		reject_row(reading, "cut off in the middle of a row");
		return 0;
	}
	if (reading->type >= 0) {
		csv_field(csv, (size_t)reading->type, &len);
		if (len == 0) {
			reject_row(reading, "no indicator type");
			return 0;
		}
		if (!is_otx_address(csv, (size_t)reading->type))
			return skip_row(reading);
	}
	return take_row(reading);
}

/* The first row: it names the columns, or, in PROOF_POINT alone, is one of data. */
static int
read_first(struct reading *reading, enum csv_outcome outcome)
{
	enum list_format format = reading->report->format;

	if (outcome == CSV_ROW && format_is_header(format, reading->csv)) {
		map_columns(reading);
		return 0;
	}
	if (format == FORMAT_OTX_CSV)
		return format_refuse(reading->report, reading->csv->line,
		    "not the header of otx_csv, which has columns Indicator type and Indicator");
	if (format == FORMAT_FIRE_EYE)
		return format_refuse(reading->report, reading->csv->line,
		    "not the header of fire_eye, which has columns reportId, ip and cidr");
	reading->taken[0] = 0;
	if (outcome == CSV_BAD) {
		reject_row(reading, reading->csv->wrong);
		return 0;
	}
	reading->columns = reading->csv->nfields;
	return read_row(reading);
}

static int
read_rows(struct reading *reading)
{
	enum csv_outcome outcome = csv_next(reading->csv);
	int error = 0;

	if (outcome != CSV_END)
		error = read_first(reading, outcome);
	while (error == 0 && (outcome = csv_next(reading->csv)) != CSV_END) {
		if (outcome == CSV_BAD)
			reject_row(reading, reading->csv->wrong);
		else
			error = read_row(reading);
	}
	reading->report->lines = reading->csv->lines;
	return error;
}

int
format_read_csv(struct entries *entries, const char *data, size_t size,
    struct format_report *report)
{
	struct reading reading = {
		.csv = malloc(sizeof(*reading.csv)),
		.entries = entries,
		.report = report,
		.taken = { -1, -1 },
		.type = -1,
		.domain = -1,
	};
	int error;

	if (reading.csv == NULL)
		return -ENOMEM;
	csv_init(reading.csv, data, size);
	error = read_rows(&reading);
	free(reading.csv);
	return error;
}
