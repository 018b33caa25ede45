/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "aws/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aws/environment.h"

struct partition {
	const char *region;	/* how its regions begin */
	const char *name, *suffix, *dual_suffix;
};

/* botocore, partitions.json; the first that fits */
static const struct partition partitions[] = {
	{ "cn-", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn" },
	{ "us-gov-", "aws-us-gov", "amazonaws.com", "api.aws" },
	{ "us-iso-", "aws-iso", "c2s.ic.gov", "" },
	{ "us-isob-", "aws-iso-b", "sc2s.sgov.gov", "" },
	{ "us-isof-", "aws-iso-f", "csp.hci.ic.gov", "" },
	{ "eu-isoe-", "aws-iso-e", "cloud.adc-e.uk", "" },
	{ "eusc-", "aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu" },
	{ "", "aws", "amazonaws.com", "api.aws" },
};

struct service {
	const char *name;		/* in host names and in the scope of a signature */
	const char *variable;		/* AWS_ENDPOINT_URL_… */
	/* GovCloud's ordinary endpoint is the FIPS one */
	bool gov_is_fips;
};

static const struct service services[AWS_SERVICES_END] = {
	[AWS_GUARDDUTY] = { "guardduty", "AWS_ENDPOINT_URL_GUARDDUTY", true },
	[AWS_S3] = { "s3", "AWS_ENDPOINT_URL_S3", false },
	[AWS_SECURITYHUB] = { "securityhub", "AWS_ENDPOINT_URL_SECURITYHUB", false },
	[AWS_EVENTS] = { "events", "AWS_ENDPOINT_URL_EVENTBRIDGE", true },
	[AWS_SNS] = { "sns", "AWS_ENDPOINT_URL_SNS", true },
	[AWS_STS] = { "sts", "AWS_ENDPOINT_URL_STS", true },
};

static int __attribute__((format(printf, 2, 3)))
wrong(char *reason, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, IMDS_REASON_MAX, fmt, args);
	va_end(args);
	return -EINVAL;
}

static bool
is_true(const char *name)
{
	const char *value = aws_given(name);

	return value != NULL && strcasecmp(value, "true") == 0;
}

const char *
aws_service_name(enum aws_service service)
{
	return services[service].name;
}

