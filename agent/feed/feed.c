/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The role that touches foreign bytes: takes the sources it was asked for,
 * turns each into an image of its own and hands it to the parent, who judges
 * it.  Lives for one refresh.
 */
#include "roles.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aws/call.h"
#include "aws/imds.h"
#include "core/domains.h"
#include "feed/purse.h"
#include "feed/source.h"
#include "runtime/announce.h"
#include "runtime/channel.h"
#include "runtime/conf.h"
#include "runtime/confine.h"
#include "runtime/loop.h"
#include "runtime/preload.h"
#include "runtime/sandbox.h"
#include "threatlistd/log.h"

/* Body, entries, sorted copies and image of the largest list, and the libraries. */
#define MEMORY_MAX	(UINT64_C(1) << 30)
#define FLUSH_MS	5000	/* the parent reads at once, or is gone */

struct feed {
	struct loop *loop;
	struct channel *channel;
	struct announcer *announcer;
	struct purse *purse;
	struct conf *conf;
	struct http *http;
	struct aws_transport via;
	struct aws_wishes wishes;	/* borrow from conf */
	struct aws *aws;		/* NULL until a source at AWS is asked */
	char account[FACT_MAX];		/* empty: unknown */
	char region[FACT_MAX];		/* as IMDS said before; empty: unknown */
	struct msg_fetch asked[LIST_SOURCES_MAX];
	size_t nasked;
	bool ask_facts, introduce, confined, going, done;
	int code;			/* of the exit */
};

enum source_outcome
source_failed(struct source_text *text, const char *fmt, ...)
{
	va_list args;
	char *at;

	va_start(args, fmt);
	vsnprintf(text->reason, sizeof(text->reason), fmt, args);
	va_end(args);
	for (at = text->reason; *at != '\0'; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?';
	}
	return SOURCE_FAILED;
}

static void
end(struct feed *feed, int code)
{
	feed->code = code;
	feed->done = true;
	loop_stop(feed->loop);
}

static void
copy_rejects(const struct format_report *report, struct msg_fetched *fetched)
{
	unsigned int i;

	for (i = 0; i < report->nrejects && i < FETCH_REJECTS; i++) {
		snprintf(fetched->rejects[i], sizeof(fetched->rejects[i]), "%" PRIu32 ": %s: %s",
		    report->rejects[i].line, report->rejects[i].reason, report->rejects[i].text);
	}
}

/* Why a text that was read is no list; SOURCE_READ if it is one. names: domain names will do. */
static enum source_outcome
judge_text(const struct conf_source *source, int error, const struct format_report *report,
    const struct msg_fetched *fetched, bool names, struct source_text *text)
{
	const char *html = strncmp(text->content_type, "text/html", 9) == 0 ?
	    " (it came as text/html)" : "";
	char skipped[FORMAT_SKIPPED_MAX];
	/* domains are what entity lists are for, even if nothing is done with them here */
	uint64_t bad = report->rejected - report->domains;

	format_skipped(report, skipped);
	if (error == -ENODATA && names && bad == 0)
		error = 0;
	if (text->size == 0)
		return source_failed(text, "is empty");
	if (error == -E2BIG)
		return source_failed(text, "has more than %u entries", LIST_RANGES_MAX);
	if (error == -ENOMEM)
		return source_failed(text, "needs more memory than the feed may use");
	if (error == -EBADMSG)
		return source_failed(text, "is no %s list%s: line %" PRIu32 ": %s",
		    format_name(report->format), html, report->refused_line, report->refused);
	if (error != 0 && report->rejected == 0)
		return source_failed(text, "has no entry in %" PRIu64 " lines%s%s%s", report->lines,
		    html, skipped[0] == '\0' ? "" : ", skipped: ", skipped);
	if (error != 0)
		return source_failed(text, "nothing acceptable in %" PRIu64 " lines%s; first rejected: "
		    "line %s", report->lines, html, fetched->rejects[0]);
	if (bad > report->accepted)
		return source_failed(text, "is mostly no list: %" PRIu64 " of %" PRIu64 " entries are "
		    "rejected, at most half may be%s; first: line %s", bad,
		    bad + report->accepted, html, fetched->rejects[0]);
	if (skipped[0] != '\0' || report->domains > 0)
		log_info("list entries that are no addresses source=%s domains_in_lines=%" PRIu64
		    " skipped=%s", source->name, report->domains, skipped);
	return SOURCE_READ;
}

