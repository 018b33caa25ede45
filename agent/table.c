/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lock.h"
#include "runtime/exceptions.h"
#include "runtime/state.h"
#include "threatlistd/enforce.h"

static int
exit_code(int error)
{
	return error == 0 ? 0 : error == -EPERM || error == -EACCES ? 4 : 1;
}

/* What was ordered must hold when an agent starts, too. */
static int
keep(const struct conf *conf, const struct state *state)
{
	int rc = state_store(state, conf->agent.state_dir);

	if (rc == 0 || rc == -ENOENT)
		return 0;	/* without a state dir there has been no agent here */
	fprintf(stderr, "threatlistd: done, but not kept in %s: %s\n", conf->agent.state_dir,
	    strerror(-rc));
	return 1;
}

static int
release(struct enforce *enforce, struct enforce_error *error)
{
	const struct enforce_isolation none = { .on = false };

	return enforce_isolate(enforce, &none, error);
}

/* Ends what waits for a confirmation; the agent tells of it when it starts. */
static int
expire(struct enforce *enforce, struct state *state, struct enforce_error *error)
{
	struct enforce_stat stat;
	int rc;

	rc = enforce_stat(enforce, &stat, error);
	if (rc == 0 && stat.table && stat.armed)
		rc = enforce_set_mode(enforce, ENFORCE_WATCH, error);
	if (rc == 0 && stat.isolate_armed)
		rc = release(enforce, error);
	state->isolate_end.ended = state->isolate_end.until_ms != 0;
	if (rc == 0 && !stat.armed && state->confirm.until_ms == 0 && !stat.isolate_armed &&
	    state->isolate_end.until_ms == 0)
		printf("nothing waits for a confirmation\n");
	state->confirm.ended = state->confirm.until_ms != 0;
	return rc;
}

static int
carry_out(const struct conf *conf, const char *order, struct enforce *enforce)
{
	struct enforce_error error = { "" };
	struct state state;
	int rc;

	state_load(&state, conf->agent.state_dir);
	if (strcmp(order, "panic") == 0) {
		rc = enforce_panic(enforce, &error);
		if (rc == 0)
			rc = release(enforce, &error);
		state_forget_isolation(&state);
		state.panic = true;
	} else if (strcmp(order, "resume") == 0) {
		rc = enforce_resume(enforce, &error);
		state.panic = state.purged = false;
	} else if (strcmp(order, "isolate-off") == 0) {
		rc = release(enforce, &error);
		state_forget_isolation(&state);
	} else if (strcmp(order, "expire") == 0) {
		rc = expire(enforce, &state, &error);
	} else {
		rc = enforce_purge(enforce, &error);
		/* what the admin let through while no agent was there to write it down */
		exceptions_keep(enforce, conf->agent.state_dir);
		state.purged = true;
		state_forget_isolation(&state);
	}
	if (rc != 0) {
		fprintf(stderr, "threatlistd: %s: %s\n", order, error.text);
		return exit_code(rc);
	}
	/* the package goes: one that comes back is to enforce as it did before */
	return strcmp(order, "remove") == 0 ? 0 : keep(conf, &state);
}

int
table_order(const struct conf *conf, const char *order)
{
	struct enforce_conf engine = { .mode = conf->enforce.mode };
	struct enforce_error error = { "" };
	struct enforce_allow *allow;
	struct enforce *enforce;
	pid_t holder;
	int rc;

	if (strcmp(order, "panic") != 0 && strcmp(order, "resume") != 0 &&
	    strcmp(order, "purge") != 0 && strcmp(order, "expire") != 0 &&
	    strcmp(order, "remove") != 0 && strcmp(order, "isolate-off") != 0) {
		fprintf(stderr, "threatlistd: --table takes panic, resume, purge, expire, "
		    "isolate-off or remove, not %s\n", order);
		return 2;
	}
	if (geteuid() != 0) {
		fprintf(stderr, "threatlistd: --table is for root\n");
		return 4;
	}
	rc = lock_run_dir(conf->agent.run_dir, &holder);
	if (rc == -EBUSY) {
		fprintf(stderr, "threatlistd: an agent is running (pid %d): use \"threatlistctl %s\"\n",
		    (int)holder, strcmp(order, "expire") == 0 ? "enforce watch" :
		    strcmp(order, "remove") == 0 ? "purge" :
		    strcmp(order, "isolate-off") == 0 ? "isolate off" : order);
		return 1;
	}
	if (rc != 0) {
		/* a lock is for agents; lifting rules must work on a broken disk, too */
		fprintf(stderr, "threatlistd: no lock in %s (%s), going on\n", conf->agent.run_dir,
		    strerror(-rc));
	}
	if (lock_namespace() == -EBUSY) {
		fprintf(stderr, "threatlistd: an agent with another run directory runs here\n");
		return 1;
	}
	engine.nallow = exceptions_load(conf->agent.state_dir, &allow);
	engine.allow = allow;
	rc = enforce_open(&enforce, &engine, &error);
	free(allow);
	if (rc != 0) {
		fprintf(stderr, "threatlistd: %s\n", error.text);
		return exit_code(rc);
	}
	rc = carry_out(conf, order, enforce);
	enforce_free(enforce);
	return rc;
}
