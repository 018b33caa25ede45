/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Security Hub takes no empty string and no long one, knows no IPv6 address in
 * an action, and wants '-' where types of GuardDuty have '/'.  What has no
 * place of its own goes to ProductFields.
 */
#include "core/render_asff.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "threatlistd/addr.h"

/* Longest texts, and most of a kind. */
#define TITLE_MAX	256
#define DESCRIPTION_MAX	1024
#define FIELDS_MAX	50
#define FIELD_KEY_MAX	128
#define FIELD_VALUE_MAX	2048
#define INDICATORS_MAX	5
#define INDICATOR_SOURCE_MAX	64
#define ARN_MAX		1024
#define EXACT_MAX	9007199254740992.0	/* integers above are not told apart by a double */

struct asff {
	struct json_page page;
	const char *native;
	const cJSON *finding, *instance, *connection, *service, *ours;
	const struct asff_owner *owner;
};

static const cJSON *
member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *
text_of(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(member(object, name));

	return text != NULL ? text : "";
}

/* At most max bytes, cut where a character begins. */
static void
put_cut(struct asff *asff, cJSON *to, const char *key, const char *text, size_t max)
{
	char cut[FIELD_VALUE_MAX + 1];
	size_t n = strlen(text);

	if (n > max) {
		for (n = max; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80; n--)
			continue;
	}
	memcpy(cut, text, n);
	cut[n] = '\0';
	/* a text of blanks counts as empty */
	if (strspn(cut, " \t\r\n") < n)
		json_text(&asff->page, to, key, cut);
}

static void
put_labels(struct asff *asff)
{
	static const struct {
		double from;
		const char *label;
	} labels[] = { { 9, "CRITICAL" }, { 7, "HIGH" }, { 4, "MEDIUM" }, { 1, "LOW" },
		{ 0, "INFORMATIONAL" } };
	static const struct {
		const char *purpose, *category;
	} categories[] = {
		{ "UnauthorizedAccess:EC2", "TTPs/Command and Control/" },
		{ "DefenseEvasion:", "TTPs/Defense Evasion/" }, { "Impact:", "TTPs/Impact/" },
		{ "", "TTPs/" },
	};
	cJSON *provider = json_object(&asff->page, asff->page.root, "FindingProviderFields");
	cJSON *severity = json_object(&asff->page, provider, "Severity");
	const char *type = text_of(asff->finding, "type");
	double value = cJSON_GetNumberValue(member(asff->finding, "severity"));
	char text[256], *slash;
	size_t i = 0;

	while (labels[i].from > 0 && !(value >= labels[i].from))
		i++;
	json_text(&asff->page, severity, "Label", labels[i].label);
	snprintf(text, sizeof(text), "%g", value);
	json_text(&asff->page, severity, "Original", text);
	for (i = 0; strncmp(type, categories[i].purpose, strlen(categories[i].purpose)) != 0; i++)
		continue;
	snprintf(text, sizeof(text), "%s%.200s", categories[i].category, type);
	slash = strchr(text + strlen(categories[i].category), '/');
	if (slash != NULL)
		*slash = '-';
	json_push_text(&asff->page, json_array(&asff->page, provider, "Types"), text);
}

static void
put_head(struct asff *asff)
{
	const struct asff_owner *owner = asff->owner;
	struct json_page *page = &asff->page;
	char text[ARN_MAX];

	json_text(page, page->root, "SchemaVersion", "2018-10-08");
	json_text(page, page->root, "Id", text_of(asff->finding, "id"));
	snprintf(text, sizeof(text), "arn:%s:securityhub:%s:%s:product/%s/default",
	    owner->partition, owner->product_region != NULL ? owner->product_region :
	    owner->region, owner->account, owner->account);
	json_text(page, page->root, "ProductArn",
	    owner->product_arn != NULL ? owner->product_arn : text);
	snprintf(text, sizeof(text), "threatlistd/%.200s", text_of(asff->finding, "type"));
	json_text(page, page->root, "GeneratorId", text);
	json_text(page, page->root, "AwsAccountId", owner->account);
	put_labels(asff);
	json_text(page, page->root, "FirstObservedAt", text_of(asff->service, "eventFirstSeen"));
	json_text(page, page->root, "LastObservedAt", text_of(asff->service, "eventLastSeen"));
	json_text(page, page->root, "CreatedAt", text_of(asff->finding, "createdAt"));
	json_text(page, page->root, "UpdatedAt", text_of(asff->finding, "updatedAt"));
	put_cut(asff, page->root, "Title", text_of(asff->finding, "title"), TITLE_MAX);
	put_cut(asff, page->root, "Description", text_of(asff->finding, "description"),
	    DESCRIPTION_MAX);
	json_text(page, page->root, "RecordState", "ACTIVE");
}

