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
#include "discovery.h"
#include "jitter.h"
#include "rows.h"
#include "source.h"
#include "threatlistd/log.h"

#define UNITE_EARLY_MS	5000	/* a feed that takes longer waits for somebody who does not answer */
#define FEED_RETRY_MS	5000	/* when a feed could not even be started */

struct sources {
	struct agent *agent;
	struct rows rows;
	struct loop_timer *due;
	struct loop_timer *early;	/* runs while the feed does */
	struct list *list;		/* the union in force */
	int list_fd;			/* its memfd, -1: none */
	uint64_t generation;
	bool changed;			/* a source's image changed since the last union */
	bool introduced;		/* a feed was told to say where AWS is */
	int64_t facts_ms;		/* when the host's facts are to be asked for again */
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

/* What has come is in force now, not only when the last source has answered or given up. */
static void
unite_early(void *arg)
{
	struct sources *sources = arg;

	if (sources->changed && !sources->agent->stopping)
		sources_unite(sources);
	loop_timer_start(sources->agent->loop, sources->early, UNITE_EARLY_MS);
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
	sources->early = loop_timer_new(agent->loop, unite_early, sources);
	if (sources->due == NULL || sources->early == NULL) {
		loop_timer_free(agent->loop, sources->due);
		loop_timer_free(agent->loop, sources->early);
		free(sources);
		return NULL;
	}
	return sources;
}

void
sources_free(struct sources *sources)
{
	if (sources == NULL)
		return;
	rows_free(&sources->rows);
	list_free(sources->list);
	if (sources->list_fd >= 0)
		close(sources->list_fd);
	loop_timer_free(sources->agent->loop, sources->due);
	loop_timer_free(sources->agent->loop, sources->early);
	free(sources);
}

/* The detector of the host's own region, the only one there: configured, or discovered. */
static const char *
find_detector(const struct sources *sources)
{
	size_t i;

	for (i = 0; i < sources->rows.n; i++) {
		const struct source *source = &sources->rows.all[i];

		if (source->discovery == NULL || (source->conf->region != NULL &&
		    strcmp(source->conf->region, sources->agent->facts.region) != 0))
			continue;
		if (source->conf->detector != NULL && detector_is_good(source->conf->detector))
			return source->conf->detector;
		if (source->discovery->table.detector[0] != '\0')
			return source->discovery->table.detector;
	}
	return "";
}

int
sources_configure(struct sources *sources)
{
	struct role *feed = sources->agent->roles[ROLE_FEED];
	int rc = rows_lay_out(&sources->rows, sources->agent);

	if (rc != 0)
		return rc;
	sources->changed = true;
	agent_set_detector(sources->agent, find_detector(sources));
	/* one that is out answers for the sources of before, or waits for a server that is none any more */
	if (role_running(feed)) {
		role_abandon(feed);
		sources->facts_ms = 0;
	}
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

	for (i = 0; i < sources->rows.n; i++) {
		if (sources->rows.all[i].conf->role != LIST_THREAT)
			continue;
		if (sources->rows.all[i].has_list)
			return true;
		if (sources->rows.all[i].discovery == NULL || !sources->rows.all[i].discovery->known)
			configured = true;
	}
	return !configured;
}

/* One list of all sources as an image; held: with what gates hold back.  *fd is the caller's. */
static int
compile_all(struct sources *sources, bool held, struct list **list, int *fd,
    struct compile_notes *notes)
{
	const struct list *lists[LIST_SOURCES_MAX];
	struct image image = { NULL, 0 };
	struct list_error error;
	int rc;
	size_t i;

