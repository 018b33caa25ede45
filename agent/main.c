/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parent: reads the config, wires the roles, obeys signals. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "entry.h"
#include "groups.h"
#include "lock.h"
#include "roles.h"
#include "runtime/confine.h"
#include "runtime/folder.h"
#include "runtime/hostid.h"
#include "runtime/notify.h"
#include "runtime/program.h"
#include "runtime/sandbox.h"
#include "secrets.h"
#include "sinkdirs.h"
#include "table.h"
#include "threatlistd/log.h"

#define CONF_PATH	"/etc/threatlistd/threatlistd.conf"
#define CAP_NET_ADMIN_NUMBER	12	/* capabilities(7) */
#define CAP_NET_RAW_NUMBER	13

struct options {
	const char *conf_path, *role;
	struct table_order table;	/* word NULL: none */
	bool check, print, person;
};

/*
 * The config as the roles get it: normal form, with the mode that is in force.
 * What waits for a confirmation comes as an order of its own, with its deadline.
 */
static int
conf_memfd(struct agent *agent)
{
	uint8_t configured = agent->conf->enforce.mode;
	char *text = NULL;
	size_t size = 0;
	FILE *out;
	int fd;

	out = open_memstream(&text, &size);
	if (out == NULL)
		return -errno;
	agent->conf->enforce.mode = agent_confirm_until(agent) != 0 ? ENFORCE_WATCH :
	    agent_mode(agent);
	conf_print(agent->conf, out);
	agent->conf->enforce.mode = configured;
	if (fclose(out) != 0)
		fd = -errno;
	else
		fd = memfd_with("threatlistd-conf", text, size);
	free(text);
	return fd;
}

int
agent_renew_conf(struct agent *agent)
{
	int fd = conf_memfd(agent);

	if (fd < 0) {
		log_error("config not passed on error=\"%s\"", strerror(-fd));
		return fd;
	}
	if (agent->conf_fd >= 0)
		close(agent->conf_fd);
	agent->conf_fd = fd;
	return 0;
}

void
agent_set_facts(struct agent *agent, const struct host_facts *facts)
{
	struct message message = { .type = MSG_FACTS };
	int i;

	agent->found = *facts;
	host_facts_merge(&agent->facts, facts, agent->conf);
	endpoints_configure(agent->endpoints);
	message.u.facts = agent->facts;
	for (i = 0; i < ROLE_LASTING; i++)
		role_send(agent->roles[i], &message, -1);
}

void
agent_set_detector(struct agent *agent, const char *detector)
{
	struct message message = { .type = MSG_FACTS };

	if (strcmp(agent->facts.detector_id, detector) == 0)
		return;
	snprintf(agent->facts.detector_id, sizeof(agent->facts.detector_id), "%s", detector);
	message.u.facts = agent->facts;
	role_send(agent->roles[ROLE_REPORTER], &message, -1);
}

void
agent_tell_manager(const struct agent *agent)
{
	const struct state *state = &agent->state;
	char text[160];

	if (!agent->ready)
		return;
	snprintf(text, sizeof(text), "STATUS=%s %s, %zu sources%s%s",
	    state->panic ? "panic, else mode" : state->purged ? "purged, else mode" : "mode",
	    mode_name(agent_mode(agent)), agent->conf->nsources,
	    agent_confirm_until(agent) != 0 ? ", falls back to watch unless confirmed" : "",
	    state->isolate ? ", isolated" : "");
	notify_send(text);
}

static void
on_hup(int signo, void *arg)
{
	agent_reload(arg);
}

/* The reporter goes last: what the others say in ending is still spooled. */
static void
go_on_stopping(struct agent *agent)
{
	if (role_running(agent->roles[ROLE_ENFORCER]) || role_running(agent->roles[ROLE_SENSOR]))
		return;
	if (role_running(agent->roles[ROLE_REPORTER]))
		role_stop(agent->roles[ROLE_REPORTER]);
	else if (roles_stopped(agent))
		loop_stop(agent->loop);
}