/* An address as text of the finding; an aggregated finding has a prefix there.  ADDR_NONE. */
static uint8_t
address_of(const cJSON *details, const char **text)
{
	struct addr addr;

	*text = text_of(details, "ipAddressV4");
	if (**text == '\0')
		*text = text_of(details, "ipAddressV6");
	return **text != '\0' && addr_parse(&addr, *text, strlen(*text)) == NULL ? addr.family :
	    ADDR_NONE;
}

static void
put_port(struct asff *asff, cJSON *to, const char *key, const char *of)
{
	const cJSON *port = member(member(asff->connection, of), "port");

	if (cJSON_IsNumber(port))
		json_integer(&asff->page, to, key, (uint64_t)port->valuedouble);
}

/* Source or Destination of Network: the local or the remote side of the connection. */
static void
put_end(struct asff *asff, cJSON *network, const char *end, const char *side)
{
	const char *text;
	char key[32], details[32];
	uint8_t family;

	snprintf(details, sizeof(details), "%sIpDetails", side);
	family = address_of(member(asff->connection, details), &text);
	snprintf(key, sizeof(key), "%sIpV%c", end, family == ADDR_V6 ? '6' : '4');
	if (family != ADDR_NONE)
		json_text(&asff->page, network, key, text);
	snprintf(key, sizeof(key), "%sPort", end);
	snprintf(details, sizeof(details), "%sPortDetails", side);
	put_port(asff, network, key, details);
}

static void
put_action(struct asff *asff, const char *direction)
{
	struct json_page *page = &asff->page;
	cJSON *action = json_object(page, page->root, "Action"), *network;
	const char *remote;

	json_text(page, action, "ActionType", "NETWORK_CONNECTION");
	network = json_object(page, action, "NetworkConnectionAction");
	json_text(page, network, "ConnectionDirection", direction);
	json_text(page, network, "Protocol", text_of(asff->connection, "protocol"));
	json_bool(page, network, "Blocked", cJSON_IsTrue(member(asff->connection, "blocked")));
	if (member(asff->connection, "localPortDetails") != NULL) {
		put_port(asff, json_object(page, network, "LocalPortDetails"), "Port",
		    "localPortDetails");
		put_port(asff, json_object(page, network, "RemotePortDetails"), "Port",
		    "remotePortDetails");
	}
	if (address_of(member(asff->connection, "remoteIpDetails"), &remote) == ADDR_V4)
		json_text(page, json_object(page, network, "RemoteIpDetails"), "IpAddressV4",
		    remote);
}

static void
put_connection(struct asff *asff)
{
	bool inbound = strcmp(text_of(asff->connection, "connectionDirection"), "INBOUND") == 0;
	const char *direction = inbound ? "IN" : "OUT";
	cJSON *network;

	if (asff->connection == NULL)
		return;
	network = json_object(&asff->page, asff->page.root, "Network");
	json_text(&asff->page, network, "Direction", direction);
	json_text(&asff->page, network, "Protocol", text_of(asff->connection, "protocol"));
	put_end(asff, network, "Source", inbound ? "remote" : "local");
	put_end(asff, network, "Destination", inbound ? "local" : "remote");
	put_action(asff, direction);
}

/* The remote address, once for each list that names it. */
static void
put_indicators(struct asff *asff)
{
	const cJSON *all = member(member(asff->service, "evidence"), "threatIntelligenceDetails");
	const cJSON *one;
	const char *remote;
	uint8_t family = address_of(member(asff->connection, "remoteIpDetails"), &remote);
	cJSON *array = NULL, *indicator;
	unsigned int n = 0;

	if (family == ADDR_NONE)
		return;
	cJSON_ArrayForEach(one, all) {
		if (n++ == INDICATORS_MAX)
			break;
		if (array == NULL)
			array = json_array(&asff->page, asff->page.root, "ThreatIntelIndicators");
		indicator = json_push_object(&asff->page, array);
		json_text(&asff->page, indicator, "Type",
		    family == ADDR_V6 ? "IPV6_ADDRESS" : "IPV4_ADDRESS");
		json_text(&asff->page, indicator, "Value", remote);
		json_text(&asff->page, indicator, "LastObservedAt",
		    text_of(asff->service, "eventLastSeen"));
		put_cut(asff, indicator, "Source", text_of(one, "threatListName"),
		    INDICATOR_SOURCE_MAX);
	}
}

