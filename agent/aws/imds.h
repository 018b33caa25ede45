/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The instance metadata service of an EC2 host, version 2 only (a token by
 * PUT, then every GET with it).  Never over a proxy.  What may be set in the
 * environment is what the SDKs read: AWS_EC2_METADATA_DISABLED,
 * AWS_EC2_METADATA_SERVICE_ENDPOINT[_MODE], AWS_METADATA_SERVICE_TIMEOUT,
 * AWS_METADATA_SERVICE_NUM_ATTEMPTS.  Where that does not say which address, the
 * IPv6 one is tried when there is no way to the IPv4 one.
 */
#ifndef AWS_IMDS_H
#define AWS_IMDS_H

#include <stdbool.h>

#include "aws/transport.h"
#include "runtime/http.h"
#include "threatlistd/finding.h"

#define IMDS_REASON_MAX	256

/*
 * Is there reason to ask?  The firmware tables under sysfs ("/sys") say EC2, or
 * AWS_EC2_METADATA_SERVICE_ENDPOINT or …_ENDPOINT_MODE is set; never if
 * AWS_EC2_METADATA_DISABLED is true.  Elsewhere the address may be anybody's.
 */
bool imds_is_wanted(const char *sysfs);

/* A token and where it came from: kept as long as it lasts. */
struct imds;

struct imds *imds_new(const struct aws_transport *transport);	/* NULL: no memory */
void imds_free(struct imds *imds);

/* Did only the IPv6 address answer? */
bool imds_is_v6(const struct imds *imds);

/*
 * GET of /latest/PATH.  0 with a body; -ENOENT when the service does not have
 * it; other -errno and why.  http_answer_free in every case.
 */
int imds_get(struct imds *imds, const char *path, struct http_answer *answer,
    char reason[static IMDS_REASON_MAX]);

/* The first line of a text, printable ASCII; empty if there is none.  0 or -errno and why. */
int imds_get_line(struct imds *imds, const char *path, char *to, size_t size,
    char reason[static IMDS_REASON_MAX]);

/*
 * Asks for the host's facts.  0 and *facts (host_id and instance_id are the
 * instance's), or -errno and why.  What the service does not know stays empty.
 */
int imds_read(struct http *http, struct host_facts *facts, char reason[static IMDS_REASON_MAX]);

/* The identity document, for imds_read and the fuzzer.  False: no instance id in it. */
bool imds_document(const char *json, size_t size, struct host_facts *facts);

/* Printable ASCII of size-1 bytes at most; anything else is not taken at all. */
bool imds_take(char *to, size_t size, const char *text, size_t len);

#endif
