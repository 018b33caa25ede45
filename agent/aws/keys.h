/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The keys a request to AWS is signed with. */
#ifndef AWS_KEYS_H
#define AWS_KEYS_H

#include <stdint.h>

/* IAM allows ids of 16…128 bytes; secrets have 40, tokens no fixed length. */
#define AWS_KEY_ID_MAX		129
#define AWS_SECRET_MAX		129
#define AWS_TOKEN_MAX		8192

struct aws_keys {
	char id[AWS_KEY_ID_MAX];
	char secret[AWS_SECRET_MAX];
	char token[AWS_TOKEN_MAX];	/* empty: keys of a user, not of a session */
	int64_t expires_ms;		/* CLOCK_REALTIME; 0: they do not expire */
};

/* Leaves nothing of them in memory. */
void aws_keys_wipe(struct aws_keys *keys);

#endif
