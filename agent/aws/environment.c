/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "aws/environment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "threatlistd/log.h"

static const struct variable {
	const char *name;
	bool secret;
} variables[] = {
	{ "AWS_REGION", false },
	{ "AWS_DEFAULT_REGION", false },
	{ "AWS_ACCESS_KEY_ID", false },
	{ "AWS_SECRET_ACCESS_KEY", true },
	{ "AWS_SESSION_TOKEN", true },
	{ "AWS_PROFILE", false },
	{ "AWS_SHARED_CREDENTIALS_FILE", false },
	{ "AWS_WEB_IDENTITY_TOKEN_FILE", false },
	{ "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", true },
	{ "AWS_CONTAINER_CREDENTIALS_FULL_URI", true },
	{ "AWS_CONTAINER_AUTHORIZATION_TOKEN", true },
	{ "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", false },
	{ "AWS_EC2_METADATA_DISABLED", false },
	{ "AWS_EC2_METADATA_SERVICE_ENDPOINT", false },
	{ "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", false },
	{ "AWS_METADATA_SERVICE_TIMEOUT", false },
	{ "AWS_METADATA_SERVICE_NUM_ATTEMPTS", false },
	{ "AWS_USE_FIPS_ENDPOINT", false },
	{ "AWS_USE_DUALSTACK_ENDPOINT", false },
	{ "AWS_CA_BUNDLE", false },
	{ "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", false },
	{ "AWS_ENDPOINT_URL", false },
	{ "AWS_ENDPOINT_URL_GUARDDUTY", false },
	{ "AWS_ENDPOINT_URL_S3", false },
	{ "AWS_ENDPOINT_URL_SECURITYHUB", false },
	{ "AWS_ENDPOINT_URL_EVENTBRIDGE", false },
	{ "AWS_ENDPOINT_URL_SNS", false },
	{ "AWS_ENDPOINT_URL_STS", false },
};

const char *
aws_given(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

void
aws_environment_list(void (*said)(const char *name, const char *value, void *arg), void *arg)
{
	const char *value;
	size_t i;

	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		value = aws_given(variables[i].name);
		if (value == NULL)
			continue;
		/* a URL may hold a password, whatever read_url makes of it */
		if (variables[i].secret || strchr(value, '@') != NULL)
			value = "(set)";
		said(variables[i].name, value, arg);
	}
}

static void
log_variable(const char *name, const char *value, void *arg)
{
	log_info("environment %s=%s", name, value);
	if (strncmp(name, "AWS_ENDPOINT_URL", 16) == 0 && strncasecmp(value, "http://", 7) == 0)
		log_warn("calls are not encrypted: %s begins with http://", name);
}

void
aws_environment_log(void)
{
	aws_environment_list(log_variable, NULL);
}
