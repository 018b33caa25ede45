/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers of AWS: error bodies, credentials of IMDS and container endpoints,
 * shared credentials files.  The first byte chooses.  Whatever is taken is
 * printable and within its bounds.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "aws/credentials_source.h"
#include "aws/refusal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const char *text, size_t size, char least)
{
	const char *at;

	assert(memchr(text, '\0', size) != NULL);
	for (at = text; *at != '\0'; at++)
		assert(*at >= least && *at <= '~');
}

static void
check_keys(const struct aws_keys *keys)
{
	check(keys->id, sizeof(keys->id), '0');
	check(keys->secret, sizeof(keys->secret), '!');
	check(keys->token, sizeof(keys->token), '!');
}

static void
read_error(const char *text, size_t size)
{
	struct aws_refusal refusal;

	aws_refusal_read(&refusal, NULL, text, size);
	check(refusal.code, sizeof(refusal.code), ' ');
	check(refusal.message, sizeof(refusal.message), ' ');
	assert(refusal.region[0] == '\0' || aws_region_is_valid(refusal.region));
	aws_refusal_kind(&refusal);
}

static void
read_type(const char *text)
{
	struct aws_refusal refusal;

	aws_refusal_read(&refusal, text, NULL, 0);
	check(refusal.code, sizeof(refusal.code), ' ');
}

static void
read_keys(const char *text, size_t size)
{
	struct aws_keys keys = { .id = "" };
	char reason[CREDENTIALS_REASON_MAX] = "";

	if (credentials_parse(text, size, &keys, reason) == 0)
		assert(keys.expires_ms > 0 && keys.id[0] != '\0' && keys.token[0] != '\0');
	else
		assert(reason[0] != '\0');
	check_keys(&keys);
}

static void
read_profile(char *text)
{
	struct aws_keys keys = { .id = "" };
	char reason[CREDENTIALS_REASON_MAX] = "";

	if (credentials_profile(text, "default", &keys, reason) == 0)
		assert(keys.id[0] != '\0' && keys.secret[0] != '\0');
	else
		assert(reason[0] != '\0');
	check_keys(&keys);
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
	switch (data[0]) {
	case 't':
		read_type(text);
		break;
	case 'k':
		read_keys(text, size - 1);
		break;
	case 'p':
		read_profile(text);
		break;
	default:
		read_error(text, size - 1);
	}
	free(text);
	return 0;
}
