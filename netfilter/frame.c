/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "frame.h"
#include "isolate.h"
#include "readback.h"
#include "switches.h"

/* Exceptions that are to follow: as many as fit. */
static void
put_allow(const struct enforce *enforce, struct batch *batch, size_t left[static FAMILY_END])
{
	size_t most = kernel_batch_max(enforce->kernel) / ALLOW_SHARE;
	unsigned int family;

	for (family = 0; family < FAMILY_END; family++) {
		const struct allow *allow = &enforce->allow[family];

		left[family] = allow->ranges.n - allow_put(batch,
		    fixture_name(FIXTURE_ALLOW4 + family), allow,
		    allow->ranges.n - left[family], most);
	}
}

int
frame_put(struct enforce *enforce, struct batch *batch, struct enforce_error *err)
{
	unsigned int family;
	bool fresh = !enforce->table;
	uint64_t epoch = 0;

	/* made anew it would be empty by our own doing */
	if (!enforce->fixtures)
		switch_armed(enforce);
	enforce->armed = enforce->armed && enforce->fixtures;
	if (fresh && getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch))
		return enforce_fail(err, -EIO, "a number for the table", NULL);
	if (fresh)
		table_create(batch, enforce->dormant, epoch);
	table_counters(batch);
	fixtures_create(batch);
	for (family = 0; fresh && family < FAMILY_END; family++)
		enforce->allow_left[family] = enforce->allow[family].ranges.n;
	if (fresh)
		put_allow(enforce, batch, enforce->allow_left);
	endpoints_put(batch, &enforce->endpoints);
	return 0;
}

/* Those that one transaction had no room for. */
static int
commit_allow(struct enforce *enforce, struct enforce_error *err)
{
	size_t left[FAMILY_END];
	struct batch batch;
	int error = 0;

	batch_init(&batch);
	while (error == 0 && (enforce->allow_left[FAMILY_V4] > 0 ||
	    enforce->allow_left[FAMILY_V6] > 0)) {
		memcpy(left, enforce->allow_left, sizeof(left));
		batch_reset(&batch);
		put_allow(enforce, &batch, left);
		error = kernel_commit(enforce->kernel, &batch, 0, "putting exceptions back", err);
		if (error == 0)
			memcpy(enforce->allow_left, left, sizeof(left));
	}
	batch_fini(&batch);
	return error;
}

int
frame_made(struct enforce *enforce, struct enforce_error *err)
{
	struct table_state state;
	int error;

	error = readback_table(enforce->kernel, &state);
	if (error != 0 || !state.exists)
		return enforce_fail(err, error != 0 ? error : -ENOENT, "reading the table", NULL);
	enforce->table = true;
	enforce->handle = state.handle;
	if (enforce->allow_left[FAMILY_V4] > 0 || enforce->allow_left[FAMILY_V6] > 0) {
		error = commit_allow(enforce, err);
		if (error != 0)
			return error;
		/* of a table that somebody else began it may be more */
		engine_read_allow(enforce);
	}
	enforce->fixtures = true;
	return 0;
}

int
frame_anew(struct enforce *enforce, struct enforce_error *err)
{
	struct rule_plan plan;
	struct batch batch;
	int error;

	/* the admin's exceptions are read once more: they come back in the new table */
	error = engine_look(enforce, err);
	if (error == 0 && enforce->table)
		error = engine_read_allow(enforce);
	if (error != 0 || !enforce->table)
		return error;
	if (isolate_holds(&enforce->isolation.wanted))
		return isolate_anew(enforce, err);
	switch_armed(enforce);
	batch_init(&batch);
	table_delete(&batch);
	engine_forget(enforce);
	error = frame_put(enforce, &batch, err);
	if (error == 0) {
		/* rules that find nobody yet: if the kernel refuses these, the old table is the better one */
		engine_plan(enforce, &plan);
		table_rules(&batch, &plan);
		error = kernel_commit(enforce->kernel, &batch, 0, "making the table anew", err);
	}
	batch_fini(&batch);
	return error != 0 ? error : frame_made(enforce, err);
}
