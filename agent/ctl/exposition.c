/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tables below are what monitoring systems rely on: names, types and labels
 * of threatlistctl(1) "METRICS".  Gauges and counters alone, no info and state
 * sets: Prometheus' own text format, which node_exporter reads, knows neither.
 */
#include "ctl/exposition.h"

#include <string.h>
#include <time.h>

#include "ctl/reply.h"

#define PREFIX		"threatlistd_"
#define PATH_PART_MAX	32
#define LABELS_MAX	4	/* of one sample */

enum kind {
	NUMBER,
	TRUTH,		/* 1: true, or a number above 0 */
	TIME,		/* of ISO 8601, in seconds since 1970 */
};

struct metric {
	const char *path;	/* members of members, joined by dots */
	enum kind kind;
	bool counter;
	const char *name, *unit, *help;	/* unit: as the name ends, or NULL */
};

static const struct metric of_host[] = {
	{ "isolated", TRUTH, false, "isolated", NULL,
	    "All but what the host is run by is cut off." },
	{ "confirmUntil", TIME, false, "confirm_until_timestamp_seconds", "seconds",
	    "When drop falls back to watch unless confirmed." },
	{ "isolateUntil", TIME, false, "isolate_until_timestamp_seconds", "seconds",
	    "When isolation ends by itself unless confirmed." },
	{ "table.present", TRUTH, false, "table_present", NULL, "The kernel has the table." },
	{ "table.dormant", TRUTH, false, "table_dormant", NULL,
	    "The table is lifted, by panic or by hand." },
	{ "table.generation", NUMBER, false, "table_generation", NULL,
	    "Generation id of nftables after the agent's last change." },
	{ "table.list", NUMBER, false, "list_generation", NULL,
	    "Number of the united list that is in force, 0: none." },
	{ "table.lastChange", TIME, false, "table_change_timestamp_seconds", "seconds",
	    "When the table was changed last." },
	{ "table.restores", NUMBER, true, "table_restores", NULL,
	    "Times the table was put back after somebody damaged it, since the agent started." },
	{ "table.drops.bytes", NUMBER, true, "dropped_bytes", "bytes",
	    "Dropped and rejected, since the table exists." },
	{ "table.verdicts.flooded", NUMBER, true, "flooded_packets", "packets",
	    "Of all verdicts: counted to a wide prefix, not to their remote." },
	{ "table.verdicts.overflow", NUMBER, true, "overflow_packets", "packets",
	    "Of all verdicts: counted to no remote, the kernel's seen set was full." },
	{ "table.isolationDrops.packets", NUMBER, true, "isolation_dropped_packets", "packets",
	    "Cut off by isolation, listed or not." },
	{ "table.isolationDrops.bytes", NUMBER, true, "isolation_dropped_bytes", "bytes",
	    "Cut off by isolation, listed or not." },
	{ "table.endpoints.live", NUMBER, false, "endpoints", NULL,
	    "The agent's own connections that are never cut off." },
	{ "table.endpoints.refused", NUMBER, true, "endpoints_refused", NULL,
	    "Of these, announced and not protected." },
	{ "table.endpoints.unanswered", NUMBER, true, "endpoints_unanswered", NULL,
	    "Of these, made before the enforcer answered." },
	{ "capture.received", NUMBER, true, "capture_received_packets", "packets",
	    "Packets that the sensor was given." },
	{ "capture.lost", NUMBER, true, "capture_lost_packets", "packets",
	    "Packets that the sensor came too late for; the kernel counted them all the same." },
	{ "capture.undecodable", NUMBER, true, "capture_undecodable_packets", "packets",
	    "Packets that the sensor could not decode." },
	{ "capture.flows", NUMBER, false, "capture_flows", NULL, "Flows that the sensor follows." },
	{ "findings.live", NUMBER, false, "findings_live", NULL, "Findings that may still grow." },
	{ "findings.pending", NUMBER, false, "findings_pending", NULL,
	    "Updates of findings that wait in the spool." },
	{ "findings.undelivered", NUMBER, false, "findings_undelivered", NULL,
	    "Findings that some sink has not got yet." },
	{ "findings.lost", NUMBER, true, "findings_lost", NULL,
	    "Undelivered reports that had to go: the spool was full." },
	{ NULL, NUMBER, false, NULL, NULL, NULL },
};

static const struct metric of_source[] = {
	{ "entries", NUMBER, false, "source_entries", NULL, "Entries in force." },
	{ "rejected", NUMBER, false, "source_rejected_lines", "lines",
	    "Lines of the last list that could not be read." },
	{ "domains", NUMBER, false, "source_domains", NULL, "Domain names kept with it." },
	{ "heldEntries", NUMBER, false, "source_held_entries", NULL,
	    "Entries of a list that a gate holds back." },
	{ "lastGood", TIME, false, "source_good_timestamp_seconds", "seconds",
	    "When it was last fetched with success." },
	{ "lastTry", TIME, false, "source_try_timestamp_seconds", "seconds",
	    "When it was last tried." },
	{ NULL, NUMBER, false, NULL, NULL, NULL },
};

