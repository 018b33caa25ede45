/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "armed.h"
#include "readback.h"
#include "switches.h"
#include "watch.h"

#define EXPIRY_SLACK_MS	100	/* members end by ticks of the kernel's, not by our clock */

/* Is one of the two switches empty before its time?  Gone with its table it is damage. */
static bool
is_emptied(struct enforce *enforce, const char *set, int64_t until_ms)
{
	struct table_state table;

	return until_ms != 0 && armed_now_ms() + EXPIRY_SLACK_MS < until_ms &&
	    armed_holds(enforce->kernel, set) == 0 &&
	    readback_has_set(enforce->kernel, set) == 1 &&
	    readback_table(enforce->kernel, &table) == 0 && table.exists &&
	    table.handle == enforce->handle;
}

void
switch_armed(struct enforce *enforce)
{
	if (!enforce->armed ||
	    !is_emptied(enforce, fixture_name(FIXTURE_ARMED), enforce->until_ms))
		return;
	enforce->mode = ENFORCE_WATCH;
	enforce->until_ms = 0;
	enforce->armed = false;
	watch_note(enforce, ENFORCE_CHANGE_DISARMED);
}

void
switch_isolated(struct enforce *enforce)
{
	struct isolation *isolation = &enforce->isolation;

	if (!isolation->present ||
	    !is_emptied(enforce, ISOLATE_ARMED, isolation->wanted.until_ms))
		return;
	memset(&isolation->wanted, 0, sizeof(isolation->wanted));
	watch_note(enforce, ENFORCE_CHANGE_RELEASED);
}
