/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands that change something: refresh, accept, enforce, isolate, confirm, panic, resume, purge. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/session.h"

#define ORDER_WORDS_MAX	4	/* of what the daemon does without an agent */

static int
usage(const char *text, int option)
{
	fprintf(option == 'h' ? stdout : stderr, "usage: threatlistctl %s\n", text);
	return option == 'h' ? EXIT_DONE : EXIT_USAGE;
}

/* -1: go on. */
static int
options_only(struct client_options *options, int argc, char **argv, const char *text)
{
	static const struct option longs[] = { CLIENT_LONGS };
	int option;

	while ((option = getopt_long(argc, argv, CLIENT_SHORTS, longs, NULL)) != -1) {
		if (!client_option(options, option))
			return usage(text, option);
	}
	return -1;
}

static int
ask_with(const struct client_options *options, enum control_kind kind, const char *text,
    int64_t number, uint32_t flags)
{
	struct control_request request;
	struct client_answer answer;
	int rc;

	client_request(&request, kind, text);
	request.number = number;
	request.flags = flags;
	rc = client_ask(options, &request, false, &answer);
	if (rc == EXIT_DONE)
		printf("%s\n", answer.reply.message);
	free(answer.json);
	return rc;
}

static int
ask(const struct client_options *options, enum control_kind kind, const char *text,
    int64_t number)
{
	return ask_with(options, kind, text, number, 0);
}

int
ctl_refresh(int argc, char **argv)
{
	static const char help[] = "refresh [--discover] [SOURCE]\n"
	    "Fetches the list of one source, or of all, now.\n"
	    "--discover: asks GuardDuty first which lists there are.";
	static const struct option longs[] = { { "discover", no_argument, NULL, 'd' }, CLIENT_LONGS };
	struct client_options options = { NULL, NULL, false };
	uint32_t flags = 0;
	int option;

	while ((option = getopt_long(argc, argv, CLIENT_SHORTS, longs, NULL)) != -1) {
		if (option == 'd')
			flags = CONTROL_DISCOVER;
		else if (!client_option(&options, option))
			return usage(help, option);
	}
	if (argc - optind > 1)
		return usage(help, 0);
	return ask_with(&options, CONTROL_REFRESH, argv[optind], 0, flags);
}

int
ctl_accept(int argc, char **argv)
{
	static const char help[] = "accept SOURCE\n"
	    "Puts the list that a gate holds back in force.";
	struct client_options options = { NULL, NULL, false };
	int rc = options_only(&options, argc, argv, help);

	if (rc >= 0)
		return rc;
	if (argc - optind != 1)
		return usage(help, 0);
	return ask(&options, CONTROL_ACCEPT, argv[optind], 0);
}

/* Whole seconds; -1: it is not. */
static int64_t
seconds(const char *text)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 1 || n > CONTROL_CONFIRM_MAX) {
		fprintf(stderr, "threatlistctl: --confirm takes 1 to %d seconds, not %s\n",
		    CONTROL_CONFIRM_MAX, text);
		return -1;
	}
	return n;
}

int
ctl_enforce(int argc, char **argv)
{
	static const char help[] = "enforce drop|watch [--confirm S]\n"
	    "Changes the mode now and over restarts, until the config's own mode is changed.\n"
	    "With --confirm, drop falls back to watch after S seconds by itself, whatever\n"
	    "becomes of this shell or the agent, unless \"threatlistctl confirm\" comes before.";
	static const struct option longs[] = {
		{ "confirm", required_argument, NULL, 'w' }, CLIENT_LONGS
	};
	struct client_options options = { NULL, NULL, false };
	int64_t confirm = 0;
	int option;

	while ((option = getopt_long(argc, argv, CLIENT_SHORTS, longs, NULL)) != -1) {
		if (option == 'w') {
			confirm = seconds(optarg);
			if (confirm < 0)
				return EXIT_USAGE;
		} else if (!client_option(&options, option)) {
			return usage(help, option);
		}
	}
	if (argc - optind != 1 || (strcmp(argv[optind], "drop") != 0 &&
	    strcmp(argv[optind], "watch") != 0))
		return usage(help, 0);
	return ask(&options, CONTROL_ENFORCE, argv[optind], confirm);
}

/* The daemon beside us (a build), or as it is installed below our own prefix; else where the packages put it. */
static void
find_daemon(char path[static PATH_MAX])
{
	static const char *const places[] = { "threatlistd", "../sbin/threatlistd" };
	char *end;
	size_t i, left;
	ssize_t n;

	n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	path[n > 0 ? n : 0] = '\0';
	end = strrchr(path, '/');
	for (i = 0; end != NULL && i < sizeof(places) / sizeof(places[0]); i++) {
		left = PATH_MAX - (size_t)(end + 1 - path);
		if (snprintf(end + 1, left, "%s", places[i]) < (int)left && access(path, X_OK) == 0)
			return;
	}
	snprintf(path, PATH_MAX, "/usr/sbin/threatlistd");
}

