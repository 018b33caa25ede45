/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Findings to people, through a topic of SNS.  A message each, as long as an
 * hour has room for them; then they wait, unfrozen, until there is room again,
 * and one message sums up what waited.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hour.h"
#include "core/render_message.h"
#include "report/sink_aws.h"

#define SUMMARY_MOST	500		/* findings in one message */
#define SUMMARY_BYTES	(4u << 20)	/* of them; most is left out of the message */

struct topic {
	struct sink_aws way;
	const struct conf_sink *conf;
	char region[AWS_REGION_MAX];
	struct hour hour;
	bool holding;			/* something waits for the hour to have room */
};

/* name=value, percent-encoded, after what is there.  False: no memory. */
static bool
add_field(FILE *form, const char *name, const char *value)
{
	char *encoded = sigv4_encode(value, strlen(value), "");

	if (encoded != NULL)
		fprintf(form, "&%s=%s", name, encoded);
	free(encoded);
	return encoded != NULL;
}

/* malloc'd; NULL: no memory. */
static char *
make_form(const struct topic *topic, const struct message_text *message)
{
	char *text = NULL;
	size_t size;
	FILE *form = open_memstream(&text, &size);
	bool good;

	if (form == NULL)
		return NULL;
	fputs("Action=Publish&Version=2010-03-31", form);
	good = add_field(form, "TopicArn", topic->conf->topic) &&
	    add_field(form, "Subject", message->subject) &&
	    add_field(form, "Message", message->text);
	if (fclose(form) == 0 && good)
		return text;
	free(text);
	return NULL;
}

/* Fills *result: OUTCOME_ACCEPTED, or why not. */
static void
publish(struct topic *topic, const struct message_text *message, struct sink_result *result)
{
	static const struct sigv4_header headers[] = {
		{ "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" },
	};
	struct aws_request request = {
		.service = AWS_SNS, .region = topic->region, .method = "POST", .path = "/",
		.headers = headers, .nheaders = 1,
	};
	struct aws_answer answer;
	char *form = make_form(topic, message);

	if (form == NULL) {
		sink_aws_again(result, "out of memory");
		return;
	}
	request.body = form;
	request.body_size = strlen(form);
	if (sink_aws_call(&topic->way, &request, &answer, result)) {
		if (strstr(answer.http.body, "<MessageId>") != NULL) {
			result->outcome = OUTCOME_ACCEPTED;
			hour_sent(&topic->hour, aws_now_ms(&topic->way.via));
		} else {
			sink_aws_again(result, "sns: the answer has no MessageId");
		}
	}
	aws_answer_free(&answer);
	free(form);
}

static void
publish_one(struct topic *topic, const struct spool_body *body, struct sink_result *result)
{
	struct message_text message;

	if (render_message(&message, body->text))
		publish(topic, &message, result);
	else
		sink_aws_again(result, "out of memory");
	free(message.text);
}

/* One after another; what is left after the first that must come again comes again, too. */
static void
publish_each(struct topic *topic, const struct spool_body *bodies, unsigned int n,
    struct sink_result *result)
{
	struct sink_result one = { .outcome = OUTCOME_ACCEPTED };
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (one.outcome != OUTCOME_AGAIN) {
			memset(&one, 0, sizeof(one));
			publish_one(topic, &bodies[i], &one);
		}
		if (one.outcome == OUTCOME_ACCEPTED)
			continue;
		result->retry_after_ms = one.retry_after_ms;
		if (!sink_result_part(result, bodies[i].sequence,
		    one.outcome == OUTCOME_AGAIN ? OUTCOME_AGAIN : OUTCOME_REFUSED, one.error)) {
			sink_aws_again(result, "out of memory");
			return;
		}
	}
	sink_aws_end(result);
}

static void
publish_summary(struct topic *topic, const struct spool_body *bodies, unsigned int n,
    struct sink_result *result)
{
	const char *natives[SUMMARY_MOST];
	struct message_text message;
	unsigned int i;

	for (i = 0; i < n; i++)
		natives[i] = bodies[i].text;
	if (render_summary(&message, natives, n, topic->conf->max_per_hour))
		publish(topic, &message, result);
	else
		sink_aws_again(result, "out of memory");
	free(message.text);
}

static void
sns_deliver(void *state, const struct spool_body *bodies, unsigned int n,
    struct sink_result *result)
{
	struct topic *topic = state;

	/* what was frozen before a restart may be more than an hour's messages */
	if (n > 1 && (topic->holding ||
	    n > hour_room(&topic->hour, aws_now_ms(&topic->way.via))))
		publish_summary(topic, bodies, n, result);
	else
		publish_each(topic, bodies, n, result);
	if (result->outcome == OUTCOME_ACCEPTED)
		topic->holding = false;
}

static unsigned int
sns_room(void *state, int64_t *wait_ms)
{
	struct topic *topic = state;
	int64_t now_ms = aws_now_ms(&topic->way.via);
	unsigned int room = hour_room(&topic->hour, now_ms);

	*wait_ms = hour_wait_ms(&topic->hour, now_ms);
	topic->holding |= room == 0;
	return room == 0 ? 0 : topic->holding ? SUMMARY_MOST : room;
}

static void
sns_close(void *state)
{
	struct topic *topic = state;

	sink_aws_close(&topic->way);
	free(topic);
}

/* arn:PARTITION:sns:REGION:ACCOUNT:NAME, as the config has checked. */
static void
take_region(struct topic *topic)
{
	const char *at = strstr(topic->conf->topic, ":sns:") + strlen(":sns:");

	snprintf(topic->region, sizeof(topic->region), "%.*s", (int)strcspn(at, ":"), at);
}

static void *
sns_open(const struct sink_setting *setting)
{
	struct topic *topic = calloc(1, sizeof(*topic));

	if (topic == NULL)
		return NULL;
	topic->conf = setting->conf;
	hour_init(&topic->hour, topic->conf->max_per_hour);
	take_region(topic);
	if (sink_aws_open(&topic->way, setting))
		return topic;
	sns_close(topic);
	return NULL;
}

const struct sink_kind sink_sns = {
	.batch = SUMMARY_MOST, .batch_bytes = SUMMARY_BYTES, .gaps = true,
	.open = sns_open, .deliver = sns_deliver, .close = sns_close, .room = sns_room,
};
