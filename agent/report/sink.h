/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A sink: takes a batch of frozen bodies and says what became of it.  Each has
 * a thread of its own that does nothing but deliver, so a slow or dead
 * receiver holds up neither another sink nor the intake.
 */
#ifndef REPORT_SINK_H
#define REPORT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/call.h"
#include "runtime/announce.h"
#include "runtime/conf.h"
#include "runtime/loop.h"
#include "report/spool.h"

#define SINK_BATCH_BYTES	(1u << 20)	/* of a batch, contract §5 */
#define SINK_BATCH_FRAME	1024		/* of those for brackets, commas and line ends */
#define SINK_LINES	500		/* a file or standard output gets at once */

enum sink_outcome {
	OUTCOME_ACCEPTED = 1,
	OUTCOME_AGAIN,		/* the same batch later */
	OUTCOME_TOO_LARGE,	/* a smaller one at once */
	OUTCOME_REFUSED,	/* something in it is refused for good */
	OUTCOME_PARTLY,		/* all but parts is accepted */
};

/* One body of a batch that was not accepted while others were. */
struct sink_part {
	uint64_t sequence;
	enum sink_outcome outcome;	/* OUTCOME_AGAIN or OUTCOME_REFUSED */
	char error[192];
};

struct sink_result {
	enum sink_outcome outcome;
	int64_t retry_after_ms;		/* the receiver asked for it; 0: did not */
	char error[256];		/* empty when accepted */
	struct sink_part *parts;	/* OUTCOME_PARTLY: in sequence order; malloc'd */
	unsigned int nparts;
};

/* Adds a part and makes the outcome OUTCOME_PARTLY.  False: no memory. */
bool sink_result_part(struct sink_result *result, uint64_t sequence, enum sink_outcome outcome,
    const char *error);

/* What a sink needs to know beside its own section of the config; copied. */
struct sink_setting {
	const struct conf_sink *conf;	/* borrowed until sink_free */
	const char *ca_file, *proxy;	/* of [agent], where conf has none; borrowed, may be NULL */
	const char *host_id, *spool_id;	/* borrowed */
	struct announcer *announcer;	/* told of connections; borrowed, may be NULL */
	struct aws *aws;		/* for sinks that are services of AWS; borrowed */
	const struct aws_transport *via;	/* of tests; NULL: an own, real one */
};

/*
 * The blocking half, run in the thread of a sink; sink_NAME.c.  bodies are in
 * sequence order; one of sequence 0 is a heartbeat, and comes alone.
 */
struct sink_kind {
	unsigned int batch;		/* bodies at once; 0: as configured */
	size_t batch_bytes;		/* of them together; one is always given */
	bool gaps;			/* a batch may miss sequences that are done with */
	bool owned;			/* bodies name the account: frozen when it is known */
	void *(*open)(const struct sink_setting *setting);	/* NULL: no memory */
	void (*deliver)(void *state, const struct spool_body *bodies, unsigned int n,
	    struct sink_result *result);
	void (*close)(void *state);
	/*
	 * How many bodies it takes now; 0: none before *wait_ms have passed.  From the
	 * loop, never while it delivers.  NULL: a batch.
	 */
	unsigned int (*room)(void *state, int64_t *wait_ms);
};
extern const struct sink_kind sink_http, sink_file, sink_stdout, sink_eventbridge, sink_securityhub,
    sink_sns;
const struct sink_kind *sink_kind_of(enum sink_type type);

/* Does the sink take findings, or events, of this severity? */
bool sink_wants(const struct conf_sink *conf, bool event, uint8_t severity);

/* The parts of result are the receiver's. */
typedef void sink_done_fn(const struct sink_result *result, void *arg);

struct sink;

/* done is called from the loop.  NULL: errno. */
struct sink *sink_new(struct loop *loop, const struct sink_setting *setting, sink_done_fn *done,
    void *arg);

/* Hands a batch over, which becomes the sink's; only when it is not busy. */
void sink_submit(struct sink *sink, struct spool_body *bodies, unsigned int n);
bool sink_busy(const struct sink *sink);

/* As room of its kind; only when it is not busy. */
unsigned int sink_room(struct sink *sink, unsigned int batch, int64_t *wait_ms);

/*
 * Ends the thread and frees the sink.  false: it is in the middle of a
 * delivery and cannot be waited for; the process must then leave by _exit(2).
 */
bool sink_free(struct sink *sink);

#endif
