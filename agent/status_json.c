/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "status_json.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "groups.h"
#include "runtime/sandbox.h"
#include "secrets.h"
#include "sinkdirs.h"

#define HASH_TEXT_MAX	(2 * LIST_HASH_LEN + 1)

static void
add_number(cJSON *object, const char *key, uint64_t value)
{
	cJSON_AddNumberToObject(object, key, (double)value);
}

/* null where there is none: the keys of status never come and go. */
static void
add_text(cJSON *object, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0')
		cJSON_AddStringToObject(object, key, text);
	else
		cJSON_AddNullToObject(object, key);
}

static void
add_time(cJSON *object, const char *key, int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	char day[32], text[48];
	struct tm tm;

	if (wall_ms <= 0 || gmtime_r(&seconds, &tm) == NULL) {
		cJSON_AddNullToObject(object, key);
		return;
	}
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03dZ", day, (int)(wall_ms % 1000));
	cJSON_AddStringToObject(object, key, text);
}

static void
add_hash(cJSON *object, const char *key, const uint8_t hash[LIST_HASH_LEN])
{
	char text[HASH_TEXT_MAX];
	size_t i;

	for (i = 0; i < LIST_HASH_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", hash[i]);
	cJSON_AddStringToObject(object, key, text);
}

__attribute__((format(printf, 2, 3))) static void
warn(cJSON *warnings, const char *fmt, ...)
{
	char text[FETCH_REASON_MAX + 128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	cJSON_AddItemToArray(warnings, cJSON_CreateString(text));
}

static cJSON *
source_json(const struct source_view *view)
{
	static const char *const types[] = {
		[SOURCE_FILE] = "file", [SOURCE_HTTPS] = "https", [SOURCE_S3] = "s3",
		[SOURCE_GUARDDUTY] = "guardduty",
	};
	const struct list_source *source = view->row;
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "name", view->conf->name);
	cJSON_AddStringToObject(object, "type", types[view->conf->type]);
	cJSON_AddStringToObject(object, "role", list_role_text(view->conf->role));
	cJSON_AddStringToObject(object, "action", list_action_text(view->conf->action));
	add_text(object, "location", view->conf->location);
	if (view->from != NULL)
		cJSON_AddStringToObject(object, "from", view->from->name);
	else if (view->conf->type == SOURCE_GUARDDUTY)
		add_number(object, "sets", view->sets);
	cJSON_AddStringToObject(object, "state", view->state);
	add_number(object, "entries", source != NULL ? source->entries : 0);
	add_number(object, "rejected", view->rejected);
	add_number(object, "domains", view->domains);
	if (source != NULL)
		add_hash(object, "hash", source->hash);
	else
		cJSON_AddNullToObject(object, "hash");
	add_time(object, "lastGood", view->last_good_ms);
	add_time(object, "lastTry", view->last_try_ms);
	add_time(object, "next", view->next_ms);
	if (view->held != NULL)
		add_number(object, "heldEntries", list_source(view->held, 0)->entries);
	add_text(object, "error", view->error);
	return object;
}

static void
warn_of_source(const struct source_view *view, cJSON *warnings)
{
	const char *name = view->conf->name;
	uint64_t quota = view->set != NULL ? set_kind_quota((enum set_kind)view->set->kind) : 0;
	uint64_t entries = view->row != NULL ? view->row->entries : 0;

	/* entity lists hold domain names as well */
	if (view->set != NULL && view->set->kind >= SET_THREAT_ENTITY)
		entries += view->domains;

	if (view->error[0] != '\0')
		warn(warnings, "source %s: %s", name, view->error);
	if (view->note[0] != '\0')
		warn(warnings, "source %s: %s", name, view->note);
	if (view->unkept)
		warn(warnings, "source %s: its last good list could not be kept on disk", name);
	if (view->names_unkept)
		warn(warnings, "source %s: its domain names could not be kept on disk", name);
	if (view->left_out > 0)
		warn(warnings, "source %s: %zu lists are left out, there are at most %d sources",
		    name, view->left_out, LIST_SOURCES_MAX);
	if (quota > 0 && entries > quota)
		warn(warnings, "source %s: %llu entries are in force, of a %s GuardDuty reads at "
		    "most %llu", name, (unsigned long long)entries,
		    set_kind_text((enum set_kind)view->set->kind), (unsigned long long)quota);
}

static cJSON *
sources_json(const struct agent *agent, cJSON *warnings)
{
	cJSON *array = cJSON_CreateArray();
	size_t i;

	for (i = 0; i < sources_count(agent->sources); i++) {
		struct source_view view;

		sources_view(agent->sources, i, &view);
		cJSON_AddItemToArray(array, source_json(&view));
		if (warnings != NULL)
			warn_of_source(&view, warnings);
	}
	if (warnings != NULL && sources_count(agent->sources) == 0)
		warn(warnings, "no [source] is configured: nothing is enforced");
	return array;
}

/* The kernel's own counters, in packets; flooded and unremembered ones are among the others, too. */
static void
add_verdicts(cJSON *object, const struct enforce_stat *stat)
{
	cJSON *verdicts = cJSON_AddObjectToObject(object, "verdicts");

	add_number(verdicts, "dropped", stat->drops_packets - stat->rejected_packets);
	add_number(verdicts, "rejected", stat->rejected_packets);
	add_number(verdicts, "watched", stat->watched_packets);
	add_number(verdicts, "protected", stat->protected_packets);
	add_number(verdicts, "allowed", stat->allowed_packets);
	add_number(verdicts, "flooded", stat->flooded_packets);
	add_number(verdicts, "overflow", stat->seen_overflow);
}

static cJSON *
table_json(const struct agent *agent, const struct role_answers *answers)
{
	const struct msg_enforcer_status *enforcer = &answers->enforcer;
	cJSON *object, *sets, *drops, *endpoints;
	struct endpoints_view view;
	uint32_t i;

	if (!answers->has_enforcer)
		return cJSON_CreateNull();
	endpoints_view(agent->endpoints, &view);
	object = cJSON_CreateObject();
	cJSON_AddBoolToObject(object, "present", enforcer->stat.table);
	cJSON_AddBoolToObject(object, "dormant", enforcer->stat.dormant);
	add_number(object, "generation", enforcer->stat.generation);
	add_number(object, "list", enforcer->generation);
	sets = cJSON_AddObjectToObject(object, "sets");
	for (i = 0; i < enforcer->stat.nsets; i++)
		add_number(sets, enforcer->stat.sets[i].name, enforcer->stat.sets[i].entries);
	drops = cJSON_AddObjectToObject(object, "drops");
	add_number(drops, "packets", enforcer->stat.drops_packets);
	add_number(drops, "bytes", enforcer->stat.drops_bytes);
	add_verdicts(object, &enforcer->stat);
	drops = cJSON_AddObjectToObject(object, "isolationDrops");
	add_number(drops, "packets", enforcer->stat.isolated_packets);
	add_number(drops, "bytes", enforcer->stat.isolated_bytes);
	endpoints = cJSON_AddObjectToObject(object, "endpoints");
	add_number(endpoints, "live", enforcer->endpoints);
	add_number(endpoints, "refused", view.refused);
	add_number(endpoints, "unanswered", view.unanswered);
	add_number(object, "restores", agent->restores);
	add_time(object, "lastChange", enforcer->last_change_ms);
	return object;
}

static cJSON *
capture_json(const struct role_answers *answers)
{
	static const char *const methods[] = {
		[CAPTURE_OFF] = "off", [CAPTURE_NFLOG] = "nflog",
		[CAPTURE_INTERFACE] = "interface", [CAPTURE_BOTH] = "both",
		[CAPTURE_FAILED] = "failed",
	};
	const struct msg_sensor_status *sensor = &answers->sensor;
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "method", answers->has_sensor &&
	    sensor->state <= CAPTURE_FAILED ? methods[sensor->state] : "failed");
	add_number(object, "received", sensor->received);
	add_number(object, "lost", sensor->lost);
	add_number(object, "undecodable", sensor->undecodable);
	add_number(object, "flows", sensor->flows);
	return object;
}

