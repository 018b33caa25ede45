/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands that show: status, lists, findings, show.  Tables for people, JSON for programs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/grid.h"
#include "ctl/reply.h"
#include "runtime/conf.h"
#include "runtime/loop.h"

static int
usage(const char *text, int option)
{
	fprintf(option == 'h' ? stdout : stderr, "usage: threatlistctl %s\n", text);
	return option == 'h' ? EXIT_DONE : EXIT_USAGE;
}

static void
cell_number(struct grid *grid, const cJSON *object, const char *key)
{
	grid_cellf(grid, "%.0f", reply_number(object, key));
}

/* "2026-11-24T03:29:55.123Z" without what a table does not need. */
static void
cell_time(struct grid *grid, const cJSON *object, const char *key)
{
	const char *text = reply_text(object, key);

	if (strlen(text) < 19)
		grid_cell(grid, NULL);
	else
		grid_cellf(grid, "%.10s %.8s", text, text + 11);
}

static void
print_sources(const cJSON *sources, bool colour)
{
	static const char *const heads[] = {
		"SOURCE", "ROLE", "ACTION", "STATE", ">ENTRIES", ">REJECTED", "LAST GOOD (UTC)",
		"ERROR", NULL,
	};
	struct grid *grid = grid_new(heads);
	const cJSON *source;

	if (grid == NULL)
		return;
	cJSON_ArrayForEach(source, sources) {
		grid_cell(grid, reply_text(source, "name"));
		grid_cell(grid, reply_text(source, "role"));
		grid_cell(grid, reply_text(source, "action"));
		grid_cell(grid, reply_text(source, "state"));
		cell_number(grid, source, "entries");
		cell_number(grid, source, "rejected");
		cell_time(grid, source, "lastGood");
		grid_cell(grid, reply_text(source, "error"));
	}
	grid_print(grid, stdout, colour);
	grid_free(grid);
}

static void
print_sets(const cJSON *table)
{
	const cJSON *drops = reply_member(table, "drops"), *set;
	const cJSON *endpoints = reply_member(table, "endpoints");
	const cJSON *verdicts = reply_member(table, "verdicts");
	const char *separator = "";

	printf("table     inet threatlistd: ");
	if (!reply_true(table, "present")) {
		printf("none\n");
		return;
	}
	printf("%sgeneration %.0f, restored %.0f times\n",
	    reply_true(table, "dormant") ? "DORMANT, " : "",
	    reply_number(table, "generation"), reply_number(table, "restores"));
	printf("sets      ");
	cJSON_ArrayForEach(set, reply_member(table, "sets")) {
		if (set->valuedouble > 0) {
			printf("%s%s %.0f", separator, set->string, set->valuedouble);
			separator = ", ";
		}
	}
	printf("%s\ndropped   %.0f packets, %.0f bytes\n", separator[0] == '\0' ? "empty" : "",
	    reply_number(drops, "packets"), reply_number(drops, "bytes"));
	printf("passed    %.0f watched, %.0f protected, %.0f allowed packets\n",
	    reply_number(verdicts, "watched"), reply_number(verdicts, "protected"),
	    reply_number(verdicts, "allowed"));
	printf("endpoints %.0f protected, %.0f refused, %.0f not answered in time\n",
	    reply_number(endpoints, "live"), reply_number(endpoints, "refused"),
	    reply_number(endpoints, "unanswered"));
}

static void
print_isolation(const cJSON *status)
{
	const cJSON *drops = reply_member(reply_member(status, "table"), "isolationDrops");
	const char *until = reply_text(status, "isolateUntil");

	if (!reply_true(status, "isolated"))
		return;
	printf("ISOLATED  until %s: %.0f packets, %.0f bytes cut off\n",
	    until[0] != '\0' ? until : "\"threatlistctl isolate off\"",
	    reply_number(drops, "packets"), reply_number(drops, "bytes"));
}

static void
print_sinks(const cJSON *sinks, bool colour)
{
	static const char *const heads[] = {
		"SINK", "STATE", ">SEQUENCE", ">PENDING", "OLDEST (UTC)", "LAST OK (UTC)", "ERROR",
		NULL,
	};
	struct grid *grid = grid_new(heads);
	const cJSON *sink;

	if (grid == NULL)
		return;
	cJSON_ArrayForEach(sink, sinks) {
		grid_cell(grid, reply_text(sink, "name"));
		grid_cell(grid, reply_text(sink, "state"));
		cell_number(grid, sink, "sequence");
		cell_number(grid, sink, "pending");
		cell_time(grid, sink, "oldestPending");
		cell_time(grid, sink, "lastOk");
		grid_cell(grid, reply_text(sink, "error"));
	}
	grid_print(grid, stdout, colour);
	grid_free(grid);
}

