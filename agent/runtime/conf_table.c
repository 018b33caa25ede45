/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/conf_table.h"

#include <string.h>

#define SECOND	INT64_C(1000)
#define MINUTE	(60 * SECOND)
#define HOUR	(60 * MINUTE)
#define DAY	(24 * HOUR)
#define KIB	INT64_C(1024)
#define MIB	(1024 * KIB)
#define GIB	(1024 * MIB)

#define WORD_LONGEST		127	/* FACT_MAX without its NUL */
#define DETECTOR_LONGEST	63	/* bytes; GuardDuty's have 32 */
#define INTERFACE_LONGEST	15	/* IFNAMSIZ without its NUL */
#define BUS_LONGEST		512	/* of PutEvents: an ARN and a name of 256 */
#define ARN_LONGEST		512
#define LIST_BYTES_MOST		(256 * MIB)	/* the feed's address space holds it twice */

static const struct conf_choice yes_no[] = { { "no", 0 }, { "yes", 1 }, { NULL, 0 } };
static const struct conf_choice scopes[] = {
	{ "public", SCOPE_PUBLIC }, { "any", SCOPE_ANY }, { NULL, 0 }
};
static const struct conf_choice intervals[] = {
	{ "15m", 15 * MINUTE }, { "1h", HOUR }, { "6h", 6 * HOUR }, { NULL, 0 }
};
static const struct conf_choice modes[] = {
	{ "drop", ENFORCE_DROP }, { "watch", ENFORCE_WATCH }, { "off", ENFORCE_OFF }, { NULL, 0 }
};
static const struct conf_choice on_stop[] = { { "keep", 0 }, { "remove", 1 }, { NULL, 0 } };
static const struct conf_choice methods[] = {
	{ "nflog", METHOD_NFLOG }, { "interface", METHOD_INTERFACE }, { "both", METHOD_BOTH },
	{ "off", METHOD_OFF }, { NULL, 0 }
};
static const struct conf_choice source_types[] = {
	{ "file", SOURCE_FILE }, { "https", SOURCE_HTTPS }, { "s3", SOURCE_S3 },
	{ "guardduty", SOURCE_GUARDDUTY }, { NULL, 0 }
};
static const struct conf_choice list_formats[] = {
	{ "auto", FORMAT_AUTO }, { "txt", FORMAT_TXT }, { "stix", FORMAT_STIX },
	{ "stix2", FORMAT_STIX2 }, { "otx_csv", FORMAT_OTX_CSV },
	{ "alien_vault", FORMAT_ALIEN_VAULT }, { "proof_point", FORMAT_PROOF_POINT },
	{ "fire_eye", FORMAT_FIRE_EYE }, { NULL, 0 }
};
static const struct conf_choice roles[] = {
	{ "threat", LIST_THREAT }, { "trusted", LIST_TRUSTED }, { NULL, 0 }
};
static const struct conf_choice actions[] = {
	{ "drop", LIST_DROP }, { "reject", LIST_REJECT }, { "watch", LIST_WATCH }, { NULL, 0 }
};
static const struct conf_choice sink_types[] = {
	{ "securityhub", SINK_SECURITYHUB }, { "eventbridge", SINK_EVENTBRIDGE }, { "sns", SINK_SNS },
	{ "http", SINK_HTTP }, { "file", SINK_FILE }, { "stdout", SINK_STDOUT }, { NULL, 0 }
};
static const struct conf_choice sink_formats[] = {
	{ "guardduty", SINK_FORMAT_GUARDDUTY }, { "asff", SINK_FORMAT_ASFF }, { NULL, 0 }
};
static const struct conf_choice sink_events[] = {
	{ "none", EVENTS_NONE }, { "security", EVENTS_SECURITY }, { "all", EVENTS_ALL }, { NULL, 0 }
};

#define MEMBER(type, member)	.at = offsetof(struct type, member), \
	.size = sizeof(((struct type *)0)->member)
#define FROM(member)	.inherits = true, .from = offsetof(struct conf, member)