	for (i = 0; i < sources->rows.n; i++) {
		struct source *source = &sources->rows.all[i];

		lists[i] = held && source->held != NULL ? source->held : source_list(source);
		if (lists[i] == NULL && source->has_list)
			return -ENODATA;	/* it cannot be read back just now */
	}
	rc = compile_union(lists, sources->rows.n, sources->agent->conf->agent.scope, &image, notes);
	if (rc == 0) {
		*fd = memfd_with("threatlistd-list", image.bytes, image.size);
		rc = *fd < 0 ? *fd : list_open(list, *fd, true, &error);
		if (rc != 0 && *fd >= 0)
			close(*fd);
	}
	image_free(&image);
	return rc;
}

int
sources_candidate(struct sources *sources, uint8_t hash[static LIST_HASH_LEN])
{
	struct compile_notes notes;
	struct list *list = NULL;
	bool any = worth_uniting(sources);
	int fd = -1, rc;
	size_t i;

	for (i = 0; i < sources->rows.n; i++)
		any = any || sources->rows.all[i].held != NULL;
	if (!any)
		return -ENODATA;
	rc = compile_all(sources, true, &list, &fd, &notes);
	for (i = 0; i < sources->rows.n; i++)
		source_rest(&sources->rows.all[i]);
	if (rc != 0)
		return rc;
	memcpy(hash, list_hash(list), LIST_HASH_LEN);
	list_free(list);
	malloc_trim(0);
	return fd;
}

/* Unites the sources and hands the result to every role. */
static void
unite(struct sources *sources)
{
	struct compile_notes notes;
	struct list *list = NULL;
	int64_t begun = loop_now_ms();
	int fd = -1, rc, i;

	rc = compile_all(sources, false, &list, &fd, &notes);
	if (rc == -ENODATA)
		return;		/* the union before stays in force */
	if (rc != 0) {
		log_error("lists not united error=\"%s\"; the list before stays in force",
		    strerror(-rc));
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
	for (i = 0; i < sources->rows.n; i++)
		source_rest(&sources->rows.all[i]);
	malloc_trim(0);
	plan(sources);
}

/* The object of a set is not there or refused: GuardDuty may name another one by now. */
static void
discover_sooner(struct sources *sources, const struct source *set)
{
	struct source *from = &sources->rows.all[set->conf_index];

	pace_hurry(&from->pace, loop_now_ms(), sources->agent->conf->agent.discover_ms,
	    random_bits());
}

void
sources_domains(struct sources *sources, const struct msg_domains *domains, int fd)
{
	struct source *source = domains->source < sources->rows.n ?
	    &sources->rows.all[domains->source] : NULL;

	if (source == NULL || source->discovery != NULL || !source->fetching) {
		log_error("feed answered for source %u, which it was not asked for",
		    domains->source);
		role_abandon(sources->agent->roles[ROLE_FEED]);
		return;
	}
	source_take_domains(source, fd);
}

void
sources_fetched(struct sources *sources, const struct msg_fetched *fetched, int fd)
{
	struct source *source;

	if (fetched->source >= sources->rows.n || !sources->rows.all[fetched->source].fetching) {
		log_error("feed answered for source %u, which it was not asked for",
		    fetched->source);
		role_abandon(sources->agent->roles[ROLE_FEED]);
		return;
	}
	source = &sources->rows.all[fetched->source];
	if (source->discovery != NULL) {
		log_error("feed answered with a list for source=%s, which is none",
		    source->conf->name);
		role_abandon(sources->agent->roles[ROLE_FEED]);
		return;
	}
	if (source_fetched(source, fetched, fd))
		sources->changed = true;
	if (source->from != NULL && fetched->outcome == FETCH_FAILED && fetched->gone)
		discover_sooner(sources, source);
}

void
sources_discovered(struct sources *sources, const struct msg_discovered *discovered)
{
	struct source *source = discovered->source < sources->rows.n ?
	    &sources->rows.all[discovered->source] : NULL;
	const char *reason;
	bool listed;

	if (source == NULL || source->discovery == NULL || !source->fetching) {
		log_error("feed answered for source %u, which it was not asked for",
		    discovered->source);
		role_abandon(sources->agent->roles[ROLE_FEED]);
		return;
	}
	if (!discovery_take(source->discovery, discovered, &reason, &listed))
		return;
	source->fetching = false;
	source->last_try_ms = loop_wall_ms();
	if (reason == NULL)
		source_succeed(source, sources->agent->conf->agent.discover_ms,
		    PACE_SPREAD_DISCOVER);
	else
		source_fail(source, reason, listed ? sources->agent->conf->agent.discover_ms :
		    source->conf->refresh_ms);
	if (reason != NULL && discovered->retry_after_s > 0)
		source->pace.due_ms = loop_now_ms() + discovered->retry_after_s * INT64_C(1000);
}

/* GuardDuty's word on its sets may be old: those that change or cannot be had are reasons to ask. */
static void
pace_discoveries(struct sources *sources)
{
	size_t i, j;

	for (i = 0; i < sources->rows.n; i++) {
		struct source *from = &sources->rows.all[i];
		bool changing = false, failing = from->failing.here;

		if (from->discovery == NULL)
			continue;
		for (j = 0; j < sources->rows.n; j++) {
			if (sources->rows.all[j].from != from->conf)
				continue;
			changing = changing || sources->rows.all[j].set.state == SET_CHANGING;
			failing = failing || sources->rows.all[j].failing.here;
		}
		if (changing)
			pace_hurry(&from->pace, loop_now_ms(),
			    sources->agent->conf->agent.discover_ms, random_bits());
		else if (!failing)
			pace_calm(&from->pace);
	}
}

void
sources_feed_ended(struct sources *sources, const char *trouble)
{
	char reason[256];
	size_t i;

	loop_timer_stop(sources->early);
	snprintf(reason, sizeof(reason), "the feed %.200s",
	    trouble[0] != '\0' ? trouble : "ended without an answer");
	for (i = 0; i < sources->rows.n; i++) {
		if (sources->rows.all[i].fetching) {
			sources->rows.all[i].fetching = false;
			sources->rows.all[i].last_try_ms = loop_wall_ms();
			source_fail(&sources->rows.all[i], reason, sources->rows.all[i].conf->refresh_ms);
		}
	}
	if (rows_take_discoveries(&sources->rows, sources->agent))
		sources->changed = true;
	agent_set_detector(sources->agent, find_detector(sources));
	pace_discoveries(sources);
	for (i = 0; i < sources->rows.n; i++) {
		if (sources->rows.all[i].again)
			sources->rows.all[i].pace.due_ms = 0;
		sources->rows.all[i].again = false;
	}
	sources_unite(sources);
}

/* A set that changes rests on its last good copy. */
static bool
is_resting(const struct source *source)
{
	return source->from != NULL && source->set.state == SET_CHANGING;
}

static void
ask_for(struct sources *sources, uint32_t index)
{
	struct source *source = &sources->rows.all[index];
	struct message message = { .type = MSG_FETCH };
	struct msg_fetch *fetch = &message.u.fetch;

	fetch->source = index;
	fetch->conf = source->conf_index;
	fetch->ask_facts = loop_now_ms() >= sources->facts_ms;
	if (source->conf->type == SOURCE_S3 || source->conf->type == SOURCE_GUARDDUTY) {
		fetch->introduce = !sources->introduced;
		sources->introduced = true;
	}
	if (source->discovery != NULL) {
		fetch->discover = 1;
		discovery_begin(source->discovery);
	} else if (source->from != NULL) {
		fetch->has_set = 1;
		fetch->set = source->set;
	}
	memcpy(fetch->region, source->region, sizeof(fetch->region));
	if (source->has_list) {
		fetch->have_hash = 1;
		memcpy(fetch->hash, source->hash, LIST_HASH_LEN);
		snprintf(fetch->etag, sizeof(fetch->etag), "%s", source->etag);
		snprintf(fetch->last_modified, sizeof(fetch->last_modified), "%s",
		    source->last_modified);
	}
	source->fetching = role_send(sources->agent->roles[ROLE_FEED], &message, -1) == 0;
	source->pace.due_ms = loop_now_ms() + (source->discovery != NULL ?
	    sources->agent->conf->agent.discover_ms : source->conf->refresh_ms);
	source->pace.hurried = false;
}

void
sources_brief_feed(struct sources *sources)
{
	struct message message = { .type = MSG_GO };
	int64_t now = loop_now_ms();
	size_t i;

	for (i = 0; i < sources->rows.n; i++) {
		if (!is_resting(&sources->rows.all[i]) &&
		    pace_is_due(&sources->rows.all[i].pace, now, sources->rows.all[i].conf->refresh_ms))
			ask_for(sources, (uint32_t)i);
	}
	/* an EIP comes and goes; with no network yet there is another try at the next refresh */
	if (now >= sources->facts_ms)
		sources->facts_ms = now + (sources->agent->facts.zone[0] != '\0' ?
		    sources->agent->conf->agent.discover_ms :
		    sources->agent->conf->agent.refresh_ms);
	role_send(sources->agent->roles[ROLE_FEED], &message, -1);
	loop_timer_start(sources->agent->loop, sources->early, UNITE_EARLY_MS);
}

/* Sets the timer to the source that is due first. */
static void
plan(struct sources *sources)
{
	int64_t now = loop_now_ms(), wait = -1;
	size_t i;

	for (i = 0; i < sources->rows.n; i++) {
		int64_t left = sources->rows.all[i].pace.due_ms - now;

		if (!is_resting(&sources->rows.all[i]) && (wait < 0 || left < wait))
			wait = left > 0 ? left : 0;
	}
	if (wait >= 0)
		loop_timer_start(sources->agent->loop, sources->due, wait);
	else
		loop_timer_stop(sources->due);
}

int
sources_refresh(struct sources *sources, const char *name, bool discover)
{
	size_t i;

	if (name != NULL && rows_find(&sources->rows, name) == NULL)
		return -ENOENT;
	for (i = 0; i < sources->rows.n; i++) {
		struct source *source = &sources->rows.all[i];

		if (name != NULL && strcmp(source->conf->name, name) != 0 &&
		    (source->from == NULL || strcmp(source->from->name, name) != 0))
			continue;
		if (source->discovery != NULL && !discover && source->discovery->known)
			continue;
		source->pace.due_ms = 0;
		/* what is being read may be of before the order, and its end says when to ask next */
		source->again = source->fetching;
	}
	plan(sources);
	return 0;
}

int
sources_accept(struct sources *sources, const char *name)
{
	struct source *source = rows_find(&sources->rows, name);
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
	return sources->rows.n;
}

void
sources_view(const struct sources *sources, size_t index, struct source_view *view)
{
	const struct source *source = &sources->rows.all[index];
	int64_t wait = source->pace.due_ms - loop_now_ms();

	view->conf = source->conf;
	view->row = source->has_list ? &source->row : NULL;
	view->from = source->from;
	view->set = source->from != NULL ? &source->set : NULL;
	view->sets = source->discovery != NULL ? source->discovery->table.n : 0;
	view->left_out = source->discovery != NULL ? source->discovery->left_out : 0;
	view->note = source->discovery != NULL ? source->discovery->note : "";
	view->held = source->held;
	view->held_added = source->held_added;
	view->held_removed = source->held_removed;
	view->unkept = source->has_list && !source->on_disk;
	view->names_unkept = source->unkept.text != NULL;
	view->state = source->held != NULL ? "held" : source->failing.here ? "failing" :
	    !source->has_list && (source->discovery == NULL || !source->discovery->known) ?
	    "loading" : "ok";
	view->last_good_ms = source->last_good_ms;
	view->last_try_ms = source->last_try_ms;
	/* what is due waits for the feed that is under way */
	view->next_ms = wait > 0 ? loop_wall_ms() + wait : 0;
	view->rejected = source->rejected;
	view->lines = source->lines;
	view->domains = source->ndomains;
	view->error = source->error;
}

bool
sources_find(struct sources *sources, size_t index, const struct addr *addr, struct list_hit *hit)
{
	const struct list *list = source_list(&sources->rows.all[index]);
	bool found = list != NULL && list_find(list, addr, hit);

	source_rest(&sources->rows.all[index]);
	return found;
}
