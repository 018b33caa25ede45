/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All sources together: when the feed is sent out, and the union of what is in
 * force, which every other role gets.
 */
#include "agent.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/compile.h"
#include "source.h"
#include "threatlistd/log.h"

#define FEED_RETRY_MS	5000	/* when a feed could not even be started */

struct sources {
	struct agent *agent;
	struct source *all;
	size_t n;
	struct loop_timer *due;
	struct list *list;		/* the union in force */
	int list_fd;			/* its memfd, -1: none */
	uint64_t generation;
	bool changed;			/* a source's image changed since the last union */
	bool asked_facts;
};

static void plan(struct sources *sources);

static void
refresh_due(void *arg)
{
	struct sources *sources = arg;
	struct role *feed = sources->agent->roles[ROLE_FEED];

	if (!role_running(feed) && !sources->agent->stopping && role_start(feed) != 0)
		loop_timer_start(sources->agent->loop, sources->due, FEED_RETRY_MS);
}

struct sources *
sources_new(struct agent *agent)
{
	struct sources *sources;

	sources = calloc(1, sizeof(*sources));
	if (sources == NULL)
		return NULL;
	sources->agent = agent;
	sources->list_fd = -1;
	sources->due = loop_timer_new(agent->loop, refresh_due, sources);
	if (sources->due == NULL) {
		free(sources);
		return NULL;
	}
	return sources;
}

static void
free_all(struct source *all, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		source_free_lists(&all[i]);
	free(all);
}

void
sources_free(struct sources *sources)
{
	if (sources == NULL)
		return;
	free_all(sources->all, sources->n);
	list_free(sources->list);
	if (sources->list_fd >= 0)
		close(sources->list_fd);
	loop_timer_free(sources->agent->loop, sources->due);
	free(sources);
}

static struct source *
find(struct sources *sources, const char *name)
{
	size_t i;

	for (i = 0; i < sources->n; i++) {
		if (strcmp(sources->all[i].conf->name, name) == 0)
			return &sources->all[i];
	}
	return NULL;
}

int
sources_configure(struct sources *sources)
{
	struct conf *conf = sources->agent->conf;
	struct source *all, *before;
	size_t i;

	all = calloc(conf->nsources > 0 ? conf->nsources : 1, sizeof(*all));
	if (all == NULL)
		return -ENOMEM;
	for (i = 0; i < conf->nsources; i++) {
		all[i].conf = &conf->sources[i];
		all[i].events = sources->agent->events;
		before = find(sources, conf->sources[i].name);
		if (before != NULL)
			source_inherit(&all[i], before);
		all[i].state_dir = conf->agent.state_dir;
		if (!all[i].has_list)
			source_load(&all[i]);
	}
	free_all(sources->all, sources->n);
	sources->all = all;
	sources->n = conf->nsources;
	sources->changed = true;
	return 0;
}

/*
 * Is there something to unite?  Threat sources of which none has been read yet
 * leave alone what an earlier run put into the kernel; no threat source at all
 * means an empty list.
 */
static bool
worth_uniting(const struct sources *sources)
{
	bool configured = false;
	size_t i;

	for (i = 0; i < sources->n; i++) {
		if (sources->all[i].conf->role != LIST_THREAT)
			continue;
		if (sources->all[i].has_list)
			return true;
		configured = true;
	}
	return !configured;
}

/* Unites the sources and hands the result to every role. */
static void
unite(struct sources *sources)
{
	const struct list *lists[LIST_SOURCES_MAX];
	struct image image = { NULL, 0 };
	struct compile_notes notes;
	struct list_error error;
	struct list *list = NULL;
	int64_t begun = loop_now_ms();
	int fd = -1, rc, i;

	for (i = 0; i < (int)sources->n; i++) {
		lists[i] = source_list(&sources->all[i]);
		if (lists[i] == NULL && sources->all[i].has_list)
			return;		/* the union before stays in force */
	}
	rc = compile_union(lists, sources->n, sources->agent->conf->agent.scope, &image, &notes);
	if (rc == 0) {
		fd = memfd_with("threatlistd-list", image.bytes, image.size);
		rc = fd < 0 ? fd : list_open(&list, fd, true, &error);
	}
	image_free(&image);
	if (rc != 0) {
		log_error("lists not united error=\"%s\"; the list before stays in force",
		    strerror(-rc));
		if (fd >= 0)
			close(fd);
		return;
	}
	sources->changed = false;
	if (sources->list != NULL && memcmp(list_hash(list), list_hash(sources->list),
	    LIST_HASH_LEN) == 0) {
		list_free(list);
		close(fd);
		return;
	}
	list_free(sources->list);
	if (sources->list_fd >= 0)
		close(sources->list_fd);
	sources->list = list;
	sources->list_fd = fd;
	sources->generation++;
	log_notice("list compiled generation=%llu ranges4=%zu ranges6=%zu not_public=%llu "
	    "trusted=%llu took_ms=%lld", (unsigned long long)sources->generation,
	    list_nranges4(list), list_nranges6(list), (unsigned long long)notes.not_public,
	    (unsigned long long)notes.trusted, (long long)(loop_now_ms() - begun));
	for (i = 0; i < ROLE_LASTING; i++)
		sources_send_list(sources, sources->agent->roles[i]);
}

