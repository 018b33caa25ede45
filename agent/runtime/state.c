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
#define STATE_MAX	1024	/* bytes: some ten times what is written */

static const char *const mode_names[] = {
	[ENFORCE_OFF] = "off", [ENFORCE_WATCH] = "watch", [ENFORCE_DROP] = "drop",
};

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
state_forget_confirm(struct state *state)
{
	state->confirm_until_ms = state->confirm_wall_ms = 0;
	state->confirm_s = 0;
	state->confirm_boot[0] = '\0';
	state->confirm_ended = false;
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

/* The lines of what waits for a confirmation. */
static bool
take_confirm(struct state *state, const char *key, const char *value)
{
	int64_t number;

	if (strcmp(key, "confirm_until") == 0)
		return take_number(value, &state->confirm_until_ms);
	if (strcmp(key, "confirm_wall") == 0)
		return take_number(value, &state->confirm_wall_ms);
	if (strcmp(key, "confirm_boot") == 0) {
		snprintf(state->confirm_boot, sizeof(state->confirm_boot), "%.39s", value);
		return true;
	}
	if (strcmp(key, "confirm_seconds") == 0) {
		if (!take_number(value, &number) || number > UINT32_MAX)
			return false;
		state->confirm_s = (uint32_t)number;
		return true;
	}
	if (strcmp(key, "confirm_ended") != 0)
		return false;
	state->confirm_ended = strcmp(value, "yes") == 0;
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
		return take_confirm(state, key, value);
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

int
state_store(const struct state *state, const char *state_dir)
{
	char text[STATE_MAX];
	int n = 0;

	if (state->has_mode)
		n = snprintf(text, sizeof(text), "mode = %s\nconf_mode = %s\n",
		    mode_names[state->mode], mode_names[state->conf_mode]);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "panic = %s\npurged = %s\n",
	    state->panic ? "yes" : "no", state->purged ? "yes" : "no");
	if (state->confirm_until_ms != 0)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "confirm_until = %" PRId64 "\n"
		    "confirm_wall = %" PRId64 "\nconfirm_seconds = %" PRIu32 "\n"
		    "confirm_boot = %s\nconfirm_ended = %s\n", state->confirm_until_ms,
		    state->confirm_wall_ms, state->confirm_s,
		    state->confirm_boot[0] != '\0' ? state->confirm_boot : "unknown",
		    state->confirm_ended ? "yes" : "no");
	return durable_replace(state_dir, STATE_FILE, text, (size_t)n);
}
