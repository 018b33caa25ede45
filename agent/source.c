/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "core/domains.h"
#include "core/gate.h"
#include "jitter.h"
#include "runtime/cache.h"
#include "runtime/state.h"
#include "runtime/subnet.h"
#include "threatlistd/log.h"

#define OWN_SUBNETS_MAX		64

static void
drop_names(struct names *names)
{
	free(names->text);
	memset(names, 0, sizeof(*names));
}

void
source_free_lists(struct source *source)
{
	list_free(source->in_force);
	list_free(source->held);
	source->in_force = source->held = NULL;
	drop_names(&source->names);
	drop_names(&source->unkept);
}

void
source_take_domains(struct source *source, int fd)
{
	char *text = malloc(DOMAINS_BYTES + 1), *fitted;
	size_t have = 0;
	ssize_t n = 1;
	uint32_t n_names;

	drop_names(&source->names);
	/* a snapshot, whatever the feed does to it meanwhile */
	while (text != NULL && have <= DOMAINS_BYTES && n > 0) {
		n = pread(fd, text + have, DOMAINS_BYTES + 1 - have, (off_t)have);
		have += n > 0 ? (size_t)n : 0;
	}
	if (text == NULL || n < 0 || !domains_check(text, have, &n_names)) {
		log_error("domain names not taken source=%s reason=\"not as they must be\"",
		    source->conf->name);
		free(text);
		return;
	}
	fitted = realloc(text, have);
	source->names.text = fitted != NULL ? fitted : text;
	source->names.size = have;
}

/* Those that came last go to disk with the list in force, or those that the disk did not take when they came. */
static void
keep_names(struct source *source)
{
	bool again = source->unkept.text != NULL;
	uint32_t n;
	int error;

	if (source->names.text != NULL) {
		drop_names(&source->unkept);
		source->unkept = source->names;
		memset(&source->names, 0, sizeof(source->names));
	}
	if (source->unkept.text == NULL ||
	    !domains_check(source->unkept.text, source->unkept.size, &n))
		return;
	error = cache_domains_store(source->state_dir, source->conf->name,
	    n > 0 ? source->unkept.text : NULL, source->unkept.size);
	if (error != 0 && !again)
		log_error("domain names not kept source=%s path=%s error=\"%s\"",
		    source->conf->name, source->state_dir, strerror(-error));
	if (error != 0)
		return;
	if (again)
		log_notice("domain names kept source=%s names=%u", source->conf->name, n);
	else if (n != source->ndomains)
		log_info("domain names kept source=%s names=%u", source->conf->name, n);
	source->ndomains = n;
	drop_names(&source->unkept);
}

/* Puts list in the place of what was in force.  Takes it over. */
static void
adopt(struct source *source, struct list *list, bool on_disk)
{
	list_free(source->in_force);
	source->in_force = list;
	source->has_list = true;
	source->on_disk = on_disk;
	source->row = *list_source(list, 0);
	memcpy(source->hash, list_hash(list), LIST_HASH_LEN);
}

const struct list *
source_list(struct source *source)
{
	struct cache_copy copy;
	struct list_error error = { "it is gone" };

	if (source->in_force != NULL || !source->has_list)
		return source->in_force;
	if (cache_load(source->state_dir, source->conf->name, &copy, &error) == 0) {
		if (memcmp(list_hash(copy.list), source->hash, LIST_HASH_LEN) == 0) {
			source->in_force = copy.list;
			return source->in_force;
		}
		list_free(copy.list);
		snprintf(error.text, sizeof(error.text), "it is another list");
	}
	log_error("last good list not read back source=%s error=\"%s\"; it is asked for whole",
	    source->conf->name, error.text);
	source->etag[0] = source->last_modified[0] = '\0';
	source->pace.due_ms = 0;
	return NULL;
}

void
source_rest(struct source *source)
{
	if (!source->on_disk)
		return;
	list_free(source->in_force);
	source->in_force = NULL;
}

/* Is this the list in force already? */
static bool
is_in_force(const struct source *source, const struct list *list)
{
	return source->has_list && memcmp(list_hash(list), source->hash, LIST_HASH_LEN) == 0;
}

