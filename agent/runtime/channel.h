/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The talk between the parent and its roles: one SOCK_SEQPACKET pair a role,
 * one enum of messages, each of one fixed size, some with one file descriptor.
 * This page is the whole internal protocol.
 *
 * The receiver trusts nothing: a message of unknown type, of the wrong size,
 * with a descriptor where none belongs (or none where one does), or with text
 * that has no NUL is a breach; the channel is then dead and its owner ends the
 * role (or, in a role, exits).
 */
#ifndef RUNTIME_CHANNEL_H
#define RUNTIME_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "threatlistd/enforce.h"
#include "threatlistd/finding.h"
#include "threatlistd/list.h"
#include "threatlistd/sighting.h"
#include "core/threat_set.h"
#include "runtime/loop.h"

#define CHANNEL_FD		3	/* where a role finds its end */
#define CHANNEL_QUEUE_MAX	(4u << 20)	/* bytes waiting for a slow receiver */
#define CHANNEL_COUNTS		32	/* counts in one message */

enum message_type {
	/* parent to every role */
	MSG_CONF = 1,		/* + fd: the whole config, normalised, read-only memfd */
	MSG_FACTS,		/* struct host_facts */
	MSG_LIST,		/* struct msg_list + fd: sealed image */
	MSG_STATUS_ASK,		/* struct msg_token */
	MSG_STOP,		/* end cleanly: finish what is accepted, exit 0 */

	/*
	 * Keys of AWS.  The reporter alone asks for them and tells the parent, who keeps
	 * one copy and hands it to the feed that asks and to a new reporter.
	 */
	MSG_KEYS,		/* struct msg_keys: secret; wiped wherever it has passed */
	MSG_KEYS_ASK,		/* struct msg_keys_ask; feed to parent, parent to reporter */
	MSG_NO_KEYS,		/* struct msg_no_keys; the other answer, on the same way back */

	/* parent to feed, one a source, then GO */
	MSG_FETCH,		/* struct msg_fetch */
	MSG_GO,			/* ask for the host facts if wanted, fetch, answer, exit 0 */
	/* feed to parent */
	MSG_DOMAINS,		/* struct msg_domains + fd: names of a list, before its MSG_FETCHED */
	MSG_FETCHED,		/* struct msg_fetched (+ fd: sealed image of the one source, if new) */
	MSG_HOST_FOUND,		/* struct host_facts */
	MSG_DISCOVERED,		/* struct msg_discovered; one a set of GuardDuty's, then the end */

	/* parent to enforcer */
	MSG_MODE,		/* struct msg_mode: watch, drop, off, panic, resume, purge */
	MSG_CHECK,		/* struct msg_check */
	MSG_PLAN,		/* struct msg_plan + fd: sealed image that is not to be put in force */
	MSG_VERIFY,		/* struct msg_token: is the list in the kernel, member by member */
	MSG_RECOUNT,		/* send all counts again: the reporter is new */
	/* enforcer to parent */
	MSG_APPLIED,		/* struct msg_applied */
	MSG_MODE_DONE,		/* struct msg_mode_done */
	MSG_CHECKED,		/* struct msg_checked */
	MSG_PLANNED,		/* struct msg_planned */
	MSG_VERIFIED,		/* struct msg_verified */
	MSG_ENFORCER_STATUS,	/* struct msg_enforcer_status */

	/* sensor to parent */
	MSG_SENSOR_STATUS,	/* struct msg_sensor_status; also unasked when it changes */
	MSG_SIGHTING,		/* struct sighting; passed on to the reporter as it is */

	/* enforcer and sensor to parent, passed on to the reporter as they are */
	MSG_COUNTS,		/* struct msg_counts */
	MSG_EVENT,		/* struct event; from enforcer: id 0, the parent gives it one */

	/* parent to reporter */
	MSG_QUERY,		/* struct msg_query */
	MSG_HEARTBEAT,		/* struct msg_heartbeat + fd: JSON */
	/* reporter to parent */
	MSG_EVENT_KEPT,		/* struct msg_token: the event with this id is in the spool */
	MSG_ANSWER,		/* struct msg_answer + fd: JSON lines, read-only memfd */
	MSG_REPORTER_STATUS,	/* struct msg_reporter_status */
	MSG_SINK_STATUS,	/* struct msg_sink_status; one a sink, before REPORTER_STATUS */

