/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "rows.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "discovery.h"
#include "threatlistd/log.h"

static void
free_all(struct source *all, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		source_free_lists(&all[i]);
		free(all[i].discovery);
		set_conf_free(all[i].own);
	}
	free(all);
}

void
rows_free(struct rows *rows)
{
	free_all(rows->all, rows->n);
	rows->all = NULL;
	rows->n = 0;
}

struct source *
rows_find(const struct rows *rows, const char *name)
{
	size_t i;

	for (i = 0; i < rows->n; i++) {
		if (strcmp(rows->all[i].conf->name, name) == 0)
			return &rows->all[i];
	}
	return NULL;
}

/* The row of the same set, by GuardDuty's id. */
static struct source *
find_set_row(const struct rows *rows, const char *from, const char *id)
{
	size_t i;

	for (i = 0; i < rows->n; i++) {
		if (rows->all[i].from != NULL && strcmp(rows->all[i].from->name, from) == 0 &&
		    strcmp(rows->all[i].set.id, id) == 0)
			return &rows->all[i];
	}
	return NULL;
}

/* Rows that are being laid out, beside those that are in use. */
struct layout {
	struct agent *agent;
	const struct rows *old;
	struct rows fresh;
};

/* The next row; what is known of it under the old rows moves along, else it is looked for on disk. */
static void
add_row(struct layout *layout, const struct conf_source *conf, uint32_t conf_index,
    struct source *before)
{
	struct source *row = &layout->fresh.all[layout->fresh.n++];

	row->conf = conf;
	row->conf_index = conf_index;
	row->events = layout->agent->events;
	if (before != NULL)
		source_inherit(row, before);
	row->state_dir = layout->agent->conf->agent.state_dir;
	if (!row->has_list && row->discovery == NULL)
		source_load(row);
	if (!row->failing.on && !row->failing_kept)
		source_load_failing(row);
}

static struct source *
find_configured(const struct rows *rows, const char *name)
{
	struct source *row = rows_find(rows, name);

	return row != NULL && row->from == NULL ? row : NULL;
}

/* What the rows of type guardduty will need; those of the old rows move later. */
static int
make_discoveries(struct layout *layout)
{
	const struct conf *conf = layout->agent->conf;
	const struct source *before;
	size_t i;

	for (i = 0; i < conf->nsources; i++) {
		before = find_configured(layout->old, conf->sources[i].name);
		if (conf->sources[i].type != SOURCE_GUARDDUTY ||
		    (before != NULL && before->discovery != NULL))
			continue;
		layout->fresh.all[i].discovery = discovery_new(conf->agent.state_dir,
		    conf->sources[i].name);
		if (layout->fresh.all[i].discovery == NULL)
			return -ENOMEM;
	}
	return 0;
}

static void
add_configured(struct layout *layout, uint32_t index)
{
	const struct conf_source *conf = &layout->agent->conf->sources[index];
	struct source *before = find_configured(layout->old, conf->name);
	struct source *row = &layout->fresh.all[index];

	if (conf->type == SOURCE_GUARDDUTY && row->discovery == NULL) {
		assert(before != NULL);	/* all others have been given a new one */
		row->discovery = before->discovery;
		before->discovery = NULL;
	}
	add_row(layout, conf, index, before);
}

/* False: no memory. */
static bool
add_set(struct layout *layout, const struct source *from, const struct threat_set *set)
{
	struct source *row = &layout->fresh.all[layout->fresh.n], *before;

	row->own = set_conf_new(from->conf, set);
	if (row->own == NULL)
		return false;
	row->from = from->conf;
	row->set = *set;
	before = find_set_row(layout->old, from->conf->name, set->id);
	/* a last good list goes by its name */
	if (before != NULL && strcmp(before->conf->name, row->own->name) != 0)
		before = NULL;
	add_row(layout, row->own, from->conf_index, before);
	return true;
}

static bool
name_is_laid_out(const char *name, void *arg)
{
	const struct layout *layout = arg;

	return rows_find(&layout->fresh, name) != NULL;
}

static void
add_sets(struct layout *layout, const struct source *from)
{
	struct discovery *discovery = from->discovery;
	const struct set_table before = discovery->table;
	size_t i;

	/* the config may have taken a name since */
	set_table_name(&discovery->table, &before, name_is_laid_out, layout);
	discovery->left_out = 0;
	for (i = 0; i < discovery->table.n; i++) {
		if (layout->fresh.n == LIST_SOURCES_MAX ||
		    !add_set(layout, from, &discovery->table.sets[i]))
			discovery->left_out++;
	}
	if (discovery->left_out > 0)
		log_warn("sets left out source=%s sets=%zu reason=\"there are at most %d sources\"",
		    from->conf->name, discovery->left_out, LIST_SOURCES_MAX);
}

/* Tells of the sets that are in the old rows only, as long as what discovered them is there. */
static void
say_gone(struct layout *layout)
{
	size_t i;

	for (i = 0; i < layout->old->n; i++) {
		struct source *row = &layout->old->all[i];

		if (row->from != NULL && find_configured(&layout->fresh, row->from->name) != NULL &&
		    find_set_row(&layout->fresh, row->from->name, row->set.id) == NULL)
			source_gone(row, rows_find(&layout->fresh, row->conf->name) == NULL);
	}
}

int
rows_lay_out(struct rows *rows, struct agent *agent)
{
	struct layout layout = { .agent = agent, .old = rows };
	size_t i;
	int rc;

	layout.fresh.all = calloc(LIST_SOURCES_MAX, sizeof(*layout.fresh.all));
	if (layout.fresh.all == NULL)
		return -ENOMEM;
	rc = make_discoveries(&layout);
	if (rc != 0) {
		free_all(layout.fresh.all, agent->conf->nsources);
		return rc;
	}
	for (i = 0; i < agent->conf->nsources; i++)
		add_configured(&layout, (uint32_t)i);
	for (i = 0; i < agent->conf->nsources; i++) {
		if (layout.fresh.all[i].discovery != NULL)
			add_sets(&layout, &layout.fresh.all[i]);
	}
	say_gone(&layout);
	rows_free(rows);
	*rows = layout.fresh;
	return 0;
}

/* Names that the sets of one discovery cannot have. */
struct claims {
	const struct rows *rows;
	const struct source *from;
};

static bool
name_is_claimed(const char *name, void *arg)
{
	const struct claims *claims = arg;
	const struct source *row = rows_find(claims->rows, name);

	return row != NULL && row->from != claims->from->conf;
}

bool
rows_take_discoveries(struct rows *rows, struct agent *agent)
{
	bool fresh = false;
	size_t i;

	for (i = 0; i < rows->n; i++) {
		struct discovery *discovery = rows->all[i].discovery;
		struct claims claims = { rows, &rows->all[i] };

		if (discovery == NULL || !discovery->fresh)
			continue;
		set_table_name(&discovery->next, &discovery->table, name_is_claimed, &claims);
		discovery->table = discovery->next;
		discovery->fresh = false;
		fresh = true;
	}
	if (!fresh)
		return false;
	if (rows_lay_out(rows, agent) != 0) {
		log_error("sources not laid out error=\"%s\"; they stay as they are until the "
		    "next discovery", strerror(ENOMEM));
		return false;
	}
	for (i = 0; i < rows->n; i++) {
		if (rows->all[i].discovery != NULL)
			discovery_keep(rows->all[i].discovery, rows->all[i].state_dir,
			    rows->all[i].conf->name);
	}
	return true;
}
