/* SPDX-License-Identifier: GPL-3.0-or-later */
/* usage: tool_exposition: the JSON of "status" on standard input, as "metrics" shows it. */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/exposition.h"

#define STATUS_MAX	(1u << 20)

int
main(void)
{
	char *text = calloc(1, STATUS_MAX + 1);
	cJSON *status = NULL;

	if (text != NULL && fread(text, 1, STATUS_MAX, stdin) > 0)
		status = cJSON_Parse(text);
	if (status != NULL)
		exposition_print(status, stdout);
	cJSON_Delete(status);
	free(text);
	return status != NULL ? 0 : 1;
}
