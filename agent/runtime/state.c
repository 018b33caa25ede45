/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/durable.h"
#include "threatlistd/enforce.h"

#define STATE_FILE	"state"
#define STATE_MAX	2048	/* bytes: some twice the most that is written */

static const char *const mode_names[] = {
	[ENFORCE_OFF] = "off", [ENFORCE_WATCH] = "watch", [ENFORCE_DROP] = "drop",
};

const char *
mode_name(uint8_t mode)
{
	return mode <= ENFORCE_DROP ? mode_names[mode] : "unknown";
}

static int
mode_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(mode_names) / sizeof(mode_names[0]); i++) {
		if (strcmp(mode_names[i], name) == 0)
			return (int)i;
	}
	return -1;
}

void
deadline_forget(struct deadline *deadline)
{
	memset(deadline, 0, sizeof(*deadline));
}

void
deadline_begin(struct deadline *deadline, uint32_t seconds, int64_t now_ms, int64_t wall_ms)
{
	deadline_forget(deadline);
	if (seconds == 0)
		return;
	deadline->s = seconds;
	deadline->until_ms = now_ms + (int64_t)seconds * 1000;
	deadline->wall_ms = wall_ms + (int64_t)seconds * 1000;
	state_boot_id(deadline->boot);
}

static bool
is_of_this_boot(const struct deadline *deadline)
{
	char boot[STATE_BOOT_MAX];

	state_boot_id(boot);
	return strcmp(boot, deadline->boot) == 0;
}

bool
deadline_runs(const struct deadline *deadline, int64_t now_ms)
{
	return deadline->until_ms > now_ms && !deadline->ended && is_of_this_boot(deadline);
}

void
deadline_end_text(const struct deadline *deadline, char text[static DEADLINE_TEXT_MAX])
{
	if (deadline->ended)
		snprintf(text, DEADLINE_TEXT_MAX, "ended by threatlistd --table expire");
	else if (!is_of_this_boot(deadline))
		snprintf(text, DEADLINE_TEXT_MAX, "not confirmed before the host was started anew");
	else
		snprintf(text, DEADLINE_TEXT_MAX, "not confirmed within %u s", deadline->s);
}

void
state_forget_isolation(struct state *state)
{
	state->isolate = false;
	deadline_forget(&state->isolate_end);
	memset(&state->isolate_session, 0, sizeof(state->isolate_session));
	state->isolate_port = 0;
}

void
state_note_order(struct state *state, const char *word, int64_t wall_ms)
{
	struct state_order *order;

	if (state->norders == STATE_ORDERS_MAX)
		memmove(state->orders, state->orders + 1,
		    --state->norders * sizeof(state->orders[0]));
	order = &state->orders[state->norders++];
	memset(order, 0, sizeof(*order));
	snprintf(order->word, sizeof(order->word), "%s", word);
	order->wall_ms = wall_ms;
}

void
state_boot_id(char boot[static STATE_BOOT_MAX])
{
	ssize_t n = -1;
	int fd;

	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, boot, STATE_BOOT_MAX - 1);
		close(fd);
	}
	boot[n > 0 ? n : 0] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
}

static bool
take_number(const char *value, int64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoll(value, &end, 10);
	return errno == 0 && end != value && *end == '\0' && *number >= 0;
}

/* The lines of what waits for a confirmation: PREFIX_until, PREFIX_wall … */
static bool
take_deadline(struct deadline *deadline, const char *prefix, const char *key, const char *value)
{
	size_t n = strlen(prefix);
	int64_t number;

	if (strncmp(key, prefix, n) != 0 || key[n] != '_')
		return false;
	key += n + 1;
	if (strcmp(key, "until") == 0)
		return take_number(value, &deadline->until_ms);
	if (strcmp(key, "wall") == 0)
		return take_number(value, &deadline->wall_ms);
	if (strcmp(key, "boot") == 0) {
		snprintf(deadline->boot, sizeof(deadline->boot), "%.39s", value);
		return true;
	}
	if (strcmp(key, "seconds") == 0) {
		if (!take_number(value, &number) || number > UINT32_MAX)
			return false;
		deadline->s = (uint32_t)number;
		return true;
	}
	if (strcmp(key, "ended") != 0)
		return false;
	deadline->ended = strcmp(value, "yes") == 0;
	return true;
}