static cJSON *
findings_json(const struct role_answers *answers)
{
	cJSON *object = cJSON_CreateObject();

	add_number(object, "live", answers->reporter.live);
	add_number(object, "pending", answers->reporter.pending);
	add_number(object, "undelivered", answers->reporter.undelivered);
	add_number(object, "lost", answers->reporter.lost);
	add_text(object, "spool", answers->reporter.spool);
	return object;
}

static cJSON *
sinks_json(const struct agent *agent, const struct role_answers *answers, cJSON *warnings)
{
	static const char *const states[] = {
		[SINK_IDLE] = "idle", [SINK_SENDING] = "sending", [SINK_RETRYING] = "retrying",
		[SINK_FAILED] = "failed",
	};
	cJSON *array = cJSON_CreateArray();
	size_t i;

	for (i = 0; i < agent->conf->nsinks; i++) {
		const struct msg_sink_status *sink = &answers->sinks[i];
		cJSON *object = cJSON_CreateObject();

		cJSON_AddStringToObject(object, "name", agent->conf->sinks[i].name);
		cJSON_AddStringToObject(object, "state", answers->has_sink[i] &&
		    sink->state <= SINK_FAILED ? states[sink->state] : "unknown");
		add_number(object, "sequence", sink->sequence);
		add_number(object, "pending", sink->pending);
		add_number(object, "refused", sink->refused);
		add_time(object, "oldestPending", sink->oldest_pending_ms);
		add_time(object, "lastOk", sink->last_ok_ms);
		add_text(object, "error", sink->error);
		cJSON_AddItemToArray(array, object);
		if (sink->error[0] != '\0')
			warn(warnings, "sink %s: %s", agent->conf->sinks[i].name, sink->error);
	}
	return array;
}

