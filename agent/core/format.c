/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Formats by name, the choice of a reader, and the report they all fill. */
#include "core/format.h"

#include <errno.h>
#include <string.h>

#include "core/format_read.h"

static const char *const format_names[] = {
	[FORMAT_AUTO] = "auto",
	[FORMAT_TXT] = "txt",
};

static const char *const note_texts[NOTE_END] = {
	[NOTE_HOST_BITS] = "hostBits",
	[NOTE_MAPPED] = "mapped",
	[NOTE_NOT_PUBLIC] = "notPublic",
	[NOTE_TRUSTED] = "trusted",
};

int
format_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(format_names) / sizeof(format_names[0]); i++) {
		if (strcmp(format_names[i], name) == 0)
			return (int)i;
	}
	return -1;
}

const char *
format_name(enum list_format format)
{
	return format_names[format];
}

const char *
format_note_text(enum format_note note)
{
	return note_texts[note];
}

/* Lists come from anywhere and this goes to logs and terminals: printable ASCII only. */
static void
copy_printable(char text[static FORMAT_TEXT_KEPT], const char *from, size_t len)
{
	size_t i;

	if (len > FORMAT_TEXT_KEPT - 1)
		len = FORMAT_TEXT_KEPT - 1;
	for (i = 0; i < len; i++)
		text[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	text[len] = '\0';
}

void
format_reject(struct format_report *report, uint32_t line, const char *reason, const char *text,
    size_t len)
{
	struct format_reject *reject;

	report->rejected++;
	if (report->nrejects == FORMAT_REJECTS_KEPT)
		return;
	reject = &report->rejects[report->nrejects++];
	reject->line = line;
	reject->reason = reason;
	copy_printable(reject->text, text, len);
}

int
format_take(struct entries *entries, struct format_report *report, uint32_t line, const char *text,
    size_t len)
{
	struct range range;
	unsigned int notes = 0;
	const char *wrong;
	int error;

	wrong = range_parse(&range, text, len, &notes);
	if (wrong != NULL) {
		format_reject(report, line, wrong, text, len);
		return 0;
	}
	error = entries_add(entries, &range, line);
	if (error != 0)
		return error;
	report->accepted++;
	report->notes[NOTE_HOST_BITS] += (notes & RANGE_NOTE_HOST_BITS) != 0;
	report->notes[NOTE_MAPPED] += (notes & RANGE_NOTE_MAPPED) != 0;
	return 0;
}

int
format_read(struct entries *entries, enum list_format format, const void *data, size_t size,
    struct format_report *report)
{
	int error;

	memset(report, 0, sizeof(*report));
	report->bytes = size;
	switch (format) {
	case FORMAT_AUTO:
	case FORMAT_TXT:
		error = format_read_text(entries, data, size, report);
		break;
	default:
		return -EINVAL;
	}
	if (error == 0 && report->accepted == 0)
		error = -ENODATA;
	return error;
}
