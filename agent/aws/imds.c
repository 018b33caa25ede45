/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "aws/imds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#define ENDPOINT_V4	"http://169.254.169.254"
#define ENDPOINT_V6	"http://[fd00:ec2::254]"
#define TIMEOUT_MS	1000	/* the service is on the host's own hypervisor */
#define ANSWER_MAX	16384	/* bytes */
#define TOKEN_MAX	512
#define TOKEN_SECONDS	"300"
#define URL_MAX		512
#define MACS_MAX	32	/* network interfaces looked at */

struct imds {
	struct http *http;
	char endpoint[256];
	char token[TOKEN_MAX];
	char *reason;
};

static int __attribute__((format(printf, 3, 4)))
wrong(struct imds *imds, int error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(imds->reason, IMDS_REASON_MAX, fmt, args);
	va_end(args);
	return error;
}

/* Does the file below sysfs begin with this? */
static bool
begins(const char *sysfs, const char *name, const char *with)
{
	char path[256], text[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", sysfs, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return false;
	text[n] = '\0';
	return strncasecmp(text, with, strlen(with)) == 0;
}

bool
imds_is_wanted(const char *sysfs)
{
	const char *disabled = getenv("AWS_EC2_METADATA_DISABLED");
	const char *endpoint = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");

	if (disabled != NULL && strcasecmp(disabled, "true") == 0)
		return false;
	if (endpoint != NULL && endpoint[0] != '\0')
		return true;
	return begins(sysfs, "devices/virtual/dmi/id/board_asset_tag", "i-") ||
	    begins(sysfs, "devices/virtual/dmi/id/sys_vendor", "Amazon EC2") ||
	    begins(sysfs, "hypervisor/uuid", "ec2");
}

static void
find_endpoint(struct imds *imds)
{
	const char *endpoint = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	size_t len;

	if (endpoint == NULL || endpoint[0] == '\0')
		endpoint = mode != NULL && strcasecmp(mode, "ipv6") == 0 ? ENDPOINT_V6 : ENDPOINT_V4;
	snprintf(imds->endpoint, sizeof(imds->endpoint), "%s", endpoint);
	len = strlen(imds->endpoint);
	while (len > 0 && imds->endpoint[len - 1] == '/')
		imds->endpoint[--len] = '\0';
}

/* Printable ASCII of size-1 bytes at most; anything else is not taken at all. */
static bool
take(char *to, size_t size, const char *text, size_t len)
{
	size_t i;

	to[0] = '\0';
	if (len == 0 || len >= size)
		return false;
	for (i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			return false;
	}
	memcpy(to, text, len);
	to[len] = '\0';
	return true;
}

static int
request(struct imds *imds, const char *method, const char *path, const char *header,
    struct http_answer *answer)
{
	const char *const headers[] = { header, NULL };
	char url[URL_MAX];
	const struct http_request about = {
		.method = method,
		.url = url,
		.headers = headers,
		.max_bytes = ANSWER_MAX,
		.connect_timeout_ms = TIMEOUT_MS,
		.total_timeout_ms = TIMEOUT_MS,
		.allow_http = true,
		.proxy = "none",
	};
	int error;

	snprintf(url, sizeof(url), "%s/latest/%s", imds->endpoint, path);
	error = http_do(imds->http, &about, answer);
	if (error != 0)
		return wrong(imds, error, "%s of %.80s: %.140s", method, path, answer->error);
	return 0;
}

static int
get_token(struct imds *imds)
{
	struct http_answer answer;
	int error;

	error = request(imds, "PUT", "api/token",
	    "X-aws-ec2-metadata-token-ttl-seconds: " TOKEN_SECONDS, &answer);
	if (error == 0 && answer.status != 200)
		error = wrong(imds, -EACCES, "PUT of api/token answered %ld", answer.status);
	if (error == 0 && !take(imds->token, sizeof(imds->token), answer.body, answer.body_size))
		error = wrong(imds, -EPROTO, "PUT of api/token gave no token");
	http_answer_free(&answer);
	return error;
}

static int
get_once(struct imds *imds, const char *path, struct http_answer *answer)
{
	char header[TOKEN_MAX + 64];

	snprintf(header, sizeof(header), "X-aws-ec2-metadata-token: %s", imds->token);
	return request(imds, "GET", path, header, answer);
}

/*
 * 0 with a body; -ENOENT when the service does not have it; other -errno end
 * the whole.  http_answer_free in every case.
 */
static int
get(struct imds *imds, const char *path, struct http_answer *answer)
{
	int error = get_once(imds, path, answer);

	if (error == 0 && answer->status == 401) {
		/* expired, or the instance moved: one new token */
		http_answer_free(answer);
		memset(answer, 0, sizeof(*answer));
		error = get_token(imds);
		if (error == 0)
			error = get_once(imds, path, answer);
	}
	if (error != 0)
		return error;
	if (answer->status == 404)
		return -ENOENT;
	if (answer->status != 200)
		return wrong(imds, -EPROTO, "GET of %.80s answered %ld", path, answer->status);
	return 0;
}

/* The first line of a text, into to; absent is fine. */
static int
get_line(struct imds *imds, const char *path, char *to, size_t size)
{
	struct http_answer answer;
	int error = get(imds, path, &answer);

	if (error == 0)
		take(to, size, answer.body, strcspn(answer.body, "\r\n"));
	http_answer_free(&answer);
	return error == -ENOENT ? 0 : error;
}

static void
take_member(const cJSON *object, const char *name, char *to, size_t size)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	if (text != NULL)
		take(to, size, text, strlen(text));
}

static void
take_addr(struct addr *to, const char *text)
{
	struct addr addr;

	if (text != NULL && addr_parse(&addr, text, strlen(text)) == NULL)
		*to = addr;
}

