/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which lists GuardDuty uses, told to the parent one by one. */
#include "feed/source.h"

#include <stdio.h>
#include <string.h>

#include "aws/guardduty.h"
#include "threatlistd/log.h"

struct telling {
	struct channel *channel;
	uint32_t source;
	uint32_t sets;
};

static void
tell(const struct threat_set *set, void *arg)
{
	struct telling *telling = arg;
	struct message message = { .type = MSG_DISCOVERED };

	message.u.discovered.source = telling->source;
	message.u.discovered.set = *set;
	telling->sets++;
	if (channel_send(telling->channel, &message, -1) != 0)
		log_error("cannot pass on set=%s", set->name);
}

void
source_guardduty_discover(const struct source_ask *ask, struct channel *channel)
{
	struct telling telling = { .channel = channel, .source = ask->last->source };
	const struct conf_source *source = ask->source;
	const struct discovery_ask about = {
		.region = source->region, .detector = source->detector,
		.ca_file = source->ca_file, .trusted = source->trusted,
		.entities = source->entities,
	};
	struct discovery_end end = { .reason = "out of memory" };
	struct message message = { .type = MSG_DISCOVERED };
	struct msg_discovered *last = &message.u.discovered;

	if (ask->aws != NULL)
		guardduty_discover(ask->aws, ask->via, &about, tell, &telling, &end);
	last->source = ask->last->source;
	last->end = 1;
	last->listed = end.listed;
	last->failed = (uint8_t)end.failed;
	last->sets = telling.sets;
	last->retry_after_s = end.retry_after_s;
	memcpy(last->detector, end.detector, sizeof(last->detector));
	memcpy(last->reason, end.reason, sizeof(last->reason));
	memcpy(last->note, end.note, sizeof(last->note));
	log_info("GuardDuty asked source=%s sets=%u calls=%u detector=%s", source->name,
	    (unsigned int)telling.sets, end.calls, end.detector);
	if (channel_send(channel, &message, -1) != 0)
		log_error("cannot answer source=%s", source->name);
}
