/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who this host is, as its metadata service tells it. */
#include "aws/imds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#define MACS_MAX	32	/* network interfaces looked at */

/* One reading of the facts. */
struct reading {
	struct imds *imds;
	struct host_facts *facts;
	char *reason;
};

static int
get(const struct reading *reading, const char *path, struct http_answer *answer)
{
	return imds_get(reading->imds, path, answer, reading->reason);
}

static int
get_line(const struct reading *reading, const char *path, char *to, size_t size)
{
	return imds_get_line(reading->imds, path, to, size, reading->reason);
}

static int
wrong(const struct reading *reading, int error, const char *reason)
{
	snprintf(reading->reason, IMDS_REASON_MAX, "%s", reason);
	return error;
}

static void
take_member(const cJSON *object, const char *name, char *to, size_t size)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	if (text != NULL)
		imds_take(to, size, text, strlen(text));
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
read_document(const struct reading *reading)
{
	struct http_answer answer;
	int error = get(reading, "dynamic/instance-identity/document", &answer);

	if (error == -ENOENT)
		wrong(reading, error, "there is no identity document");
	if (error == 0 && !imds_document(answer.body, answer.body_size, reading->facts))
		error = wrong(reading, -EPROTO, "the identity document names no instance");
	http_answer_free(&answer);
	return error;
}

/* The role's instance profile; a host without one has none. */
static int
read_profile(const struct reading *reading)
{
	struct http_answer answer;
	cJSON *info = NULL;
	int error = get(reading, "meta-data/iam/info", &answer);

	if (error == 0)
		info = cJSON_ParseWithLength(answer.body, answer.body_size);
	if (info != NULL) {
		take_member(info, "InstanceProfileArn", reading->facts->profile_arn,
		    sizeof(reading->facts->profile_arn));
		take_member(info, "InstanceProfileId", reading->facts->profile_id, sizeof(reading->facts->profile_id));
	}
	cJSON_Delete(info);
	http_answer_free(&answer);
	return error == -ENOENT ? 0 : error;
}

static int
get_of_interface(const struct reading *reading, const char *mac, const char *name, char *to,
    size_t size)
{
	char path[256];

	snprintf(path, sizeof(path), "meta-data/network/interfaces/macs/%.17s/%s", mac, name);
	return get_line(reading, path, to, size);
}

/* One more address that is ours, as far as there is room. */
static void
add_own(const struct reading *reading, const char *interface, const struct addr *public_ip,
    const char *private_ip)
{
	struct own_address *own = &reading->facts->own[reading->facts->nown];

	if (reading->facts->nown == FACT_OWN_MAX)
		return;
	own->public_ip = *public_ip;
	take_addr(&own->private_ip, private_ip);
	imds_take(own->interface_id, sizeof(own->interface_id), interface, strlen(interface));
	reading->facts->nown++;
}

/* The addresses of a listing, a line each: public IPv4 with what they are mapped to, or IPv6. */
static int
read_addresses(const struct reading *reading, const char *mac, const char *interface,
    const char *listing)
{
	char path[160], text[ADDR_TEXT_MAX], private_ip[ADDR_TEXT_MAX];
	struct http_answer answer;
	const char *at;
	struct addr addr;
	size_t len;
	int error;

	snprintf(path, sizeof(path), "meta-data/network/interfaces/macs/%.17s/%s", mac, listing);
	error = get(reading, path, &answer);
	for (at = answer.body; error == 0 && *at != '\0' && reading->facts->nown < FACT_OWN_MAX;
	    at += len, at += strspn(at, "\r\n")) {
		len = strcspn(at, "\r\n");
		if (len >= sizeof(text) || addr_parse(&addr, at, len) != NULL)
			continue;
		addr_text(&addr, text);
		memcpy(private_ip, text, sizeof(text));
		if (addr.family == ADDR_V4) {
			snprintf(path, sizeof(path), "ipv4-associations/%s", text);
			private_ip[0] = '\0';
			error = get_of_interface(reading, mac, path, private_ip,
			    sizeof(private_ip));
		}
		if (error == 0)
			add_own(reading, interface, &addr, private_ip);
	}
	http_answer_free(&answer);
	return error == -ENOENT ? 0 : error;
}