static void
on_term(int signo, void *arg)
{
	struct agent *agent = arg;

	if (agent->stopping)
		return;
	agent->stopping = true;
	log_notice("ending signal=%d", signo);
	notify_send("STOPPING=1");
	role_kill(agent->roles[ROLE_FEED], SIGKILL);
	role_stop(agent->roles[ROLE_SENSOR]);
	role_stop(agent->roles[ROLE_ENFORCER]);
	go_on_stopping(agent);
}

static void
on_child(int signo, void *arg)
{
	struct agent *agent = arg;

	roles_reap(agent);
	if (agent->stopping)
		go_on_stopping(agent);
}

struct watchdog {
	struct agent *agent;
	struct loop_timer *timer;
};

/* Sent from the loop, after its work: a loop that hangs sends nothing. */
static void
on_watchdog(void *arg)
{
	struct watchdog *watchdog = arg;

	notify_send("WATCHDOG=1");
	loop_timer_start(watchdog->agent->loop, watchdog->timer, notify_watchdog_ms());
}

static int
listen_to_signals(struct agent *agent)
{
	int rc;

	signal(SIGPIPE, SIG_IGN);
	rc = loop_add_signal(agent->loop, SIGHUP, on_hup, agent);
	if (rc == 0)
		rc = loop_add_signal(agent->loop, SIGTERM, on_term, agent);
	if (rc == 0)
		rc = loop_add_signal(agent->loop, SIGINT, on_term, agent);
	if (rc == 0)
		rc = loop_add_signal(agent->loop, SIGCHLD, on_child, agent);
	return rc;
}

static int
start(struct agent *agent)
{
	int i;

	agent->loop = loop_new();
	if (agent->loop == NULL)
		return -errno;
	agent->recount = loop_timer_new(agent->loop, roles_recount, agent);
	agent->events = events_new(agent);
	agent->sources = sources_new(agent);
	agent->endpoints = endpoints_new(agent);
	agent->handout = handout_new(agent);
	agent->heartbeat = heartbeat_new(agent);
	agent->status = status_new(agent);
	if (agent->recount == NULL || agent->events == NULL || agent->sources == NULL ||
	    agent->endpoints == NULL || agent->handout == NULL || agent->heartbeat == NULL ||
	    agent->status == NULL)
		return -ENOMEM;
	endpoints_configure(agent->endpoints);
	for (i = 0; i < ROLE_END; i++) {
		agent->roles[i] = role_new(agent, (enum role_kind)i);
		if (agent->roles[i] == NULL)
			return -ENOMEM;
	}
	agent->groups = groups_new(agent);
	if (agent->groups == NULL)
		return -ENOMEM;
	agent->control = control_new(agent);
	if (agent->control == NULL)
		return -ENOMEM;
	if (mode_begin(agent) != 0 || isolation_begin(agent) != 0 || agent_renew_conf(agent) != 0 ||
	    sources_configure(agent->sources) != 0)
		return -ENOMEM;
	return listen_to_signals(agent);
}

static int
run(struct agent *agent)
{
	struct watchdog watchdog = { .agent = agent };
	int i, rc;

	rc = start(agent);
	if (rc != 0)
		goto out;
	agent_say_environment(agent);
	secrets_log(agent->conf);
	sinkdirs_make(agent->conf);
	untold_tell(agent);
	groups_configure(agent->groups);
	for (i = 0; i < ROLE_LASTING; i++)
		role_start(agent->roles[i]);
	heartbeat_configure(agent->heartbeat);
	sources_unite(agent->sources);
	if (notify_watchdog_ms() > 0) {
		watchdog.timer = loop_timer_new(agent->loop, on_watchdog, &watchdog);
		if (watchdog.timer != NULL)
			on_watchdog(&watchdog);
	}
	if (sources_list(agent->sources) == NULL)
		agent_ready(agent);
	rc = loop_run(agent->loop);
	log_notice("ended");
out:
	if (rc != 0)
		log_error("not started error=\"%s\"", strerror(-rc));
	control_free(agent->control);
	groups_free(agent->groups);
	sources_free(agent->sources);
	status_free(agent->status);
	endpoints_free(agent->endpoints);
	handout_free(agent->handout);
	heartbeat_free(agent->heartbeat);
	events_free(agent->events);
	for (i = 0; i < ROLE_END; i++)
		role_free(agent->roles[i]);
	loop_free(agent->loop);
	return rc == 0 ? 0 : 1;
}

