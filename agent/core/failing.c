/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/failing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NO_BOOT		"-"	/* where the boot is not known */
#define FOR_MAX_MS	(366 * FAILING_DAY_MS)	/* of a day more is not asked; sums stay far from overflow */

/* What passed between the last failure and this one, as far as it counts. */
static int64_t
gap(const struct failing *failing, const struct failing_clock *clock)
{
	bool same_boot = clock->boot[0] != '\0' && strcmp(failing->boot, clock->boot) == 0;
	int64_t passed;

	/* in one run the boot is one */
	if (failing->here || same_boot)
		passed = clock->now_ms - failing->last_ms;
	else
		passed = clock->wall_ms - failing->last_wall_ms;
	if (!failing->here && passed > FAILING_GAP_MS)
		passed = FAILING_GAP_MS;
	return passed > 0 ? passed : 0;
}

void
failing_again(struct failing *failing, const struct failing_clock *clock)
{
	if (failing->on)
		failing->for_ms += gap(failing, clock);
	if (failing->for_ms > FOR_MAX_MS)
		failing->for_ms = FOR_MAX_MS;
	failing->on = failing->here = true;
	failing->last_ms = clock->now_ms;
	failing->last_wall_ms = clock->wall_ms;
	snprintf(failing->boot, sizeof(failing->boot), "%s", clock->boot);
}

bool
failing_is_due(struct failing *failing)
{
	if (failing->told || failing->for_ms < FAILING_DAY_MS)
		return false;
	failing->told = true;
	return true;
}

size_t
failing_print(const struct failing *failing, char text[static FAILING_TEXT_MAX])
{
	return (size_t)snprintf(text, FAILING_TEXT_MAX, "%" PRId64 " %" PRId64 " %" PRId64 " %s %d\n",
	    failing->for_ms, failing->last_ms, failing->last_wall_ms,
	    failing->boot[0] != '\0' ? failing->boot : NO_BOOT, failing->told);
}

bool
failing_read(struct failing *failing, const char *text)
{
	int told, end = 0;

	memset(failing, 0, sizeof(*failing));
	if (strlen(text) < FAILING_TEXT_MAX && sscanf(text, "%" SCNd64 " %" SCNd64 " %" SCNd64 " %39s %d%n",
	    &failing->for_ms, &failing->last_ms, &failing->last_wall_ms, failing->boot, &told,
	    &end) == 5 && strcmp(text + end, "\n") == 0 && failing->for_ms >= 0 &&
	    failing->for_ms <= FOR_MAX_MS && failing->last_ms >= 0 && failing->last_wall_ms >= 0 &&
	    (told == 0 || told == 1)) {
		failing->told = told == 1;
		failing->on = true;
		if (strcmp(failing->boot, NO_BOOT) == 0)
			failing->boot[0] = '\0';
		return true;
	}
	memset(failing, 0, sizeof(*failing));
	return false;
}