static cJSON *
role_json(const char *name, pid_t pid, unsigned int restarts, uint64_t pss)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "role", name);
	if (pid > 0)
		add_number(object, "pid", (uint64_t)pid);
	else
		cJSON_AddNullToObject(object, "pid");
	add_number(object, "restarts", restarts);
	if (pss > 0)
		add_number(object, "pss", pss);
	else
		cJSON_AddNullToObject(object, "pss");
	return object;
}

static cJSON *
roles_json(const struct agent *agent, const struct role_answers *answers, cJSON *warnings)
{
	const uint64_t pss[ROLE_LASTING] = {
		[ROLE_ENFORCER] = answers->enforcer.pss,
		[ROLE_SENSOR] = answers->sensor.pss,
		[ROLE_REPORTER] = answers->reporter.pss,
	};
	cJSON *array = cJSON_CreateArray();
	int i;

	cJSON_AddItemToArray(array, role_json("parent", getpid(), 0, sandbox_pss()));
	for (i = 0; i < ROLE_LASTING; i++) {
		const struct role *role = agent->roles[i];

		cJSON_AddItemToArray(array, role_json(role_name((enum role_kind)i),
		    role_pid(role), role_restarts(role), role_running(role) ? pss[i] : 0));
		if (!role_running(role))
			warn(warnings, "%s is not running%s%s", role_name((enum role_kind)i),
			    role_trouble(role)[0] != '\0' ? ": " : "", role_trouble(role));
		else if ((answers->silent & (1u << i)) != 0)
			warn(warnings, "%s did not answer within a second",
			    role_name((enum role_kind)i));
	}
	return array;
}

/* confined: NULL while it has not said.  A kernel without Landlock is shown, and is no alarm. */
static void
add_confined(cJSON *object, const char *name, const struct msg_confined *confined, cJSON *warnings)
{
	cJSON *how;

	if (confined == NULL) {
		cJSON_AddNullToObject(object, name);
		return;
	}
	how = cJSON_AddObjectToObject(object, name);
	cJSON_AddBoolToObject(how, "seccomp", confined->seccomp);
	add_number(how, "landlock", confined->landlock);
	if (!confined->seccomp)
		warn(warnings, "%s may make any system call: the kernel did not take its list", name);
}

static cJSON *
confined_json(const struct agent *agent, cJSON *warnings)
{
	cJSON *object = cJSON_CreateObject();
	int i;

	add_confined(object, "parent", &agent->confined, warnings);
	for (i = 0; i < ROLE_END; i++)
		add_confined(object, role_name((enum role_kind)i), role_confined(agent->roles[i]),
		    warnings);
	return object;
}

static void
warn_of_secret(const struct secret *secret, void *warnings)
{
	warn(warnings, "others may %schange %s (%s, mode %04o): run \"%s\"",
	    secret->list ? "" : "read or ", secret->path, secret->use, (unsigned int)secret->mode, secret->fix);
}

static void
warn_of_sinkdir(const struct conf_sink *sink, const char *missing, void *warnings)
{
	warn(warnings, "sink %.64s: there is no directory %s: nothing is written to %s", sink->name,
	    missing, sink->path);
}