/* No agent: the daemon's own one-shot changes the kernel table; order is cut into its words. */
static int
without_agent(const struct client_options *options, const char *order)
{
	char program[PATH_MAX], table[] = "--table", conf[] = "-c", path[PATH_MAX];
	char words[CONTROL_TEXT_MAX + 32], *word, *rest = words;
	char *argv[ORDER_WORDS_MAX + 6] = { program, table };
	size_t n = 2;

	if (geteuid() != 0) {
		fprintf(stderr, "threatlistctl: no agent is running, and without one that is for "
		    "root\n");
		return EXIT_NOT_PERMITTED;
	}
	find_daemon(program);
	snprintf(words, sizeof(words), "%s", order);
	while (n < ORDER_WORDS_MAX + 2 && (word = strsep(&rest, " ")) != NULL)
		argv[n++] = word;
	if (options->conf_path != NULL) {
		snprintf(path, sizeof(path), "%s", options->conf_path);
		argv[n++] = conf;
		argv[n] = path;
	}
	fprintf(stderr, "threatlistctl: no agent is running, the table is changed without one\n");
	execv(program, argv);
	perror(program);
	return EXIT_NO;
}

/* text: of the request, with the session behind its first word. */
static int
isolate_without_agent(const struct client_options *options, bool on, int64_t confirm,
    const char *text)
{
	char order[CONTROL_TEXT_MAX + 32], seconds[24];

	if (!on)
		return without_agent(options, "isolate-off");
	snprintf(seconds, sizeof(seconds), "%lld", (long long)confirm);
	snprintf(order, sizeof(order), "isolate-on %s%s", confirm != 0 ? seconds : "lasting",
	    text + strlen("on"));
	return without_agent(options, order);
}

int
ctl_isolate(int argc, char **argv)
{
	static const char help[] = "isolate on|off [--confirm S] [--lasting]\n"
	    "Cuts everything off, in, out and forwarded, established or not, but what the host is\n"
	    "run by: DHCP, DNS, metadata, Systems Manager, [enforce] admin, allow4 and allow6, the\n"
	    "agent's own connections, and ssh from where you come.  on wants one option: with\n"
	    "--confirm it ends after S seconds by itself, whatever becomes of this shell or the\n"
	    "agent, unless \"threatlistctl confirm\" comes before; with --lasting it stays.\n"
	    "Works without an agent, too (as root): then Systems Manager, whose endpoints only an\n"
	    "agent knows, stays open for ten minutes at most.";
	static const struct option longs[] = {
		{ "confirm", required_argument, NULL, 'w' }, { "lasting", no_argument, NULL, 'u' },
		CLIENT_LONGS
	};
	struct client_options options = { NULL, NULL, false };
	struct control_request request;
	struct client_answer answer;
	bool lasting = false, on;
	int64_t confirm = 0;
	int option, rc;

	while ((option = getopt_long(argc, argv, CLIENT_SHORTS, longs, NULL)) != -1) {
		if (option == 'u') {
			lasting = true;
		} else if (option == 'w') {
			confirm = seconds(optarg);
			if (confirm < 0)
				return EXIT_USAGE;
		} else if (!client_option(&options, option)) {
			return usage(help, option);
		}
	}
	if (argc - optind != 1 || (strcmp(argv[optind], "on") != 0 &&
	    strcmp(argv[optind], "off") != 0))
		return usage(help, 0);
	on = strcmp(argv[optind], "on") == 0;
	if (on ? lasting == (confirm != 0) : lasting || confirm != 0)
		return usage(help, 0);
	client_request(&request, CONTROL_ISOLATE, argv[optind]);
	if (on)
		session_append(request.text, sizeof(request.text));
	request.number = confirm;
	request.flags = lasting ? CONTROL_LASTING : 0;
	rc = client_ask(&options, &request, true, &answer);
	free(answer.json);
	if (rc == EXIT_NO_AGENT)
		return isolate_without_agent(&options, on, confirm, request.text);
	if (rc == EXIT_DONE)
		printf("%s\n", answer.reply.message);
	return rc;
}

/* What works with an agent and without. */
static int
with_or_without(int argc, char **argv, enum control_kind kind, const char *help)
{
	struct client_options options = { NULL, NULL, false };
	struct control_request request;
	struct client_answer answer;
	int rc = options_only(&options, argc, argv, help);

	if (rc >= 0)
		return rc;
	if (optind < argc)
		return usage(help, 0);
	client_request(&request, kind, NULL);
	rc = client_ask(&options, &request, true, &answer);
	free(answer.json);
	if (rc == EXIT_NO_AGENT)
		return without_agent(&options, control_name(kind));
	if (rc == EXIT_DONE)
		printf("%s\n", answer.reply.message);
	return rc;
}

int
ctl_confirm(int argc, char **argv)
{
	return with_or_without(argc, argv, CONTROL_CONFIRM, "confirm\n"
	    "Lets stay what \"enforce drop\" or \"isolate on\" with --confirm S began, if it is\n"
	    "still in time.");
}

int
ctl_panic(int argc, char **argv)
{
	return with_or_without(argc, argv, CONTROL_PANIC, "panic\n"
	    "Lifts every drop at once (the table sleeps) until \"resume\", also over restarts.");
}

int
ctl_resume(int argc, char **argv)
{
	return with_or_without(argc, argv, CONTROL_RESUME, "resume\n"
	    "Ends a panic or a purge: what the config says is enforced again.");
}

int
ctl_purge(int argc, char **argv)
{
	return with_or_without(argc, argv, CONTROL_PURGE, "purge\n"
	    "Deletes the table; it stays away until \"resume\" or \"enforce\".");
}
