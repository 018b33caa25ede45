/* SPDX-License-Identifier: GPL-3.0-or-later */
/* threatlistctl's side of the control socket, and the options all commands share. */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "runtime/control.h"

struct client_options {
	const char *conf_path;	/* -c, NULL: the default */
	const char *socket;	/* -S, NULL: from the config */
	bool json;		/* --json */
};

/* For getopt_long: the shared options; commands put their own long ones before CLIENT_LONGS. */
#define CLIENT_SHORTS	"c:S:h"
#define CLIENT_LONGS	{ "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' }, \
			{ NULL, 0, NULL, 0 }

/* Takes one of them.  False: it is not one (help and errors are the command's). */
bool client_option(struct client_options *options, int option);

struct client_answer {
	struct control_reply reply;
	char *json;		/* malloc'd, NUL-terminated; NULL: none came */
	size_t size;
};

/*
 * Asks the agent.  Returns the exit code: the agent's own, or EXIT_NO_AGENT,
 * EXIT_NOT_PERMITTED, EXIT_NO with a sentence on stderr (quiet_absent: none when
 * there is no agent).  answer->json is the caller's to free, in every case.
 */
int client_ask(const struct client_options *options, const struct control_request *request,
    bool quiet_absent, struct client_answer *answer);

/* A request of this kind with text (NULL: none). */
void client_request(struct control_request *request, enum control_kind kind, const char *text);

#endif
