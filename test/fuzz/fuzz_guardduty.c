/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers of GuardDuty and the file of the last discovery; the first byte
 * chooses.  What is taken is good, and what is kept reads back to itself.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/guardduty.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_set(const char *text, size_t size)
{
	struct threat_set set = { .id = "0123456789abcdef" };
	char error[DISCOVERY_REASON_MAX];

	if (guardduty_read_set(&set, error, text, size))
		assert(set_is_good(&set));
	assert(memchr(error, '\0', sizeof(error)) != NULL);
}

static void
read_page(const char *text, size_t size)
{
	struct id_page *page = calloc(1, sizeof(*page));

	assert(page != NULL);
	if (guardduty_read_page(page, "threatIntelSetIds", text, size))
		assert(page->n <= PAGE_IDS);
	free(page);
}

static void
read_table(char *text)
{
	struct set_table *table = calloc(2, sizeof(*table));
	char *first = NULL;
	size_t size;
	FILE *out;

	assert(table != NULL);
	if (set_table_parse(&table[0], text)) {
		out = open_memstream(&first, &size);
		assert(out != NULL);
		set_table_print(&table[0], out);
		fclose(out);
		assert(set_table_parse(&table[1], first));
		assert(memcmp(&table[0], &table[1], sizeof(*table)) == 0);
		free(first);
	}
	free(table);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	assert(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] == 'p')
		read_page(text, size - 1);
	else if (data[0] == 's')
		read_set(text, size - 1);
	else
		read_table(text);
	free(text);
	return 0;
}