void
agent_ready(struct agent *agent)
{
	if (agent->ready)
		return;
	agent->ready = true;
	agent_tell_manager(agent);
	notify_send("READY=1");
	log_notice("ready mode=%s sources=%zu sinks=%zu host=%s", mode_name(agent_mode(agent)),
	    agent->conf->nsources, agent->conf->nsinks, agent->facts.host_id);
}

/* Says what is missing before anything is touched.  An exit code, 0: go on. */
static int
check_rights(const struct conf *conf)
{
	bool admin = sandbox_has_capability(CAP_NET_ADMIN_NUMBER);
	bool raw = sandbox_has_capability(CAP_NET_RAW_NUMBER);
	bool interface = conf->capture.method == METHOD_INTERFACE ||
	    conf->capture.method == METHOD_BOTH;

	if (!admin && (conf->enforce.mode != ENFORCE_OFF || conf->capture.method == METHOD_NFLOG)) {
		log_error("not started error=\"CAP_NET_ADMIN is missing: run it as root, or as a "
		    "service with AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW\"");
		return 4;
	}
	if (!raw && interface) {
		log_error("not started error=\"CAP_NET_RAW is missing: [capture] method = interface "
		    "needs it\"");
		return 4;
	}
	return 0;
}

static int
claim(const struct conf *conf)
{
	pid_t holder;
	int rc;

	rc = lock_run_dir(conf->agent.run_dir, &holder);
	if (rc == -EBUSY) {
		log_error("not started error=\"an agent is running already (pid %d, run_dir %s)\"",
		    (int)holder, conf->agent.run_dir);
		return 1;
	}
	/* enforcing comes first: the namespace is claimed in any case */
	if (rc != 0)
		log_error("run dir not locked path=%s error=\"%s\"; going on without",
		    conf->agent.run_dir, strerror(-rc));
	rc = lock_namespace();
	if (rc != 0) {
		log_error("not started error=\"%s\"", rc == -EBUSY ?
		    "another agent enforces in this network namespace" : strerror(-rc));
		return 1;
	}
	rc = folder_make(conf->agent.state_dir, 0750);
	if (rc != 0)
		log_error("state dir not made path=%s error=\"%s\"; going on without",
		    conf->agent.state_dir, strerror(-rc));
	return 0;
}

static int
find_online(void)
{
	char path[PROGRAM_PATH_MAX];
	int rc = program_open_online(path);

	if (rc != 0)
		log_error("not started error=\"%s: %s\"", path, strerror(-rc));
	return rc == 0 ? 0 : 1;
}

static int
serve(const struct options *options, struct conf *conf)
{
	struct agent agent = {
		.conf = conf, .conf_path = options->conf_path, .conf_fd = -1,
	};
	int rc;

	notify_init();
	rc = check_rights(conf);
	if (rc == 0)
		rc = find_online();
	if (rc == 0)
		rc = claim(conf);
	if (rc != 0) {
		conf_free(conf);
		return rc;
	}
	rc = state_load(&agent.state, conf->agent.state_dir);
	agent.state_unread = rc != 0;
	if (rc != 0)
		log_error("state not read path=%s/state error=\"%s\": as if there were none",
		    conf->agent.state_dir, strerror(-rc));
	host_facts_init(&agent.facts, conf);
	if (sandbox_begin() != 0 ||
	    sandbox_hold_capabilities(SANDBOX_CAP_NET_ADMIN | SANDBOX_CAP_NET_RAW) != 0)
		log_warn("privileges not dropped error=\"%s\"", strerror(errno));
	confine(FILTER_PARENT, conf, &agent.confined);
	rc = run(&agent);
	if (agent.conf_fd >= 0)
		close(agent.conf_fd);
	conf_free(agent.conf);
	return rc;
}

