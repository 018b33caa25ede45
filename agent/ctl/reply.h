/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The agent's answer as commands read it: JSON, of which nothing need be there. */
#ifndef CTL_REPLY_H
#define CTL_REPLY_H

#include <cjson/cJSON.h>

#include "ctl/client.h"

/* "", 0, false, NULL where there is no such member, or one of another kind. */
const char *reply_text(const cJSON *object, const char *key);
double reply_number(const cJSON *object, const char *key);
bool reply_true(const cJSON *object, const char *key);
const cJSON *reply_member(const cJSON *object, const char *key);

/*
 * Asks and parses.  Returns the exit code, a sentence is on stderr unless it is
 * EXIT_DONE; *json is then the caller's to delete.
 */
int reply_ask(const struct client_options *options, const struct control_request *request,
    cJSON **json);

/*
 * The same for a command that takes the shared options alone: reads them, too.
 * *json NULL: there is no answer, and what is returned is the command's exit code.
 */
int reply_to_command(int argc, char **argv, const char *help_text, enum control_kind kind,
    struct client_options *options, cJSON **json);

/* On standard output, indented. */
void reply_print(const cJSON *json);

#endif
