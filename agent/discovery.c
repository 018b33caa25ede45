/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "discovery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cache.h"
#include "threatlistd/log.h"

struct discovery *
discovery_new(const char *state_dir, const char *name)
{
	struct discovery *discovery = calloc(1, sizeof(*discovery));
	char *text = NULL;
	int error;

	if (discovery == NULL)
		return NULL;
	error = cache_sets_load(state_dir, name, &text);
	if (error == 0) {
		discovery->known = set_table_parse(&discovery->table, text);
		if (!discovery->known)
			log_warn("sets of the last discovery not usable source=%s", name);
		else
			log_info("sets of the last discovery loaded source=%s sets=%zu", name,
			    discovery->table.n);
	} else if (error != -ENOENT) {
		log_warn("sets of the last discovery not read source=%s error=\"%s\"", name,
		    strerror(-error));
	}
	free(text);
	return discovery;
}

void
discovery_keep(const struct discovery *discovery, const char *state_dir, const char *name)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int error = -ENOMEM;

	if (out != NULL) {
		set_table_print(&discovery->table, out);
		error = fclose(out) != 0 ? -ENOMEM : cache_sets_store(state_dir, name, text, size);
	}
	free(text);
	if (error != 0)
		log_error("sets of the discovery not kept source=%s path=%s error=\"%s\"; they "
		    "are in force", name, state_dir, strerror(-error));
}

void
discovery_begin(struct discovery *discovery)
{
	discovery->incoming.n = 0;
	discovery->incoming.detector[0] = '\0';
	discovery->breach = false;
}

/* The next set of those coming in. */
static void
take_set(struct discovery *discovery, const struct threat_set *set)
{
	if (discovery->incoming.n == SETS_MAX || !set_is_good(set))
		discovery->breach = true;
	else
		discovery->incoming.sets[discovery->incoming.n++] = *set;
}

bool
discovery_take(struct discovery *discovery, const struct msg_discovered *message,
    const char **reason, bool *listed)
{
	if (!message->end) {
		take_set(discovery, &message->set);
		return false;
	}
	*listed = false;
	*reason = message->reason[0] != '\0' ? message->reason : "GuardDuty could not be asked";
	if (!message->listed)
		return true;
	if (detector_is_good(message->detector))
		memcpy(discovery->incoming.detector, message->detector, DETECTOR_MAX);
	if (discovery->breach || message->sets != discovery->incoming.n ||
	    !set_table_merge(&discovery->next, &discovery->table, &discovery->incoming,
	    message->failed)) {
		*reason = "GuardDuty's answer is not plausible (sets named twice, or not what was "
		    "announced)";
		return true;
	}
	*listed = true;
	discovery->fresh = true;
	snprintf(discovery->note, sizeof(discovery->note), "%s", message->note);
	if (message->failed == 0) {
		*reason = NULL;
		discovery->known = true;
	}
	return true;
}

static bool
copy_text(char **to, const char *from)
{
	*to = from != NULL ? strdup(from) : NULL;
	return from == NULL || *to != NULL;
}

struct conf_source *
set_conf_new(const struct conf_source *from, const struct threat_set *set)
{
	struct conf_source *conf = calloc(1, sizeof(*conf));
	bool good;

	if (conf == NULL)
		return NULL;
	conf->type = SOURCE_GUARDDUTY;
	conf->format = set_format(set);
	conf->role = set_kind_role((enum set_kind)set->kind);
	conf->action = from->action;
	conf->refresh_ms = from->refresh_ms;
	conf->max_bytes = from->max_bytes;
	conf->gates = from->gates;
	good = copy_text(&conf->name, set->name);
	good = copy_text(&conf->location, set->location) && good;
	good = copy_text(&conf->ca_file, from->ca_file) && good;
	good = copy_text(&conf->expected_owner, set->owner[0] != '\0' ? set->owner : NULL) && good;
	if (good)
		return conf;
	set_conf_free(conf);
	return NULL;
}

void
set_conf_free(struct conf_source *conf)
{
	if (conf == NULL)
		return;
	free(conf->name);
	free(conf->location);
	free(conf->ca_file);
	free(conf->expected_owner);
	free(conf);
}
