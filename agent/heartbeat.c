/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A sign of life for sinks that want one (contract §4): how the agent is, in a few words. */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/json.h"
#include "jitter.h"
#include "threatlistd/log.h"

#define FIRST_MAX_MS	60000	/* a fleet that is started at once does not beat in step */
#define HASH_TEXT_MAX	(2 * LIST_HASH_LEN + 1)

struct heartbeat {
	struct agent *agent;
	struct loop_timer *timer;
	int64_t due_ms[CONF_SINKS_MAX];	/* 0: none is wanted */
	uint32_t sinks;			/* bits: those that get the one that is being made */
};

static void on_due(void *arg);

struct heartbeat *
heartbeat_new(struct agent *agent)
{
	struct heartbeat *heartbeat = calloc(1, sizeof(*heartbeat));

	if (heartbeat == NULL)
		return NULL;
	heartbeat->agent = agent;
	heartbeat->timer = loop_timer_new(agent->loop, on_due, heartbeat);
	if (heartbeat->timer == NULL) {
		free(heartbeat);
		return NULL;
	}
	return heartbeat;
}

void
heartbeat_free(struct heartbeat *heartbeat)
{
	if (heartbeat == NULL)
		return;
	loop_timer_free(heartbeat->agent->loop, heartbeat->timer);
	free(heartbeat);
}

/* Sets the timer to the sink that is due first. */
static void
plan(struct heartbeat *heartbeat)
{
	int64_t now = loop_now_ms(), first = INT64_MAX;
	size_t i;

	for (i = 0; i < CONF_SINKS_MAX; i++) {
		if (heartbeat->due_ms[i] != 0 && heartbeat->due_ms[i] < first)
			first = heartbeat->due_ms[i];
	}
	if (first == INT64_MAX)
		loop_timer_stop(heartbeat->timer);
	else
		loop_timer_start(heartbeat->agent->loop, heartbeat->timer,
		    first > now ? first - now : 0);
}

void
heartbeat_configure(struct heartbeat *heartbeat)
{
	const struct conf *conf = heartbeat->agent->conf;
	int64_t now = loop_now_ms(), within;
	size_t i;

	memset(heartbeat->due_ms, 0, sizeof(heartbeat->due_ms));
	for (i = 0; i < conf->nsinks; i++) {
		if (conf->sinks[i].heartbeat_ms == 0)
			continue;
		within = conf->sinks[i].heartbeat_ms < FIRST_MAX_MS ?
		    conf->sinks[i].heartbeat_ms : FIRST_MAX_MS;
		heartbeat->due_ms[i] = now + 1 + (int64_t)(random_bits() % (uint64_t)within);
	}
	plan(heartbeat);
}

/* What the roles enforce, and how old the word of the source is that was heard of longest ago. */
static void
add_list(struct json_page *page, const struct agent *agent)
{
	const struct list *list = sources_list(agent->sources);
	int64_t oldest = INT64_MAX, now = loop_wall_ms();
	char hash[HASH_TEXT_MAX];
	uint64_t entries = 0;
	size_t i;

	for (i = 0; i < sources_count(agent->sources); i++) {
		struct source_view view;

		sources_view(agent->sources, i, &view);
		if (view.row == NULL)
			continue;
		entries += view.conf->role == LIST_THREAT ? view.row->entries : 0;
		oldest = view.last_good_ms < oldest ? view.last_good_ms : oldest;
	}
	if (list != NULL) {
		for (i = 0; i < LIST_HASH_LEN; i++)
			snprintf(hash + 2 * i, 3, "%02x", list_hash(list)[i]);
		json_text(page, page->root, "listHash", hash);
	}
	json_integer(page, page->root, "entries", entries);
	if (oldest != INT64_MAX)
		json_integer(page, page->root, "listAge",
		    now > oldest ? (uint64_t)(now - oldest) / 1000 : 0);
}

static uint64_t
number_in(const cJSON *status, const char *part, const char *name)
{
	const cJSON *number = cJSON_GetObjectItemCaseSensitive(
	    cJSON_GetObjectItemCaseSensitive(status, part), name);

	return cJSON_IsNumber(number) && number->valuedouble > 0 ? (uint64_t)number->valuedouble : 0;
}

static void
copy_text(struct json_page *page, const cJSON *status, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(status, name));

	json_text(page, page->root, name, text != NULL ? text : "");
}

/* Out of what threatlistctl status shows.  malloc'd; NULL: no memory. */
static char *
make(const struct agent *agent, const cJSON *status)
{
	const cJSON *warning;
	struct json_page page;
	cJSON *warnings;

	json_begin(&page);
	json_text(&page, page.root, "type", "threatlistd Heartbeat");
	json_time(&page, page.root, "time", loop_wall_ms());
	copy_text(&page, status, "hostId");
	copy_text(&page, status, "version");
	copy_text(&page, status, "mode");
	copy_text(&page, status, "intent");
	add_list(&page, agent);
	json_integer(&page, page.root, "restores", number_in(status, "table", "restores"));
	json_integer(&page, page.root, "pending", number_in(status, "findings", "pending"));
	warnings = json_array(&page, page.root, "warnings");
	cJSON_ArrayForEach(warning, cJSON_GetObjectItemCaseSensitive(status, "warnings"))
		json_push_text(&page, warnings, cJSON_GetStringValue(warning));
	return json_end(&page);
}

/* The reporter may be gone: then there is no sign of life, and rightly so. */
static void
hand_over(struct heartbeat *heartbeat, const char *text)
{
	struct message message = { .type = MSG_HEARTBEAT };
	int fd = memfd_with("threatlistd-heartbeat", text, strlen(text));

	if (fd < 0) {
		log_error("heartbeat not made error=\"%s\"", strerror(-fd));
		return;
	}
	message.u.heartbeat.sinks = heartbeat->sinks;
	message.u.heartbeat.size = (uint32_t)strlen(text);
	role_send(heartbeat->agent->roles[ROLE_REPORTER], &message, fd);
	close(fd);
}

static void
on_status(char *json, void *arg)
{
	struct heartbeat *heartbeat = arg;
	cJSON *status = json != NULL ? cJSON_Parse(json) : NULL;
	char *text = status != NULL ? make(heartbeat->agent, status) : NULL;

	if (text != NULL && strlen(text) <= HEARTBEAT_BYTES)
		hand_over(heartbeat, text);
	else
		log_error("heartbeat not made error=\"out of memory, or too long\"");
	heartbeat->sinks = 0;
	free(text);
	cJSON_Delete(status);
	free(json);
}

static void
on_due(void *arg)
{
	struct heartbeat *heartbeat = arg;
	const struct conf *conf = heartbeat->agent->conf;
	bool asked = heartbeat->sinks != 0;
	int64_t now = loop_now_ms();
	size_t i;

	for (i = 0; i < conf->nsinks; i++) {
		if (heartbeat->due_ms[i] == 0 || heartbeat->due_ms[i] > now)
			continue;
		heartbeat->due_ms[i] = now + conf->sinks[i].heartbeat_ms;
		heartbeat->sinks |= UINT32_C(1) << i;
	}
	if (!asked && heartbeat->sinks != 0)
		status_ask(heartbeat->agent->status, on_status, heartbeat);
	plan(heartbeat);
}
