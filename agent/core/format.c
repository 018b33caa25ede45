/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Formats by name, and the report that all readers fill. */
#include "core/format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/domains.h"
#include "core/format_read.h"

static const char *const format_names[FORMAT_END] = {
	[FORMAT_AUTO] = "auto",
	[FORMAT_TXT] = "txt",
	[FORMAT_STIX] = "stix",
	[FORMAT_STIX2] = "stix2",
	[FORMAT_OTX_CSV] = "otx_csv",
	[FORMAT_ALIEN_VAULT] = "alien_vault",
	[FORMAT_PROOF_POINT] = "proof_point",
	[FORMAT_FIRE_EYE] = "fire_eye",
};

static const char *const note_texts[NOTE_END] = {
	[NOTE_HOST_BITS] = "hostBits",
	[NOTE_MAPPED] = "mapped",
	[NOTE_NOT_PUBLIC] = "notPublic",
	[NOTE_TRUSTED] = "trusted",
};

static const char *const skip_texts[FORMAT_SKIP_END] = {
	[FORMAT_SKIP_DOMAIN] = "domain",
	[FORMAT_SKIP_URL] = "url",
	[FORMAT_SKIP_HASH] = "hash",
	[FORMAT_SKIP_EMAIL] = "email",
	[FORMAT_SKIP_REVOKED] = "revoked",
	[FORMAT_SKIP_OTHER] = "other",
};

int
format_by_name(const char *name)
{
	int i;

	for (i = 0; i < FORMAT_END; i++) {
		if (strcmp(format_names[i], name) == 0)
			return i;
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

const char *
format_skip_text(enum format_skip skip)
{
	return skip_texts[skip];
}

const char *
format_skipped(const struct format_report *report, char buf[static FORMAT_SKIPPED_MAX])
{
	size_t used = 0;
	int skip;

	buf[0] = '\0';
	for (skip = 0; skip < FORMAT_SKIP_END; skip++) {
		if (report->skipped[skip] > 0)
			used += (size_t)snprintf(buf + used, FORMAT_SKIPPED_MAX - used,
			    "%s%s %" PRIu64, used == 0 ? "" : ", ", skip_texts[skip],
			    report->skipped[skip]);
	}
	return buf;
}

/* Lists come from anywhere and this goes to logs and terminals: printable ASCII only. */
static void
make_printable(char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	}
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
	if (len > FORMAT_TEXT_KEPT - 1)
		len = FORMAT_TEXT_KEPT - 1;
	memcpy(reject->text, text, len);
	reject->text[len] = '\0';
	make_printable(reject->text, len);
}

int
format_refuse(struct format_report *report, uint32_t line, const char *fmt, ...)
{
	va_list args;

	report->refused_line = line;
	va_start(args, fmt);
	vsnprintf(report->refused, sizeof(report->refused), fmt, args);
	va_end(args);
	make_printable(report->refused, strlen(report->refused));
	return -EBADMSG;
}

int
format_take_domain(struct entries *entries, const char *text, size_t len)
{
	struct domains *domains = entries_domains(entries);

	return domains != NULL ? domains_add(domains, text, len) : 0;
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
		if (wrong != addr_wrong_domain)
			return 0;
		report->domains++;
		return format_take_domain(entries, text, len);
	}
	error = entries_add(entries, &range, line);
	if (error != 0)
		return error;
	report->accepted++;
	report->notes[NOTE_HOST_BITS] += (notes & RANGE_NOTE_HOST_BITS) != 0;
	report->notes[NOTE_MAPPED] += (notes & RANGE_NOTE_MAPPED) != 0;
	return 0;
}
