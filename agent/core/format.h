/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the bytes of a list to its entries.  A bad line costs that line: it is
 * counted by reason and the first few are kept for the operator.  What a format
 * says to be no address (a domain, a hash, …) is no bad line: it is skipped and
 * counted by type.  XML and JSON have no lines to lose: if they are not well
 * formed, or cut off, the list is refused as a whole.
 */
#ifndef CORE_FORMAT_H
#define CORE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "threatlistd/addr.h"

enum list_format {
	FORMAT_AUTO = 0,
	FORMAT_TXT,
	FORMAT_STIX,		/* STIX 1.x, XML */
	FORMAT_STIX2,		/* STIX 2.x, JSON: an extension, GuardDuty has the other six */
	FORMAT_OTX_CSV,
	FORMAT_ALIEN_VAULT,
	FORMAT_PROOF_POINT,
	FORMAT_FIRE_EYE,
	FORMAT_END
};

/* Entries as they were read, in order, per family.  Bounded by LIST_RANGES_MAX. */
struct entries;

struct entries *entries_new(void);	/* NULL: no memory */
void entries_free(struct entries *entries);
/* 0, -ENOMEM, -E2BIG at the bound. */
int entries_add(struct entries *entries, const struct range *range, uint32_t line);
size_t entries_count(const struct entries *entries);

struct domains;

/* Before reading: domain names are wanted, too (core/domains.h).  0, -ENOMEM. */
int entries_want_domains(struct entries *entries);
/* What came of them; NULL: they were not wanted.  Belongs to entries. */
struct domains *entries_domains(const struct entries *entries);

#define FORMAT_REJECTS_KEPT	10
#define FORMAT_TEXT_KEPT	80

enum format_note {
	NOTE_HOST_BITS,		/* masked off */
	NOTE_MAPPED,		/* IPv4-mapped IPv6 */
	NOTE_NOT_PUBLIC,	/* entry touched by scope = public (counted at compile) */
	NOTE_TRUSTED,		/* entry touched by a trusted list (counted at compile) */
	NOTE_END
};
/* "hostBits", "mapped", "notPublic", "trusted" */
const char *format_note_text(enum format_note note);

struct format_reject {
	uint32_t line;
	const char *reason;		/* constant text */
	char text[FORMAT_TEXT_KEPT];	/* of the line, cut and made printable */
};

/* What an entry is, by its own format's word, instead of an address. */
enum format_skip {
	FORMAT_SKIP_DOMAIN,
	FORMAT_SKIP_URL,
	FORMAT_SKIP_HASH,
	FORMAT_SKIP_EMAIL,
	FORMAT_SKIP_REVOKED,		/* an indicator that its maker took back */
	FORMAT_SKIP_OTHER,
	FORMAT_SKIP_END
};
/* "domain", "url", "hash", "email", "revoked", "other" */
const char *format_skip_text(enum format_skip skip);

#define FORMAT_REFUSED_MAX	256

struct format_report {
	enum list_format format;	/* as it was read: never FORMAT_AUTO */
	uint64_t bytes, lines, accepted, rejected;
	uint64_t domains;		/* of the rejected: domain names where formats have no types */
	uint64_t notes[NOTE_END];
	uint64_t skipped[FORMAT_SKIP_END];
	unsigned int nrejects;
	struct format_reject rejects[FORMAT_REJECTS_KEPT];
	uint32_t refused_line;
	char refused[FORMAT_REFUSED_MAX];	/* why it is no list at all; empty: it was read */
};

/* "domain 2, url 1"; empty when nothing was skipped.  Returns buf. */
#define FORMAT_SKIPPED_MAX	200
const char *format_skipped(const struct format_report *report, char buf[static FORMAT_SKIPPED_MAX]);

/* "auto", "txt" …; -1: unknown. */
int format_by_name(const char *name);
const char *format_name(enum list_format format);

/*
 * The format of a list by its first content, behind a byte order mark, blanks
 * and, but for XML and JSON, comment lines:
 *	<		stix, unless it is a page of HTML
 *	{ or [ {	stix2
 *	a row with the columns that the reader of a CSV format asks for: that one
 *	ADDRESS,NUMBER,NUMBER		proof_point without its header
 *	ANYTHING#NUMBER#NUMBER#…	alien_vault
 *	all else	txt
 */
enum list_format format_detect(const char *data, size_t size);

/*
 * Reads a whole list.  0 with *report filled, also when lines were rejected;
 * -ENODATA when nothing was acceptable, -EBADMSG when it was refused as a whole
 * (report->refused; entries then hold what came before, which does not count),
 * -E2BIG above LIST_RANGES_MAX entries, -ENOMEM.  *report is filled in every case.
 */
int format_read(struct entries *entries, enum list_format format, const void *data, size_t size,
    struct format_report *report);

/*
 * GuardDuty's own quotas.  They bind nobody here: a list above them is read
 * whole, but GuardDuty does not use it.
 */
#define QUOTA_THREAT_IPS	250000u	/* entries of a threat IP list */
#define QUOTA_TRUSTED_IPS	2000u	/* of the trusted IP list */
#define QUOTA_ENTITIES		1000u	/* of an entity list, either role */
#define QUOTA_FILE_BYTES	(35u << 20)

#define QUOTA_TEXT_MAX	160

/* Is the list above a quota (entries is one of those above)?  Then text says which, with numbers. */
bool format_quota_warning(const struct format_report *report, unsigned int entries,
    char text[static QUOTA_TEXT_MAX]);

#endif
