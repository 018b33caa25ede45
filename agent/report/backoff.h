/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long to wait after a failed delivery.  Pure: the random number is an argument. */
#ifndef REPORT_BACKOFF_H
#define REPORT_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS	1000
#define BACKOFF_MAX_MS		(5 * 60 * 1000)
#define RETRY_AFTER_MAX_MS	(60 * 60 * 1000)

/*
 * Full jitter: anything from 0 up to a ceiling that begins at BACKOFF_FIRST_MS
 * and doubles with every failure to BACKOFF_MAX_MS; failures counts from 1.
 * What the receiver asked for (0: nothing) is kept to, up to RETRY_AFTER_MAX_MS.
 */
int64_t backoff_ms(unsigned int failures, int64_t retry_after_ms, uint64_t random);

#endif
