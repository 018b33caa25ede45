/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Line and CSV formats: the first byte chooses one, the rest is the list. */
#include <errno.h>
#include <stdlib.h>

#include "core/format.h"
#include "names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum list_format formats[] = { FORMAT_OTX_CSV, FORMAT_ALIEN_VAULT,
	    FORMAT_PROOF_POINT, FORMAT_FIRE_EYE, FORMAT_AUTO };
	struct entries *entries = entries_with_names();
	struct format_report report;
	int error;

	if (entries == NULL || size == 0) {
		entries_free(entries);
		return 0;
	}
	error = format_read(entries, formats[data[0] % 5], data + 1, size - 1, &report);
	if (error != 0 && error != -ENODATA && error != -EBADMSG)
		abort();
	if (error != -EBADMSG && report.accepted != entries_count(entries))
		abort();
	if ((error == 0) != (report.accepted > 0) || (error == -EBADMSG) != (report.refused[0] != 0))
		abort();
	check_names(entries);
	return 0;
}