/* What the kernel holds it by: its list of system calls, its rules for files. */
static void
cell_confined(struct grid *grid, const cJSON *confined)
{
	const char *calls = reply_true(confined, "seccomp") ? "seccomp" : "no seccomp";

	if (!cJSON_IsObject(confined))
		grid_cell(grid, NULL);
	else if (reply_number(confined, "landlock") > 0)
		grid_cellf(grid, "%s, Landlock ABI %.0f", calls, reply_number(confined, "landlock"));
	else
		grid_cellf(grid, "%s, no Landlock", calls);
}

static void
print_roles(const cJSON *roles, const cJSON *confined, bool colour)
{
	static const char *const heads[] = {
		"ROLE", ">PID", ">RESTARTS", ">MEMORY", "CONFINED", NULL,
	};
	struct grid *grid = grid_new(heads);
	const cJSON *role;

	if (grid == NULL)
		return;
	cJSON_ArrayForEach(role, roles) {
		grid_cell(grid, reply_text(role, "role"));
		if (reply_number(role, "pid") > 0)
			cell_number(grid, role, "pid");
		else
			grid_cell(grid, NULL);
		cell_number(grid, role, "restarts");
		if (reply_number(role, "pss") > 0)
			grid_cellf(grid, "%.1f MiB", reply_number(role, "pss") / 1048576);
		else
			grid_cell(grid, NULL);
		cell_confined(grid, reply_member(confined, reply_text(role, "role")));
	}
	/* it has a process during a refresh only */
	grid_cell(grid, "feed");
	grid_cell(grid, NULL);
	grid_cell(grid, NULL);
	grid_cell(grid, NULL);
	cell_confined(grid, reply_member(confined, "feed"));
	grid_print(grid, stdout, colour);
	grid_free(grid);
}

static void
print_status(const cJSON *status)
{
	const cJSON *capture = reply_member(status, "capture"), *warning;
	const cJSON *findings = reply_member(status, "findings");
	bool colour = isatty(STDOUT_FILENO);

	printf("threatlistd %s on %s\n", reply_text(status, "version"), reply_text(status, "hostId"));
	printf("mode      %s (config: %s)\n", reply_text(status, "mode"), reply_text(status, "intent"));
	print_isolation(status);
	print_sets(reply_member(status, "table"));
	printf("capture   %s: %.0f packets, %.0f lost\n", reply_text(capture, "method"),
	    reply_number(capture, "received"), reply_number(capture, "lost"));
	printf("findings  %.0f live, %.0f pending, %.0f undelivered\n\n",
	    reply_number(findings, "live"), reply_number(findings, "pending"),
	    reply_number(findings, "undelivered"));
	print_sources(reply_member(status, "sources"), colour);
	printf("\n");
	print_sinks(reply_member(status, "sinks"), colour);
	printf("\n");
	print_roles(reply_member(status, "roles"), reply_member(status, "confined"), colour);
	cJSON_ArrayForEach(warning, reply_member(status, "warnings")) {
		printf("%s%swarning: %s%s", warning == reply_member(status, "warnings")->child ? "\n" : "",
		    colour ? "\033[33m" : "", warning->valuestring, colour ? "\033[0m\n" : "\n");
	}
}

int
ctl_status(int argc, char **argv)
{
	static const char help[] = "status [--check] [--json]\n"
	    "How the agent is: a table on a terminal, else JSON.  --check: exit 1 if there are warnings.";
	static const struct option longs[] = { { "check", no_argument, NULL, 'k' }, CLIENT_LONGS };
	struct client_options options = { NULL, NULL, false };
	struct control_request request;
	bool check = false;
	cJSON *status;
	int option, rc;

	while ((option = getopt_long(argc, argv, CLIENT_SHORTS, longs, NULL)) != -1) {
		if (option == 'k')
			check = true;
		else if (!client_option(&options, option))
			return usage(help, option);
	}
	if (optind < argc)
		return usage(help, 0);
	client_request(&request, CONTROL_STATUS, NULL);
	rc = reply_ask(&options, &request, &status);
	if (rc != EXIT_DONE)
		return rc;
	if (options.json || !isatty(STDOUT_FILENO))
		reply_print(status);
	else
		print_status(status);
	if (check && cJSON_GetArraySize(reply_member(status, "warnings")) > 0)
		rc = EXIT_NO;
	cJSON_Delete(status);
	return rc;
}

int
ctl_lists(int argc, char **argv)
{
	static const char help[] = "lists [--json]\nThe sources and what of them is in force.";
	static const struct option longs[] = { CLIENT_LONGS };
	struct client_options options = { NULL, NULL, false };
	struct control_request request;
	cJSON *lists;
	int option, rc;

	while ((option = getopt_long(argc, argv, CLIENT_SHORTS, longs, NULL)) != -1) {
		if (!client_option(&options, option))
			return usage(help, option);
	}
	if (optind < argc)
		return usage(help, 0);
	client_request(&request, CONTROL_LISTS, NULL);
	rc = reply_ask(&options, &request, &lists);
	if (rc != EXIT_DONE)
		return rc;
	if (options.json)
		reply_print(lists);
	else
		print_sources(lists, isatty(STDOUT_FILENO));
	cJSON_Delete(lists);
	return rc;
}