static void
add_warnings(const struct agent *agent, const struct role_answers *answers, cJSON *warnings)
{
	struct endpoints_view endpoints;
	unsigned int way;

	endpoints_view(agent->endpoints, &endpoints);
	if (agent->state.panic)
		warn(warnings, "panic: everything is lifted until \"threatlistctl resume\"");
	else if (answers->has_enforcer && answers->enforcer.stat.dormant)
		warn(warnings, "the table is dormant: someone lifted it by hand");
	if (agent->state.purged)
		warn(warnings, "purged: there is no table until \"threatlistctl resume\"");
	if (agent_mode(agent) == ENFORCE_OFF && !agent->state.purged)
		warn(warnings, "mode is off: nothing is enforced");
	if (agent_confirm_until(agent) != 0)
		warn(warnings, "drop falls back to watch in %lld s unless you run "
		    "\"threatlistctl confirm\"",
		    (long long)((agent_confirm_until(agent) - loop_now_ms() + 999) / 1000));
	if (agent->state.isolate_end.until_ms != 0)
		warn(warnings, "isolated: ends in %lld s unless you run \"threatlistctl confirm\"",
		    (long long)((agent->state.isolate_end.until_ms - loop_now_ms() + 999) / 1000));
	else if (agent->state.isolate)
		warn(warnings, "isolated: until \"threatlistctl isolate off\"");
	if (agent->refused[0] != '\0')
		warn(warnings, "the config on disk is not in force: %s", agent->refused);
	if (answers->applied.error != 0)
		warn(warnings, "list %llu is not enforced: %s",
		    (unsigned long long)answers->applied.generation, answers->applied.reason);
	for (way = 0; way < ENFORCE_WAYS; way++) {
		if (agent_bypass(agent, way)[0] != '\0')
			warn(warnings, "packets pass beside the rules: %s", agent_bypass(agent, way));
	}
	if (answers->enforcer.warning[0] != '\0')
		warn(warnings, "enforcer: %s", answers->enforcer.warning);
	if (answers->enforcer.seen_overflow > 0)
		warn(warnings, "%llu packets of listed remotes found the seen sets full",
		    (unsigned long long)answers->enforcer.seen_overflow);
	if (endpoints.trouble[0] != '\0')
		warn(warnings, "an endpoint was not protected: %s", endpoints.trouble);
	if (answers->sensor.warning[0] != '\0')
		warn(warnings, "sensor: %s", answers->sensor.warning);
	if (answers->reporter.warning[0] != '\0')
		warn(warnings, "reporter: %s", answers->reporter.warning);
	if (groups_trouble(agent->groups)[0] != '\0')
		warn(warnings, "groups are not looked up: %s", groups_trouble(agent->groups));
	/* looked at each time: it is over as soon as somebody has seen to it */
	secrets_look(agent->conf, warn_of_secret, warnings);
	sinkdirs_look(agent->conf, warn_of_sinkdir, warnings);
}

char *
status_json(const struct agent *agent, const struct role_answers *answers)
{
	cJSON *object = cJSON_CreateObject(), *warnings = cJSON_CreateArray();
	const char *mode = mode_name(agent_mode(agent));
	char *text;

	if (agent->state.panic)
		mode = "panic";
	else if (agent->state.purged)
		mode = "purged";
	cJSON_AddStringToObject(object, "version", VERSION);
	cJSON_AddStringToObject(object, "hostId", agent->facts.host_id);
	cJSON_AddStringToObject(object, "mode", mode);
	cJSON_AddStringToObject(object, "intent", mode_name(agent->conf->enforce.mode));
	add_time(object, "confirmUntil", agent_confirm_until(agent) != 0 ?
	    agent->state.confirm.wall_ms : 0);
	cJSON_AddBoolToObject(object, "isolated", answers->has_enforcer ?
	    answers->enforcer.stat.isolated : agent->state.isolate);
	add_time(object, "isolateUntil", agent->state.isolate_end.wall_ms);
	cJSON_AddItemToObject(object, "sources", sources_json(agent, warnings));
	cJSON_AddItemToObject(object, "table", table_json(agent, answers));
	cJSON_AddItemToObject(object, "capture", capture_json(answers));
	cJSON_AddItemToObject(object, "findings", findings_json(answers));
	cJSON_AddItemToObject(object, "sinks", sinks_json(agent, answers, warnings));
	cJSON_AddItemToObject(object, "roles", roles_json(agent, answers, warnings));
	cJSON_AddItemToObject(object, "confined", confined_json(agent, warnings));
	add_warnings(agent, answers, warnings);
	cJSON_AddItemToObject(object, "warnings", warnings);
	text = cJSON_PrintUnformatted(object);
	cJSON_Delete(object);
	return text;
}

char *
lists_json(const struct agent *agent)
{
	cJSON *array = sources_json(agent, NULL);
	char *text = cJSON_PrintUnformatted(array);

	cJSON_Delete(array);
	return text;
}