	/* feed and reporter to parent, who passes it on to the enforcer if they may */
	MSG_ENDPOINT,		/* struct msg_endpoint: it is about to be connected to */
	/* enforcer to parent to them: it is protected, or not (error) */
	MSG_ENDPOINT_DONE,	/* struct msg_endpoint */

	/* every role to parent, once it has its config */
	MSG_CONFINED,		/* struct msg_confined */

	MSG_END
};

struct msg_token {
	uint64_t token;
};

struct msg_list {
	uint64_t generation;	/* the parent's count of images, from 1 */
	uint8_t hash[LIST_HASH_LEN];	/* list_hash: what the fd must hold */
};

#define KEYS_ID_MAX	129	/* as aws/keys.h has them */
#define KEYS_SECRET_MAX	129
#define KEYS_TOKEN_MAX	8192
#define KEYS_ROLE_MAX	65

enum keys_origin {
	KEYS_ENVIRONMENT = 1,
	KEYS_FILE,
	/* handed out for a while: the ones that a new reporter is given */
	KEYS_CONTAINER,
	KEYS_INSTANCE,
};

struct msg_keys {
	int64_t expires_ms;	/* wall clock; 0: they do not, of environment and file alone */
	uint8_t origin;		/* enum keys_origin */
	char id[KEYS_ID_MAX], secret[KEYS_SECRET_MAX], token[KEYS_TOKEN_MAX];
	char role[KEYS_ROLE_MAX];	/* of the instance; else empty */
	uint8_t pad[4];
};

struct msg_keys_ask {
	char refused[KEYS_ID_MAX];	/* that AWS does not take any more; empty: none */
};

#define KEYS_REASON_MAX	256	/* as aws/credentials.h has it */

struct msg_no_keys {
	char reason[KEYS_REASON_MAX];
};

#define ETAG_MAX	256
#define FETCH_REASON_MAX	512	/* a hint for an operator has its length */

#define FETCH_REGION_MAX	64

#define FETCH_NO_SOURCE	UINT32_MAX

struct msg_fetch {
	uint32_t source;	/* comes back in the answer; FETCH_NO_SOURCE: none is asked */
	uint32_t conf;		/* index of the source in the config */
	uint32_t ask_facts;	/* non-zero: ask IMDS for host facts */
	uint8_t have_hash;	/* hash is that of the image in force */
	uint8_t discover;	/* not a list: which sets GuardDuty uses */
	uint8_t has_set;	/* set is the list, conf the source that discovered it */
	uint8_t introduce;	/* the first at AWS: say where AWS is and whose keys are used */
	struct threat_set set;
	uint8_t hash[LIST_HASH_LEN];
	char etag[ETAG_MAX];	/* as the source gave it last; empty: none */
	char last_modified[64];
	char region[FETCH_REGION_MAX];	/* where its bucket was; empty: not known */
};

enum fetch_outcome {
	FETCH_NEW = 1,		/* fd is its image */
	FETCH_SAME,		/* not modified, or the same ranges as hash */
	FETCH_FAILED,		/* reason says why */
};

#define FETCH_REJECTS	3

struct msg_fetched {
	uint32_t source;
	uint8_t outcome;	/* enum fetch_outcome */
	uint8_t gone;		/* not there or refused: GuardDuty may name another place now */
	uint8_t pad[2];
	uint64_t bytes, lines, entries, rejected, notes;
	uint32_t took_ms;
	uint32_t retry_after_s;	/* 0: none */
	char etag[ETAG_MAX];
	char last_modified[64];
	char region[FETCH_REGION_MAX];	/* where its bucket is; empty: it was not reached */
	char reason[FETCH_REASON_MAX];
	char rejects[FETCH_REJECTS][160];	/* "LINE: REASON: TEXT", empty: none */
};

struct msg_domains {
	uint32_t source;	/* as in msg_fetch; the fd is a text as core/domains.h has it */
	uint32_t pad;
};

struct msg_discovered {
	uint32_t source;	/* as in msg_fetch */
	uint8_t end;		/* there are no more; set is zero */
	/* with end: */
	uint8_t listed;		/* what is not in failed was read whole */
	uint8_t failed;		/* 1u << enum set_kind */
	uint8_t pad;
	uint32_t sets;		/* how many came before */
	uint32_t retry_after_s;	/* 0: none */
	char detector[DETECTOR_MAX];
	char reason[FETCH_REASON_MAX], note[FETCH_REASON_MAX];
	/* without: */
	struct threat_set set;
};