/* Does this image say what the config says of the source? */
static bool
image_fits(const struct conf_source *conf, const struct list *list)
{
	const struct list_source *row;

	if (list_nsources(list) != 1)
		return false;
	row = list_source(list, 0);
	return strcmp(row->name, conf->name) == 0 && row->role == conf->role &&
	    row->action == conf->action;
}

void
source_load(struct source *source)
{
	struct cache_copy copy;
	struct list_error error;
	char *names = NULL;
	size_t size;
	int rc;

	rc = cache_load(source->state_dir, source->conf->name, &copy, &error);
	if (rc == -ENOENT)
		return;
	if (rc != 0) {
		log_warn("last good list not usable source=%s error=\"%s\"", source->conf->name,
		    error.text);
		return;
	}
	if (!image_fits(source->conf, copy.list)) {
		log_notice("last good list set aside source=%s reason=\"role or action changed\"",
		    source->conf->name);
		list_free(copy.list);
		return;
	}
	adopt(source, copy.list, true);
	if (cache_domains_load(source->state_dir, source->conf->name, &names, &size,
	    &source->ndomains) != 0)
		source->ndomains = 0;
	free(names);
	source->last_good_ms = copy.stored_ms;
	snprintf(source->etag, sizeof(source->etag), "%s", copy.etag);
	snprintf(source->last_modified, sizeof(source->last_modified), "%s", copy.last_modified);
	memcpy(source->region, copy.region, sizeof(source->region));
	log_info("last good list loaded source=%s entries=%llu", source->conf->name,
	    (unsigned long long)list_source(copy.list, 0)->entries);
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Would the same bytes at the same place be read in the same way? */
static bool
same_reading(const struct conf_source *a, const struct conf_source *b)
{
	return a->type == b->type && same_text(a->location, b->location) &&
	    same_text(a->detector, b->detector) && same_text(a->region, b->region) &&
	    a->trusted == b->trusted && a->entities == b->entities && same_text(a->expected_owner, b->expected_owner) && a->format == b->format && a->role == b->role && a->action == b->action;
}

void
source_inherit(struct source *source, struct source *from)
{
	const struct conf_source *conf = source->conf, *old = from->conf;
	const struct source is = *source;

	if (conf->role != old->role)
		return;
	*source = *from;
	/* who it is stays its own */
	source->conf = conf;
	source->conf_index = is.conf_index;
	source->discovery = is.discovery;
	source->own = is.own;
	source->from = is.from;
	source->set = is.set;
	from->in_force = from->held = NULL;
	memset(&from->names, 0, sizeof(from->names));
	memset(&from->unkept, 0, sizeof(from->unkept));
	from->has_list = false;
	source->fetching = false;
	if (same_reading(conf, old))
		return;
	source->etag[0] = source->last_modified[0] = source->region[0] = '\0';
	source->pace.due_ms = 0;
	list_free(source->held);
	source->held = NULL;
}

/* The part of a list event that both kinds share. */
static void
describe(struct event *event, enum event_name name, struct source *source,
    const struct list *fresh)
{
	event_init(event, name, NULL);
	snprintf(event->source, sizeof(event->source), "%s", source->conf->name);
	list_difference(source_list(source), fresh, &event->added, &event->removed);
	event->entries = list_source(fresh, 0)->entries;
	event->has_counts = 1;
	if (source->has_list)
		memcpy(event->old_hash, source->row.hash, LIST_HASH_LEN);
	memcpy(event->new_hash, list_source(fresh, 0)->hash, LIST_HASH_LEN);
}

/* On disk, for the next start.  0 or -errno. */
static int
keep_list(struct source *source)
{
	const struct list *list = source_list(source);
	/* the next start, which cannot have its names, is to ask for the whole of it */
	bool whole = source->unkept.text == NULL;
	const void *bytes;
	size_t size;
	int rc;

	if (list == NULL)
		return -ENODATA;
	bytes = list_bytes(list, &size);
	rc = cache_store(source->state_dir, source->conf->name, bytes, size,
	    whole ? source->etag : "", whole ? source->last_modified : "", source->region);
	source->on_disk = rc == 0;
	return rc;
}

/* The disk was full, or failed, when it came: list, names, or both. */
static void
keep_again(struct source *source)
{
	bool owed = source->unkept.text != NULL, had_list = source->on_disk;

	keep_names(source);
	if (had_list && owed == (source->unkept.text != NULL))
		return;
	if (keep_list(source) == 0 && !had_list)
		log_notice("last good list kept source=%s", source->conf->name);
}

/* Puts an image in force and on disk.  Takes it over. */
static void
put_in_force(struct source *source, struct list *list)
{
	struct event event;
	int rc;

	describe(&event, EVENT_LIST_CHANGED, source, list);
	log_notice("list changed source=%s entries=%llu added=%llu removed=%llu",
	    source->conf->name, (unsigned long long)event.entries,
	    (unsigned long long)event.added, (unsigned long long)event.removed);
	events_raise(source->events, &event);
	adopt(source, list, false);
	source->last_good_ms = loop_wall_ms();
	if (source->names.text == NULL)
		drop_names(&source->unkept);	/* of the list before */
	/* names first: stopped in between, the next start asks for a list that is not the old one */
	keep_names(source);
	rc = keep_list(source);
	if (rc != 0)
		log_error("last good list not kept source=%s path=%s error=\"%s\"; it is in force",
		    source->conf->name, source->state_dir, strerror(-rc));
}

/* Keeps an image that a gate holds back.  Takes it over. */
static void
hold(struct source *source, struct list *list, const char *reason)
{
	struct event event;
	bool told = source->held != NULL &&
	    memcmp(list_hash(source->held), list_hash(list), LIST_HASH_LEN) == 0;

	list_free(source->held);
	source->held = list;
	list_difference(source_list(source), list, &source->held_added, &source->held_removed);
	snprintf(source->error, sizeof(source->error), "held back: %.220s", reason);
	if (told)
		return;
	log_warn("list held back source=%s reason=\"%s\"; the list before stays in force, "
	    "\"threatlistctl accept %s\" lets it through", source->conf->name, reason,
	    source->conf->name);
	describe(&event, EVENT_LIST_HELD, source, list);
	snprintf(event.reason, sizeof(event.reason), "%.250s", reason);
	events_raise(source->events, &event);
}

void
source_gone(struct source *source, bool forget)
{
	struct event event;
	int error;

	event_init(&event, EVENT_LIST_CHANGED, NULL);
	snprintf(event.source, sizeof(event.source), "%s", source->conf->name);
	snprintf(event.reason, sizeof(event.reason), "GuardDuty does not use it any more");
	event.has_counts = 1;
	if (source->has_list) {
		event.removed = source->row.entries;
		memcpy(event.old_hash, source->row.hash, LIST_HASH_LEN);
	}
	log_notice("list gone source=%s entries=%llu reason=\"%s\"", source->conf->name,
	    (unsigned long long)event.removed, event.reason);
	events_raise(source->events, &event);
	error = forget ? cache_forget(source->state_dir, source->conf->name) : 0;
	if (error != 0)
		log_error("last good list not removed source=%s error=\"%s\"",
		    source->conf->name, strerror(-error));
}

/* For the next run: how long it has failed, or that it does not. */
static void
keep_failing(struct source *source)
{
	bool failing = source->failing.on;
	int error = cache_failing_store(source->state_dir, source->conf->name,
	    failing ? &source->failing : NULL);

	if (error != 0 && !source->failing_unkept)
		log_error("time of failing not kept source=%s path=%s error=\"%s\"",
		    source->conf->name, source->state_dir, strerror(-error));
	source->failing_unkept = error != 0;
	source->failing_kept = failing || error != 0;
}

void
source_load_failing(struct source *source)
{
	int error = cache_failing_load(source->state_dir, source->conf->name, &source->failing);

	source->failing_kept = error != -ENOENT;
	if (error != 0 && error != -ENOENT)
		log_warn("time of failing not read source=%s error=\"%s\"", source->conf->name,
		    strerror(-error));
}

void
source_fail(struct source *source, const char *reason, int64_t most_ms)
{
	char boot[STATE_BOOT_MAX];
	struct failing_clock clock = { loop_now_ms(), loop_wall_ms(), boot };
	struct event event;

	if (!source->failing.here || strcmp(source->error, reason) != 0)
		log_warn("list not refreshed source=%s error=\"%s\"", source->conf->name, reason);
	snprintf(source->error, sizeof(source->error), "%s", reason);
	pace_failed(&source->pace, clock.now_ms, most_ms, random_bits());
	state_boot_id(boot);
	failing_again(&source->failing, &clock);
	/* that it was told is kept with the next failure: an agent that ends with the event untold tells it */
	keep_failing(source);
	if (!failing_is_due(&source->failing))
		return;
	event_init(&event, EVENT_SOURCE_STALE, NULL);
	snprintf(event.source, sizeof(event.source), "%s", source->conf->name);
	snprintf(event.reason, sizeof(event.reason), "%.250s", reason);
	events_raise(source->events, &event);
}

void
source_succeed(struct source *source, int64_t period_ms, unsigned int percent)
{
	if (source->failing.here)
		log_notice("list refreshed again source=%s", source->conf->name);
	memset(&source->failing, 0, sizeof(source->failing));
	if (source->failing_kept)
		keep_failing(source);
	source->error[0] = '\0';
	source->last_good_ms = loop_wall_ms();
	pace_done(&source->pace, loop_now_ms(), period_ms, percent, random_bits());
}

static void
succeed(struct source *source)
{
	source_succeed(source, source->conf->refresh_ms, PACE_SPREAD);
}

/* As source_fail, for a list. */
static void
fail(struct source *source, const char *reason)
{
	source_fail(source, reason, source->conf->refresh_ms);
}

static void
keep_validators(struct source *source, const struct msg_fetched *fetched)
{
	snprintf(source->etag, sizeof(source->etag), "%s", fetched->etag);
	snprintf(source->last_modified, sizeof(source->last_modified), "%s",
	    fetched->last_modified);
}

/* What was read is what is in force already. */
static bool
unchanged(struct source *source)
{
	list_free(source->held);
	source->held = NULL;
	keep_again(source);
	succeed(source);
	return false;
}

/* A new image from the feed, the least trusted role: everything is checked here. */
static bool
judge(struct source *source, const struct msg_fetched *fetched, int fd)
{
	struct range own[OWN_SUBNETS_MAX];
	struct list_error error = { "none came" };
	struct list *list = NULL;
	char reason[256];
	size_t nown;

	if (fd < 0 || list_open(&list, fd, true, &error) != 0) {
		snprintf(reason, sizeof(reason), "image refused: %.200s", error.text);
		fail(source, reason);
		return false;
	}
	if (!image_fits(source->conf, list)) {
		list_free(list);
		fail(source, "image refused: it is not of this source");
		return false;
	}
	keep_validators(source, fetched);
	source->lines = fetched->lines;
	source->rejected = fetched->rejected;
	if (is_in_force(source, list) && source_list(source) != NULL) {
		list_free(list);
		return unchanged(source);
	}
	succeed(source);
	nown = subnets_of_host(own, OWN_SUBNETS_MAX);
	if (!gate_pass(&source->conf->gates, source_list(source), list, own, nown, reason)) {
		/* asked for whole again, so that it is judged again */
		source->etag[0] = source->last_modified[0] = '\0';
		hold(source, list, reason);
		return false;
	}
	list_free(source->held);
	source->held = NULL;
	put_in_force(source, list);
	return true;
}

bool
source_fetched(struct source *source, const struct msg_fetched *fetched, int fd)
{
	source->fetching = false;
	source->last_try_ms = loop_wall_ms();
	/* another way to the same object: the next one is asked there first */
	if (fetched->region[0] != '\0')
		memcpy(source->region, fetched->region, sizeof(source->region));
	if (fetched->outcome == FETCH_NEW)
		return judge(source, fetched, fd);
	if (fetched->outcome == FETCH_SAME && source->has_list) {
		keep_validators(source, fetched);
		return unchanged(source);
	}
	if (fetched->outcome == FETCH_SAME) {
		source->etag[0] = source->last_modified[0] = '\0';
		fail(source, "said to be unchanged, but there is no list in force");
		return false;
	}
	drop_names(&source->names);
	fail(source, fetched->reason);
	if (fetched->retry_after_s > 0)
		source->pace.due_ms = loop_now_ms() + fetched->retry_after_s * INT64_C(1000);
	return false;
}

int
source_accept(struct source *source)
{
	struct list *list = source->held;

	if (list == NULL)
		return -ENODATA;
	source->held = NULL;
	source->error[0] = '\0';
	put_in_force(source, list);
	return 0;
}
