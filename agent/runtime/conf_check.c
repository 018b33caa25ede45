/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/conf_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/s3_location.h"

static void
title(const struct builder *builder, const struct met *met, char text[static LIST_NAME_MAX + 16])
{
	const char *name = conf_name_of(builder->conf, met);

	snprintf(text, LIST_NAME_MAX + 16, "[%s%s%s]", conf_sections[met->id].word,
	    name != NULL ? " " : "", name != NULL ? name : "");
}

/* Type first: which keys are required and fit depends on it. */
int
conf_check_fit(struct builder *builder, const struct met *met)
{
	const struct conf_section *section = &conf_sections[met->id];
	unsigned int type = conf_type_of(builder->conf, met->id, met->index);
	char head[LIST_NAME_MAX + 16], allowed[CONF_WHY_MAX];
	size_t i;

	title(builder, met, head);
	for (i = 0; i < section->nkeys; i++) {
		const struct conf_key *key = &section->keys[i];
		const struct place *given = &met->keys[i];

		if (given->file == NULL && key->required && conf_key_fits(key, type)) {
			conf_value_allowed(key, allowed);
			return conf_wrong_at(builder, &met->at, "%s has no %s: it is required, %s", head,
			    key->name, allowed);
		}
		if (given->file != NULL && !conf_key_fits(key, type))
			return conf_wrong_at(builder, given, "%s does not fit the type of %s", key->name,
			    head);
	}
	return 0;
}

static const struct place *
place_of(const struct met *met, const char *name)
{
	const struct conf_section *section = &conf_sections[met->id];

	return &met->keys[conf_key_find(section, name) - section->keys];
}

int
conf_check_source(struct builder *builder, const struct met *met)
{
	const struct conf_source *source = &builder->conf->sources[met->index];
	const struct place *at = place_of(met, "location");
	struct s3_location location;
	const char *wrong;

	if (source->type == SOURCE_GUARDDUTY)
		return 0;
	if (source->type == SOURCE_S3) {
		wrong = s3_location_parse(&location, source->location);
		return wrong == NULL ? 0 : conf_wrong_at(builder, at, "the location of type s3 %s: "
		    "`%.*s'", wrong, SHOWN_MAX, strchr(source->location, '@') != NULL ? "(not shown)" :
		    source->location);
	}
	if (source->type == SOURCE_FILE && source->location[0] != '/')
		return conf_wrong_at(builder, at, "the location of type file is an absolute path, not "
		    "`%.*s'", SHOWN_MAX, source->location);
	if (source->type == SOURCE_HTTPS && strncmp(source->location, "https://", 8) != 0)
		return conf_wrong_at(builder, at, "the location of type https is an https:// URL, not "
		    "`%.*s'", SHOWN_MAX, source->location);
	return 0;
}

static int
check_http(struct builder *builder, const struct met *met, const struct conf_sink *sink)
{
	bool secret = sink->token_credential != NULL || sink->token_file != NULL ||
	    sink->header_file != NULL;

	if (sink->token_credential != NULL && sink->token_file != NULL)
		return conf_wrong_at(builder, place_of(met, "token_file"),
		    "token_credential or token_file, not both");
	if (sink->key_file != NULL && sink->cert_file == NULL)
		return conf_wrong_at(builder, place_of(met, "key_file"), "key_file needs cert_file");
	if (secret && strncmp(sink->url, "https://", 8) != 0 && !conf_url_is_loopback(sink->url)) {
		return conf_wrong_at(builder, place_of(met, "url"), "a token or header file goes over "
		    "https:// only, or to loopback, not to `%.*s'", SHOWN_MAX, sink->url);
	}
	return 0;
}

static int
check_eventbridge(struct builder *builder, const struct met *met, const struct conf_sink *sink)
{
	if (strncmp(sink->source, "aws.", 4) == 0)
		return conf_wrong_at(builder, place_of(met, "source"), "a source that begins with aws. "
		    "is AWS's own, not `%.*s'", SHOWN_MAX, sink->source);
	return 0;
}

