/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gates look at runs: neighbouring ranges joined, whatever entries they came
 * from, so that a /8 written as two /9s is a /8.
 */
#include "core/gate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GATE_REASON_MAX	256

struct runs {
	const struct list *list;
	uint8_t family;
	size_t next;
};

static bool __attribute__((format(printf, 2, 3)))
hold(char reason[static GATE_REASON_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, GATE_REASON_MAX, format, args);
	va_end(args);
	return false;
}

static bool
range_at(const struct runs *runs, size_t i, struct range *range)
{
	if (runs->family == ADDR_V4) {
		if (i >= list_nranges4(runs->list))
			return false;
		range->first = addr_from_v4(list_ranges4(runs->list)[i].first);
		range->last = addr_from_v4(list_ranges4(runs->list)[i].last);
	} else {
		if (i >= list_nranges6(runs->list))
			return false;
		range->first = addr_from_v6(list_ranges6(runs->list)[i].first);
		range->last = addr_from_v6(list_ranges6(runs->list)[i].last);
	}
	return true;
}

static bool
next_run(struct runs *runs, struct range *run)
{
	struct range range;
	struct addr after;

	if (!range_at(runs, runs->next, run))
		return false;
	for (runs->next++; range_at(runs, runs->next, &range); runs->next++) {
		after = run->last;
		if (!addr_next(&after) || !addr_equal(&after, &range.first))
			break;
		run->last = range.last;
	}
	return true;
}

/* The largest prefix that lies in the run. */
static struct range
largest_prefix(struct range run)
{
	struct range head, best;
	bool more = range_cut_prefix(&run, &best);

	while (more) {
		more = range_cut_prefix(&run, &head);
		if (range_prefix_len(&head) < range_prefix_len(&best))
			best = head;
	}
	return best;
}

static bool
run_passes(const struct range *run, unsigned int max_prefix, const struct range *own, size_t nown,
    char reason[static GATE_REASON_MAX])
{
	struct range prefix = largest_prefix(*run);
	char text[RANGE_TEXT_MAX], subnet[RANGE_TEXT_MAX];
	size_t i;

	if (range_prefix_len(&prefix) < (int)max_prefix)
		return hold(reason, "contains %s, prefixes shorter than /%u are not accepted",
		    range_cidr(&prefix, text), max_prefix);
	for (i = 0; i < nown; i++) {
		if (range_contains(run, &own[i].first) && range_contains(run, &own[i].last))
			return hold(reason, "contains %s, a subnet of this host, whole (in %s)",
			    range_cidr(&own[i], subnet), range_cidr(run, text));
	}
	return true;
}

static bool
runs_pass(const struct list *list, uint8_t family, unsigned int max_prefix,
    const struct range *own, size_t nown, char reason[static GATE_REASON_MAX])
{
	struct runs runs = { .list = list, .family = family };
	struct range run;

	while (next_run(&runs, &run)) {
		if (!run_passes(&run, max_prefix, own, nown, reason))
			return false;
	}
	return true;
}

static uint64_t
nranges(const struct list *list)
{
	return list == NULL ? 0 : list_nranges4(list) + list_nranges6(list);
}

static bool
change_passes(const struct gates *gates, const struct list *old_list, const struct list *new_list,
    char reason[static GATE_REASON_MAX])
{
	uint64_t before = nranges(old_list), added, removed;

	if (before < GATE_MIN_ENTRIES)
		return true;
	list_difference(old_list, new_list, &added, &removed);
	if (removed * 100 > before * gates->max_shrink)
		return hold(reason, "%llu of %llu entries would go (%llu %%), at most %u %% may",
		    (unsigned long long)removed, (unsigned long long)before,
		    (unsigned long long)(removed * 100 / before), gates->max_shrink);
	if (added * 100 > before * gates->max_growth)
		return hold(reason, "%llu entries would come to %llu (%llu %%), at most %u %% may",
		    (unsigned long long)added, (unsigned long long)before,
		    (unsigned long long)(added * 100 / before), gates->max_growth);
	return true;
}

static bool
is_trusted(const struct list *list)
{
	return list_nsources(list) > 0 && list_source(list, 0)->role == LIST_TRUSTED;
}

bool
gate_pass(const struct gates *gates, const struct list *old_list, const struct list *new_list,
    const struct range *own, size_t nown, char reason[static GATE_REASON_MAX])
{
	reason[0] = '\0';
	if (!is_trusted(new_list)) {
		if (!runs_pass(new_list, ADDR_V4, gates->max_prefix4, own, nown, reason) ||
		    !runs_pass(new_list, ADDR_V6, gates->max_prefix6, own, nown, reason))
			return false;
	}
	return old_list == NULL || change_passes(gates, old_list, new_list, reason);
}

/* Walks two sorted arrays at once: what is in one of them only. */
static void
difference(const struct runs *old_runs, const struct runs *new_runs, uint64_t *added,
    uint64_t *removed)
{
	struct range before, after;
	size_t i = 0, j = 0;
	bool old_left, new_left;
	int order;

	for (;;) {
		old_left = old_runs->list != NULL && range_at(old_runs, i, &before);
		new_left = new_runs->list != NULL && range_at(new_runs, j, &after);
		if (!old_left && !new_left)
			return;
		order = !old_left ? 1 : !new_left ? -1 : addr_compare(&before.first, &after.first);
		if (order == 0)
			order = addr_compare(&before.last, &after.last);
		*removed += order < 0;
		*added += order > 0;
		i += order <= 0;
		j += order >= 0;
	}
}

void
list_difference(const struct list *old_list, const struct list *new_list, uint64_t *added,
    uint64_t *removed)
{
	static const uint8_t families[] = { ADDR_V4, ADDR_V6 };
	size_t i;

	*added = *removed = 0;
	for (i = 0; i < sizeof(families); i++) {
		struct runs old_runs = { .list = old_list, .family = families[i] };
		struct runs new_runs = { .list = new_list, .family = families[i] };

		difference(&old_runs, &new_runs, added, removed);
	}
}
