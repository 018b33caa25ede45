/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "table.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "lock.h"
#include "runtime/control.h"
#include "runtime/exceptions.h"
#include "runtime/loop.h"
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

	/* without a state dir there has been no agent here, and nothing to be kept from it */
	if (rc == 0 || (rc == -ENOENT && !state->isolate))
		return 0;
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
refuse(struct enforce_error *error, int rc, const char *reason)
{
	snprintf(error->text, sizeof(error->text), "%s", reason);
	return rc;
}

/* What is after the word isolate-on: SECONDS or "lasting", then ADDRESS PORT of a session. */
static bool
take_isolation(const struct table_order *order, uint32_t *seconds,
    struct enforce_isolation *wanted)
{
	char *const *words = order->words;
	unsigned long port;
	char *end;

	memset(wanted, 0, sizeof(*wanted));
	wanted->on = true;
	if (order->nwords != 1 && order->nwords != 3)
		return false;
	*seconds = 0;
	if (strcmp(words[0], "lasting") != 0) {
		unsigned long n = strtoul(words[0], &end, 10);

		if (*end != '\0' || n < 1 || n > CONTROL_CONFIRM_MAX)
			return false;
		*seconds = (uint32_t)n;
	}
	if (order->nwords == 1)
		return true;
	port = strtoul(words[2], &end, 10);
	if (*end != '\0' || port < 1 || port > UINT16_MAX)
		return false;
	wanted->session_port = (uint16_t)port;
	return addr_parse(&wanted->session, words[1], strlen(words[1])) == NULL;
}

static void
say_isolated(const struct enforce_isolation *wanted, uint32_t seconds)
{
	char text[ADDR_TEXT_MAX];

	if (wanted->session.family != ADDR_NONE)
		printf("isolated (open for %s to port %u)", addr_text(&wanted->session, text),
		    wanted->session_port);
	else
		printf("isolated (no ssh session of yours is known)");
	if (seconds != 0)
		printf("; ends in %u s unless you run \"threatlistctl confirm\"", seconds);
	else
		printf(" until \"threatlistctl isolate off\"");
	printf("; without an agent Systems Manager stays open for ten minutes at most\n");
}

static int
isolate(struct enforce *enforce, const struct table_order *order, struct state *state,
    struct enforce_error *error)
{
	struct enforce_isolation wanted;
	uint32_t seconds;
	int rc;

	if (state->panic)
		return refuse(error, -EBUSY, "in panic: \"threatlistctl resume\" first");
	if (!take_isolation(order, &seconds, &wanted))
		return refuse(error, -EINVAL, "not an order to isolate");
	state_forget_isolation(state);
	deadline_begin(&state->isolate_end, seconds, loop_now_ms(), loop_wall_ms());
	wanted.until_ms = state->isolate_end.until_ms;
	rc = enforce_isolate(enforce, &wanted, error);
	if (rc != 0)
		return rc;
	state->isolate = true;
	state->isolate_session = wanted.session;
	state->isolate_port = wanted.session_port;
	say_isolated(&wanted, seconds);
	return 0;
}

static int
confirm_drop(struct enforce *enforce, struct state *state, const struct enforce_stat *stat,
    struct enforce_error *error)
{
	int rc;

	if (!deadline_runs(&state->confirm, loop_now_ms()) || (stat->table && (!stat->armed ||
	    stat->mode != ENFORCE_DROP)))
		return refuse(error, -ETIME, "too late, it is watch already");
	rc = enforce_arm(enforce, state->confirm.until_ms, error);
	if (rc == 0)
		rc = enforce_confirm(enforce, error);
	if (rc == 0) {
		deadline_forget(&state->confirm);
		state_note_order(state, "confirm", loop_wall_ms());
	}
	return rc;
}

static int
confirm_isolation(struct enforce *enforce, struct state *state, const struct enforce_stat *stat,
    struct enforce_error *error)
{
	struct enforce_isolation wanted = {
		.on = true, .until_ms = state->isolate_end.until_ms,
		.session = state->isolate_session, .session_port = state->isolate_port,
	};
	int rc;

	if (!deadline_runs(&state->isolate_end, loop_now_ms()) || !stat->isolated ||
	    !stat->isolate_armed)
		return refuse(error, -ETIME, "too late, the isolation is over already");
	rc = enforce_isolate(enforce, &wanted, error);
	if (rc == 0)
		rc = enforce_isolate_confirm(enforce, error);
	if (rc == 0) {
		deadline_forget(&state->isolate_end);
		state_note_order(state, "confirm-isolate", loop_wall_ms());
	}
	return rc;
}

/* Lets stay what waits, in the kernel and for the agent that comes. */
static int
confirm(struct enforce *enforce, struct state *state, struct enforce_error *error)
{
	bool drop = state->confirm.until_ms != 0, isolation = state->isolate_end.until_ms != 0;
	struct enforce_stat stat;
	int rc;

	if (!drop && !isolation)
		return refuse(error, -ENOENT, "nothing waits for a confirmation");
	rc = enforce_stat(enforce, &stat, error);
	if (rc == 0 && drop)
		rc = confirm_drop(enforce, state, &stat, error);
	if (rc == 0 && isolation)
		rc = confirm_isolation(enforce, state, &stat, error);
	if (rc == 0)
		printf("confirmed%s%s\n", drop ? ": mode is drop" : "",
		    isolation ? ": the host stays isolated" : "");
	return rc;
}

