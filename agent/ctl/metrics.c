/* SPDX-License-Identifier: GPL-3.0-or-later */
/* threatlistctl metrics: status, for a monitoring system. */
#include <stdio.h>

#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/exposition.h"
#include "ctl/reply.h"

static const char help_text[] =
    "usage: threatlistctl metrics\n"
    "What status shows, as OpenMetrics text for Prometheus and its like; it ends with # EOF.\n";

int
ctl_metrics(int argc, char **argv)
{
	static const struct option longs[] = { CLIENT_LONGS };
	struct client_options options = { NULL, NULL, false };
	struct control_request request;
	cJSON *status;
	int option, rc;

	while ((option = getopt_long(argc, argv, CLIENT_SHORTS, longs, NULL)) != -1) {
		if (option == 'j' || !client_option(&options, option)) {
			fputs(help_text, option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_DONE : EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fputs(help_text, stderr);
		return EXIT_USAGE;
	}
	client_request(&request, CONTROL_STATUS, NULL);
	rc = reply_ask(&options, &request, &status);
	if (rc != EXIT_DONE)
		return rc;
	exposition_print(status, stdout);
	cJSON_Delete(status);
	return EXIT_DONE;
}