enum mode_order {
	ORDER_MODE = 1,		/* mode is enum enforce_mode */
	ORDER_PANIC,
	ORDER_RESUME,
	ORDER_PURGE,
	ORDER_CONFIRM,		/* what waits for a confirmation stays; -ETIME: too late */
	ORDER_ISOLATE,		/* begins or ends, as isolate says */
};

struct msg_mode {
	uint64_t token;		/* comes back in msg_mode_done; 0: nobody waits */
	uint8_t order;		/* enum mode_order */
	uint8_t mode;		/* enum enforce_mode */
	uint8_t pad[6];
	int64_t confirm_until_ms;	/* loop_now_ms: drop falls back to watch then; 0: it stays */
	/* with every order: as it is to be */
	int64_t isolate_until_ms;	/* loop_now_ms: ends then; 0: it stays */
	struct addr isolate_session;	/* of who asked for it; family 0: none */
	uint8_t isolate;	/* all is cut off but what the host is run by */
	uint16_t isolate_port;	/* of ours, that the session is to */
	uint8_t pad2[4];
};

#define CONFIRMED_DROP		(1u << 0)
#define CONFIRMED_ISOLATION	(1u << 1)


struct msg_mode_done {
	uint64_t token;
	int32_t error;		/* 0 or -errno */
	uint32_t confirmed;	/* by ORDER_CONFIRM: or of CONFIRMED_… */
	char reason[256];
};

struct msg_applied {
	uint64_t generation;
	int32_t error;		/* 0 or -errno */
	uint32_t took_ms;
	char reason[256];
};

struct msg_check {
	uint64_t token;
	struct addr addr;
};

struct msg_checked {
	uint64_t token;
	struct addr addr;
	struct enforce_check check;
	int32_t error;
};

struct msg_plan {
	uint64_t token;
	uint8_t hash[LIST_HASH_LEN];	/* as in msg_list */
};

struct msg_planned {
	uint64_t token;
	struct enforce_plan plan;
	int32_t error;		/* 0 or -errno: it could not be planned */
	uint32_t pad;
	char reason[256];
};

struct msg_verified {
	uint64_t token;
	struct enforce_verify verify;
	int32_t error;		/* 0 or -errno: it could not be verified */
	uint32_t took_ms;
	uint8_t repairs;	/* what differs is put right now */
	uint8_t pad[7];
	char reason[256];
};

struct msg_enforcer_status {
	uint64_t token;
	uint64_t pss;		/* bytes, sandbox_pss() */
	uint64_t generation;	/* of the image in force, 0: none */
	struct enforce_stat stat;
	int64_t last_change_ms;	/* wall clock, 0: never */
	uint64_t seen_overflow;	/* packets of listed remotes that found the seen sets full */
	uint8_t log;		/* the table has log statements */
	uint8_t pad[3];
	uint32_t endpoints;	/* members of protect_ep4 and protect_ep6 */
	char warning[512];
};

enum capture_state {
	CAPTURE_OFF = 0,
	CAPTURE_NFLOG,
	CAPTURE_INTERFACE,
	CAPTURE_BOTH,
	CAPTURE_FAILED,
};

struct msg_sensor_status {
	uint64_t token;		/* 0: unasked */
	uint64_t pss;		/* bytes, sandbox_pss() */
	uint64_t received, lost, undecodable;	/* packets */
	uint64_t flows, sighted;
	uint8_t state;		/* enum capture_state */
	uint8_t pad[7];
	char warning[256];
};

struct msg_counts {
	uint32_t n;		/* 1…CHANNEL_COUNTS, the rest is zero */
	uint32_t pad;
	struct count counts[CHANNEL_COUNTS];
};

enum query_kind {
	QUERY_FINDINGS = 1,	/* JSON lines, newest last */
	QUERY_SHOW,		/* one finding with its deliveries */
};

struct msg_query {
	uint64_t token;
	uint8_t kind;		/* enum query_kind */
	uint8_t undelivered;	/* only what some sink has not got yet */
	uint8_t pad[6];
	int64_t since_ms;	/* eventLastSeen at or after, 0: all */
	char id[40];
};

#define HEARTBEAT_BYTES	65536

struct msg_heartbeat {
	uint32_t sinks;		/* bits: indexes in the config of those that get it */
	uint32_t size;		/* bytes of the text, at most HEARTBEAT_BYTES */
};

struct msg_answer {
	uint64_t token;
	int32_t error;		/* 0, -ENOENT … */
	uint32_t rows;
	uint8_t cut;		/* there are older ones that did not fit */
	uint8_t pad[7];
};