/* An entity list of GuardDuty's may have nothing but domain names. */
static bool
is_of_entities(const struct msg_fetch *last)
{
	return last->has_set && last->set.kind >= SET_THREAT_ENTITY;
}

/* GuardDuty itself does not use such a list; here it is read whole. */
static void
say_quota(const struct conf_source *source, const struct threat_set *set,
    const struct format_report *report)
{
	char text[QUOTA_TEXT_MAX];

	if (format_quota_warning(report, (unsigned int)set_kind_quota((enum set_kind)set->kind),
	    text))
		log_warn("list above a quota source=%s warning=\"%s\"", source->name, text);
}

static enum source_outcome
parse(const struct conf_source *source, const struct msg_fetch *last, struct source_text *text,
    struct entries *entries, struct msg_fetched *fetched)
{
	struct format_report report;
	enum source_outcome outcome;
	unsigned int i;
	int error;

	memset(&report, 0, sizeof(report));
	error = format_read(entries, source->format, text->data, text->size, &report);
	fetched->bytes = text->size;
	fetched->lines = report.lines;
	fetched->entries = report.accepted;
	fetched->rejected = report.rejected;
	for (i = 0; i < NOTE_END; i++)
		fetched->notes += report.notes[i];
	copy_rejects(&report, fetched);
	outcome = judge_text(source, error, &report, fetched, is_of_entities(last) &&
	    domains_count(entries_domains(entries)) > 0, text);
	if (outcome == SOURCE_READ && last->has_set)
		say_quota(source, &last->set, &report);
	/* the entries hold all of it */
	free(text->data);
	text->data = NULL;
	return outcome;
}

/* The image as a descriptor, or SAME if it says what the one in force says. */
static enum source_outcome
seal(const struct image *image, const struct msg_fetch *last, struct source_text *text, int *fd)
{
	struct list_error err = { "" };
	struct list *list;
	bool same;

	if (list_open_memory(&list, image->bytes, image->size, &err) != 0)
		return source_failed(text, "its image is wrong: %s", err.text);
	same = last->have_hash && memcmp(list_hash(list), last->hash, LIST_HASH_LEN) == 0;
	list_free(list);
	if (same)
		return SOURCE_SAME;
	*fd = memfd_with("list", image->bytes, image->size);
	if (*fd < 0)
		return source_failed(text, "cannot keep its image: %s", strerror(-*fd));
	return SOURCE_READ;
}

/* Before the list itself; also none at all, because there may have been some. */
static enum source_outcome
tell_domains(struct feed *feed, const struct msg_fetch *last, const struct entries *entries,
    struct source_text *text)
{
	struct message message = { .type = MSG_DOMAINS, .u.domains.source = last->source };
	struct domains *domains = entries_domains(entries);
	char *names;
	size_t size;
	uint32_t n;
	int fd;

	if (domains_print(domains, &names, &size, &n) != 0)
		return source_failed(text, "out of memory");
	fd = memfd_with("domains", names, size);
	free(names);
	if (fd < 0)
		return source_failed(text, "cannot keep its domain names: %s", strerror(-fd));
	if (domains_left_out(domains) > 0)
		log_warn("domain names left out names=%" PRIu64 " kept=%" PRIu32 " at_most=%u",
		    domains_left_out(domains), n, DOMAINS_MAX);
	if (channel_send(feed->channel, &message, fd) != 0)
		log_error("cannot pass on domain names");
	close(fd);
	return SOURCE_READ;
}

static enum source_outcome
compile(struct feed *feed, const struct conf_source *source, const struct msg_fetch *last,
    struct source_text *text, struct msg_fetched *fetched, int *fd)
{
	struct list_source about = { .role = source->role, .action = source->action };
	struct image image = { NULL, 0 };
	struct entries *entries;
	enum source_outcome outcome;
	int error;