void
sources_send_list(struct sources *sources, struct role *role)
{
	struct message message = { .type = MSG_LIST };

	if (sources->list == NULL || !role_running(role))
		return;
	message.u.list.generation = sources->generation;
	memcpy(message.u.list.hash, list_hash(sources->list), LIST_HASH_LEN);
	if (role_send(role, &message, sources->list_fd) == -ENOBUFS)
		role_kill(role, SIGKILL);	/* it has not listened for megabytes: start anew */
}

void
sources_unite(struct sources *sources)
{
	size_t i;

	if (sources->changed && worth_uniting(sources))
		unite(sources);
	for (i = 0; i < sources->n; i++)
		source_rest(&sources->all[i]);
	malloc_trim(0);
	plan(sources);
}

void
sources_fetched(struct sources *sources, const struct msg_fetched *fetched, int fd)
{
	struct source *source;

	if (fetched->source >= sources->n || !sources->all[fetched->source].fetching) {
		log_error("feed answered for source %u, which it was not asked for",
		    fetched->source);
		role_kill(sources->agent->roles[ROLE_FEED], SIGKILL);
		return;
	}
	source = &sources->all[fetched->source];
	if (source_fetched(source, fetched, fd))
		sources->changed = true;
}

void
sources_feed_ended(struct sources *sources, const char *trouble)
{
	char reason[256];
	size_t i;

	snprintf(reason, sizeof(reason), "the feed %.200s",
	    trouble[0] != '\0' ? trouble : "ended without an answer");
	for (i = 0; i < sources->n; i++) {
		if (sources->all[i].fetching) {
			sources->all[i].fetching = false;
			sources->all[i].last_try_ms = loop_wall_ms();
			source_fail(&sources->all[i], reason);
		}
	}
	sources_unite(sources);
}

void
sources_brief_feed(struct sources *sources)
{
	struct role *feed = sources->agent->roles[ROLE_FEED];
	struct message message;
	int64_t now = loop_now_ms();
	size_t i;

	for (i = 0; i < sources->n; i++) {
		struct source *source = &sources->all[i];

		/* what falls due soon comes along: one process instead of two */
		if (source->due_ms > now + source->conf->refresh_ms / 10)
			continue;
		memset(&message, 0, sizeof(message));
		message.type = MSG_FETCH;
		message.u.fetch.source = (uint32_t)i;
		message.u.fetch.ask_facts = !sources->asked_facts;
		if (source->has_list) {
			message.u.fetch.have_hash = 1;
			memcpy(message.u.fetch.hash, source->hash, LIST_HASH_LEN);
			snprintf(message.u.fetch.etag, sizeof(message.u.fetch.etag), "%s",
			    source->etag);
			snprintf(message.u.fetch.last_modified,
			    sizeof(message.u.fetch.last_modified), "%s", source->last_modified);
		}
		source->fetching = role_send(feed, &message, -1) == 0;
		source->due_ms = now + source->conf->refresh_ms;
	}
	sources->asked_facts = true;
	memset(&message, 0, sizeof(message));
	message.type = MSG_GO;
	role_send(feed, &message, -1);
}

/* Sets the timer to the source that is due first. */
static void
plan(struct sources *sources)
{
	int64_t now = loop_now_ms(), wait = -1;
	size_t i;

	for (i = 0; i < sources->n; i++) {
		int64_t left = sources->all[i].due_ms - now;

		if (wait < 0 || left < wait)
			wait = left > 0 ? left : 0;
	}
	if (wait >= 0)
		loop_timer_start(sources->agent->loop, sources->due, wait);
	else
		loop_timer_stop(sources->due);
}

int
sources_refresh(struct sources *sources, const char *name)
{
	size_t i;

	if (name != NULL && find(sources, name) == NULL)
		return -ENOENT;
	for (i = 0; i < sources->n; i++) {
		if (name == NULL || strcmp(sources->all[i].conf->name, name) == 0)
			sources->all[i].due_ms = 0;
	}
	plan(sources);
	return 0;
}

int
sources_accept(struct sources *sources, const char *name)
{
	struct source *source = find(sources, name);
	int rc = source == NULL ? -ENOENT : source_accept(source);

	if (rc == 0) {
		sources->changed = true;
		sources_unite(sources);
	}
	return rc;
}

const struct list *
sources_list(const struct sources *sources)
{
	return sources->list;
}

size_t
sources_count(const struct sources *sources)
{
	return sources->n;
}

uint64_t
sources_generation(const struct sources *sources)
{
	return sources->generation;
}

void
sources_view(const struct sources *sources, size_t index, struct source_view *view)
{
	const struct source *source = &sources->all[index];

	view->conf = source->conf;
	view->row = source->has_list ? &source->row : NULL;
	view->held = source->held;
	view->unkept = source->has_list && !source->on_disk;
	view->state = source->held != NULL ? "held" : source->first_failure_ms != 0 ? "failing" :
	    !source->has_list ? "loading" : "ok";
	view->last_good_ms = source->last_good_ms;
	view->last_try_ms = source->last_try_ms;
	view->next_ms = loop_wall_ms() + (source->due_ms - loop_now_ms());
	view->rejected = source->rejected;
	view->lines = source->lines;
	view->error = source->error;
}

bool
sources_find(struct sources *sources, size_t index, const struct addr *addr, struct list_hit *hit)
{
	const struct list *list = source_list(&sources->all[index]);
	bool found = list != NULL && list_find(list, addr, hit);

	source_rest(&sources->all[index]);
	return found;
}