static const struct conf_key agent_keys[] = {
	{ .name = "state_dir", .kind = KIND_PATH, MEMBER(conf, agent.state_dir),
	  .preset = "/var/lib/threatlistd" },
	{ .name = "run_dir", .kind = KIND_PATH, MEMBER(conf, agent.run_dir),
	  .preset = "/run/threatlistd" },
	{ .name = "refresh", .kind = KIND_DURATION, MEMBER(conf, agent.refresh_ms),
	  .preset = "15m", .low = SECOND, .high = 7 * DAY },
	{ .name = "discover", .kind = KIND_DURATION, MEMBER(conf, agent.discover_ms),
	  .preset = "6h", .low = MINUTE, .high = 7 * DAY },
	{ .name = "scope", .kind = KIND_CHOICE, MEMBER(conf, agent.scope),
	  .preset = "public", .choices = scopes },
	{ .name = "host_id", .kind = KIND_AUTO_WORD, MEMBER(conf, agent.host_id),
	  .preset = "auto", .high = WORD_LONGEST },
	{ .name = "region", .kind = KIND_WORD, MEMBER(conf, agent.region), .high = WORD_LONGEST },
	{ .name = "account", .kind = KIND_ACCOUNT, MEMBER(conf, agent.account) },
	{ .name = "ca_file", .kind = KIND_PATH, MEMBER(conf, agent.ca_file) },
	{ .name = "proxy", .kind = KIND_PROXY, MEMBER(conf, agent.proxy), .preset = "env" },
	{ .name = "fips", .kind = KIND_CHOICE, MEMBER(conf, agent.fips),
	  .preset = "no", .choices = yes_no },
	{ .name = "dualstack", .kind = KIND_CHOICE, MEMBER(conf, agent.dualstack),
	  .preset = "no", .choices = yes_no },
	{ .name = "admin_group", .kind = KIND_WORD, MEMBER(conf, agent.admin_group),
	  .preset = "root", .high = WORD_LONGEST },
	{ .name = "update_interval", .kind = KIND_CHOICE, MEMBER(conf, agent.update_interval_ms),
	  .preset = "15m", .choices = intervals },
	{ .name = "history", .kind = KIND_DURATION, MEMBER(conf, agent.history_ms),
	  .preset = "90d", .low = HOUR, .high = 3650 * DAY },
	{ .name = "spool_max", .kind = KIND_SIZE, MEMBER(conf, agent.spool_max),
	  .preset = "256M", .low = MIB, .high = 1024 * GIB },
	{ .name = "max_findings", .kind = KIND_COUNT, MEMBER(conf, agent.max_findings),
	  .preset = "10000", .low = 1, .high = 1000000 },
};

#define GATE_KEYS(type, of)	\
	{ .name = "max_prefix4", .kind = KIND_COUNT, MEMBER(type, of.max_prefix4), \
	  GATE_DEFAULT("8", max_prefix4), .low = 0, .high = 32 }, \
	{ .name = "max_prefix6", .kind = KIND_COUNT, MEMBER(type, of.max_prefix6), \
	  GATE_DEFAULT("19", max_prefix6), .low = 0, .high = 128 }, \
	{ .name = "max_shrink", .kind = KIND_PERCENT, MEMBER(type, of.max_shrink), \
	  GATE_DEFAULT("50%", max_shrink), .low = 0, .high = 100 }, \
	{ .name = "max_growth", .kind = KIND_PERCENT, MEMBER(type, of.max_growth), \
	  GATE_DEFAULT("300%", max_growth), .low = 0, .high = 1000000 }

static const struct conf_key enforce_keys[] = {
	{ .name = "mode", .kind = KIND_CHOICE, MEMBER(conf, enforce.mode),
	  .preset = "drop", .choices = modes },
	{ .name = "on_stop", .kind = KIND_CHOICE, MEMBER(conf, enforce.remove_on_stop),
	  .preset = "keep", .choices = on_stop },
	{ .name = "nflog_group", .kind = KIND_COUNT, MEMBER(conf, enforce.nflog_group),
	  .preset = "7411", .low = 0, .high = UINT16_MAX },
	{ .name = "admin", .kind = KIND_CIDRS, MEMBER(conf, enforce.admin),
	  .high = CONF_ADMIN_MAX },
#define GATE_DEFAULT(text, member)	.preset = (text)
	GATE_KEYS(conf, enforce.gates),
#undef GATE_DEFAULT
};

static const struct conf_key capture_keys[] = {
	{ .name = "method", .kind = KIND_CHOICE, MEMBER(conf, capture.method),
	  .preset = "nflog", .choices = methods },
	{ .name = "interface", .kind = KIND_INTERFACE, MEMBER(conf, capture.interface),
	  .preset = "any", .high = INTERFACE_LONGEST },
};

