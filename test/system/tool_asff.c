/* SPDX-License-Identifier: GPL-3.0-or-later */
/* usage: tool_asff ACCOUNT REGION PARTITION: native findings on standard input, a line each, as ASFF. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/render_asff.h"

int
main(int argc, char **argv)
{
	struct asff_owner owner = { .account = NULL };
	char *line = NULL, *body;
	size_t room = 0;
	ssize_t n;

	if (argc != 4)
		return 2;
	owner.account = argv[1];
	owner.region = argv[2];
	owner.partition = argv[3];
	while ((n = getline(&line, &room, stdin)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		body = render_asff(line, &owner);
		puts(body != NULL ? body : "null");
		free(body);
	}
	free(line);
	return 0;
}