	snprintf(about.name, sizeof(about.name), "%s", source->name);
	entries = entries_new();
	outcome = entries != NULL && entries_want_domains(entries) == 0 ? SOURCE_READ :
	    source_failed(text, "out of memory");
	if (outcome == SOURCE_READ)
		outcome = parse(source, last, text, entries, fetched);
	if (outcome == SOURCE_READ)
		outcome = tell_domains(feed, last, entries, text);
	if (outcome != SOURCE_READ)
		goto out;
	error = compile_source(entries, &about, &image);
	outcome = error != 0 ? source_failed(text, "cannot be compiled: %s", strerror(-error)) :
	    seal(&image, last, text, fd);
out:
	image_free(&image);
	entries_free(entries);
	return outcome;
}

static void
say(const struct conf_source *source, const struct msg_fetched *fetched)
{
	if (fetched->outcome == FETCH_FAILED) {
		log_warn("list not taken source=%s took_ms=%" PRIu32 " error=\"%s\"", source->name,
		    fetched->took_ms, fetched->reason);
		return;
	}
	log_info("list fetched source=%s outcome=%s bytes=%" PRIu64 " entries=%" PRIu64
	    " rejected=%" PRIu64 " took_ms=%" PRIu32, source->name,
	    fetched->outcome == FETCH_NEW ? "new" : "same", fetched->bytes, fetched->entries,
	    fetched->rejected, fetched->took_ms);
}

static bool
is_at_aws(const struct conf_source *source)
{
	return source->type == SOURCE_S3 || source->type == SOURCE_GUARDDUTY;
}

static enum source_outcome
read_source(const struct source_ask *ask, struct source_text *text)
{
	switch (ask->source->type) {
	case SOURCE_FILE:
		return source_file_read(ask, text);
	case SOURCE_HTTPS:
		return source_https_read(ask, text);
	case SOURCE_S3:
	case SOURCE_GUARDDUTY:		/* one of its sets, which are objects in S3 */
		return ask->aws != NULL ? source_s3_read(ask, text) :
		    source_failed(text, "out of memory");
	}
	return source_failed(text, "is of no known type");
}

/* The source to ask: the config's, or a set that one of the config's has discovered. */
static void
fill_source(const struct feed *feed, const struct msg_fetch *last, struct conf_source *source,
    struct threat_set *set)
{
	*source = feed->conf->sources[last->conf];
	*set = last->set;
	if (!last->has_set)
		return;
	source->name = set->name;
	source->location = set->location;
	source->format = set_format(set);
	source->role = set_kind_role((enum set_kind)set->kind);
	source->expected_owner = set->owner[0] != '\0' ? set->owner : NULL;
	source->region = NULL;		/* GuardDuty's need not be the bucket's */
}

static void
fetch(struct feed *feed, const struct msg_fetch *last)
{
	struct threat_set set;
	struct conf_source asked, *source = &asked;
	const struct source_ask ask = {
		.conf = feed->conf, .source = source, .last = last, .http = feed->http,
		.aws = feed->aws, .via = &feed->via, .account = feed->account,
	};
	struct message answer = { .type = MSG_FETCHED };
	struct msg_fetched *fetched = &answer.u.fetched;
	struct source_text text = { .data = NULL };
	int64_t began = loop_now_ms();
	enum source_outcome outcome;
	int fd = -1;

	fill_source(feed, last, source, &set);
	if (last->discover) {
		source_guardduty_discover(&ask, feed->channel);
		return;
	}
	outcome = read_source(&ask, &text);
	if (outcome == SOURCE_READ)
		outcome = compile(feed, source, last, &text, fetched, &fd);
	fetched->source = last->source;
	fetched->outcome = outcome == SOURCE_READ ? FETCH_NEW : outcome == SOURCE_SAME ?
	    FETCH_SAME : FETCH_FAILED;
	fetched->took_ms = (uint32_t)(loop_now_ms() - began);
	fetched->gone = text.gone;
	fetched->retry_after_s = text.retry_after_s;
	if (outcome != SOURCE_FAILED) {
		memcpy(fetched->etag, text.etag, sizeof(fetched->etag));
		memcpy(fetched->last_modified, text.last_modified, sizeof(fetched->last_modified));
	}
	memcpy(fetched->region, text.region, sizeof(fetched->region));
	memcpy(fetched->reason, text.reason, sizeof(fetched->reason));
	say(source, fetched);
	if (channel_send(feed->channel, &answer, fd) != 0)
		log_error("cannot answer source=%s", source->name);
	if (fd >= 0)
		close(fd);
	free(text.data);
}

