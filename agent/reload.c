/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A new config for a running agent: all or nothing. */
#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aws/environment.h"
#include "groups.h"
#include "runtime/hostid.h"
#include "runtime/notify.h"
#include "secrets.h"
#include "sinkdirs.h"
#include "threatlistd/log.h"

void
agent_say_environment(struct agent *agent)
{
	bool wanted = conf_calls_aws(agent->conf);

	if (wanted && !agent->said_environment)
		aws_environment_log();
	agent->said_environment = agent->said_environment || wanted;
}

/* Directories must not move under a running agent: locks and sockets are in them. */
static bool
same_dirs(const struct conf *a, const struct conf *b)
{
	return strcmp(a->agent.state_dir, b->agent.state_dir) == 0 &&
	    strcmp(a->agent.run_dir, b->agent.run_dir) == 0;
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Whose findings these are, where the config says so; what the metadata service said holds on. */
static void
renew_facts(struct agent *agent, const struct conf *old)
{
	const struct conf *fresh = agent->conf;
	struct host_facts before = agent->facts;

	if (same_text(old->agent.host_id, fresh->agent.host_id) &&
	    same_text(old->agent.account, fresh->agent.account) &&
	    same_text(old->agent.region, fresh->agent.region))
		return;
	host_facts_init(&agent->facts, fresh);
	if (agent->found.instance_id[0] != '\0')
		host_facts_merge(&agent->facts, &agent->found, fresh);
	memcpy(agent->facts.detector_id, before.detector_id, sizeof(before.detector_id));
}

/* The one before stays, and status says so until a reload succeeds. */
static void
refuse(struct agent *agent, const char *reason)
{
	log_error("config not reloaded error=\"%s\"; the one before stays", reason);
	snprintf(agent->refused, sizeof(agent->refused), "%s", reason);
	notify_send("READY=1");
}

/* False: there was no memory for it. */
static bool
take(struct agent *agent, struct conf *fresh)
{
	struct conf *old = agent->conf;
	int old_fd = agent->conf_fd;

	agent->conf = fresh;
	agent->conf_fd = -1;
	if (agent_renew_conf(agent) != 0 || sources_configure(agent->sources) != 0) {
		/* a role that starts anew gets what the others have */
		if (agent->conf_fd >= 0)
			close(agent->conf_fd);
		agent->conf_fd = old_fd;
		agent->conf = old;
		return false;
	}
	close(old_fd);
	renew_facts(agent, old);
	conf_free(old);
	mode_reloaded(agent);
	agent_say_environment(agent);
	secrets_log(agent->conf);
	sinkdirs_make(agent->conf);
	endpoints_configure(agent->endpoints);
	heartbeat_configure(agent->heartbeat);
	groups_configure(agent->groups);
	roles_restart(agent);
	sources_unite(agent->sources);
	sources_refresh(agent->sources, NULL, false);
	return true;
}

void
agent_reload(struct agent *agent)
{
	struct conf_error error;
	struct conf *fresh;

	notify_send("RELOADING=1");
	if (conf_load(&fresh, agent->conf_path, &error) != 0) {
		refuse(agent, error.text);
		return;
	}
	if (!same_dirs(agent->conf, fresh)) {
		conf_free(fresh);
		refuse(agent, "state_dir and run_dir cannot change while the agent runs: restart it");
		return;
	}
	if (!take(agent, fresh)) {
		conf_free(fresh);
		refuse(agent, strerror(ENOMEM));
		return;
	}
	agent->refused[0] = '\0';
	log_notice("config reloaded path=%s", agent->conf_path);
	agent_tell_manager(agent);
	notify_send("READY=1");
}
