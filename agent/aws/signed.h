/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A request of call.h as it goes out: URL and headers, signed. */
#ifndef AWS_SIGNED_H
#define AWS_SIGNED_H

#include "aws/call.h"

/* the caller's, host, date, token, payload hash, authorization, and the end */
#define SIGNED_HEADERS_MAX	(AWS_CALL_HEADERS_MAX + 6)

struct signed_request {
	char *url;
	char *headers[SIGNED_HEADERS_MAX];	/* "Name: value", NULL-terminated */
	size_t nheaders;
};

/* 0, -EINVAL (something that cannot be sent) or -ENOMEM; signed_free in every case. */
int signed_make(struct signed_request *out, const struct aws_request *request,
    const struct aws_endpoint *endpoint, const struct aws_keys *keys, int64_t time_s);
void signed_free(struct signed_request *out);

#endif