/* Addresses of the interface that are of this family. */
static void
put_addresses(struct asff *asff, cJSON *details, const char *key, const cJSON *interface,
    uint8_t family)
{
	const char *texts[] = {
		text_of(interface, "privateIpAddress"), text_of(interface, "publicIp"),
		cJSON_GetStringValue(cJSON_GetArrayItem(member(interface, "ipv6Addresses"), 0)),
	};
	struct addr addr;
	cJSON *array = NULL;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i] == NULL || *texts[i] == '\0' ||
		    addr_parse(&addr, texts[i], strlen(texts[i])) != NULL || addr.family != family)
			continue;
		if (array == NULL)
			array = json_array(&asff->page, details, key);
		json_push_text(&asff->page, array, texts[i]);
	}
}

static void
put_details(struct asff *asff, cJSON *resource)
{
	struct json_page *page = &asff->page;
	const cJSON *interface = cJSON_GetArrayItem(member(asff->instance, "networkInterfaces"), 0);
	const char *id = text_of(interface, "networkInterfaceId");
	const char *profile = text_of(member(asff->instance, "iamInstanceProfile"), "arn");
	cJSON *details;

	if (interface == NULL && *profile == '\0' && *text_of(asff->instance, "instanceType") == '\0')
		return;
	details = json_object(page, json_object(page, resource, "Details"), "AwsEc2Instance");
	json_text(page, details, "Type", text_of(asff->instance, "instanceType"));
	json_text(page, details, "ImageId", text_of(asff->instance, "imageId"));
	put_addresses(asff, details, "IpV4Addresses", interface, ADDR_V4);
	put_addresses(asff, details, "IpV6Addresses", interface, ADDR_V6);
	json_text(page, details, "IamInstanceProfileArn", profile);
	json_text(page, details, "VpcId", text_of(interface, "vpcId"));
	json_text(page, details, "SubnetId", text_of(interface, "subnetId"));
	if (*id != '\0')
		json_text(page, json_push_object(page, json_array(page, details,
		    "NetworkInterfaces")), "NetworkInterfaceId", id);
}

static bool
is_partition(const char *text)
{
	return strcmp(text, "aws") == 0 || strcmp(text, "aws-cn") == 0 ||
	    strcmp(text, "aws-us-gov") == 0;
}

static void
put_resource(struct asff *asff)
{
	struct json_page *page = &asff->page;
	const struct asff_owner *owner = asff->owner;
	cJSON *resource = json_push_object(page, json_array(page, page->root, "Resources"));
	const char *id = text_of(asff->instance, "instanceId");
	bool instance = strncmp(id, "i-", 2) == 0;
	char arn[ARN_MAX];

	snprintf(arn, sizeof(arn), "arn:%s:ec2:%s:%s:instance/%.200s", owner->partition,
	    owner->region, owner->account, id);
	json_text(page, resource, "Type", instance ? "AwsEc2Instance" : "Other");
	json_text(page, resource, "Id", instance ? arn : id);
	/* other partitions are none that the format has a word for */
	if (is_partition(owner->partition))
		json_text(page, resource, "Partition", owner->partition);
	json_text(page, resource, "Region", owner->region);
	json_text(page, resource, "ResourceRole",
	    strcmp(text_of(asff->service, "resourceRole"), "ACTOR") == 0 ? "Actor" : "Target");
	if (instance)
		put_details(asff, resource);
}

/* All digits of a number of ours; keys are quoted, so that no text holds what looks like one. */
static const char *
digits_of(const struct asff *asff, const cJSON *number, char buf[static 32])
{
	char key[FIELD_KEY_MAX + 4];
	const char *at;

	snprintf(buf, 32, "%.0f", number->valuedouble);
	if (fabs(number->valuedouble) < EXACT_MAX)
		return buf;
	snprintf(key, sizeof(key), "\"%.100s\":", number->string);
	at = strstr(asff->native, "\"threatlistd\":{");
	at = at != NULL ? strstr(at, key) : NULL;
	if (at != NULL)
		snprintf(buf, 32, "%.*s", (int)strspn(at + strlen(key), "0123456789"),
		    at + strlen(key));
	return buf;
}

/* The values of a list one after another. */
static void
join(const cJSON *array, char text[static FIELD_VALUE_MAX])
{
	const cJSON *one;
	size_t at = 0;

	text[0] = '\0';
	cJSON_ArrayForEach(one, array) {
		if (at + 1 >= FIELD_VALUE_MAX)
			break;
		at += (size_t)(cJSON_IsString(one) ?
		    snprintf(text + at, FIELD_VALUE_MAX - at, "%s%s", at > 0 ? "," : "",
		    one->valuestring) :
		    snprintf(text + at, FIELD_VALUE_MAX - at, "%s%.0f", at > 0 ? "," : "",
		    one->valuedouble));
	}
}

