/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernel behind enforce.h, played: what it holds, what it counts, what it refuses. */
#ifndef TEST_FAKE_ENGINE_H
#define TEST_FAKE_ENGINE_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "threatlistd/enforce.h"

#define FAKE_SEEN_MAX	70000

struct fake {
	int open_error, apply_error, purge_error, confirm_error;	/* given by the next calls */
	int64_t armed_until_ms;
	unsigned int readings, wide_readings, opened, applied, purged, panicked, resumed, protected;
	struct enforce_conf conf;
	struct enforce_stat stat;
	size_t ranges;		/* of the list in force */
	struct enforce_seen *seen;
	size_t nseen;
	struct enforce_change_info change;
	struct addr endpoint;
	uint16_t endpoint_port;
	unsigned int endpoints;
	int endpoint_error;
	const char *blind;
	struct enforce_verify verified;
	int verify_error, verifying;
	int event_fd;
	struct enforce_isolation isolation;	/* as told last */
	unsigned int isolated;			/* how often */
	bool resolvers_changed;
	int isolate_error, isolate_confirm_error;
	bool open;
	bool born_dormant;	/* a new table will be */
};

static struct fake fake;

static inline void
fake_reset(void)
{
	free(fake.seen);
	memset(&fake, 0, sizeof(fake));
	fake.seen = calloc(FAKE_SEEN_MAX, sizeof(*fake.seen));
	fake.stat.table_epoch = 100;
}

static inline int
fake_fail(int error, struct enforce_error *err)
{
	if (error != 0 && err != NULL)
		snprintf(err->text, sizeof(err->text), "the kernel says %s", strerror(-error));
	return error;
}

static inline void
fake_drop_table(void)
{
	fake.stat.table = fake.stat.dormant = false;
	fake.stat.drops_packets = 0;
	fake.nseen = 0;
	fake.ranges = 0;
	fake.stat.table_epoch++;
}

/* Something happens in the kernel that is not our doing. */
static inline void
fake_event(unsigned int changes, const char *what)
{
	uint64_t one = 1;

	fake.change.changes |= changes;
	fake.change.pid = 4711;
	snprintf(fake.change.program, sizeof(fake.change.program), "nft");
	snprintf(fake.change.what, sizeof(fake.change.what), "%s", what);
	(void)!write(fake.event_fd, &one, sizeof(one));
}

int
enforce_open(struct enforce **enforce, const struct enforce_conf *conf, struct enforce_error *err)
{
	if (fake.open_error != 0)
		return fake_fail(fake.open_error, err);
	fake.conf = *conf;
	fake.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fake.opened++;
	fake.open = true;
	fake.stat.log = conf->log;
	*enforce = (struct enforce *)(void *)&fake;
	return 0;
}

void
enforce_free(struct enforce *enforce)
{
	if (enforce == NULL)
		return;
	close(fake.event_fd);
	fake.open = false;
}

int
enforce_apply(struct enforce *enforce, const struct list *list, struct enforce_error *err)
{
	if (fake.apply_error != 0)
		return fake_fail(fake.apply_error, err);
	fake.applied++;
	if (!fake.stat.table)
		fake.stat.dormant = fake.born_dormant;
	fake.stat.table = true;
	fake.stat.mode = fake.conf.mode;
	fake.ranges = list_nranges4(list) + list_nranges6(list);
	return 0;
}

int
enforce_set_mode(struct enforce *enforce, uint8_t mode, struct enforce_error *err)
{
	fake.conf.mode = mode;
	fake.stat.armed = false;
	if (mode == ENFORCE_OFF)
		fake_drop_table();
	else if (fake.stat.table)
		fake.stat.mode = mode;
	return 0;
}

int
enforce_arm(struct enforce *enforce, int64_t until_ms, struct enforce_error *err)
{
	fake.armed_until_ms = until_ms;
	enforce_set_mode(enforce, ENFORCE_DROP, err);
	fake.stat.armed = fake.stat.table;
	return 0;
}

int
enforce_confirm(struct enforce *enforce, struct enforce_error *err)
{
	if (fake.confirm_error != 0)
		return fake_fail(fake.confirm_error, err);
	fake.stat.armed = false;
	return 0;
}

int
enforce_isolate(struct enforce *enforce, const struct enforce_isolation *wanted,
    struct enforce_error *err)
{
	fake.isolated++;
	fake.isolation = *wanted;
	if (fake.isolate_error != 0)
		return fake_fail(fake.isolate_error, err);
	if (wanted->on)
		fake.stat.table = true;
	fake.stat.isolate_rules = fake.stat.isolated = fake.stat.table && wanted->on;
	fake.stat.isolate_armed = fake.stat.isolated && wanted->until_ms != 0;
	return 0;
}

int
enforce_isolate_alone(struct enforce *enforce, const struct enforce_isolation *wanted,
    struct enforce_error *err)
{
	fake.stat.table = true;
	return enforce_isolate(enforce, wanted, err);
}

