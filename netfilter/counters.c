/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading: what the kernel counted, and what its sets say of an address. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "threatlistd/log.h"
#include "armed.h"
#include "elements.h"
#include "engine.h"
#include "readback.h"

struct reading {
	const struct enforce *enforce;
	unsigned int family;
	uint8_t dir;
	bool endpoint;
	uint32_t instance;
	enforce_seen_fn *each;
	void *arg;
};

static bool
is_protected(const struct enforce *enforce, unsigned int family, const uint8_t *key)
{
	const struct turn *sets = enforce->sets;

	return keys_contain(&sets[set_of(CLASS_PROTECT, SHAPE_HOSTS, family)].keys, key) ||
	    keys_contain(&sets[set_of(CLASS_PROTECT, SHAPE_NETS, family)].keys, key);
}

static void
take_seen(const struct element *element, void *arg)
{
	struct reading *reading = arg;
	struct enforce_seen seen = {
		.dir = reading->dir,
		.endpoint = reading->endpoint,
		.packets = element->packets,
		.bytes = element->bytes,
		.left_ms = element->left_ms,
	};

	if (element->key_size != (reading->family == FAMILY_V4 ? 4u : 16u))
		return;
	seen.remote.family = reading->family == FAMILY_V4 ? ADDR_V4 : ADDR_V6;
	memcpy(seen.remote.bytes, element->key, element->key_size);
	if (reading->instance != 0) {
		seen.instance = reading->instance;
		if (seen.packets != 0 && (element->flags & NFT_SET_ELEM_INTERVAL_END) == 0)
			reading->each(&seen, reading->arg);
		return;
	}
	seen.protect = reading->endpoint ||
	    is_protected(reading->enforce, reading->family, element->key);
	seen.allow = keys_contain(&reading->enforce->allow[reading->family].ranges,
	    element->key);
	reading->each(&seen, reading->arg);
}

static void
take_message(const struct nlmsghdr *nlh, void *arg)
{
	elements_read(nlh, take_seen, arg);
}

static int
read_set(struct enforce *enforce, const char *name, struct reading *reading)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETSETELEM, NLM_F_DUMP);
	int error;

	element_put_set(nlh, name);
	error = kernel_ask(enforce->kernel, nlh, take_message, NULL, reading);
	return error == -ENOENT ? 0 : error;
}

/* The wide sets that are there and, unless it is NULL, in which. */
static int
read_wide(struct enforce *enforce, const bool (*which)[2], enforce_seen_fn *each, void *arg)
{
	struct set_state state;
	unsigned int way, family, turn;
	int error = readback_sets(enforce->kernel, &state);

	for (way = 0; way < SET_WAYS && error == 0; way++) {
		for (family = 0; family < FAMILY_END; family++) {
			unsigned int set = SET_WIDE(way, family);

			for (turn = 0; turn < 2 && error == 0; turn++) {
				struct reading reading = {
					.enforce = enforce, .family = family,
					.dir = way == 0 ? DIR_IN : DIR_OUT,
					.instance = state.handles[set][turn],
					.each = each, .arg = arg,
				};

				if (state.turns[set][turn] && reading.instance != 0 &&
				    (which == NULL || which[set][turn]))
					error = read_set(enforce, set_info(set)->names[turn],
					    &reading);
			}
		}
	}
	return error;
}

int
enforce_read_wide(struct enforce *enforce, enforce_seen_fn *each, void *arg,
    struct enforce_error *err)
{
	int error = read_wide(enforce, NULL, each, arg);

	return error == 0 ? 0 : enforce_fail(err, error, "reading the wide prefixes", NULL);
}

void
engine_retire(struct enforce *enforce, const bool (*going)[2])
{
	unsigned int set;
	int error;

	for (set = SET_WIDE(0, 0); set < SET_TURNS; set++) {
		if (going[set][0] || going[set][1])
			break;
	}
	if (enforce->retired == NULL || set == SET_TURNS)
		return;
	error = read_wide(enforce, going, enforce->retired, enforce->retired_arg);
	if (error != 0)
		log_warn("last counts of wide prefixes not read error=\"%s\"",
		    strerror(-error));
}

