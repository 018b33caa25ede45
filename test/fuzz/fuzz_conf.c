/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Config texts: whatever is taken prints to a form that reads back to itself. */
#include "runtime/conf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
print(const struct conf *conf, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);

	assert(out != NULL);
	assert(conf_print(conf, out) == 0);
	fclose(out);
	return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_error err;
	struct conf *conf, *back;
	char *first, *second;
	size_t n, m;

	if (conf_parse(&conf, "fuzz", (const char *)data, size, &err) != 0)
		return 0;
	first = print(conf, &n);
	assert(conf_parse(&back, "back", first, n, &err) == 0);
	second = print(back, &m);
	assert(n == m && memcmp(first, second, n) == 0);
	free(first);
	free(second);
	conf_free(conf);
	conf_free(back);
	return 0;
}
