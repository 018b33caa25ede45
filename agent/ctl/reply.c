/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ctl/reply.h"

#include <stdio.h>
#include <stdlib.h>

#include "ctl/command.h"

const cJSON *
reply_member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

const char *
reply_text(const cJSON *object, const char *key)
{
	const cJSON *item = reply_member(object, key);

	return cJSON_IsString(item) ? item->valuestring : "";
}

double
reply_number(const cJSON *object, const char *key)
{
	const cJSON *item = reply_member(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

bool
reply_true(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(reply_member(object, key));
}

int
reply_ask(const struct client_options *options, const struct control_request *request,
    cJSON **json)
{
	struct client_answer answer;
	int rc;

	*json = NULL;
	rc = client_ask(options, request, false, &answer);
	if (rc == EXIT_DONE) {
		*json = answer.json != NULL ? cJSON_Parse(answer.json) : NULL;
		if (*json == NULL) {
			fprintf(stderr, "threatlistctl: the agent's answer is not JSON\n");
			rc = EXIT_NO;
		}
	}
	free(answer.json);
	return rc;
}

int
reply_to_command(int argc, char **argv, const char *help_text, enum control_kind kind,
    struct client_options *options, cJSON **json)
{
	static const struct option longs[] = { CLIENT_LONGS };
	struct control_request request;
	int option, rc;

	*json = NULL;
	while ((option = getopt_long(argc, argv, CLIENT_SHORTS, longs, NULL)) != -1) {
		if (!client_option(options, option)) {
			fputs(help_text, option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_DONE : EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fputs(help_text, stderr);
		return EXIT_USAGE;
	}
	client_request(&request, kind, NULL);
	rc = reply_ask(options, &request, json);
	if (rc != EXIT_DONE)
		*json = NULL;
	return rc;
}

void
reply_print(const cJSON *json)
{
	char *text = cJSON_Print(json);

	if (text != NULL)
		printf("%s\n", text);
	free(text);
}