bool
imds_document(const char *json, size_t size, struct host_facts *facts)
{
	cJSON *document = cJSON_ParseWithLength(json, size);

	if (document == NULL)
		return false;
#define TAKE(name, member)	take_member(document, name, facts->member, sizeof(facts->member))
	TAKE("instanceId", instance_id);
	TAKE("accountId", account);
	TAKE("region", region);
	TAKE("availabilityZone", zone);
	TAKE("instanceType", instance_type);
	TAKE("imageId", image_id);
#undef TAKE
	take_addr(&facts->private_ip,
	    cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, "privateIp")));
	cJSON_Delete(document);
	if (strncmp(facts->instance_id, "i-", 2) != 0)
		return false;
	memcpy(facts->host_id, facts->instance_id, sizeof(facts->host_id));
	facts->on_ec2 = 1;
	return true;
}

static int
read_document(struct imds *imds, struct host_facts *facts)
{
	struct http_answer answer;
	int error = get(imds, "dynamic/instance-identity/document", &answer);

	if (error == -ENOENT)
		wrong(imds, error, "there is no identity document");
	if (error == 0 && !imds_document(answer.body, answer.body_size, facts))
		error = wrong(imds, -EPROTO, "the identity document names no instance");
	http_answer_free(&answer);
	return error;
}

/* The role's instance profile; a host without one has none. */
static int
read_profile(struct imds *imds, struct host_facts *facts)
{
	struct http_answer answer;
	cJSON *info = NULL;
	int error = get(imds, "meta-data/iam/info", &answer);

	if (error == 0)
		info = cJSON_ParseWithLength(answer.body, answer.body_size);
	if (info != NULL) {
		take_member(info, "InstanceProfileArn", facts->profile_arn,
		    sizeof(facts->profile_arn));
		take_member(info, "InstanceProfileId", facts->profile_id, sizeof(facts->profile_id));
	}
	cJSON_Delete(info);
	http_answer_free(&answer);
	return error == -ENOENT ? 0 : error;
}

/* Is this a MAC address as the service writes it?  It becomes part of a path. */
static bool
is_mac(const char *text, size_t len)
{
	return len == 17 && strspn(text, "0123456789abcdefABCDEF:") >= len;
}

/* The interface with device-number 0, else the first; empty if there is none. */
static int
find_primary(struct imds *imds, const char *macs, char mac[static 18])
{
	char path[96], number[16];
	unsigned int i = 0;
	size_t len;
	int error;

	mac[0] = '\0';
	for (; *macs != '\0' && i < MACS_MAX; macs += len, macs += strspn(macs, "/\r\n")) {
		len = strcspn(macs, "/\r\n");
		if (!is_mac(macs, len))
			continue;
		number[0] = '\0';
		snprintf(path, sizeof(path), "meta-data/network/interfaces/macs/%.17s/device-number",
		    macs);
		error = get_line(imds, path, number, sizeof(number));
		if (error != 0)
			return error;
		if (i++ == 0 || strcmp(number, "0") == 0) {
			memcpy(mac, macs, 17);
			mac[17] = '\0';
		}
		if (strcmp(number, "0") == 0)
			break;
	}
	return 0;
}

static int
read_interface(struct imds *imds, const char *mac, struct host_facts *facts)
{
	char private_ip[ADDR_TEXT_MAX] = "", public_ip[ADDR_TEXT_MAX] = "";
	const struct {
		const char *name;
		char *to;
		size_t size;
	} lines[] = {
		{ "interface-id", facts->interface_id, sizeof(facts->interface_id) },
		{ "vpc-id", facts->vpc_id, sizeof(facts->vpc_id) },
		{ "subnet-id", facts->subnet_id, sizeof(facts->subnet_id) },
		{ "security-group-ids", facts->security_group_id, sizeof(facts->security_group_id) },
		{ "security-groups", facts->security_group, sizeof(facts->security_group) },
		{ "local-ipv4s", private_ip, sizeof(private_ip) },
		{ "public-ipv4s", public_ip, sizeof(public_ip) },
	};
	char path[128];
	size_t i;
	int error = 0;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]) && error == 0; i++) {
		snprintf(path, sizeof(path), "meta-data/network/interfaces/macs/%s/%s", mac,
		    lines[i].name);
		error = get_line(imds, path, lines[i].to, lines[i].size);
	}
	take_addr(&facts->private_ip, private_ip);
	take_addr(&facts->public_ip, public_ip);
	return error;
}

static int
read_interfaces(struct imds *imds, struct host_facts *facts)
{
	struct http_answer answer;
	char mac[18];
	int error = get(imds, "meta-data/network/interfaces/macs/", &answer);

	if (error == 0)
		error = find_primary(imds, answer.body, mac);
	if (error == 0 && mac[0] != '\0')
		error = read_interface(imds, mac, facts);
	http_answer_free(&answer);
	return error == -ENOENT ? 0 : error;
}

int
imds_read(struct http *http, struct host_facts *facts, char reason[static IMDS_REASON_MAX])
{
	struct imds imds = { .http = http, .reason = reason };
	int error;

	reason[0] = '\0';
	memset(facts, 0, sizeof(*facts));
	find_endpoint(&imds);
	error = get_token(&imds);
	if (error == 0)
		error = read_document(&imds, facts);
	if (error == 0)
		error = get_line(&imds, "meta-data/services/partition", facts->partition,
		    sizeof(facts->partition));
	if (error == 0)
		error = read_profile(&imds, facts);
	if (error == 0)
		error = read_interfaces(&imds, facts);
	if (error == 0 && facts->partition[0] == '\0')
		memcpy(facts->partition, "aws", sizeof("aws"));
	return error;
}
