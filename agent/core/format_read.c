/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The choice of a reader.  Apart from the names: only who reads lists needs what the readers need. */
#include "core/format_read.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* A text of 16-bit characters is nothing but NUL bytes to us: say so once. */
static bool
is_utf16(const char *data, size_t size)
{
	return size >= 2 && (memcmp(data, "\xff\xfe", 2) == 0 || memcmp(data, "\xfe\xff", 2) == 0);
}

static int
read_as(struct entries *entries, const char *data, size_t size, struct format_report *report)
{
	if (report->format != FORMAT_STIX && is_utf16(data, size)) {
		report->lines = 1;
		format_reject(report, 1, "UTF-16 text, only UTF-8 is read", data, 0);
		return 0;
	}
	if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
		data += 3;
		size -= 3;
	}
	switch (report->format) {
	case FORMAT_TXT:
		return format_read_text(entries, data, size, report);
	case FORMAT_STIX:
		return format_read_stix(entries, data, size, report);
	case FORMAT_STIX2:
		return format_read_stix2(entries, data, size, report);
	case FORMAT_ALIEN_VAULT:
		return format_read_alien_vault(entries, data, size, report);
	case FORMAT_OTX_CSV:
	case FORMAT_PROOF_POINT:
	case FORMAT_FIRE_EYE:
		return format_read_csv(entries, data, size, report);
	case FORMAT_AUTO:
	case FORMAT_END:
		break;
	}
	return -EINVAL;
}

/* A list that is refused has no entries, neither good nor bad ones. */
static void
forget_entries(struct format_report *report)
{
	report->accepted = report->rejected = report->domains = 0;
	report->nrejects = 0;
	memset(report->notes, 0, sizeof(report->notes));
	memset(report->skipped, 0, sizeof(report->skipped));
}

int
format_read(struct entries *entries, enum list_format format, const void *data, size_t size,
    struct format_report *report)
{
	int error;

	memset(report, 0, sizeof(*report));
	report->bytes = size;
	report->format = format == FORMAT_AUTO ? format_detect(data, size) : format;
	error = read_as(entries, data, size, report);
	if (error == -EBADMSG)
		forget_entries(report);
	if (error == 0 && report->accepted == 0)
		error = -ENODATA;
	return error;
}