#define IS_HTTPS	(1u << SOURCE_HTTPS)
#define IS_S3		(1u << SOURCE_S3)
#define IS_GUARDDUTY	(1u << SOURCE_GUARDDUTY)
#define IS_ONE_LIST	((1u << SOURCE_FILE) | IS_HTTPS | IS_S3)

static const struct conf_key source_keys[] = {
	{ .name = "type", .kind = KIND_CHOICE, MEMBER(conf_source, type),
	  .choices = source_types, .required = true },
	{ .name = "location", .kind = KIND_LOCATION, MEMBER(conf_source, location),
	  .types = IS_ONE_LIST, .required = true },
	{ .name = "format", .kind = KIND_CHOICE, MEMBER(conf_source, format),
	  .preset = "auto", .choices = list_formats, .types = IS_ONE_LIST },
	{ .name = "role", .kind = KIND_CHOICE, MEMBER(conf_source, role),
	  .preset = "threat", .choices = roles, .types = IS_ONE_LIST },
	{ .name = "action", .kind = KIND_CHOICE, MEMBER(conf_source, action),
	  .preset = "drop", .choices = actions },
	{ .name = "refresh", .kind = KIND_DURATION, MEMBER(conf_source, refresh_ms),
	  FROM(agent.refresh_ms), .low = SECOND, .high = 7 * DAY },
	{ .name = "region", .kind = KIND_WORD, MEMBER(conf_source, region),
	  .high = WORD_LONGEST, .types = IS_S3 | IS_GUARDDUTY },
	{ .name = "expected_owner", .kind = KIND_ACCOUNT, MEMBER(conf_source, expected_owner),
	  .types = IS_S3 },
	{ .name = "ca_file", .kind = KIND_PATH, MEMBER(conf_source, ca_file),
	  FROM(agent.ca_file), .types = IS_HTTPS | IS_S3 | IS_GUARDDUTY },
	{ .name = "max_bytes", .kind = KIND_SIZE, MEMBER(conf_source, max_bytes),
	  .preset = "35M", .low = KIB, .high = LIST_BYTES_MOST },
#define GATE_DEFAULT(text, member)	FROM(enforce.gates.member)
	GATE_KEYS(conf_source, gates),
#undef GATE_DEFAULT
	{ .name = "detector", .kind = KIND_AUTO_WORD, MEMBER(conf_source, detector),
	  .preset = "auto", .high = DETECTOR_LONGEST, .types = IS_GUARDDUTY },
	{ .name = "trusted", .kind = KIND_CHOICE, MEMBER(conf_source, trusted),
	  .preset = "yes", .choices = yes_no, .types = IS_GUARDDUTY },
	{ .name = "entities", .kind = KIND_CHOICE, MEMBER(conf_source, entities),
	  .preset = "yes", .choices = yes_no, .types = IS_GUARDDUTY },
};

#define IS_HTTP	(1u << SINK_HTTP)
#define IS_FILE	(1u << SINK_FILE)
#define IS_EVENTBRIDGE	(1u << SINK_EVENTBRIDGE)
#define IS_SECURITYHUB	(1u << SINK_SECURITYHUB)
#define IS_SNS		(1u << SINK_SNS)
#define TAKES_HEARTBEATS	(IS_HTTP | IS_FILE | IS_EVENTBRIDGE | (1u << SINK_STDOUT))