static int
usage(FILE *out)
{
	fprintf(out,
	    "usage: threatlistd [-c FILE] [-f]            enforce; -f logs for a person\n"
	    "       threatlistd [-c FILE] -n | -nv        check the config; -v prints it back\n"
	    "       threatlistd [-c FILE] --table ORDER   without an agent: panic, resume, purge, expire,\n"
	    "                                             confirm, isolate-off, isolate-on SECONDS|lasting\n"
	    "                                             [ADDRESS PORT], remove (as on_stop = remove does)\n"
	    "       threatlistd --help | --version\n"
	    "The config is " CONF_PATH " unless -c names another.\n");
	return out == stdout ? 0 : 2;
}

/* -1: go on; else the exit code. */
static int
read_options(struct options *options, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "version", no_argument, NULL, 'V' }, { "help", no_argument, NULL, 'h' },
		{ "table", required_argument, NULL, 't' }, { "role", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:nvfh", longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->conf_path = optarg;
			break;
		case 'n':
			options->check = true;
			break;
		case 'v':
			options->print = true;
			break;
		case 'f':
			options->person = true;
			break;
		case 't':
			options->table.word = optarg;
			break;
		case 'r':
			options->role = optarg;
			break;
		case 'V':
			printf("threatlistd %s\n", VERSION);
			return 0;
		case 'h':
			return usage(stdout);
		default:
			return usage(stderr);
		}
	}
	options->table.words = argv + optind;
	options->table.nwords = argc - optind;
	if ((optind < argc && options->table.word == NULL) || (options->print && !options->check))
		return usage(stderr);
	return -1;
}

/* Lifting rules must work with a broken config, too: then with the defaults. */
static int
order_table(const struct options *options)
{
	struct conf_error error;
	struct conf *conf;
	int rc;

	if (conf_load(&conf, options->conf_path, &error) != 0) {
		fprintf(stderr, "threatlistd: %s; going on with the defaults\n", error.text);
		if (conf_parse(&conf, "defaults", "", 0, &error) != 0) {
			fprintf(stderr, "threatlistd: %s\n", error.text);
			return 1;
		}
	}
	rc = table_order(conf, &options->table);
	conf_free(conf);
	return rc;
}

int
main(int argc, char **argv)
{
	static const struct entry roles[] = {
		{ "enforcer", enforcer_main }, { "sensor", sensor_main }, { "groups", groups_main },
	};
	struct options options = { .conf_path = CONF_PATH };
	struct conf_error error;
	struct conf *conf;
	int rc;

	rc = read_options(&options, argc, argv);
	if (rc >= 0)
		return rc;
	entry_begin(options.person);
	if (options.role != NULL)
		return entry_become(roles, sizeof(roles) / sizeof(roles[0]), options.role);
	/* "systemctl reload" checks the config first: why it failed is an error in the journal */
	if ((options.check || options.table.word != NULL) && !log_is_journal())
		log_init("threatlistd", LOG_STYLE_COMMAND);
	if (options.table.word != NULL)
		return order_table(&options);
	rc = conf_load(&conf, options.conf_path, &error);
	if (rc != 0) {
		if (!options.check)
			log_error("not started error=\"%s\"", error.text);
		else if (log_style() == LOG_STYLE_COMMAND)
			log_error("%s", error.text);
		else
			log_error("config not usable error=\"%s\"", error.text);
		return rc == -EACCES ? 4 : 1;
	}
	if (!options.check)
		return serve(&options, conf);
	secrets_log(conf);
	sinkdirs_check(conf);
	rc = options.print && conf_print(conf, stdout) != 0 ? 1 : 0;
	conf_free(conf);
	return rc;
}