static void
put_field(struct asff *asff, cJSON *fields, const char *prefix, const cJSON *item)
{
	char key[FIELD_KEY_MAX + 1], value[FIELD_VALUE_MAX], digits[32];

	if (cJSON_GetArraySize(fields) >= FIELDS_MAX)
		return;
	snprintf(key, sizeof(key), "%s%.64s", prefix, item->string);
	if (cJSON_IsString(item))
		put_cut(asff, fields, key, item->valuestring, FIELD_VALUE_MAX);
	else if (cJSON_IsNumber(item))
		json_text(&asff->page, fields, key, digits_of(asff, item, digits));
	else if (cJSON_IsBool(item))
		json_text(&asff->page, fields, key, cJSON_IsTrue(item) ? "true" : "false");
	else if (cJSON_IsArray(item)) {
		join(item, value);
		put_cut(asff, fields, key, value, FIELD_VALUE_MAX);
	}
}

static bool
is_place(const char *name)
{
	return strcmp(name, "sequence") == 0 || strcmp(name, "spool") == 0 ||
	    strcmp(name, "revision") == 0;
}

/* Our own members, but for those that came first. */
static void
put_ours(struct asff *asff, cJSON *fields)
{
	const cJSON *item, *inner;
	char prefix[FIELD_KEY_MAX];

	cJSON_ArrayForEach(item, asff->ours) {
		snprintf(prefix, sizeof(prefix), "threatlistd/%.40s/", item->string);
		if (cJSON_IsObject(item)) {
			cJSON_ArrayForEach(inner, item)
				put_field(asff, fields, prefix, inner);
		} else if (!is_place(item->string)) {
			put_field(asff, fields, "threatlistd/", item);
		}
	}
}

/* Their number is bounded: what tells the place in the stream, and whose traffic it is, is first. */
static void
put_fields(struct asff *asff)
{
	cJSON *fields = json_object(&asff->page, asff->page.root, "ProductFields");
	const cJSON *count = member(asff->service, "count"), *item, *remote;

	cJSON_ArrayForEach(item, asff->ours) {
		if (is_place(item->string))
			put_field(asff, fields, "threatlistd/", item);
	}
	/* one place for the peer of either family, and for the prefix of an aggregated finding */
	remote = member(member(asff->connection, "remoteIpDetails"), "ipAddressV4");
	if (remote == NULL)
		remote = member(member(asff->connection, "remoteIpDetails"), "ipAddressV6");
	if (cJSON_IsString(remote))
		json_text(&asff->page, fields, "threatlistd/remote", remote->valuestring);
	if (count != NULL)
		put_field(asff, fields, "threatlistd/", count);
	put_ours(asff, fields);
}

/* The keys that are at stake where the host itself is the listed one. */
static void
put_access_key(struct asff *asff)
{
	const cJSON *details = member(member(asff->finding, "resource"), "accessKeyDetails");
	struct json_page *page = &asff->page;
	const char *key = text_of(details, "accessKeyId");
	cJSON *resource, *told;
	char id[128];

	if (*key == '\0')
		return;
	snprintf(id, sizeof(id), "AWS::IAM::AccessKey:%.90s", key);
	resource = json_push_object(page, cJSON_GetObjectItemCaseSensitive(page->root, "Resources"));
	json_text(page, resource, "Type", "AwsIamAccessKey");
	json_text(page, resource, "Id", id);
	if (is_partition(asff->owner->partition))
		json_text(page, resource, "Partition", asff->owner->partition);
	json_text(page, resource, "Region", asff->owner->region);
	told = json_object(page, json_object(page, resource, "Details"), "AwsIamAccessKey");
	json_text(page, told, "AccessKeyId", key);
	json_text(page, told, "PrincipalType", text_of(details, "userType"));
	json_text(page, told, "PrincipalName", text_of(details, "userName"));
}

bool
render_is_asff(const char *body)
{
	/* the member both begin with, but for its case */
	return strncmp(body, "{\"SchemaVersion\"", strlen("{\"SchemaVersion\"")) == 0;
}

char *
render_asff(const char *native, const struct asff_owner *owner)
{
	struct asff asff = { .native = native, .owner = owner };
	cJSON *finding = cJSON_Parse(native);
	char *text = NULL;

	asff.finding = finding;
	asff.service = member(finding, "service");
	asff.instance = member(member(finding, "resource"), "instanceDetails");
	asff.connection = member(member(asff.service, "action"), "networkConnectionAction");
	asff.ours = member(member(asff.service, "additionalInfo"), "threatlistd");
	if (asff.ours != NULL) {
		json_begin(&asff.page);
		put_head(&asff);
		put_connection(&asff);
		put_indicators(&asff);
		put_resource(&asff);
		put_access_key(&asff);
		put_fields(&asff);
		text = json_end(&asff.page);
	}
	cJSON_Delete(finding);
	return text;
}