static void
add_finding(struct grid *grid, const cJSON *finding)
{
	const cJSON *service = reply_member(finding, "service");
	const cJSON *action = reply_member(service, "action");
	const cJSON *connection = reply_member(action, "networkConnectionAction");
	const cJSON *remote = reply_member(connection, "remoteIpDetails");
	const cJSON *own = reply_member(reply_member(service, "additionalInfo"), "threatlistd");
	const cJSON *event = reply_member(own, "event");

	cell_time(grid, service, "eventLastSeen");
	grid_cellf(grid, "%.0f", reply_number(finding, "severity"));
	grid_cell(grid, event != NULL ? reply_text(event, "name") : reply_text(own, "verdict"));
	grid_cell(grid, reply_text(connection, "connectionDirection"));
	if (event != NULL)
		grid_cell(grid, reply_text(event, "source"));
	else if (reply_text(remote, "ipAddressV4")[0] != '\0')
		grid_cell(grid, reply_text(remote, "ipAddressV4"));
	else if (reply_text(remote, "ipAddressV6")[0] != '\0')
		grid_cell(grid, reply_text(remote, "ipAddressV6"));
	else
		grid_cell(grid, reply_text(own, "entry"));
	if (connection == NULL)
		grid_cell(grid, NULL);
	else
		grid_cellf(grid, "%.0f", reply_number(own, "packetsFromRemote") +
		    reply_number(own, "packetsToRemote"));
	grid_cell(grid, reply_text(finding, "id"));
}

static void
print_findings(const char *lines)
{
	static const char *const heads[] = {
		"LAST SEEN (UTC)", ">SEV", "VERDICT/EVENT", "DIRECTION", "REMOTE/SOURCE", ">PACKETS",
		"ID", NULL,
	};
	struct grid *grid = grid_new(heads);
	const char *at = lines, *end;

	while (grid != NULL && *at != '\0') {
		cJSON *finding = cJSON_ParseWithOpts(at, &end, false);

		if (finding == NULL)
			break;
		add_finding(grid, finding);
		cJSON_Delete(finding);
		at = end + strspn(end, "\n");
	}
	if (grid != NULL)
		grid_print(grid, stdout, isatty(STDOUT_FILENO));
	grid_free(grid);
}

int
ctl_findings(int argc, char **argv)
{
	static const char help[] = "findings [--since DURATION] [--undelivered] [--json]\n"
	    "What was found, newest last.  DURATION is a number with ms, s, m, h or d.";
	static const struct option longs[] = {
		{ "since", required_argument, NULL, 's' }, { "undelivered", no_argument, NULL, 'u' },
		CLIENT_LONGS
	};
	struct client_options options = { NULL, NULL, false };
	struct control_request request;
	struct client_answer answer;
	int64_t since = 0;
	int option, rc;

	client_request(&request, CONTROL_FINDINGS, NULL);
	while ((option = getopt_long(argc, argv, CLIENT_SHORTS, longs, NULL)) != -1) {
		if (option == 's') {
			if (!conf_duration_read(optarg, &since)) {
				fprintf(stderr, "threatlistctl: --since takes a number with ms, s, m, "
				    "h or d, not %s\n", optarg);
				return EXIT_USAGE;
			}
			request.number = loop_wall_ms() - since;
		} else if (option == 'u') {
			request.flags |= CONTROL_UNDELIVERED;
		} else if (!client_option(&options, option)) {
			return usage(help, option);
		}
	}
	if (optind < argc)
		return usage(help, 0);
	rc = client_ask(&options, &request, false, &answer);
	/* also where it is a part of them */
	if (answer.json != NULL) {
		if (options.json)
			fwrite(answer.json, 1, answer.size, stdout);
		else
			print_findings(answer.json);
	}
	free(answer.json);
	return rc;
}

int
ctl_show(int argc, char **argv)
{
	static const char help[] = "show ID [--json]\nOne finding and its deliveries, as JSON.";
	static const struct option longs[] = { CLIENT_LONGS };
	struct client_options options = { NULL, NULL, false };
	struct control_request request;
	cJSON *json;
	int option, rc;

	while ((option = getopt_long(argc, argv, CLIENT_SHORTS, longs, NULL)) != -1) {
		if (!client_option(&options, option))
			return usage(help, option);
	}
	if (argc - optind != 1)
		return usage(help, 0);
	client_request(&request, CONTROL_SHOW, argv[optind]);
	rc = reply_ask(&options, &request, &json);
	if (rc == EXIT_DONE) {
		reply_print(json);
		cJSON_Delete(json);
	}
	return rc;
}