/* Is it on a threat list and taken off again by a trusted one? */
static bool
find_trusted(const struct agent *agent, const struct addr *addr, struct list_hit *hit,
    const char **name)
{
	bool threat = false, trusted = false;
	size_t i;

	for (i = 0; i < sources_count(agent->sources); i++) {
		struct source_view view;
		struct list_hit found;

		sources_view(agent->sources, i, &view);
		if (!sources_find(agent->sources, i, addr, &found))
			continue;
		if (view.conf->role == LIST_THREAT) {
			threat = true;
		} else if (!trusted) {
			trusted = true;
			*hit = found;
			*name = view.conf->name;
		}
	}
	return threat && trusted;
}

static void
add_names(cJSON *array, const struct list *list, uint64_t lists)
{
	size_t i;

	for (i = 0; i < list_nsources(list); i++) {
		if ((lists & (UINT64_C(1) << i)) != 0)
			cJSON_AddItemToArray(array, cJSON_CreateString(list_source(list, i)->name));
	}
}

static const char *
answer_text(uint8_t answer)
{
	return answer == ENFORCE_YES ? "yes" : answer == ENFORCE_NO ? "no" : "unknown";
}

/* What one says and the other does not, as a sentence; NULL: they agree, or one is not known. */
static const char *
disagreement(bool listed, const struct enforce_check *check)
{
	if (check->listed != ENFORCE_UNKNOWN && listed != (check->listed == ENFORCE_YES))
		return listed ? "the agent's list has it, the kernel's sets do not" :
		    "the kernel's sets have it, the agent's list does not";
	if (check->protect != ENFORCE_UNKNOWN && check->expect_protect != ENFORCE_UNKNOWN &&
	    check->protect != check->expect_protect)
		return check->protect == ENFORCE_NO ?
		    "it is never to be cut off, but the kernel's protect sets do not have it" :
		    "the kernel's protect sets have it, the agent did not put it there";
	if (check->allow != ENFORCE_UNKNOWN && check->expect_allow != ENFORCE_UNKNOWN &&
	    check->allow != check->expect_allow)
		return check->allow == ENFORCE_NO ?
		    "it was an exception, but is not in the kernel's allow set any more" :
		    "it is in the kernel's allow set, which the agent has not read yet";
	return NULL;
}

static void
add_kernel(cJSON *object, bool listed, const struct enforce_check *check)
{
	const char *reason = check != NULL ? disagreement(listed, check) : NULL;

	cJSON_AddStringToObject(object, "kernel",
	    answer_text(check != NULL ? check->listed : ENFORCE_UNKNOWN));
	if (check != NULL) {
		cJSON_AddStringToObject(object, "protect", answer_text(check->protect));
		cJSON_AddStringToObject(object, "allow", answer_text(check->allow));
	}
	cJSON_AddBoolToObject(object, "disagree", reason != NULL);
	if (reason != NULL)
		cJSON_AddStringToObject(object, "reason", reason);
}

char *
check_json(const struct agent *agent, const struct addr *addr, const struct msg_checked *checked)
{
	const struct list *list = sources_list(agent->sources);
	cJSON *object = cJSON_CreateObject(), *names;
	char text[ADDR_TEXT_MAX], entry[RANGE_TEXT_MAX], *json;
	const char *state = "clear", *trusted_by = NULL;
	struct list_hit hit;
	bool listed;

	listed = list != NULL && list_find(list, addr, &hit);
	if (listed)
		state = checked != NULL && (checked->check.protect == ENFORCE_YES ||
		    checked->check.allow == ENFORCE_YES) ? "protected" : "listed";
	else if (find_trusted(agent, addr, &hit, &trusted_by))
		state = "trusted";
	cJSON_AddStringToObject(object, "address", addr_text(addr, text));
	cJSON_AddStringToObject(object, "state", state);
	names = cJSON_AddArrayToObject(object, "lists");
	if (listed || trusted_by != NULL)
		cJSON_AddStringToObject(object, "entry", range_text(&hit.entry, entry));
	if (listed) {
		add_names(names, list, hit.lists);
		cJSON_AddStringToObject(object, "action", list_action_text(hit.action));
	} else if (trusted_by != NULL) {
		cJSON_AddItemToArray(names, cJSON_CreateString(trusted_by));
	}
	add_kernel(object, listed, checked != NULL ? &checked->check : NULL);
	json = cJSON_PrintUnformatted(object);
	cJSON_Delete(object);
	return json;
}
