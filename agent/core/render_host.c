/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/render_host.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/render.h"

#define SEQUENCE_KEY	"\"sequence\":"
/* No JSON text holds a raw control byte but this one, so its place is found for certain. */
#define SEQUENCE_PLACE	"\001"

const char *
render_host(const struct host_facts *facts, char buf[static HOST_TEXT_MAX])
{
	snprintf(buf, HOST_TEXT_MAX, "%s %s", facts->on_ec2 ? "EC2 instance" : "Host",
	    facts->instance_id);
	return buf;
}

static const char *
or_default(const char *text, const char *otherwise)
{
	return *text != '\0' ? text : otherwise;
}

void
render_head(struct json_page *page, const struct render_head *head,
    const struct host_facts *facts)
{
	const char *account = or_default(facts->account, "000000000000");
	const char *region = or_default(facts->region, "local");
	const char *partition = or_default(facts->partition, "aws");
	char arn[5 * FACT_MAX];

	snprintf(arn, sizeof(arn), "arn:%s:guardduty:%s:%s:detector/%s/finding/%s", partition,
	    region, account, or_default(facts->detector_id, "threatlistd"), head->id);
	json_text(page, page->root, "schemaVersion", "2.0");
	json_text(page, page->root, "accountId", account);
	json_text(page, page->root, "region", region);
	json_text(page, page->root, "partition", partition);
	json_text(page, page->root, "id", head->id);
	json_text(page, page->root, "arn", arn);
	json_text(page, page->root, "type", head->type);
	json_integer(page, page->root, "severity", head->severity);
	json_time(page, page->root, "createdAt", head->created_ms);
	json_time(page, page->root, "updatedAt", head->updated_ms);
	json_text(page, page->root, "title", head->title);
	json_text(page, page->root, "description", head->description);
}

void
render_address(struct json_page *page, cJSON *to, uint8_t family, const char *text)
{
	json_text(page, to, family == ADDR_V6 ? "ipAddressV6" : "ipAddressV4", text);
}

static void
render_interface(struct json_page *page, cJSON *interface, const struct host_facts *facts)
{
	char text[ADDR_TEXT_MAX];
	cJSON *group, *address;

	json_text(page, interface, "networkInterfaceId", facts->interface_id);
	json_text(page, interface, "vpcId", facts->vpc_id);
	json_text(page, interface, "subnetId", facts->subnet_id);
	if (facts->private_ip.family == ADDR_V4) {
		addr_text(&facts->private_ip, text);
		json_text(page, interface, "privateIpAddress", text);
		address = json_push_object(page, json_array(page, interface, "privateIpAddresses"));
		json_text(page, address, "privateIpAddress", text);
	} else if (facts->private_ip.family == ADDR_V6) {
		json_push_text(page, json_array(page, interface, "ipv6Addresses"),
		    addr_text(&facts->private_ip, text));
	}
	if (facts->public_ip.family != ADDR_NONE)
		json_text(page, interface, "publicIp", addr_text(&facts->public_ip, text));
	if (facts->security_group_id[0] != '\0') {
		group = json_push_object(page, json_array(page, interface, "securityGroups"));
		json_text(page, group, "groupId", facts->security_group_id);
		json_text(page, group, "groupName", facts->security_group);
	}
}

static bool
knows_interface(const struct host_facts *facts)
{
	return facts->interface_id[0] != '\0' || facts->vpc_id[0] != '\0' ||
	    facts->subnet_id[0] != '\0' || facts->security_group_id[0] != '\0' ||
	    facts->private_ip.family != ADDR_NONE || facts->public_ip.family != ADDR_NONE;
}

void
render_resource(struct json_page *page, const struct host_facts *facts)
{
	cJSON *resource = json_object(page, page->root, "resource"), *instance, *profile;

	json_text(page, resource, "resourceType", "Instance");
	instance = json_object(page, resource, "instanceDetails");
	json_text(page, instance, "instanceId", facts->instance_id);
	json_text(page, instance, "instanceType", facts->instance_type);
	json_text(page, instance, "imageId", facts->image_id);
	json_text(page, instance, "availabilityZone", facts->zone);
	if (facts->profile_arn[0] != '\0' || facts->profile_id[0] != '\0') {
		profile = json_object(page, instance, "iamInstanceProfile");
		json_text(page, profile, "arn", facts->profile_arn);
		json_text(page, profile, "id", facts->profile_id);
	}
	if (knows_interface(facts))
		render_interface(page, json_push_object(page,
		    json_array(page, instance, "networkInterfaces")), facts);
}

cJSON *
render_service(struct json_page *page, const struct host_facts *facts)
{
	cJSON *service = json_object(page, page->root, "service");

	json_text(page, service, "serviceName", "threatlistd");
	json_text(page, service, "detectorId", facts->detector_id);
	json_bool(page, service, "archived", false);
	return service;
}

cJSON *
render_info(struct json_page *page, cJSON *additional, const struct host_facts *facts)
{
	cJSON *info = json_object(page, additional, "threatlistd");

	json_text(page, info, "version", VERSION);
	json_text(page, info, "hostId", facts->host_id);
	return info;
}

void
render_place(struct json_page *page, cJSON *info, uint64_t revision, const char *spool)
{
	json_integer(page, info, "revision", revision);
	if (spool == NULL)
		return;
	json_raw(page, info, "sequence", SEQUENCE_PLACE);
	json_text(page, info, "spool", spool);
}

char *
render_placed(const char *rendered, uint64_t sequence)
{
	const char *place = strstr(rendered, SEQUENCE_PLACE), *before, *after;
	char *text;

	if (place == NULL)
		return strdup(rendered);
	before = place;
	after = place + strlen(SEQUENCE_PLACE);
	if (sequence == 0) {
		before -= strlen(SEQUENCE_KEY);
		after++;	/* the comma: spool follows */
		if (asprintf(&text, "%.*s%s", (int)(before - rendered), rendered, after) < 0)
			return NULL;
	} else if (asprintf(&text, "%.*s%" PRIu64 "%s", (int)(before - rendered), rendered,
	    sequence, after) < 0) {
		return NULL;
	}
	return text;
}
