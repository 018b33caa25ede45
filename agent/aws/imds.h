/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Facts about an EC2 host from its instance metadata service, version 2 only
 * (a token by PUT, then every GET with it).  Never over a proxy.
 */
#ifndef AWS_IMDS_H
#define AWS_IMDS_H

#include <stdbool.h>

#include "runtime/http.h"
#include "threatlistd/finding.h"

#define IMDS_REASON_MAX	256

/*
 * Is there reason to ask?  The firmware tables under sysfs ("/sys") say EC2, or
 * AWS_EC2_METADATA_SERVICE_ENDPOINT is set; never if AWS_EC2_METADATA_DISABLED
 * is true.  Elsewhere the address may be anybody's.
 */
bool imds_is_wanted(const char *sysfs);

/*
 * Asks.  0 and *facts (host_id and instance_id are the instance's), or -errno
 * and why.  What the service does not know stays empty.
 */
int imds_read(struct http *http, struct host_facts *facts, char reason[static IMDS_REASON_MAX]);

/* The identity document, for imds_read and the fuzzer.  False: no instance id in it. */
bool imds_document(const char *json, size_t size, struct host_facts *facts);

#endif