struct table_word {
	const char *order;
	const char *command;	/* what to use instead when an agent runs */
	const char *outcome;	/* to say when it is done; NULL: nothing, or it has been said */
};

/* NULL: there is no such order. */
static const struct table_word *
find_word(const char *order)
{
	static const struct table_word words[] = {
		{ "panic", "panic", "everything is lifted until \"threatlistctl resume\"" },
		{ "resume", "resume", "nothing is lifted any more; a table that was deleted comes "
		    "back with the agent" },
		{ "purge", "purge", "the table is deleted until \"threatlistctl resume\"" },
		{ "remove", "purge", NULL },
		{ "expire", "enforce watch", NULL },
		{ "confirm", "confirm", NULL },
		{ "isolate-on", "isolate on", NULL },
		{ "isolate-off", "isolate off", "not isolated" },
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].order, order) == 0)
			return &words[i];
	}
	return NULL;
}

static int
carry_out(const struct conf *conf, const struct table_order *wanted, const struct table_word *word,
    struct enforce *enforce)
{
	const char *order = wanted->word;
	struct enforce_error error = { "" };
	struct state state;
	int rc;

	state_load(&state, conf->agent.state_dir);
	if (strcmp(order, "isolate-on") == 0) {
		rc = isolate(enforce, wanted, &state, &error);
	} else if (strcmp(order, "confirm") == 0) {
		rc = confirm(enforce, &state, &error);
	} else if (strcmp(order, "panic") == 0) {
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
	if (word->outcome != NULL)
		printf("done: %s\n", word->outcome);
	/* those two have said more exactly what they did, or leave it to the deadline they ended */
	if (strcmp(order, "confirm") != 0 && strcmp(order, "expire") != 0)
		state_note_order(&state, order, loop_wall_ms());
	/* the package goes: one that comes back is to enforce as it did before */
	return strcmp(order, "remove") == 0 ? 0 : keep(conf, &state);
}

static bool
has_its_words(const struct table_order *order)
{
	struct enforce_isolation wanted;
	uint32_t seconds;

	if (strcmp(order->word, "isolate-on") == 0)
		return take_isolation(order, &seconds, &wanted);
	return order->nwords == 0;
}

/* The user of the session it was given in, which stays over sudo and su; "none": a service's or no audit's. */
static const char *
login_uid(char text[static 16])
{
	FILE *in = fopen("/proc/self/loginuid", "re");
	unsigned int uid = UINT_MAX;

	if (in != NULL) {
		if (fscanf(in, "%u", &uid) != 1)
			uid = UINT_MAX;
		fclose(in);
	}
	if (uid == UINT_MAX)
		return "none";
	snprintf(text, 16, "%u", uid);
	return text;
}

/*
 * As sudo does: there is no agent to log it, and the next one may be long in
 * coming.  After the deed, which a log that hangs must not delay.
 */
static void
log_order(const struct table_order *order, int code)
{
	char words[CONTROL_TEXT_MAX], login[16];
	size_t at;
	int i;

	at = (size_t)snprintf(words, sizeof(words), "%s", order->word);
	for (i = 0; i < order->nwords && at < sizeof(words); i++)
		at += (size_t)snprintf(words + at, sizeof(words) - at, " %s", order->words[i]);
	openlog("threatlistd", LOG_PID, LOG_AUTHPRIV);
	syslog(LOG_NOTICE, "ordered without an agent order=\"%s\" loginuid=%s exit=%d", words,
	    login_uid(login), code);
	closelog();
}

int
table_order(const struct conf *conf, const struct table_order *order)
{
	struct enforce_conf engine = {
		.mode = conf->enforce.mode,
		.admin = conf->enforce.admin, .nadmin = conf->enforce.nadmin,
	};
	const struct table_word *word = find_word(order->word);
	struct enforce_error error = { "" };
	struct enforce_allow *allow;
	struct enforce *enforce;
	pid_t holder;
	int rc;

	if (word == NULL || !has_its_words(order)) {
		fprintf(stderr, "threatlistd: --table takes panic, resume, purge, expire, confirm, "
		    "remove, isolate-off, or isolate-on SECONDS|lasting [ADDRESS PORT], not %s\n",
		    order->word);
		return 2;
	}
	if (geteuid() != 0) {
		fprintf(stderr, "threatlistd: --table is for root\n");
		return 4;
	}
	rc = lock_run_dir(conf->agent.run_dir, &holder);
	if (rc == -EBUSY) {
		fprintf(stderr, "threatlistd: an agent is running (pid %d): use \"threatlistctl %s\"\n",
		    (int)holder, word->command);
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
	rc = carry_out(conf, order, word, enforce);
	enforce_free(enforce);
	fflush(stdout);
	log_order(order, rc);
	return rc;
}