static bool
take_isolation(struct state *state, const char *key, const char *value)
{
	int64_t number;

	if (strcmp(key, "isolate") == 0) {
		state->isolate = strcmp(value, "yes") == 0;
		return true;
	}
	if (strcmp(key, "isolate_session") == 0)
		return addr_parse(&state->isolate_session, value, strlen(value)) == NULL;
	if (strcmp(key, "isolate_port") == 0) {
		if (!take_number(value, &number) || number > UINT16_MAX)
			return false;
		state->isolate_port = (uint16_t)number;
		return true;
	}
	return take_deadline(&state->isolate_end, "isolate", key, value);
}

/* WORD@MILLISECONDS */
static bool
take_order(struct state *state, char *value)
{
	char *at = strchr(value, '@');
	int64_t wall_ms;

	if (at == NULL || at - value >= (int)sizeof(state->orders[0].word) ||
	    !take_number(at + 1, &wall_ms))
		return false;
	*at = '\0';
	state_note_order(state, value, wall_ms);
	return true;
}

static bool
take_line(struct state *state, const char *line)
{
	char key[32], value[48];
	int mode;

	if (sscanf(line, "%31s = %47s", key, value) != 2)
		return false;
	if (strcmp(key, "panic") == 0)
		state->panic = strcmp(value, "yes") == 0;
	else if (strcmp(key, "purged") == 0)
		state->purged = strcmp(value, "yes") == 0;
	else if (strcmp(key, "order") == 0)
		return take_order(state, value);
	else if (strcmp(key, "mode") == 0 || strcmp(key, "conf_mode") == 0) {
		mode = mode_by_name(value);
		if (mode < 0)
			return false;
		if (key[0] == 'c') {
			state->conf_mode = (uint8_t)mode;
		} else {
			state->mode = (uint8_t)mode;
			state->has_mode = true;
		}
	} else {
		return take_deadline(&state->confirm, "confirm", key, value) ||
		    take_isolation(state, key, value);
	}
	return true;
}

int
state_load(struct state *state, const char *state_dir)
{
	char path[PATH_MAX], text[STATE_MAX + 1], *at, *line;
	ssize_t n;
	int fd;

	memset(state, 0, sizeof(*state));
	snprintf(path, sizeof(path), "%s/" STATE_FILE, state_dir);
	fd = durable_open(path);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	n = read(fd, text, STATE_MAX);
	close(fd);
	if (n < 0)
		return -EIO;
	text[n] = '\0';
	for (line = strtok_r(text, "\n", &at); line != NULL; line = strtok_r(NULL, "\n", &at)) {
		if (!take_line(state, line)) {
			memset(state, 0, sizeof(*state));
			return -EINVAL;
		}
	}
	return 0;
}

/* Appends to text[STATE_MAX]; the new length. */
static int
put_deadline(char *text, int n, const char *prefix, const struct deadline *deadline)
{
	if (deadline->until_ms == 0)
		return n;
	return n + snprintf(text + n, STATE_MAX - (size_t)n, "%s_until = %" PRId64 "\n"
	    "%s_wall = %" PRId64 "\n%s_seconds = %" PRIu32 "\n%s_boot = %s\n%s_ended = %s\n",
	    prefix, deadline->until_ms, prefix, deadline->wall_ms, prefix, deadline->s, prefix,
	    deadline->boot[0] != '\0' ? deadline->boot : "unknown", prefix,
	    deadline->ended ? "yes" : "no");
}

static int
put_isolation(char *text, int n, const struct state *state)
{
	char address[ADDR_TEXT_MAX];

	if (!state->isolate)
		return n;
	n += snprintf(text + n, STATE_MAX - (size_t)n, "isolate = yes\n");
	if (state->isolate_session.family != ADDR_NONE)
		n += snprintf(text + n, STATE_MAX - (size_t)n, "isolate_session = %s\n"
		    "isolate_port = %u\n", addr_text(&state->isolate_session, address),
		    state->isolate_port);
	return put_deadline(text, n, "isolate", &state->isolate_end);
}

int
state_store(const struct state *state, const char *state_dir)
{
	char text[STATE_MAX];
	unsigned int i;
	int n = 0;

	if (state->has_mode)
		n = snprintf(text, sizeof(text), "mode = %s\nconf_mode = %s\n",
		    mode_names[state->mode], mode_names[state->conf_mode]);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "panic = %s\npurged = %s\n",
	    state->panic ? "yes" : "no", state->purged ? "yes" : "no");
	n = put_deadline(text, n, "confirm", &state->confirm);
	n = put_isolation(text, n, state);
	for (i = 0; i < state->norders; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "order = %s@%" PRId64 "\n",
		    state->orders[i].word, state->orders[i].wall_ms);
	return durable_replace(state_dir, STATE_FILE, text, (size_t)n);
}
