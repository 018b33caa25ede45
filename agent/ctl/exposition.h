/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Status as OpenMetrics text: contract §3 "metrics". */
#ifndef CTL_EXPOSITION_H
#define CTL_EXPOSITION_H

#include <cjson/cJSON.h>
#include <stdio.h>

/*
 * What the JSON of "status" says, family by family.  What it does not have, or
 * has as null, has no sample: a value that is not known is never shown as 0.
 * As many lines as there are sources, sinks, roles and sets: all are bounded.
 */
void exposition_print(const cJSON *status, FILE *out);

#endif