static const struct metric of_sink[] = {
	{ "sequence", NUMBER, true, "sink_reports", NULL,
	    "Reports made for it, the last sequence number." },
	{ "pending", NUMBER, false, "sink_pending", NULL, "Reports that wait for it." },
	{ "refused", NUMBER, false, "sink_refused", NULL, "Reports it refused for good." },
	{ "oldestPending", TIME, false, "sink_oldest_pending_timestamp_seconds", "seconds",
	    "Since when the oldest report waits." },
	{ "lastOk", TIME, false, "sink_ok_timestamp_seconds", "seconds",
	    "When it last accepted reports." },
	{ NULL, NUMBER, false, NULL, NULL, NULL },
};

static const struct metric of_role[] = {
	{ "pid", TRUTH, false, "role_up", NULL, "Its process runs." },
	{ "restarts", NUMBER, true, "role_restarts", NULL, "Times it was started again." },
	{ "pss", NUMBER, false, "role_memory_bytes", "bytes", "Its proportional share of memory." },
	{ NULL, NUMBER, false, NULL, NULL, NULL },
};

static const char *const modes[] = { "drop", "watch", "off", "panic", "purged", NULL };
static const char *const methods[] = { "nflog", "interface", "both", "off", "failed", NULL };
static const char *const source_states[] = { "ok", "loading", "failing", "held", NULL };
static const char *const sink_states[] = {
	"idle", "sending", "retrying", "failed", "unknown", NULL
};
static const char *const verdicts[] = {
	"dropped", "rejected", "watched", "protected", "allowed", NULL
};

struct label {
	const char *name, *value;
};

/* The family whose samples are printed. */
struct family {
	FILE *out;
	const char *name;
	bool counter;
};

static struct family
begin(FILE *out, const char *name, bool counter, const char *unit, const char *help)
{
	fprintf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name,
	    counter ? "counter" : "gauge");
	if (unit != NULL)
		fprintf(out, "# UNIT " PREFIX "%s %s\n", name, unit);
	return (struct family){ out, name, counter };
}

/* What would end the text, or its line, is escaped. */
static void
put_value(FILE *out, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
}

/* labels: up to the first without a name, or LABELS_MAX; NULL: none. */
static void
put(const struct family *family, const struct label *labels, const char *value)
{
	const char *before = "{";
	size_t i;

	fprintf(family->out, PREFIX "%s%s", family->name, family->counter ? "_total" : "");
	for (i = 0; labels != NULL && i < LABELS_MAX && labels[i].name != NULL; i++) {
		fprintf(family->out, "%s%s=\"", before, labels[i].name);
		put_value(family->out, labels[i].value);
		fputc('"', family->out);
		before = ",";
	}
	fprintf(family->out, "%s %s\n", i > 0 ? "}" : "", value);
}

static void
put_number(const struct family *family, const struct label *labels, double number)
{
	char text[64];

	snprintf(text, sizeof(text), "%.0f", number);
	put(family, labels, text);
}

/* The member at the path; NULL: there is none. */
static const cJSON *
find(const cJSON *object, const char *path)
{
	char part[PATH_PART_MAX];
	size_t n;

	while (object != NULL && *path != '\0') {
		n = strcspn(path, ".");
		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		object = reply_member(object, part);
		path += n + (path[n] == '.');
	}
	return object;
}

/* "2026-11-24T03:29:55.123Z" as "1795490995.123"; false: it is none. */
static bool
seconds_of(const char *text, char *out, size_t size)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (rest == NULL || rest[0] != '.' || strspn(rest + 1, "0123456789") != 3)
		return false;
	snprintf(out, size, "%lld%.4s", (long long)timegm(&tm), rest);
	return true;
}

static void
put_metric(const struct family *family, const struct metric *metric, const struct label *labels,
    const cJSON *object)
{
	const cJSON *item = find(object, metric->path);
	char text[64];

	if (item == NULL)
		return;
	if (metric->kind == TRUTH)
		put_number(family, labels,
		    cJSON_IsTrue(item) || (cJSON_IsNumber(item) && item->valuedouble > 0));
	else if (metric->kind == NUMBER && cJSON_IsNumber(item))
		put_number(family, labels, item->valuedouble);
	else if (metric->kind == TIME && cJSON_IsString(item) &&
	    seconds_of(item->valuestring, text, sizeof(text)))
		put(family, labels, text);
}

