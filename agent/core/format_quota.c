/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What GuardDuty itself takes of a list; ours are bounded elsewhere, and higher. */
#include <inttypes.h>
#include <stdio.h>

#include "core/format.h"

bool
format_quota_warning(const struct format_report *report, unsigned int entries,
    char text[static QUOTA_TEXT_MAX])
{
	uint64_t n = report->accepted;

	/* entity lists hold domains as well, however their format tells them apart */
	if (entries == QUOTA_ENTITIES)
		n += report->domains + report->skipped[FORMAT_SKIP_DOMAIN];
	if (n > entries) {
		snprintf(text, QUOTA_TEXT_MAX, "has %" PRIu64 " entries, GuardDuty's quota is %u:"
		    " it is read whole here, but GuardDuty does not use it", n, entries);
		return true;
	}
	if (report->bytes > QUOTA_FILE_BYTES) {
		snprintf(text, QUOTA_TEXT_MAX, "has %" PRIu64 " bytes, GuardDuty's quota is %u MiB:"
		    " it is read whole here, but GuardDuty does not use it", report->bytes,
		    QUOTA_FILE_BYTES >> 20);
		return true;
	}
	return false;
}