/* What others know one interface by. */
static int
read_own(const struct reading *reading, const char *mac)
{
	char interface[sizeof(reading->facts->own[0].interface_id)] = "";
	int error = get_of_interface(reading, mac, "interface-id", interface, sizeof(interface));

	if (error == 0)
		error = read_addresses(reading, mac, interface, "public-ipv4s");
	return error == 0 ? read_addresses(reading, mac, interface, "ipv6s") : error;
}

/* Is this a MAC address as the service writes it?  It becomes part of a path. */
static bool
is_mac(const char *text, size_t len)
{
	return len == 17 && strspn(text, "0123456789abcdefABCDEF:") >= len;
}

/* The interface with device-number 0, else the first; empty if there is none. */
static int
find_primary(const struct reading *reading, const char *macs, char mac[static 18])
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
		error = get_line(reading, path, number, sizeof(number));
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
read_interface(const struct reading *reading, const char *mac)
{
	char private_ip[ADDR_TEXT_MAX] = "", public_ip[ADDR_TEXT_MAX] = "";
	const struct {
		const char *name;
		char *to;
		size_t size;
	} lines[] = {
		{ "interface-id", reading->facts->interface_id, sizeof(reading->facts->interface_id) },
		{ "vpc-id", reading->facts->vpc_id, sizeof(reading->facts->vpc_id) },
		{ "subnet-id", reading->facts->subnet_id, sizeof(reading->facts->subnet_id) },
		{ "security-group-ids", reading->facts->security_group_id, sizeof(reading->facts->security_group_id) },
		{ "security-groups", reading->facts->security_group, sizeof(reading->facts->security_group) },
		{ "local-ipv4s", private_ip, sizeof(private_ip) },
		{ "public-ipv4s", public_ip, sizeof(public_ip) },
	};
	char path[128];
	size_t i;
	int error = 0;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]) && error == 0; i++) {
		snprintf(path, sizeof(path), "meta-data/network/interfaces/macs/%s/%s", mac,
		    lines[i].name);
		error = get_line(reading, path, lines[i].to, lines[i].size);
	}
	take_addr(&reading->facts->private_ip, private_ip);
	take_addr(&reading->facts->public_ip, public_ip);
	return error;
}

/* Of all interfaces, in the service's order. */
static int
read_all_own(const struct reading *reading, const char *macs)
{
	unsigned int i = 0;
	size_t len;
	int error = 0;

	for (; *macs != '\0' && i < MACS_MAX && error == 0;
	    macs += len, macs += strspn(macs, "/\r\n")) {
		len = strcspn(macs, "/\r\n");
		if (!is_mac(macs, len))
			continue;
		i++;
		error = read_own(reading, macs);
	}
	return error;
}

static int
read_interfaces(const struct reading *reading)
{
	struct http_answer answer;
	char mac[18];
	int error = get(reading, "meta-data/network/interfaces/macs/", &answer);

	if (error == 0)
		error = find_primary(reading, answer.body, mac);
	if (error == 0 && mac[0] != '\0')
		error = read_interface(reading, mac);
	if (error == 0)
		error = read_all_own(reading, answer.body);
	http_answer_free(&answer);
	return error == -ENOENT ? 0 : error;
}

static int
read_all(const struct reading *reading)
{
	struct host_facts *facts = reading->facts;
	int error;

	error = read_document(reading);
	if (error == 0)
		error = get_line(reading, "meta-data/services/partition", facts->partition,
		    sizeof(facts->partition));
	if (error == 0)
		error = read_profile(reading);
	if (error == 0)
		error = read_interfaces(reading);
	if (error == 0 && facts->partition[0] == '\0')
		memcpy(facts->partition, "aws", sizeof("aws"));
	return error;
}

int
imds_read(struct http *http, struct host_facts *facts, char reason[static IMDS_REASON_MAX])
{
	const struct aws_transport transport = aws_transport_real(http);
	const struct reading reading = { imds_new(&transport), facts, reason };
	int error;

	memset(facts, 0, sizeof(*facts));
	reason[0] = '\0';
	if (reading.imds == NULL)
		return wrong(&reading, -ENOMEM, "out of memory");
	error = read_all(&reading);
	imds_free(reading.imds);
	return error;
}
