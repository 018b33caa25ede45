/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STIX 1.x: XML that may be anything. */
#include <errno.h>
#include <stdlib.h>

#include "core/format.h"
#include "names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct entries *entries = entries_with_names();
	struct format_report report;
	int error;

	if (entries == NULL)
		return 0;
	error = format_read(entries, FORMAT_STIX, data, size, &report);
	if (error != 0 && error != -ENODATA && error != -EBADMSG)
		abort();
	if (error != -EBADMSG && report.accepted != entries_count(entries))
		abort();
	if ((error == 0) != (report.accepted > 0) || (error == -EBADMSG) != (report.refused[0] != 0))
		abort();
	check_names(entries);
	return 0;
}
