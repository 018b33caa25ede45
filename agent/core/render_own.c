/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Nothing was seen on the wire: an EIP is on no interface, and what its keys
 * are used for elsewhere only CloudTrail sees.  So this finding says what an
 * analyst looks up next.
 */
#include <stdio.h>
#include <string.h>

#include "core/own.h"
#include "core/render.h"
#include "core/render_host.h"

#define TITLE_MAX	256
#define DESCRIPTION_MAX	1024	/* taken everywhere */

static const char *
lists_or_null(const struct own_listed *listed)
{
	return listed->lists[0] != '\0' ? listed->lists : NULL;
}

/* What to do next comes first where the texts together are long: names may be. */
static void
write_description(const struct own_listed *listed, const struct host_facts *facts,
    const char *address, char text[static DESCRIPTION_MAX])
{
	char host[HOST_TEXT_MAX], lists[LISTS_TEXT_MAX], entry[RANGE_TEXT_MAX];
	size_t at;

	render_on_lists(lists_or_null(listed), lists);
	at = (size_t)snprintf(text, DESCRIPTION_MAX, "The public address %s of %.60s is%.160s "
	    "(entry %s): others take this host for a threat, or it has become one.", address,
	    render_host(facts, host), lists, range_cidr(&listed->entry, entry));
	if (listed->key_id[0] != '\0')
		at += (size_t)snprintf(text + at, DESCRIPTION_MAX - at,
		    " Look up in CloudTrail what access key %.40s%s%.64s did in the last hour and "
		    "the last day (aws cloudtrail lookup-events --lookup-attributes "
		    "AttributeKey=AccessKeyId,AttributeValue=%.40s); if any of it is not this "
		    "host's work, revoke the role's sessions, as the key itself cannot be made "
		    "inactive.", listed->key_id, listed->role[0] != '\0' ? " of role " : "",
		    listed->role, listed->key_id);
	else
		at += (size_t)snprintf(text + at, DESCRIPTION_MAX - at,
		    " Look up in CloudTrail what came from this address in the last hour and the "
		    "last day, and revoke the sessions of the instance's role if any of it is not "
		    "this host's work.");
	snprintf(text + at, DESCRIPTION_MAX - at, " Then look at the host, and at who had the "
	    "address before.");
}

static void
render_access_key(struct json_page *page, const struct own_listed *listed)
{
	cJSON *key;

	if (listed->key_id[0] == '\0')
		return;
	key = json_object(page, cJSON_GetObjectItemCaseSensitive(page->root, "resource"),
	    "accessKeyDetails");
	json_text(page, key, "accessKeyId", listed->key_id);
	if (listed->role[0] != '\0')
		json_text(page, key, "userType", "AssumedRole");
	json_text(page, key, "userName", listed->role);
}

static void
render_what(struct json_page *page, cJSON *info, const struct own_listed *listed,
    const char *address)
{
	const struct own_address *own = listed->own;
	char text[RANGE_TEXT_MAX];
	cJSON *what;

	json_text(page, info, "entry", range_cidr(&listed->entry, text));
	render_lists(page, info, lists_or_null(listed));
	what = json_object(page, info, "event");
	json_text(page, what, "name", "own-address-listed");
	json_text(page, what, "address", address);
	if (own->private_ip.family != ADDR_NONE)
		json_text(page, what, "privateAddress", addr_text(&own->private_ip, text));
	json_text(page, what, "interface", own->interface_id);
}

static void
render_listing(struct json_page *page, const struct own_listed *listed,
    const struct host_facts *facts, const char *address, const char *spool)
{
	cJSON *service = render_service(page, facts), *additional, *info;

	json_text(page, json_object(page, service, "action"), "actionType", "THREATLISTD_EVENT");
	json_text(page, service, "resourceRole", "ACTOR");
	render_evidence(page, service, lists_or_null(listed));
	json_time(page, service, "eventFirstSeen", listed->created_ms);
	json_time(page, service, "eventLastSeen", listed->updated_ms);
	json_integer(page, service, "count", listed->revision);
	additional = json_object(page, service, "additionalInfo");
	render_additional(page, additional, lists_or_null(listed));
	info = render_info(page, additional, facts);
	render_what(page, info, listed, address);
	render_place(page, info, listed->revision, spool);
}

char *
render_own(const struct own_listed *listed, const struct host_facts *facts, const char *spool)
{
	char id[FINDING_ID_SIZE], title[TITLE_MAX], description[DESCRIPTION_MAX];
	char address[ADDR_TEXT_MAX];
	const struct render_head head = {
		.id = id, .type = OWN_TYPE, .severity = OWN_SEVERITY,
		.created_ms = listed->created_ms, .updated_ms = listed->updated_ms,
		.title = title, .description = description,
	};
	struct json_page page;

	own_finding_id(id, facts->host_id, listed->own);
	addr_text(&listed->own->public_ip, address);
	snprintf(title, sizeof(title), "The own address %s of %s is on a threat list.", address,
	    facts->instance_id);
	write_description(listed, facts, address, description);
	json_begin(&page);
	render_head(&page, &head, facts);
	render_resource(&page, facts);
	render_access_key(&page, listed);
	render_listing(&page, listed, facts, address, spool);
	return json_end(&page);
}
