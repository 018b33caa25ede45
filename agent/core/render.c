/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/render_host.h"

#define LISTS_SHOWN	2	/* by name in a sentence; the evidence has all of them */
#define SENTENCE_MAX	LISTS_TEXT_MAX	/* bytes; descriptions of up to 1,024 are taken everywhere */

/* What GuardDuty itself calls everything on a customer's own list. */
#define THREAT_NAME	"Customer Threat Intel"

/* Takes the next name off *lists, which is NULL at the end.  Returns name. */
static const char *
next_list(const char **lists, char name[static LIST_NAME_MAX])
{
	const char *end = strchr(*lists, '\n');
	size_t len = end != NULL ? (size_t)(end - *lists) : strlen(*lists);

	snprintf(name, LIST_NAME_MAX, "%.*s", (int)(len < LIST_NAME_MAX ? len : LIST_NAME_MAX - 1),
	    *lists);
	*lists = end != NULL && end[1] != '\0' ? end + 1 : NULL;
	return name;
}

void
render_on_lists(const char *lists, char text[static LISTS_TEXT_MAX])
{
	char name[LIST_NAME_MAX];
	unsigned int n = 0, more = 0;
	size_t at;

	text[0] = '\0';
	if (lists == NULL)
		return;
	at = (size_t)snprintf(text, LISTS_TEXT_MAX, " on the list%s ",
	    strchr(lists, '\n') + 1 < lists + strlen(lists) ? "s" : "");
	while (lists != NULL) {
		next_list(&lists, name);
		if (n++ >= LISTS_SHOWN)
			more++;
		else
			at += (size_t)snprintf(text + at, LISTS_TEXT_MAX - at, "%s%s",
			    n > 1 ? ", " : "", name);
	}
	if (more > 0)
		snprintf(text + at, LISTS_TEXT_MAX - at, " and %u more", more);
}

static const char *
outcome(const struct finding *finding)
{
	if (finding->blocked)
		return "Every packet since the last report was blocked.";
	switch (finding->verdict) {
	case VERDICT_ALLOWED:
		return "The packets passed: an administrator allows this address.";
	case VERDICT_PROTECTED:
		return "The packets passed: the host needs this address (protected).";
	case VERDICT_WATCHED:
		return "The packets passed: this traffic is watched, not blocked.";
	default:
		return "Not all packets since the last report were blocked.";
	}
}

static void
write_title(const struct finding *finding, const struct host_facts *facts, const char *remote,
    char title[static SENTENCE_MAX])
{
	const char *what = finding->aggregated ? "addresses out of" : "address";

	if (finding->direction == FLOW_INBOUND)
		snprintf(title, SENTENCE_MAX, "Listed %s %s %s %s.", what, remote,
		    finding->blocked ? "was blocked from reaching" : "reached",
		    facts->instance_id);
	else
		snprintf(title, SENTENCE_MAX, "%s %s listed %s %s.", facts->instance_id,
		    finding->blocked ? "was blocked from contacting" : "contacted", what, remote);
}

/* The first sentence is GuardDuty's own for this type. */
static void
write_description(const struct finding *finding, const struct host_facts *facts,
    const char *remote, char description[static 2 * SENTENCE_MAX])
{
	char host[HOST_TEXT_MAX], lists[SENTENCE_MAX];

	render_on_lists(finding->lists, lists);
	snprintf(description, 2 * SENTENCE_MAX,
	    "%s is communicating with %s %s%s. The %s began it. %s", render_host(facts, host),
	    finding->aggregated ? "many disallowed IP addresses out of" :
	    "a disallowed IP address", remote, lists,
	    finding->direction == FLOW_INBOUND ? "remote side" : "host", outcome(finding));
}

/* The local side of the packet; without one the host's address of that family, if known. */
static void
render_local(struct json_page *page, cJSON *to, const struct finding *finding,
    const struct host_facts *facts)
{
	const struct addr *local = &finding->packet.local;
	char text[ADDR_TEXT_MAX];

	if (local->family == ADDR_NONE && facts->private_ip.family == finding->remote.first.family)
		local = &facts->private_ip;
	if (local->family != ADDR_NONE)
		render_address(page, json_object(page, to, "localIpDetails"), local->family,
		    addr_text(local, text));
}

static void
render_action(struct json_page *page, cJSON *service, const struct finding *finding,
    const struct host_facts *facts, const char *remote)
{
	const struct finding_packet *packet = &finding->packet;
	cJSON *action = json_object(page, service, "action"), *connection;
	char proto[PROTO_TEXT_MAX];

	json_text(page, action, "actionType", "NETWORK_CONNECTION");
	connection = json_object(page, action, "networkConnectionAction");
	json_text(page, connection, "connectionDirection", direction_text(finding->direction));
	json_bool(page, connection, "blocked", finding->blocked);
	if (packet->local.family != ADDR_NONE)
		json_text(page, connection, "protocol", proto_text(packet->proto, proto));
	render_local(page, connection, finding, facts);
	json_text(page, connection, "localNetworkInterface", facts->interface_id);
	render_address(page, json_object(page, connection, "remoteIpDetails"),
	    finding->remote.first.family, remote);
	if (packet->has_ports) {
		json_integer(page, json_object(page, connection, "localPortDetails"), "port",
		    packet->local_port);
		json_integer(page, json_object(page, connection, "remotePortDetails"), "port",
		    packet->remote_port);
	}
}

