/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/render_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#define SUMMARY_LINES_BYTES	(96u << 10)	/* of a summary for its lines; the rest is JSON */
#define SUMMARY_TAIL_BYTES	512		/* what is said when something does not fit */

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

static double
severity_of(const cJSON *finding)
{
	const cJSON *severity = member(finding, "severity");

	return cJSON_IsNumber(severity) ? severity->valuedouble : 0;
}

static const char *
severity_word(double severity)
{
	return severity >= 7 ? "high" : severity >= 4 ? "medium" : "low";
}

static const char *
instance_of(const cJSON *finding)
{
	return text_of(member(member(finding, "resource"), "instanceDetails"), "instanceId");
}

/* Printable ASCII, and no longer than a subject may be. */
static void
clean_subject(char subject[static MESSAGE_SUBJECT_MAX])
{
	char *at;

	for (at = subject; *at != '\0'; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?';
	}
}

static const cJSON *
connection_of(const cJSON *finding)
{
	return member(member(member(finding, "service"), "action"), "networkConnectionAction");
}

static void
write_line(FILE *out, const char *label, const char *text)
{
	if (*text != '\0')
		fprintf(out, "%-10s%s\n", label, text);
}

static void
write_where(FILE *out, const cJSON *finding)
{
	const cJSON *instance = member(member(finding, "resource"), "instanceDetails");
	const cJSON *interface = cJSON_GetArrayItem(member(instance, "networkInterfaces"), 0);
	const cJSON *service = member(finding, "service"), *remote, *list;

	write_line(out, "Host:", text_of(instance, "instanceId"));
	write_line(out, "Address:", text_of(interface, "privateIpAddress"));
	write_line(out, "Public:", text_of(interface, "publicIp"));
	write_line(out, "VPC:", text_of(interface, "vpcId"));
	write_line(out, "Account:", text_of(finding, "accountId"));
	write_line(out, "Region:", text_of(finding, "region"));
	remote = member(connection_of(finding), "remoteIpDetails");
	write_line(out, "Remote:", text_of(remote, "ipAddressV4"));
	write_line(out, "Remote:", text_of(remote, "ipAddressV6"));
	cJSON_ArrayForEach(list, member(member(service, "evidence"), "threatIntelligenceDetails"))
		write_line(out, "List:", text_of(list, "threatListName"));
	write_line(out, "First:", text_of(service, "eventFirstSeen"));
	write_line(out, "Last:", text_of(service, "eventLastSeen"));
	fprintf(out, "%-10s%g (%s)\n", "Severity:", severity_of(finding),
	    severity_word(severity_of(finding)));
	write_line(out, "Type:", text_of(finding, "type"));
	write_line(out, "Finding:", text_of(finding, "id"));
}

static void
write_advice(FILE *out, const cJSON *finding)
{
	const cJSON *connection = connection_of(finding);
	const char *id = text_of(finding, "id");

	fputs("\nWhat to do\n", out);
	fprintf(out, "- On the host: threatlistctl show %s\n", id);
	if (connection == NULL) {
		fputs("- On the host: threatlistctl status says how enforcement and lists are now.\n",
		    out);
		return;
	}
	if (strcmp(text_of(connection, "connectionDirection"), "OUTBOUND") == 0)
		fputs("- The host began this itself. Find the program (the finding has its uid; ss "
		    "-tunap), and treat\n  the host as compromised until it is explained.\n", out);
	else
		fputs("- The remote side began this. Look whether the service on that port should "
		    "be reachable at all.\n", out);
	if (!cJSON_IsTrue(member(connection, "blocked")))
		fputs("- It was not blocked. threatlistctl enforce drop blocks listed addresses on "
		    "the host.\n", out);
	fputs("- If the address is listed wrongly: put it on a trusted list, or let it through on "
	    "the host with\n  nft add element inet threatlistd allow4 '{ ADDRESS }'.\n", out);
}

/* The stream's text becomes the message's.  False: no memory. */
static bool
end_text(FILE *out, char **text, bool good)
{
	good &= !ferror(out);
	if (fclose(out) == 0 && good)
		return true;
	free(*text);
	*text = NULL;
	return false;
}

bool
render_message(struct message_text *message, const char *native)
{
	cJSON *finding = cJSON_Parse(native);
	size_t size;
	FILE *out;
	bool good = false;

	message->text = NULL;
	if (*text_of(finding, "id") != '\0') {
		snprintf(message->subject, sizeof(message->subject), "threatlistd %s: %s",
		    severity_word(severity_of(finding)), text_of(finding, "title"));
		clean_subject(message->subject);
		out = open_memstream(&message->text, &size);
		if (out != NULL) {
			fprintf(out, "%s\n\n%s\n\n", text_of(finding, "title"),
			    text_of(finding, "description"));
			write_where(out, finding);
			write_advice(out, finding);
			fprintf(out, "\nThe finding as JSON\n%s\n", native);
			good = end_text(out, &message->text, true);
		}
	}
	cJSON_Delete(finding);
	return good;
}

/* One line of a summary.  Returns the severity; *host is where the first one was. */
static double
write_short(FILE *out, const char *native, char host[static MESSAGE_SUBJECT_MAX])
{
	cJSON *finding = cJSON_Parse(native);
	double severity = severity_of(finding);

	fprintf(out, "%4g  %s  %s  (%s)\n", severity, text_of(finding, "updatedAt"),
	    text_of(finding, "title"), text_of(finding, "id"));
	if (host[0] == '\0')
		snprintf(host, MESSAGE_SUBJECT_MAX, "%s", instance_of(finding));
	cJSON_Delete(finding);
	return severity;
}

/* As much of the findings as fits, one a line. */
static void
write_all(FILE *out, const char *const *natives, unsigned int n)
{
	unsigned int i;

	fputs("\nThe findings as JSON, one a line\n", out);
	for (i = 0; i < n; i++) {
		if ((size_t)ftell(out) + strlen(natives[i]) + SUMMARY_TAIL_BYTES >
		    MESSAGE_BYTES_MAX)
			break;
		fprintf(out, "%s\n", natives[i]);
	}
	if (i < n)
		fprintf(out, "%u more do not fit: threatlistctl show ID has each.\n", n - i);
}

bool
render_summary(struct message_text *message, const char *const *natives, unsigned int n,
    unsigned int max)
{
	char host[MESSAGE_SUBJECT_MAX] = "";
	double severity, highest = 0;
	unsigned int i;
	size_t size;
	FILE *out;

	message->text = NULL;
	out = open_memstream(&message->text, &size);
	if (out == NULL)
		return false;
	fprintf(out, "These %u findings waited, as at most %u messages go out in an hour "
	    "(max_per_hour).\n\nSeverity, time, what, finding\n", n, max);
	for (i = 0; i < n && (size_t)ftell(out) < SUMMARY_LINES_BYTES; i++) {
		severity = write_short(out, natives[i], host);
		if (severity > highest)
			highest = severity;
	}
	if (i < n)
		fprintf(out, "%u more: threatlistctl findings\n", n - i);
	fputs("\nWhat to do\n- On the host: threatlistctl findings, threatlistctl show ID\n", out);
	write_all(out, natives, n);
	snprintf(message->subject, sizeof(message->subject),
	    "threatlistd %s: %u more findings on %.40s", severity_word(highest), n, host);
	clean_subject(message->subject);
	return end_text(out, &message->text, true);
}