int
enforce_isolate_confirm(struct enforce *enforce, struct enforce_error *err)
{
	if (fake.isolate_confirm_error != 0)
		return fake_fail(fake.isolate_confirm_error, err);
	fake.stat.isolate_armed = false;
	fake.isolation.until_ms = 0;
	return 0;
}

int
enforce_panic(struct enforce *enforce, struct enforce_error *err)
{
	fake.panicked++;
	fake.born_dormant = true;
	fake.stat.dormant = fake.stat.table;
	return 0;
}

int
enforce_resume(struct enforce *enforce, struct enforce_error *err)
{
	fake.resumed++;
	fake.born_dormant = fake.stat.dormant = false;
	return 0;
}

int
enforce_purge(struct enforce *enforce, struct enforce_error *err)
{
	if (fake.purge_error != 0)
		return fake_fail(fake.purge_error, err);
	fake.purged++;
	fake_drop_table();
	return 0;
}

int
enforce_protect(struct enforce *enforce, struct enforce_error *err)
{
	fake.protected++;
	return 0;
}

bool
enforce_resolvers_changed(struct enforce *enforce)
{
	bool changed = fake.resolvers_changed;

	fake.resolvers_changed = false;
	return changed;
}

void
enforce_allow(const struct enforce *enforce, enforce_allow_fn *each, void *arg)
{
}

int
enforce_check(struct enforce *enforce, const struct addr *addr, struct enforce_check *check,
    struct enforce_error *err)
{
	check->listed = fake.ranges > 0 ? ENFORCE_YES : ENFORCE_NO;
	check->protect = check->allow = ENFORCE_NO;
	check->expect_protect = check->expect_allow = ENFORCE_NO;
	return 0;
}

int
enforce_blind(struct enforce *enforce, struct enforce_blind *blind, struct enforce_error *err)
{
	memset(blind, 0, sizeof(*blind));
	snprintf(blind->ways[ENFORCE_WAY_XDP], ENFORCE_WAY_MAX, "%s",
	    fake.blind != NULL ? fake.blind : "");
	return 0;
}

int
enforce_plan(struct enforce *enforce, const struct list *list, struct enforce_plan *plan,
    struct enforce_error *err)
{
	memset(plan, 0, sizeof(*plan));
	plan->table = fake.stat.table;
	plan->nsets = 1;
	plan->sets[0].members = list_nranges4(list);
	return 0;
}

/* In three pieces, it finds what fake.verified says. */
int
enforce_verify_begin(struct enforce *enforce, const struct list *list, struct enforce_error *err)
{
	fake.verifying = 3;
	return fake_fail(fake.verify_error, err);
}

int
enforce_verify_step(struct enforce *enforce, int budget_ms, struct enforce_verify *out,
    struct enforce_error *err)
{
	if (--fake.verifying > 0)
		return 1;
	*out = fake.verified;
	return 0;
}

void
enforce_verify_end(struct enforce *enforce)
{
	fake.verifying = 0;
}

int
enforce_read_seen(struct enforce *enforce, enforce_seen_fn *each, void *arg,
    struct enforce_error *err)
{
	size_t i;

	fake.readings++;
	for (i = 0; i < fake.nseen; i++) {
		if (fake.seen[i].instance == 0)
			each(&fake.seen[i], arg);
	}
	return 0;
}

int
enforce_read_wide(struct enforce *enforce, enforce_seen_fn *each, void *arg,
    struct enforce_error *err)
{
	size_t i;

	fake.wide_readings++;
	for (i = 0; i < fake.nseen; i++) {
		if (fake.seen[i].instance != 0)
			each(&fake.seen[i], arg);
	}
	return 0;
}

int
enforce_watch_fd(const struct enforce *enforce)
{
	return fake.event_fd;
}

int
enforce_watch(struct enforce *enforce, struct enforce_change_info *info)
{
	uint64_t events;

	(void)!read(fake.event_fd, &events, sizeof(events));
	*info = fake.change;
	info->dormant = fake.stat.dormant;
	memset(&fake.change, 0, sizeof(fake.change));
	return 0;
}

int
enforce_stat(struct enforce *enforce, struct enforce_stat *stat, struct enforce_error *err)
{
	size_t i;

	*stat = fake.stat;
	for (i = 0; i < fake.nseen; i++)
		stat->watched_packets += fake.seen[i].packets;
	return 0;
}

int
enforce_endpoint(struct enforce *enforce, const struct addr *addr, uint16_t port,
    struct enforce_error *err)
{
	if (fake.endpoint_error != 0)
		return fake_fail(fake.endpoint_error, err);
	fake.endpoint = *addr;
	fake.endpoint_port = port;
	fake.endpoints++;
	return 0;
}

int
enforce_endpoints(struct enforce *enforce, enforce_endpoint_fn *each, void *arg,
    struct enforce_error *err)
{
	unsigned int i;

	for (i = 0; i < fake.endpoints; i++)
		each(&fake.endpoint, fake.endpoint_port, arg);
	return 0;
}

#endif