static void
ask_facts(struct feed *feed)
{
	struct message found = { .type = MSG_HOST_FOUND };
	char reason[IMDS_REASON_MAX];

	if (!imds_is_wanted("/sys"))
		return;
	if (imds_read(feed->http, &found.u.facts, reason) != 0) {
		log_warn("host facts not found error=%s", reason);
		return;
	}
	snprintf(feed->account, sizeof(feed->account), "%s", found.u.facts.account);
	log_info("host facts found id=%s region=%s", found.u.facts.instance_id,
	    found.u.facts.region);
	if (channel_send(feed->channel, &found, -1) != 0)
		log_error("cannot pass on the host facts");
}

/* Once in the agent's life: where AWS is for this host and whose keys are used. */
static void
say_site(struct aws *aws)
{
	char reason[IMDS_REASON_MAX];
	struct aws_identity identity;
	struct aws_site site;

	if (aws_site(aws, &site, reason) != 0)
		log_warn("AWS region not known error=\"%s\"", reason);
	else
		log_notice("AWS region=%s partition=%s fips=%s dualstack=%s", site.region,
		    site.partition, site.fips ? "yes" : "no", site.dualstack ? "yes" : "no");
	if (aws_identity(aws, &identity, reason) != 0)
		log_warn("AWS credentials not found error=\"%s\"", reason);
	else
		log_notice("AWS credentials from=\"%s\" key_id=%s%s%s",
		    credentials_origin_text(identity.origin), identity.key_id,
		    identity.role[0] != '\0' ? " role=" : "", identity.role);
}

/* What calls of AWS need, if a source that is asked now is there. */
static void
prepare_aws(struct feed *feed)
{
	bool wanted = false;
	size_t i;

	for (i = 0; i < feed->nasked; i++)
		wanted = wanted || is_at_aws(&feed->conf->sources[feed->asked[i].conf]);
	if (!wanted)
		return;
	feed->via = aws_transport_real(feed->http);
	feed->wishes = (struct aws_wishes){
		.region = feed->conf->agent.region,
		.known_region = feed->region[0] != '\0' ? feed->region : NULL,
		.ca_file = feed->conf->agent.ca_file,
		.proxy = feed->conf->agent.proxy,
		.fips = feed->conf->agent.fips,
		.dualstack = feed->conf->agent.dualstack,
	};
	feed->aws = aws_new(&feed->via, &feed->wishes, "/sys");
	if (feed->aws != NULL)
		aws_keys_from(feed->aws, purse_ask, feed->purse);
}

static void
fetch_all(struct feed *feed, bool files)
{
	size_t i;

	for (i = 0; i < feed->nasked; i++) {
		if ((feed->conf->sources[feed->asked[i].conf].type == SOURCE_FILE) == files)
			fetch(feed, &feed->asked[i]);
	}
}

/* Blocks until all is done: nothing else is asked of this role, and SIGTERM ends it. */
static void
go(struct feed *feed)
{
	feed->going = true;
	if (feed->ask_facts)
		ask_facts(feed);
	prepare_aws(feed);
	/* files need nobody; whatever may hang comes after them */
	fetch_all(feed, true);
	if (feed->aws != NULL && feed->introduce)
		say_site(feed->aws);
	fetch_all(feed, false);
	channel_flush(feed->channel, FLUSH_MS);
	end(feed, 0);
}

static void
take_conf(struct feed *feed, int fd)
{
	struct message confined = { .type = MSG_CONFINED };
	struct conf_error err = { "" };

	conf_free(feed->conf);
	feed->conf = NULL;
	if (conf_from_fd(&feed->conf, fd, &err) != 0) {
		log_error("config not taken error=%s", err.text);
		end(feed, 1);
		return;
	}
	if (feed->confined)
		return;
	feed->confined = true;
	preload_online();
	confine(FILTER_FEED, feed->conf, &confined.u.confined);
	if (channel_send(feed->channel, &confined, -1) != 0)
		log_error("message not sent type=%u", confined.type);
}