bool
aws_region_is_valid(const char *region)
{
	size_t len = strlen(region);

	return len > 0 && len < AWS_REGION_MAX && region[0] != '-' && region[len - 1] != '-' &&
	    strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static const struct partition *
partition_of(const char *region)
{
	const struct partition *partition = partitions;

	while (strncmp(region, partition->region, strlen(partition->region)) != 0)
		partition++;
	return partition;
}

/* Partitions newer than our table: the host's own service knows where it is. */
static void
ask_partition(struct aws_site *site, struct imds *imds)
{
	char partition[AWS_REGION_MAX], suffix[AWS_SUFFIX_MAX], reason[IMDS_REASON_MAX];

	if (imds_get_line(imds, "meta-data/services/partition", partition, sizeof(partition),
	    reason) != 0 || imds_get_line(imds, "meta-data/services/domain", suffix,
	    sizeof(suffix), reason) != 0)
		return;
	if (!aws_region_is_valid(partition) || suffix[0] == '\0' ||
	    suffix[strspn(suffix, "abcdefghijklmnopqrstuvwxyz0123456789-.")] != '\0' ||
	    strcmp(partition, site->partition) == 0)
		return;
	memcpy(site->partition, partition, sizeof(site->partition));
	memcpy(site->suffix, suffix, sizeof(site->suffix));
	site->dual_suffix[0] = '\0';
}

static int
find_region(struct aws_site *site, const char *region, struct imds *imds, bool *asked,
    char *reason)
{
	int error;

	if (region == NULL)
		region = aws_given("AWS_REGION");
	if (region == NULL)
		region = aws_given("AWS_DEFAULT_REGION");
	if (region != NULL && !aws_region_is_valid(region))
		return wrong(reason, "`%.64s' is no region's name, as eu-central-1 is", region);
	if (region != NULL) {
		memcpy(site->region, region, strlen(region) + 1);
		return 0;
	}
	if (imds == NULL)
		return wrong(reason, "no region: set `region' in [agent] or AWS_REGION");
	*asked = true;
	error = imds_get_line(imds, "meta-data/placement/region", site->region,
	    sizeof(site->region), reason);
	if (error == 0 && !aws_region_is_valid(site->region))
		error = wrong(reason, "IMDS does not tell the region");
	return error;
}

int
aws_site_find(struct aws_site *site, const struct aws_wishes *wishes, struct imds *imds,
    char reason[static IMDS_REASON_MAX])
{
	const char *ca_file = wishes->ca_file != NULL ? wishes->ca_file : aws_given("AWS_CA_BUNDLE");
	const struct partition *partition;
	bool asked = false;
	int error;

	memset(site, 0, sizeof(*site));
	reason[0] = '\0';
	error = find_region(site, wishes->region, imds, &asked, reason);
	if (error != 0 && asked && wishes->known_region != NULL &&
	    aws_region_is_valid(wishes->known_region))
		memcpy(site->region, wishes->known_region, strlen(wishes->known_region) + 1);
	else if (error != 0)
		return error;
	if (ca_file != NULL && strlen(ca_file) >= sizeof(site->ca_file))
		return wrong(reason, "the name of the CA file is longer than %d bytes",
		    AWS_CA_FILE_MAX - 1);
	if (ca_file != NULL)
		memcpy(site->ca_file, ca_file, strlen(ca_file) + 1);
	partition = partition_of(site->region);
	snprintf(site->partition, sizeof(site->partition), "%s", partition->name);
	snprintf(site->suffix, sizeof(site->suffix), "%s", partition->suffix);
	snprintf(site->dual_suffix, sizeof(site->dual_suffix), "%s", partition->dual_suffix);
	if (asked && error == 0)
		ask_partition(site, imds);
	site->fips = wishes->fips || is_true("AWS_USE_FIPS_ENDPOINT");
	site->dualstack = wishes->dualstack || is_true("AWS_USE_DUALSTACK_ENDPOINT");
	site->proxy = wishes->proxy;
	return 0;
}

/* Loopback and link-local: a stand-in on this host. */
static bool
is_near(const char *host)
{
	char name[AWS_HOST_MAX];
	struct in_addr v4;
	struct in6_addr v6;
	size_t len = host[0] == '[' ? strcspn(host + 1, "]") : strcspn(host, ":");

	snprintf(name, sizeof(name), "%.*s", (int)len, host + (host[0] == '['));
	if (strcasecmp(name, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, name, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127 || ntohl(v4.s_addr) >> 16 == 0xa9fe;
	return inet_pton(AF_INET6, name, &v6) == 1 &&
	    (IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6));
}

/* http(s)://HOST[:PORT][/PATH] */
static int
read_url(struct aws_endpoint *endpoint, const char *name, const char *url, char *reason)
{
	const char *host;
	size_t len, path;

	endpoint->http = strncasecmp(url, "http://", 7) == 0;
	if (!endpoint->http && strncasecmp(url, "https://", 8) != 0)
		return wrong(reason, "%s does not begin with https:// or http://", name);
	host = url + (endpoint->http ? 7 : 8);
	len = strcspn(host, "/");
	if (len == 0 || len >= sizeof(endpoint->host) || strspn(host, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:[]_") < len)
		return wrong(reason, "%s names no host (no user, query or fragment may be in it)",
		    name);
	memcpy(endpoint->host, host, len);
	endpoint->host[len] = '\0';
	path = strlen(host + len);
	while (path > 0 && host[len + path - 1] == '/')
		path--;
	if (path >= sizeof(endpoint->path) || strcspn(host + len, "?#") < path)
		return wrong(reason, "the path of %s is longer than %d bytes, or has a query", name,
		    AWS_PATH_MAX - 1);
	memcpy(endpoint->path, host + len, path);
	endpoint->path[path] = '\0';
	endpoint->custom = true;
	endpoint->near = is_near(endpoint->host);
	return 0;
}

/* The host name of the service in this region; -EINVAL if the partition has no such form. */
static int
make_host(struct aws_endpoint *endpoint, const struct aws_site *site, enum aws_service service,
    char *reason)
{
	const struct partition *partition = partition_of(endpoint->region);
	bool own = strcmp(endpoint->region, site->region) == 0;
	const char *suffix = own ? site->suffix : partition->suffix;
	const char *dual = own ? site->dual_suffix : partition->dual_suffix;
	const char *name = services[service].name;
	bool fips = site->fips;

	if (fips && services[service].gov_is_fips && !site->dualstack &&
	    strcmp(partition->name, "aws-us-gov") == 0)
		fips = false;
	if (fips && service == AWS_S3 && strcmp(partition->name, "aws-cn") == 0)
		return wrong(reason, "S3 in region %s has no FIPS endpoints", endpoint->region);
	if (site->dualstack && service != AWS_S3 && dual[0] == '\0')
		return wrong(reason, "region %s has no dual-stack endpoints", endpoint->region);
	if (service == AWS_S3)
		snprintf(endpoint->host, sizeof(endpoint->host), "s3%s%s.%s.%s",
		    fips ? "-fips" : "", site->dualstack ? ".dualstack" : "", endpoint->region,
		    suffix);
	else
		snprintf(endpoint->host, sizeof(endpoint->host), "%s%s.%s.%s", name,
		    fips ? "-fips" : "", endpoint->region, site->dualstack ? dual : suffix);
	return 0;
}

int
aws_endpoint_find(struct aws_endpoint *endpoint, const struct aws_site *site,
    enum aws_service service, const char *region, char reason[static IMDS_REASON_MAX])
{
	const char *name = services[service].variable, *url = aws_given(name);

	memset(endpoint, 0, sizeof(*endpoint));
	reason[0] = '\0';
	if (region == NULL)
		region = site->region;
	if (!aws_region_is_valid(region))
		return wrong(reason, "`%.64s' is no region's name", region);
	memcpy(endpoint->region, region, strlen(region) + 1);
	endpoint->signing_name = services[service].name;
	if (url == NULL) {
		name = "AWS_ENDPOINT_URL";
		url = aws_given(name);
	}
	if (url != NULL && !is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))
		return read_url(endpoint, name, url, reason);
	return make_host(endpoint, site, service, reason);
}
