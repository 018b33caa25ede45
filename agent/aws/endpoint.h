/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the services of AWS are: region, partition, host names, and what the
 * daemon's own environment says about them.  Config files of users are never
 * read.
 */
#ifndef AWS_ENDPOINT_H
#define AWS_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "aws/imds.h"

#define AWS_REGION_MAX		64
#define AWS_SUFFIX_MAX		64
#define AWS_HOST_MAX		256
#define AWS_PATH_MAX		512
#define AWS_CA_FILE_MAX		1024

enum aws_service {
	AWS_GUARDDUTY,
	AWS_S3,
	AWS_SECURITYHUB,
	AWS_EVENTS,
	AWS_SNS,
	AWS_STS,
	AWS_SERVICES_END
};

/* What the config says; NULL and false where it says nothing. */
struct aws_wishes {
	const char *region;
	const char *known_region;	/* as IMDS said before, for when it does not answer; NULL */
	const char *ca_file;
	const char *proxy;	/* "env", "none" or a URL; NULL: env */
	bool fips, dualstack;
};

struct aws_site {
	char region[AWS_REGION_MAX];
	char partition[AWS_REGION_MAX];		/* aws, aws-cn, aws-us-gov … */
	char suffix[AWS_SUFFIX_MAX];		/* amazonaws.com … */
	char dual_suffix[AWS_SUFFIX_MAX];	/* api.aws …; empty: there is none */
	bool fips, dualstack;
	char ca_file[AWS_CA_FILE_MAX];		/* empty: the system's */
	const char *proxy;			/* borrowed from the wishes */
};

struct aws_endpoint {
	bool http;			/* not encrypted: only where the environment says so */
	bool custom;			/* from the environment: S3 is asked by path there */
	bool near;			/* this host: never over a proxy */
	char host[AWS_HOST_MAX];	/* with ":port" if the URL has one */
	char path[AWS_PATH_MAX];	/* before the operation's own; no '/' at its end */
	const char *signing_name;
	char region[AWS_REGION_MAX];
};

/*
 * Region: config, AWS_REGION, AWS_DEFAULT_REGION, then IMDS (imds may be NULL), or what
 * it said before.
 * 0, or -errno and why.
 */
int aws_site_find(struct aws_site *site, const struct aws_wishes *wishes, struct imds *imds,
    char reason[static IMDS_REASON_MAX]);

/* The service in a region (NULL: the site's).  0, or -EINVAL and why. */
int aws_endpoint_find(struct aws_endpoint *endpoint, const struct aws_site *site,
    enum aws_service service, const char *region, char reason[static IMDS_REASON_MAX]);

/* Letters, digits and '-' as regions have them: it becomes part of a host name. */
bool aws_region_is_valid(const char *region);

/* As in com.amazonaws.REGION.NAME of a VPC interface endpoint. */
const char *aws_service_name(enum aws_service service);

#endif