struct msg_reporter_status {
	uint64_t token;
	uint64_t pss;		/* bytes, sandbox_pss() */
	uint64_t live, pending, undelivered;
	uint64_t lost;		/* undelivered rows that had to go */
	uint8_t spool_ok;
	uint8_t pad[7];
	char spool[40];		/* the spool's random id */
	char warning[256];
};

enum sink_state {
	SINK_IDLE = 0,
	SINK_SENDING,
	SINK_RETRYING,
	SINK_FAILED,
};

struct msg_sink_status {
	uint64_t token;
	uint32_t sink;		/* index in the config */
	uint8_t state;		/* enum sink_state */
	uint8_t pad[3];
	uint64_t sequence;	/* last one given */
	uint64_t pending, refused;
	int64_t oldest_pending_ms;	/* wall clock, 0: none */
	int64_t last_ok_ms;	/* wall clock, 0: never */
	char error[256];
};

struct msg_endpoint {
	uint64_t token;		/* the asker's; on the way to the enforcer the parent's, 0: nobody waits */
	struct addr addr;
	uint8_t pad;
	uint16_t port;		/* TCP, host byte order, not 0 */
	int32_t error;		/* of MSG_ENDPOINT_DONE: 0 or -errno */
};

/* What holds a process (runtime/confine.h), as far as its kernel can. */
struct msg_confined {
	uint32_t landlock;	/* ABI in force, 0: none */
	uint8_t seccomp;	/* its list of system calls is in force */
	uint8_t pad[3];
};

struct message {
	uint32_t type;		/* enum message_type */
	union {
		struct msg_token token;
		struct host_facts facts;
		struct msg_list list;
		struct msg_keys keys;
		struct msg_keys_ask keys_ask;
		struct msg_no_keys no_keys;
		struct msg_fetch fetch;
		struct msg_domains domains;
		struct msg_fetched fetched;
		struct msg_discovered discovered;
		struct msg_mode mode;
		struct msg_mode_done mode_done;
		struct msg_applied applied;
		struct msg_check check;
		struct msg_checked checked;
		struct msg_plan plan;
		struct msg_planned planned;
		struct msg_verified verified;
		struct msg_enforcer_status enforcer;
		struct msg_sensor_status sensor;
		struct sighting sighting;
		struct msg_counts counts;
		struct event event;
		struct msg_query query;
		struct msg_heartbeat heartbeat;
		struct msg_answer answer;
		struct msg_reporter_status reporter;
		struct msg_sink_status sink;
		struct msg_endpoint endpoint;
		struct msg_confined confined;
	} u;
};

struct channel;

/*
 * message is valid during the call; *fd is -1 or a descriptor that the callee
 * owns if it sets *fd to -1 (otherwise it is closed afterwards).
 */
typedef void channel_message_fn(const struct message *message, int *fd, void *arg);
/* The peer is gone or broke the protocol (reason, for the log).  Called once. */
typedef void channel_closed_fn(const char *reason, void *arg);

/* Takes fd (made non-blocking) and watches it in loop.  NULL: errno. */
struct channel *channel_new(struct loop *loop, int fd, channel_message_fn *message,
    channel_closed_fn *closed, void *arg);
/* Closes fd.  Safe inside callbacks of the same channel. */
void channel_free(struct channel *channel);

/*
 * Sends or queues a message; its size follows from its type.  fd (or -1) is
 * borrowed and duplicated if it has to wait.  0, -ENOBUFS when the queue is
 * full (nothing was queued), -EPIPE when the channel is dead.
 */
int channel_send(struct channel *channel, const struct message *message, int fd);

/*
 * Waits up to timeout_ms for a message and hands it over, also from within a
 * callback: for roles that block.  False: none came, or the channel is dead.
 */
bool channel_wait(struct channel *channel, int timeout_ms);

/* Takes what the peer had sent before it ended. */
void channel_drain(struct channel *channel);

/* Bytes that wait for the peer. */
uint64_t channel_queued(const struct channel *channel);

/* Writes out the queue, blocking up to timeout_ms: before an exit. */
void channel_flush(struct channel *channel, int timeout_ms);

/*
 * What a received message must look like: its size, whether a descriptor
 * belongs to it, texts with NUL.  NULL when it is fine, else what is wrong.
 * Exposed for the fuzzer.
 */
const char *message_check(const void *data, uint64_t size, bool has_fd);

/* A read-only, sealed memfd with these bytes; -errno on failure. */
int memfd_with(const char *name, const void *data, uint64_t size);

#endif
