/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/event.h"
#include "core/render.h"
#include "core/render_host.h"

#define TITLE_MAX	256
#define DESCRIPTION_MAX	768

static void
write_title(const struct event *event, const struct host_facts *facts,
    char title[static TITLE_MAX])
{
	const char *host = facts->instance_id, *source = event->source;

	switch ((enum event_name)event->name) {
	case EVENT_LIST_CHANGED:
		snprintf(title, TITLE_MAX, "Threat list %s changed on %s.", source, host);
		break;
	case EVENT_LIST_HELD:
		snprintf(title, TITLE_MAX, "A new version of threat list %s is held back on %s.",
		    source, host);
		break;
	case EVENT_SOURCE_STALE:
		snprintf(title, TITLE_MAX, "Threat list %s cannot be refreshed on %s.", source,
		    host);
		break;
	case EVENT_TABLE_RESTORED:
		snprintf(title, TITLE_MAX,
		    "The drop rules on %s were removed and have been put back.", host);
		break;
	case EVENT_MODE_CHANGED:
		snprintf(title, TITLE_MAX, "The enforcement mode on %s was changed.", host);
		break;
	case EVENT_PANIC:
		snprintf(title, TITLE_MAX, "Enforcement on %s was lifted (panic).", host);
		break;
	case EVENT_RESUME:
		snprintf(title, TITLE_MAX, "Enforcement on %s was resumed.", host);
		break;
	case EVENT_ISOLATE:
		snprintf(title, TITLE_MAX, "The isolation of %s was changed.", host);
		break;
	case EVENT_BYPASS:
		snprintf(title, TITLE_MAX, "Packets pass beside the drop rules on %s.", host);
		break;
	case EVENT_BYPASS_OVER:
		snprintf(title, TITLE_MAX, "Nothing passes beside the drop rules on %s any more.",
		    host);
		break;
	case EVENT_REPORTS_LOST:
	case EVENT_NAME_END:
		snprintf(title, TITLE_MAX, "Reports about %s were lost.", host);
		break;
	}
}

/* One sentence for each thing that is known. */
static void
write_description(const struct event *event, const struct host_facts *facts, const char *title,
    char text[static DESCRIPTION_MAX])
{
	size_t at = (size_t)snprintf(text, DESCRIPTION_MAX, "%s", title);

	if (event->has_counts)
		at += (size_t)snprintf(text + at, DESCRIPTION_MAX - at, " %" PRIu64
		    " ranges of addresses came, %" PRIu64 " went, it has %" PRIu64
		    " entries now.", event->added, event->removed, event->entries);
	if (event->program[0] != '\0')
		at += (size_t)snprintf(text + at, DESCRIPTION_MAX - at,
		    " It was done by %s (pid %" PRIu32 ").", event->program, event->pid);
	if (event->by[0] != '\0')
		at += (size_t)snprintf(text + at, DESCRIPTION_MAX - at, " Asked for by %s.",
		    event->by);
	if (event->reason[0] != '\0')
		snprintf(text + at, DESCRIPTION_MAX - at, " Reason: %s.", event->reason);
}

static void
render_hash(struct json_page *page, cJSON *to, const char *key,
    const uint8_t hash[static LIST_HASH_LEN])
{
	static const uint8_t none[LIST_HASH_LEN];
	char text[2 * LIST_HASH_LEN + 1];
	unsigned int i;

	if (memcmp(hash, none, LIST_HASH_LEN) == 0)
		return;
	for (i = 0; i < LIST_HASH_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", hash[i]);
	json_text(page, to, key, text);
}

static void
render_what(struct json_page *page, cJSON *info, const struct event *event)
{
	cJSON *what = json_object(page, info, "event");

	json_text(page, what, "name", event_name_text(event->name));
	json_text(page, what, "source", event->source);
	if (event->has_counts) {
		json_integer(page, what, "added", event->added);
		json_integer(page, what, "removed", event->removed);
		json_integer(page, what, "entries", event->entries);
	}
	render_hash(page, what, "oldHash", event->old_hash);
	render_hash(page, what, "newHash", event->new_hash);
	json_text(page, what, "reason", event->reason);
	if (event->pid != 0)
		json_integer(page, what, "pid", event->pid);
	json_text(page, what, "program", event->program);
	json_text(page, what, "by", event->by);
}

static void
render_occurrence(struct json_page *page, const struct event *event,
    const struct host_facts *facts, const char *spool)
{
	cJSON *service = render_service(page, facts), *info;

	json_text(page, json_object(page, service, "action"), "actionType", "THREATLISTD_EVENT");
	json_text(page, service, "resourceRole", "TARGET");
	json_time(page, service, "eventFirstSeen", event->time_ms);
	json_time(page, service, "eventLastSeen", event->time_ms);
	json_integer(page, service, "count", 1);
	info = render_info(page, json_object(page, service, "additionalInfo"), facts);
	render_what(page, info, event);
	render_place(page, info, 1, spool);
}

char *
render_event(const struct event *event, const struct host_facts *facts, const char *spool)
{
	char id[FINDING_ID_SIZE], title[TITLE_MAX], description[DESCRIPTION_MAX];
	const struct render_head head = {
		.id = id, .type = event_type(event->name), .severity = event_severity(event->name),
		.created_ms = event->time_ms, .updated_ms = event->time_ms,
		.title = title, .description = description,
	};
	struct json_page page;

	event_finding_id(id, facts->host_id, event);
	write_title(event, facts, title);
	write_description(event, facts, title, description);
	json_begin(&page);
	render_head(&page, &head, facts);
	render_resource(&page, facts);
	render_occurrence(&page, event, facts, spool);
	return json_end(&page);
}