/* Which format a type can have; the first one is its default. */
static int
settle_format(struct builder *builder, const struct met *met, struct conf_sink *sink)
{
	bool given = place_of(met, "format")->file != NULL;

	if (!given && sink->type == SINK_SECURITYHUB)
		sink->format = SINK_FORMAT_ASFF;
	if (sink->type == SINK_SECURITYHUB && sink->format != SINK_FORMAT_ASFF)
		return conf_wrong_at(builder, place_of(met, "format"), "Security Hub takes asff only");
	if (sink->type == SINK_EVENTBRIDGE && sink->format != SINK_FORMAT_GUARDDUTY)
		return conf_wrong_at(builder, place_of(met, "format"), "events are guardduty only: rules "
		    "are written for it");
	if (sink->type == SINK_SNS && sink->format != SINK_FORMAT_GUARDDUTY)
		return conf_wrong_at(builder, place_of(met, "format"), "messages are guardduty only");
	return 0;
}

static int
check_securityhub(struct builder *builder, const struct met *met, const struct conf_sink *sink)
{
	if (sink->product_arn != NULL && (strncmp(sink->product_arn, "arn:", 4) != 0 ||
	    strstr(sink->product_arn, ":product/") == NULL))
		return conf_wrong_at(builder, place_of(met, "product_arn"), "product_arn is "
		    "arn:PARTITION:securityhub:REGION:ACCOUNT:product/COMPANY/PRODUCT, not `%.*s'",
		    SHOWN_MAX, sink->product_arn);
	return 0;
}

/* A topic with an order is for programs: it wants to know of groups and repetitions. */
static int
check_sns(struct builder *builder, const struct met *met, const struct conf_sink *sink)
{
	const char *at = strstr(sink->topic, ":sns:");
	size_t len = strlen(sink->topic), region = at != NULL ? strcspn(at + 5, ":") : 0;

	if (strncmp(sink->topic, "arn:", 4) == 0 && region > 0 && at[5 + region] == ':' &&
	    strchr(at + 6 + region, ':') != NULL &&
	    (len < 5 || strcmp(sink->topic + len - 5, ".fifo") != 0))
		return 0;
	return conf_wrong_at(builder, place_of(met, "topic"), "topic is "
	    "arn:PARTITION:sns:REGION:ACCOUNT:NAME of a standard topic, not `%.*s'", SHOWN_MAX,
	    sink->topic);
}

/* Is it what the sink writes, or what that is renamed to when it is full? */
static bool
is_file_of(const struct conf_sink *sink, const char *path)
{
	size_t n = strlen(sink->path);

	return strncmp(path, sink->path, n) == 0 &&
	    (path[n] == '\0' || strcmp(path + n, SINK_FILE_FULL) == 0);
}

int
conf_check_sink(struct builder *builder, const struct met *met)
{
	struct conf *conf = builder->conf;
	struct conf_sink *sink = &conf->sinks[met->index];
	size_t i;

	if (place_of(met, "events")->file == NULL)
		sink->events = sink->type == SINK_FILE ? EVENTS_ALL : EVENTS_SECURITY;
	if (settle_format(builder, met, sink) != 0)
		return -EINVAL;
	if (sink->type == SINK_HTTP)
		return check_http(builder, met, sink);
	if (sink->type == SINK_SECURITYHUB)
		return check_securityhub(builder, met, sink);
	if (sink->type == SINK_SNS)
		return check_sns(builder, met, sink);
	if (sink->type == SINK_EVENTBRIDGE)
		return check_eventbridge(builder, met, sink);
	for (i = 0; sink->type == SINK_FILE && i < met->index; i++) {
		if (conf->sinks[i].type == SINK_FILE &&
		    (is_file_of(&conf->sinks[i], sink->path) ||
		    is_file_of(sink, conf->sinks[i].path)))
			return conf_wrong_at(builder, place_of(met, "path"), "%s is the file of [sink %s] "
			    "already (a full one becomes PATH" SINK_FILE_FULL ")", sink->path,
			    conf->sinks[i].name);
	}
	return 0;
}
