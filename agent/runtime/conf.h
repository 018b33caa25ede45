/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The config: threatlistd.conf(5).  Read whole or not at all; printed back in
 * one normal form, which reads back to the same (that is also how it travels
 * to the roles).
 */
#ifndef RUNTIME_CONF_H
#define RUNTIME_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "threatlistd/addr.h"
#include "threatlistd/enforce.h"
#include "threatlistd/list.h"
#include "core/compile.h"
#include "core/format.h"
#include "core/gate.h"

#define CONF_LINE_MAX		4096	/* bytes of a line, contract §2 */
#define CONF_FILE_MAX		(1u << 20)
#define CONF_FILES_MAX		64	/* the first one and those of conf.d */
#define CONF_SINKS_MAX		16
#define CONF_ADMIN_MAX		256
#define SINK_FILE_FULL		".1"	/* behind the path of a file that reached max_size */

enum source_type { SOURCE_FILE, SOURCE_HTTPS, SOURCE_S3, SOURCE_GUARDDUTY };
enum sink_type { SINK_HTTP, SINK_FILE, SINK_STDOUT, SINK_EVENTBRIDGE, SINK_SECURITYHUB,
	SINK_SNS };
enum capture_method { METHOD_NFLOG, METHOD_INTERFACE, METHOD_BOTH, METHOD_OFF };
enum sink_events { EVENTS_NONE, EVENTS_SECURITY, EVENTS_ALL };
enum sink_format { SINK_FORMAT_GUARDDUTY, SINK_FORMAT_ASFF };

/* All strings are owned by the conf; NULL where the key was not given and has no default. */
struct conf_source {
	char *name;
	enum source_type type;
	char *location;			/* NULL: guardduty */
	enum list_format format;
	uint8_t role;			/* enum list_role */
	uint8_t action;			/* enum list_action */
	int64_t refresh_ms;
	char *region;			/* of the bucket; NULL: found out */
	char *expected_owner;		/* the account that must own the bucket; NULL: any */
	char *ca_file;
	uint64_t max_bytes;
	struct gates gates;		/* [enforce] ones where not given */
	/* guardduty: no location, format and role of its own */
	char *detector;			/* NULL: the account's only one */
	bool trusted, entities;		/* trusted IP lists, entity sets as well */
};

struct conf_sink {
	char *name;
	enum sink_type type;
	enum sink_format format;
	enum sink_events events;
	unsigned int min_severity;	/* 0…10 */
	int64_t heartbeat_ms;		/* 0: off */
	/* http */
	char *url;
	unsigned int batch;		/* 1…500 */
	char *token_credential, *token_file, *header_file;
	char *ca_file, *cert_file, *key_file, *proxy;
	/* file */
	char *path;
	uint64_t max_size;
	/* services of AWS */
	char *region;			/* NULL: the agent's */
	/* eventbridge */
	char *bus, *source;
	/* securityhub */
	char *product_arn;		/* NULL: the account's own */
	int64_t spread_ms;
	/* sns */
	char *topic;
	unsigned int max_per_hour;
};

struct conf {
	struct {
		char *state_dir, *run_dir;
		int64_t refresh_ms, discover_ms;
		enum list_scope scope;
		char *host_id;		/* NULL: auto */
		char *region, *account;
		char *ca_file;
		char *proxy;		/* "env", "none" or a URL */
		bool fips, dualstack;
		char *admin_group;
		int64_t update_interval_ms, history_ms;
		uint64_t spool_max;
		unsigned int max_findings;
	} agent;
	struct {
		uint8_t mode;		/* enum enforce_mode */
		bool remove_on_stop;
		uint16_t nflog_group;
		struct range *admin;
		size_t nadmin;
		struct gates gates;
	} enforce;
	struct {
		enum capture_method method;
		char *interface;
	} capture;
	struct conf_source *sources;
	size_t nsources;
	struct conf_sink *sinks;
	size_t nsinks;
};

struct conf_error {
	char text[512];		/* "FILE:LINE: what was allowed, what came" */
};

/*
 * Reads path and then the *.conf of conf.d beside it (PATH's directory), in
 * C-locale order.  0 and *conf, or -EINVAL / -errno and *err.
 */
int conf_load(struct conf **conf, const char *path, struct conf_error *err);

/* Reads one text; name stands for the file in errors. */
int conf_parse(struct conf **conf, const char *name, const char *text, size_t size,
    struct conf_error *err);

/* From the descriptor of MSG_CONF. */
int conf_from_fd(struct conf **conf, int fd, struct conf_error *err);

/* The normal form: every key with its value, sections in order of the contract. */
int conf_print(const struct conf *conf, FILE *out);

void conf_free(struct conf *conf);

/* Is there a source or a sink that calls services of AWS? */
bool conf_calls_aws(const struct conf *conf);

/* Does this URL name this host, by address or as localhost?  No name is looked up. */
bool conf_url_is_loopback(const char *url);

/* "90s", "15m", "6h", "90d", "500ms": exactly that.  False: something else, or too large. */
bool conf_duration_read(const char *text, int64_t *ms);

#endif