void
render_evidence(struct json_page *page, cJSON *service, const char *lists)
{
	char name[LIST_NAME_MAX];
	cJSON *all, *one;

	if (lists == NULL)
		return;
	all = json_array(page, json_object(page, service, "evidence"),
	    "threatIntelligenceDetails");
	while (lists != NULL) {
		one = json_push_object(page, all);
		json_text(page, one, "threatListName", next_list(&lists, name));
		json_push_text(page, json_array(page, one, "threatNames"), THREAT_NAME);
	}
}

void
render_lists(struct json_page *page, cJSON *info, const char *lists)
{
	char name[LIST_NAME_MAX];
	cJSON *array;

	if (lists == NULL)
		return;
	array = json_array(page, info, "lists");
	while (lists != NULL)
		json_push_text(page, array, next_list(&lists, name));
}

static void
render_ports(struct json_page *page, cJSON *info, const char *key,
    const struct finding_ports *ports)
{
	unsigned int i;
	cJSON *array;

	if (ports->n == 0)
		return;
	array = json_array(page, info, key);
	for (i = 0; i < ports->n; i++)
		json_push_integer(page, array, ports->port[i]);
}

static void
render_protocols(struct json_page *page, cJSON *info, const uint64_t protos[static 4])
{
	char text[PROTO_TEXT_MAX];
	cJSON *array = NULL;
	unsigned int i;

	for (i = 0; i < 256; i++) {
		if ((protos[i / 64] & UINT64_C(1) << i % 64) == 0)
			continue;
		if (array == NULL)
			array = json_array(page, info, "protocols");
		json_push_text(page, array, proto_text((uint8_t)i, text));
	}
}

static void
render_counts(struct json_page *page, cJSON *info, const struct finding *finding)
{
	json_integer(page, info, "packetsFromRemote", finding->in.packets);
	json_integer(page, info, "bytesFromRemote", finding->in.bytes);
	json_integer(page, info, "packetsToRemote", finding->out.packets);
	json_integer(page, info, "bytesToRemote", finding->out.bytes);
	json_integer(page, info, "dropped", finding->in.dropped + finding->out.dropped);
	if (finding->approximate)
		json_bool(page, info, "approximate", true);
}

static void
render_threatlistd(struct json_page *page, cJSON *additional, const struct finding *finding,
    const struct host_facts *facts, const char *spool)
{
	cJSON *info = render_info(page, additional, facts), *process;
	char text[RANGE_TEXT_MAX];

	json_text(page, info, "verdict", verdict_text(finding->verdict));
	json_text(page, info, "action", list_action_text(finding->action));
	json_text(page, info, "entry", range_cidr(&finding->entry, text));
	render_lists(page, info, finding->lists);
	render_counts(page, info, finding);
	render_ports(page, info, "localPorts", &finding->local_ports);
	render_ports(page, info, "remotePorts", &finding->remote_ports);
	if (finding->local_ports.more || finding->remote_ports.more)
		json_bool(page, info, "portsMore", true);
	render_protocols(page, info, finding->protos);
	if (finding->uid != SIGHTING_UNKNOWN_ID) {
		process = json_object(page, info, "process");
		json_integer(page, process, "uid", finding->uid);
		if (finding->gid != SIGHTING_UNKNOWN_ID)
			json_integer(page, process, "gid", finding->gid);
	}
	render_place(page, info, finding->revision, spool);
}

/* As GuardDuty's events have it: the first list by name, and the same as text of JSON. */
void
render_additional(struct json_page *page, cJSON *additional, const char *lists)
{
	struct json_page value;
	char name[LIST_NAME_MAX], *text;

	if (lists == NULL)
		return;
	next_list(&lists, name);
	json_text(page, additional, "threatListName", name);
	json_begin(&value);
	json_text(&value, value.root, "threatName", THREAT_NAME);
	json_text(&value, value.root, "threatListName", name);
	text = json_end(&value);
	page->failed |= text == NULL;
	json_text(page, additional, "value", text);
	json_text(page, additional, "type", "default");
	free(text);
}

static void
render_traffic(struct json_page *page, const struct finding *finding,
    const struct host_facts *facts, const char *remote, const char *spool)
{
	cJSON *service = render_service(page, facts), *additional;

	render_action(page, service, finding, facts, remote);
	/*
	 * GuardDuty's API reference: ACTOR is the resource that carried out the
	 * suspicious activity, TARGET the one it was directed at.
	 */
	json_text(page, service, "resourceRole",
	    finding->direction == FLOW_INBOUND ? "TARGET" : "ACTOR");
	render_evidence(page, service, finding->lists);
	json_time(page, service, "eventFirstSeen", finding->first_ms);
	json_time(page, service, "eventLastSeen", finding->last_ms);
	json_integer(page, service, "count", finding->count);
	additional = json_object(page, service, "additionalInfo");
	render_additional(page, additional, finding->lists);
	render_threatlistd(page, additional, finding, facts, spool);
}

char *
render_finding(const struct finding *finding, const struct host_facts *facts, const char *spool)
{
	char title[SENTENCE_MAX], description[2 * SENTENCE_MAX], remote[RANGE_TEXT_MAX];
	const struct render_head head = {
		.id = finding->id, .type = FINDING_TYPE, .severity = finding->severity,
		.created_ms = finding->created_ms, .updated_ms = finding->updated_ms,
		.title = title, .description = description,
	};
	struct json_page page;

	finding_remote_text(&finding->remote, finding->aggregated, remote);
	write_title(finding, facts, remote, title);
	write_description(finding, facts, remote, description);
	json_begin(&page);
	render_head(&page, &head, facts);
	render_resource(&page, facts);
	render_traffic(&page, finding, facts, remote, spool);
	return json_end(&page);
}
