/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A ledger's file as somebody left it: taken over or begun anew, and then it works.
 * The input is what comes behind the fields that say whose and which version it is.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "enforce/ledger_rows.h"

#define ROWS	16u
#define HEAD	offsetof(struct rows_header, epoch)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
work(struct ledger *ledger)
{
	struct ledger_reading reading;
	struct count counts[4];
	uint32_t n, i;

	memset(&reading, 0, sizeof(reading));
	for (i = 0; i < 3 * LEDGER_MISSES; i++) {
		ledger_begin(ledger, 1 + i / LEDGER_MISSES);
		reading.remote = addr_from_v4(0x01020300u + i % 3);
		reading.dir = i & 1;
		reading.packets = i;
		reading.bytes = i;
		reading.label.entry.first = reading.label.entry.last = reading.remote;
		if (ledger_changed(ledger, &reading))
			ledger_book(ledger, &reading, i);
		ledger_end(ledger, true);
		ledger_overflow(ledger, 1 + i / LEDGER_MISSES, i);
		if (i % 2 != 0)
			ledger_overflow_told(ledger);
		while ((n = ledger_unsent(ledger, counts, 4)) > 0)
			ledger_sent(ledger, n);
		ledger_tidy(ledger, INT64_MAX);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t room = ledger_size(ROWS, ROWS);
	struct ledger_conf conf = {
		.max_elements = ROWS, .max_keys = ROWS, .origin = "here", .epoch = 1,
	};
	struct ledger *ledger;
	const char *anew;

	conf.region = calloc(1, room);
	if (conf.region == NULL)
		abort();
	if (ledger_open(&ledger, &conf, &anew) != 0)
		abort();
	ledger_free(ledger);
	memcpy((char *)conf.region + HEAD, data, size < room - HEAD ? size : room - HEAD);
	if (ledger_open(&ledger, &conf, &anew) != 0)
		abort();
	work(ledger);
	ledger_free(ledger);
	/* what it leaves is a ledger */
	if (ledger_open(&ledger, &conf, &anew) != 0)
		abort();
	assert(anew == NULL);
	ledger_free(ledger);
	free(conf.region);
	return 0;
}