/* One sample for each state that could be, 1 for the one that is. */
static void
put_states(const struct family *family, const char *const *states, struct label *labels,
    size_t at, const char *is)
{
	for (; *states != NULL; states++) {
		labels[at].value = *states;
		put_number(family, labels, strcmp(*states, is) == 0);
	}
}

static void
print_states(FILE *out, const char *name, const char *label, const char *const *states,
    const char *is, const char *help)
{
	struct label labels[LABELS_MAX] = { { label, NULL } };
	struct family family = begin(out, name, false, NULL, help);

	put_states(&family, states, labels, 0, is);
}

/* Of each member of the array: its metrics, and its state if there are such. */
static void
print_array(FILE *out, const cJSON *array, const char *label, const char *key,
    const struct metric *metrics)
{
	const cJSON *item;

	for (; metrics->name != NULL; metrics++) {
		struct family family = begin(out, metrics->name, metrics->counter, metrics->unit,
		    metrics->help);

		cJSON_ArrayForEach(item, array) {
			const struct label labels[LABELS_MAX] = {
				{ label, reply_text(item, key) },
			};

			put_metric(&family, metrics, labels, item);
		}
	}
}

static void
print_array_states(FILE *out, const cJSON *array, const char *label, const char *name,
    const char *const *states, const char *help)
{
	struct family family = begin(out, name, false, NULL, help);
	const cJSON *item;

	cJSON_ArrayForEach(item, array) {
		struct label labels[LABELS_MAX] = {
			{ label, reply_text(item, "name") }, { "state", NULL },
		};

		put_states(&family, states, labels, 1, reply_text(item, "state"));
	}
}

static void
print_build(FILE *out, const cJSON *status)
{
	const struct label labels[LABELS_MAX] = {
		{ "version", reply_text(status, "version") },
		{ "host_id", reply_text(status, "hostId") },
	};
	struct family family = begin(out, "build_info", false, NULL, "Which agent this is.");

	put_number(&family, labels, 1);
}

static void
print_source_info(FILE *out, const cJSON *sources)
{
	struct family family = begin(out, "source_info", false, NULL,
	    "How the source is configured.");
	const cJSON *source;

	cJSON_ArrayForEach(source, sources) {
		const struct label labels[LABELS_MAX] = {
			{ "source", reply_text(source, "name") },
			{ "type", reply_text(source, "type") },
			{ "role", reply_text(source, "role") },
			{ "action", reply_text(source, "action") },
		};

		put_number(&family, labels, 1);
	}
}

static void
print_sets(FILE *out, const cJSON *sets)
{
	struct family family = begin(out, "set_entries", false, NULL,
	    "Members of the kernel's sets, as the agent loaded them.");
	const cJSON *set;

	cJSON_ArrayForEach(set, sets) {
		const struct label labels[LABELS_MAX] = { { "set", set->string } };

		put_number(&family, labels, set->valuedouble);
	}
}

static void
print_verdicts(FILE *out, const cJSON *counts)
{
	struct family family = begin(out, "packets", true, "packets",
	    "Packets of listed remotes by verdict, counted by the kernel since the table exists.");
	const char *const *verdict;

	for (verdict = verdicts; *verdict != NULL; verdict++) {
		const struct label labels[LABELS_MAX] = { { "verdict", *verdict } };

		if (cJSON_IsNumber(reply_member(counts, *verdict)))
			put_number(&family, labels, reply_number(counts, *verdict));
	}
}

void
exposition_print(const cJSON *status, FILE *out)
{
	const cJSON *table = reply_member(status, "table");
	const cJSON *sources = reply_member(status, "sources");
	const cJSON *sinks = reply_member(status, "sinks");
	const struct metric *metric;
	struct family family;

	print_build(out, status);
	print_states(out, "mode", "mode", modes, reply_text(status, "mode"), "What is enforced.");
	family = begin(out, "warnings", false, NULL, "What needs attention: see status.");
	put_number(&family, NULL, cJSON_GetArraySize(reply_member(status, "warnings")));
	for (metric = of_host; metric->name != NULL; metric++) {
		family = begin(out, metric->name, metric->counter, metric->unit, metric->help);
		put_metric(&family, metric, NULL, status);
	}
	print_verdicts(out, reply_member(table, "verdicts"));
	print_sets(out, reply_member(table, "sets"));
	print_states(out, "capture_method", "method", methods,
	    reply_text(reply_member(status, "capture"), "method"), "How packets are seen.");
	print_source_info(out, sources);
	print_array_states(out, sources, "source", "source_state", source_states,
	    "How the list is; held: a gate holds a new one back.");
	print_array(out, sources, "source", "name", of_source);
	print_array_states(out, sinks, "sink", "sink_state", sink_states, "How delivery goes.");
	print_array(out, sinks, "sink", "name", of_sink);
	print_array(out, reply_member(status, "roles"), "role", "role", of_role);
	fputs("# EOF\n", out);
}
