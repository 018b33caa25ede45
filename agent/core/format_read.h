/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the readers of the single formats share with format.c. */
#ifndef CORE_FORMAT_READ_H
#define CORE_FORMAT_READ_H

#include "core/format.h"

/*
 * Takes one entry's text: adds it to entries and counts it, or counts it as
 * rejected (line is what is shown of it then).  0, -ENOMEM, -E2BIG.
 */
int format_take(struct entries *entries, struct format_report *report, uint32_t line,
    const char *text, size_t len);

/* Counts and, while there is room, keeps a rejected line. */
void format_reject(struct format_report *report, uint32_t line, const char *reason,
    const char *text, size_t len);

/* format_text.c: one entry a line. */
int format_read_text(struct entries *entries, const char *data, size_t size,
    struct format_report *report);

#endif
