/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/event.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static const struct {
	const char *name, *type;
	uint8_t severity;
} kinds[EVENT_NAME_END] = {
	[EVENT_LIST_CHANGED] = { "list-changed", "Policy:EC2/ThreatListChanged.Custom", 1 },
	[EVENT_LIST_HELD] = { "list-held", "Policy:EC2/ThreatListHeld.Custom", 5 },
	[EVENT_SOURCE_STALE] = { "source-failing", "Policy:EC2/ThreatListStale.Custom", 5 },
	[EVENT_TABLE_RESTORED] = { "table-restored", "DefenseEvasion:EC2/EnforcementRemoved.Custom",
	    8 },
	[EVENT_MODE_CHANGED] = { "mode-changed", "Policy:EC2/EnforcementChanged.Custom", 5 },
	[EVENT_PANIC] = { "panic", "Policy:EC2/EnforcementChanged.Custom", 5 },
	[EVENT_RESUME] = { "resume", "Policy:EC2/EnforcementChanged.Custom", 5 },
	[EVENT_REPORTS_LOST] = { "reports-lost", "Policy:EC2/ReportsLost.Custom", 5 },
	[EVENT_BYPASS] = { "bypass", "DefenseEvasion:EC2/EnforcementBypassed.Custom", 8 },
	[EVENT_BYPASS_OVER] = { "bypass-over", "DefenseEvasion:EC2/EnforcementBypassed.Custom", 5 },
	[EVENT_ISOLATE] = { "isolate", "Policy:EC2/EnforcementChanged.Custom", 5 },
};

const char *
event_name_text(uint8_t name)
{
	assert(name > 0 && name < EVENT_NAME_END);
	return kinds[name].name;
}

const char *
event_type(uint8_t name)
{
	assert(name > 0 && name < EVENT_NAME_END);
	return kinds[name].type;
}

uint8_t
event_severity(uint8_t name)
{
	assert(name > 0 && name < EVENT_NAME_END);
	return kinds[name].severity;
}

void
event_finding_id(char id[static FINDING_ID_SIZE], const char *host_id, const struct event *event)
{
	char text[FACT_MAX + LIST_NAME_MAX + 192];

	snprintf(text, sizeof(text), "%s|%s|%s|%s|%" PRId64 "|%" PRIu64, host_id,
	    event_type(event->name), event_name_text(event->name), event->source,
	    event->time_ms, event->id);
	finding_digest(id, text);
}
