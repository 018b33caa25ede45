/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The places credentials come from.  Each gives 0 and *keys, -ENOENT when it
 * is not configured, or another -errno when it is and gives none; why in the
 * last two cases.
 */
#ifndef AWS_CREDENTIALS_SOURCE_H
#define AWS_CREDENTIALS_SOURCE_H

#include "aws/credentials.h"

int credentials_environment(struct aws_keys *keys, char *reason);
int credentials_file(struct aws_keys *keys, char *reason);
int credentials_container(const struct aws_transport *transport, struct aws_keys *keys,
    char *reason);
int credentials_instance(struct imds *imds, struct aws_keys *keys,
    char role[static CREDENTIALS_ROLE_MAX], char *reason);

/* Writes the reason; returns error. */
int credentials_wrong(char *reason, int error, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The answer of a container endpoint or of IMDS. */
int credentials_parse(const char *json, size_t size, struct aws_keys *keys, char *reason);

/* The profile of a shared credentials file; text is cut up.  -ENOENT: no such profile. */
int credentials_profile(char *text, const char *profile, struct aws_keys *keys, char *reason);

/* Each false when it is not what the member may hold; nothing is taken then. */
bool credentials_set_id(struct aws_keys *keys, const char *text);
bool credentials_set_secret(struct aws_keys *keys, const char *text);
bool credentials_set_token(struct aws_keys *keys, const char *text);

#endif