/* The defaults of format and events depend on the type: conf.c settles them. */
static const struct conf_key sink_keys[] = {
	{ .name = "type", .kind = KIND_CHOICE, MEMBER(conf_sink, type),
	  .choices = sink_types, .required = true },
	{ .name = "format", .kind = KIND_CHOICE, MEMBER(conf_sink, format),
	  .choices = sink_formats },
	{ .name = "events", .kind = KIND_CHOICE, MEMBER(conf_sink, events),
	  .choices = sink_events },
	{ .name = "min_severity", .kind = KIND_COUNT, MEMBER(conf_sink, min_severity),
	  .preset = "0", .low = 0, .high = 10 },
	{ .name = "heartbeat", .kind = KIND_OFF_DURATION, MEMBER(conf_sink, heartbeat_ms),
	  .preset = "off", .low = SECOND, .high = 7 * DAY, .types = TAKES_HEARTBEATS },
	{ .name = "url", .kind = KIND_URL, MEMBER(conf_sink, url),
	  .types = IS_HTTP, .required = true },
	{ .name = "batch", .kind = KIND_COUNT, MEMBER(conf_sink, batch),
	  .preset = "50", .low = 1, .high = 500, .types = IS_HTTP },
	{ .name = "token_credential", .kind = KIND_WORD, MEMBER(conf_sink, token_credential),
	  .high = WORD_LONGEST, .types = IS_HTTP },
	{ .name = "token_file", .kind = KIND_PATH, MEMBER(conf_sink, token_file),
	  .types = IS_HTTP },
	{ .name = "header_file", .kind = KIND_PATH, MEMBER(conf_sink, header_file),
	  .types = IS_HTTP },
	{ .name = "ca_file", .kind = KIND_PATH, MEMBER(conf_sink, ca_file),
	  FROM(agent.ca_file), .types = IS_HTTP },
	{ .name = "cert_file", .kind = KIND_PATH, MEMBER(conf_sink, cert_file),
	  .types = IS_HTTP },
	{ .name = "key_file", .kind = KIND_PATH, MEMBER(conf_sink, key_file),
	  .types = IS_HTTP },
	{ .name = "proxy", .kind = KIND_PROXY, MEMBER(conf_sink, proxy),
	  FROM(agent.proxy), .types = IS_HTTP },
	{ .name = "path", .kind = KIND_PATH, MEMBER(conf_sink, path),
	  .types = IS_FILE, .required = true },
	{ .name = "max_size", .kind = KIND_SIZE, MEMBER(conf_sink, max_size),
	  .preset = "100M", .low = KIB, .high = 1024 * GIB, .types = IS_FILE },
	{ .name = "region", .kind = KIND_WORD, MEMBER(conf_sink, region),
	  FROM(agent.region), .high = WORD_LONGEST, .types = IS_EVENTBRIDGE | IS_SECURITYHUB },
	{ .name = "bus", .kind = KIND_RESOURCE, MEMBER(conf_sink, bus),
	  .preset = "default", .high = BUS_LONGEST, .types = IS_EVENTBRIDGE },
	{ .name = "source", .kind = KIND_WORD, MEMBER(conf_sink, source),
	  .preset = "custom.threatlistd", .high = WORD_LONGEST, .types = IS_EVENTBRIDGE },
	{ .name = "product_arn", .kind = KIND_RESOURCE, MEMBER(conf_sink, product_arn),
	  .high = ARN_LONGEST, .types = IS_SECURITYHUB },
	{ .name = "spread", .kind = KIND_OFF_DURATION, MEMBER(conf_sink, spread_ms),
	  .preset = "60s", .low = 0, .high = HOUR, .types = IS_SECURITYHUB },
	{ .name = "topic", .kind = KIND_RESOURCE, MEMBER(conf_sink, topic),
	  .high = ARN_LONGEST, .types = IS_SNS, .required = true },
	{ .name = "max_per_hour", .kind = KIND_COUNT, MEMBER(conf_sink, max_per_hour),
	  .preset = "12", .low = 1, .high = 1000, .types = IS_SNS },
};

#define ROWS(keys)	(keys), sizeof(keys) / sizeof((keys)[0])

_Static_assert(sizeof(agent_keys) / sizeof(agent_keys[0]) <= CONF_KEYS_MAX &&
    sizeof(source_keys) / sizeof(source_keys[0]) <= CONF_KEYS_MAX &&
    sizeof(sink_keys) / sizeof(sink_keys[0]) <= CONF_KEYS_MAX, "CONF_KEYS_MAX is too small");

_Static_assert(offsetof(struct conf, enforce.nadmin) ==
    offsetof(struct conf, enforce.admin) + sizeof(struct range *), "KIND_CIDRS needs them together");

const struct conf_section conf_sections[SECTION_END] = {
	[SECTION_AGENT] = { "agent", ROWS(agent_keys) },
	[SECTION_ENFORCE] = { "enforce", ROWS(enforce_keys) },
	[SECTION_CAPTURE] = { "capture", ROWS(capture_keys) },
	[SECTION_SOURCE] = { "source", ROWS(source_keys) },
	[SECTION_SINK] = { "sink", ROWS(sink_keys) },
};

const struct conf_key *
conf_key_find(const struct conf_section *section, const char *name)
{
	size_t i;

	for (i = 0; i < section->nkeys; i++) {
		if (strcmp(section->keys[i].name, name) == 0)
			return &section->keys[i];
	}
	return NULL;
}
