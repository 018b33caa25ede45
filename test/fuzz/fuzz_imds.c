/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Identity documents: whatever is taken is short printable ASCII. */
#include "aws/imds.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const char *text, size_t size)
{
	const char *at;

	assert(memchr(text, '\0', size) != NULL);
	for (at = text; *at != '\0'; at++)
		assert(*at >= ' ' && *at <= '~');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct host_facts facts;

	memset(&facts, 0, sizeof(facts));
	if (imds_document((const char *)data, size, &facts))
		assert(strncmp(facts.host_id, "i-", 2) == 0);
	check(facts.instance_id, sizeof(facts.instance_id));
	check(facts.account, sizeof(facts.account));
	check(facts.region, sizeof(facts.region));
	check(facts.zone, sizeof(facts.zone));
	check(facts.instance_type, sizeof(facts.instance_type));
	check(facts.image_id, sizeof(facts.image_id));
	return 0;
}