static void
take_fetch(struct feed *feed, const struct msg_fetch *wanted)
{
	if (wanted->ask_facts)
		feed->ask_facts = true;
	if (wanted->introduce)
		feed->introduce = true;
	if (wanted->source == FETCH_NO_SOURCE)
		return;
	if (feed->conf == NULL || wanted->conf >= feed->conf->nsources ||
	    feed->nasked == LIST_SOURCES_MAX || (wanted->has_set && !set_is_good(&wanted->set)) ||
	    (feed->conf->sources[wanted->conf].type == SOURCE_GUARDDUTY) !=
	    (wanted->has_set || wanted->discover)) {
		log_error("asked for source number %" PRIu32 ", which is not in the config",
		    wanted->conf);
		end(feed, 1);
		return;
	}
	feed->asked[feed->nasked++] = *wanted;
}

static void
on_message(const struct message *message, int *fd, void *arg)
{
	struct feed *feed = arg;

	if (message->type == MSG_ENDPOINT_DONE)
		announcer_answered(feed->announcer, &message->u.endpoint);
	if (message->type == MSG_KEYS || message->type == MSG_NO_KEYS)
		purse_answered(feed->purse, message);
	/* of what comes while it works only those answers are waited for */
	if (feed->done || feed->going)
		return;
	switch (message->type) {
	case MSG_CONF:
		take_conf(feed, *fd);
		break;
	case MSG_FACTS:
		snprintf(feed->account, sizeof(feed->account), "%s", message->u.facts.account);
		/* only IMDS tells a zone: without one the region is the config's or none */
		if (message->u.facts.zone[0] != '\0')
			memcpy(feed->region, message->u.facts.region, sizeof(feed->region));
		break;
	case MSG_FETCH:
		take_fetch(feed, &message->u.fetch);
		break;
	case MSG_GO:
		go(feed);
		break;
	case MSG_STOP:
		end(feed, 0);
		break;
	default:
		/* list and status questions go to every role; none is for this one */
		break;
	}
}

static void
on_closed(const char *reason, void *arg)
{
	log_error("channel to the parent: %s", reason);
	end(arg, 1);
}

/* 0 or -errno. */
static int
give_up_rights(void)
{
	int error = sandbox_begin();

	if (error == 0)
		error = sandbox_keep_capabilities(0);
	if (error == 0 && !SANDBOX_SANITIZED)
		error = sandbox_limit_memory(MEMORY_MAX);
	return error;
}

int
feed_main(void)
{
	struct feed *feed = NULL;
	int error, code = 1;

	/* the resolver's thread needs no arena of its own, which counts as address space */
	mallopt(M_ARENA_MAX, 1);
	signal(SIGPIPE, SIG_IGN);
	error = give_up_rights();
	if (error != 0) {
		log_error("cannot give up rights: %s", strerror(-error));
		return 1;
	}
	feed = calloc(1, sizeof(*feed));
	if (feed == NULL)
		return 1;
	feed->loop = loop_new();
	feed->http = http_new();
	if (feed->loop == NULL || feed->http == NULL) {
		log_error("out of memory or descriptors");
		goto out;
	}
	feed->channel = channel_new(feed->loop, CHANNEL_FD, on_message, on_closed, feed);
	if (feed->channel == NULL)
		goto out;
	feed->announcer = announcer_new(feed->loop, feed->channel);
	if (feed->announcer == NULL)
		goto out;
	feed->purse = purse_new(feed->channel);
	if (feed->purse == NULL)
		goto out;
	http_on_connect(feed->http, announcer_tell, feed->announcer);
	if (loop_run(feed->loop) == 0)
		code = feed->code;
out:
	announcer_free(feed->announcer);
	aws_free(feed->aws);
	purse_free(feed->purse);
	channel_free(feed->channel);
	loop_free(feed->loop);
	http_free(feed->http);
	conf_free(feed->conf);
	free(feed);
	return code;
}