int
enforce_read_seen(struct enforce *enforce, enforce_seen_fn *each, void *arg,
    struct enforce_error *err)
{
	static const struct {
		enum set_fixture set;
		unsigned int family;
		uint8_t dir;
		bool endpoint;
	} sets[] = {
		{ FIXTURE_SEEN_IN4, FAMILY_V4, DIR_IN, false },
		{ FIXTURE_SEEN_IN6, FAMILY_V6, DIR_IN, false },
		{ FIXTURE_SEEN_OUT4, FAMILY_V4, DIR_OUT, false },
		{ FIXTURE_SEEN_OUT6, FAMILY_V6, DIR_OUT, false },
		{ FIXTURE_SEEN_EP_IN4, FAMILY_V4, DIR_IN, true },
		{ FIXTURE_SEEN_EP_IN6, FAMILY_V6, DIR_IN, true },
		{ FIXTURE_SEEN_EP_OUT4, FAMILY_V4, DIR_OUT, true },
		{ FIXTURE_SEEN_EP_OUT6, FAMILY_V6, DIR_OUT, true },
	};
	size_t i;

	for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		struct reading reading = {
			.enforce = enforce, .family = sets[i].family, .dir = sets[i].dir,
			.endpoint = sets[i].endpoint, .each = each, .arg = arg,
		};
		int error = read_set(enforce, fixture_name(sets[i].set), &reading);

		if (error != 0)
			return enforce_fail(err, error, fixture_name(sets[i].set), NULL);
	}
	return 0;
}

static void
stat_sets(const struct enforce *enforce, struct enforce_stat *stat)
{
	unsigned int set;

	for (set = 0; set < SET_TURNS; set++) {
		const struct turn *turn = &enforce->sets[set];
		struct enforce_set_stat *entry = &stat->sets[stat->nsets];

		if (!turn->present || stat->nsets == ENFORCE_SETS_MAX)
			continue;
		snprintf(entry->name, sizeof(entry->name), "%s", set_info(set)->names[turn->turn]);
		entry->entries = turn->keys.n;
		stat->nsets++;
	}
}

int
enforce_stat(struct enforce *enforce, struct enforce_stat *stat, struct enforce_error *err)
{
	struct counter_state counters;
	struct table_state table;
	struct rules_state rules;
	int error;

	memset(stat, 0, sizeof(*stat));
	stat->log = enforce->log;
	stat->generation = enforce->generation;
	error = readback_table(enforce->kernel, &table);
	if (error != 0)
		return enforce_fail(err, error, "asking for the table", NULL);
	if (!table.exists)
		return 0;
	error = readback_counters(enforce->kernel, &counters);
	if (error == 0)
		error = readback_rules(enforce->kernel, &rules);
	if (error != 0)
		return enforce_fail(err, error, "asking for rules and counters", NULL);
	stat->table = true;
	stat->dormant = table.dormant;
	stat->armed = rules.armed;
	stat->mode = rules.drops && (!rules.armed ||
	    armed_holds(enforce->kernel, fixture_name(FIXTURE_ARMED)) != 0) ?
	    ENFORCE_DROP : ENFORCE_WATCH;
	stat->drops_packets = counters.packets[COUNTER_DROPPED] +
	    counters.packets[COUNTER_REJECTED];
	stat->drops_bytes = counters.bytes[COUNTER_DROPPED] + counters.bytes[COUNTER_REJECTED];
	stat->rejected_packets = counters.packets[COUNTER_REJECTED];
	stat->watched_packets = counters.packets[COUNTER_WATCHED];
	stat->protected_packets = counters.packets[COUNTER_PROTECTED];
	stat->allowed_packets = counters.packets[COUNTER_ALLOWED];
	stat->flooded_packets = counters.packets[COUNTER_FLOODED];
	stat->seen_overflow = counters.packets[COUNTER_OVERFLOW];
	stat->isolate_rules = rules.isolate_mark != 0;
	stat->isolate_armed = rules.isolate_armed;
	stat->isolated = stat->isolate_rules && !table.dormant && (!rules.isolate_armed ||
	    armed_holds(enforce->kernel, ISOLATE_ARMED) != 0);
	stat->isolated_packets = counters.packets[COUNTER_ISOLATED];
	stat->isolated_bytes = counters.bytes[COUNTER_ISOLATED];
	stat->table_epoch = table.epoch;
	stat_sets(enforce, stat);
	return 0;
}
