/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The parent: what its parts share.  One struct agent, owned by main.c; the
 * parts reach each other only through the functions below.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/channel.h"
#include "runtime/conf.h"
#include "runtime/loop.h"
#include "runtime/state.h"

enum role_kind {
	ROLE_ENFORCER,
	ROLE_SENSOR,
	ROLE_REPORTER,
	ROLE_LASTING,		/* the ones above live as long as the parent */
	ROLE_FEED = ROLE_LASTING,
	ROLE_END
};

struct agent;
struct role;
struct sources;
struct control;
struct groups;
struct events;
struct endpoints;
struct heartbeat;
struct handout;
struct status;

struct agent {
	struct loop *loop;
	struct conf *conf;
	const char *conf_path;
	int conf_fd;			/* normal form of conf with the mode in force: MSG_CONF */
	struct state state;		/* durable: mode, panic, purge */
	bool state_unread;		/* what is there is not it: left alone until there is an order */
	struct host_facts facts;
	struct host_facts found;	/* what the metadata service said; no instance_id: nothing yet */
	struct msg_confined confined;	/* the parent itself */
	bool ready, stopping;
	bool said_environment;		/* of AWS, in the log */
	char refused[512];		/* why the config on disk was not reloaded, "": it was */
	struct loop_timer *confirm_timer;	/* runs while drop waits for a confirmation */
	struct loop_timer *isolate_timer;	/* the same of isolation */
	uint64_t restores;		/* of the table, by every enforcer since the agent started */
	char bypass[ENFORCE_WAYS][ENFORCE_WAY_MAX];	/* as told last, "": none */
	/* the first confirmation that was asked for since the order that it is of, 0: none */
	uint64_t confirm_drop, confirm_isolation;
	char confirm_by[64];
	struct role *roles[ROLE_END];
	bool reporter_last;		/* it starts anew as well, once the sensor has said its last counts */
	struct loop_timer *recount;	/* runs when counts found the reporter's queue full */
	struct sources *sources;
	struct events *events;
	struct endpoints *endpoints;
	struct heartbeat *heartbeat;
	struct handout *handout;
	struct status *status;
	struct groups *groups;
	struct control *control;
};

/* main.c */
/* The config for the roles anew, after it or the mode changed.  0 or -errno. */
int agent_renew_conf(struct agent *agent);
/* The first list is in force, or there is none to wait for: tells the service manager, once. */
void agent_ready(struct agent *agent);
/* What holds now, in a line for "systemctl status"; once ready. */
void agent_tell_manager(const struct agent *agent);
void agent_set_facts(struct agent *agent, const struct host_facts *facts);
/* Findings are told under this detector of GuardDuty's; empty: none is known. */
void agent_set_detector(struct agent *agent, const char *detector);

/* reload.c */
void agent_reload(struct agent *agent);
/* What of the environment has a say in calls of AWS: in the log once, if there will be any. */
void agent_say_environment(struct agent *agent);

/* mode.c */
/* Starts to follow what waited for a confirmation, or falls back if that is over.  0 or -errno. */
int mode_begin(struct agent *agent);
/* A config that says another mode than before outdoes what was ordered. */
void mode_reloaded(struct agent *agent);
/* What [enforce] mode and the operator's last word make together. */
uint8_t agent_mode(const struct agent *agent);
/* When (loop_now_ms) drop falls back to watch unless somebody confirms; 0: it does not. */
int64_t agent_confirm_until(const struct agent *agent);
struct mode_change {
	uint8_t order;		/* enum mode_order, but not ORDER_CONFIRM */
	uint8_t mode;		/* of ORDER_MODE: enum enforce_mode */
	uint32_t confirm_s;	/* of ENFORCE_DROP: to be confirmed within; 0: need not be */
};
/* Keeps the order, tells the enforcer.  by: who asked.  0 or -errno (not kept). */
int agent_change_mode(struct agent *agent, const struct mode_change *change, const char *by,
    uint64_t token);
/* Asks the kernel to let drop stay.  -ENOENT: nothing waits, -EPIPE: there is no enforcer. */
int agent_confirm(struct agent *agent, const char *by, uint64_t token);
/* An order was carried out: a confirmation is then kept.  0 or -errno (not kept). */
int agent_mode_done(struct agent *agent, const struct msg_mode_done *done);
/* The message that tells the enforcer how things stand. */
void agent_mode_message(const struct agent *agent, uint8_t order, uint64_t token,
    struct message *message);
/* The message, sent.  token: as in msg_mode. */
void agent_send_order(struct agent *agent, uint8_t order, uint64_t token);
/* Tells the service manager, and writes the state to disk; a failure is said in the log.  0 or -errno. */
int agent_keep_state(const struct agent *agent);
/* The table was made dormant, or woken, by someone else: kept as if it had been ordered. */
void agent_note_panic(struct agent *agent, bool panic);
/* Somebody else ended in the kernel what waits for a confirmation. */
void agent_note_disarmed(struct agent *agent, const struct event *from);

/* bypass.c: what takes packets past the rules. */
/* The enforcer found a way, or that it is there no more. */
void agent_note_bypass(struct agent *agent, const struct event *from);
/* way of enum enforce_way; "": none known. */
const char *agent_bypass(const struct agent *agent, unsigned int way);

/* untold.c: tells of what was ordered while no agent ran, once. */
void untold_tell(struct agent *agent);

/* isolation.c: all is cut off but what the host is run by. */
/* As mode_begin. */
int isolation_begin(struct agent *agent);
struct isolate_order {
	bool on;
	uint32_t confirm_s;	/* ends by itself unless confirmed within; 0: does not */
	struct addr session;	/* of who asks, to be kept open; family 0: none */
	uint16_t port;		/* of ours, that it is to */
};
/* " ADDRESS PORT", or nothing.  False: it is neither. */
bool isolation_take_session(struct isolate_order *order, const char *text);
/* Keeps the order, tells the enforcer.  by: who asked.  0 or -errno (not kept). */
int agent_isolate(struct agent *agent, const struct isolate_order *order, const char *by,
    uint64_t token);
/* How it is now, for who ordered it. */
#define ISOLATION_TEXT_MAX	256
const char *isolation_text(const struct agent *agent, char text[static ISOLATION_TEXT_MAX]);
/* Fills in its part of the message. */
void isolation_message(const struct agent *agent, struct msg_mode *mode);
/* It is over, by an order that says so itself; the caller keeps the state. */
void isolation_forget(struct agent *agent);
/* It stays; the caller keeps the state. */
void isolation_confirmed(struct agent *agent, const char *by);
/* Somebody else ended in the kernel what waits for a confirmation. */
void agent_note_released(struct agent *agent, const struct event *from);

/* roles.c: one process each, started again with back-off when it ends. */
struct role *role_new(struct agent *agent, enum role_kind kind);
void role_free(struct role *role);
int role_start(struct role *role);
/* Asks it to end and starts it again with the config of now. */
void role_restart(struct role *role);
/* All that last, for a new config; the reporter last, as when all ends. */
void roles_restart(struct agent *agent);
/* Asks it to end for good; when all have, roles_stopped() is true. */
void role_stop(struct role *role);
void role_kill(struct role *role, int signo);
/* Ends it at once, and hears nothing more of it. */
void role_abandon(struct role *role);
bool role_running(const struct role *role);
const char *role_name(enum role_kind kind);
pid_t role_pid(const struct role *role);
unsigned int role_restarts(const struct role *role);
/* What holds it; of the feed, what held the last one.  NULL: it has not said yet. */
const struct msg_confined *role_confined(const struct role *role);
/* Said in status when it keeps failing; "" otherwise. */
const char *role_trouble(const struct role *role);
/* Bytes that it has not taken yet. */
uint64_t role_queued(const struct role *role);
/* 0, or -EPIPE / -ENOBUFS as channel_send. */
int role_send(struct role *role, const struct message *message, int fd);
/*
 * A process of this program that becomes NAME (entry.h), with the other end of
 * *fd, a SOCK_SEQPACKET pair, as its channel; it gets the signal when the parent
 * ends.  0, and *pid; or -errno, and *fd is -1.
 */
int role_spawn(const char *name, int signo, pid_t *pid, int *fd);
void roles_reap(struct agent *agent);
/* The recount timer: has all counts sent again once the reporter has room. */
void roles_recount(void *agent);
bool roles_stopped(const struct agent *agent);

/* sources.c: which lists there are, when they are fetched, what of them is in force. */
struct sources *sources_new(struct agent *agent);
void sources_free(struct sources *sources);
/* Takes over agent->conf: keeps what is unchanged.  Loads last good images of new ones. */
int sources_configure(struct sources *sources);
/*
 * Starts a refresh of one source (NULL: all) as soon as the feed is free; discover:
 * GuardDuty is asked for its sets, too.  -ENOENT: no such.
 */
int sources_refresh(struct sources *sources, const char *name, bool discover);
/* Puts the list that a gate holds back in force.  -ENOENT: no such source, -ENODATA: none held. */
int sources_accept(struct sources *sources, const char *name);
void sources_domains(struct sources *sources, const struct msg_domains *domains, int fd);
void sources_fetched(struct sources *sources, const struct msg_fetched *fetched, int fd);
void sources_discovered(struct sources *sources, const struct msg_discovered *discovered);
/* The feed has ended, well or not. */
void sources_feed_ended(struct sources *sources, const char *trouble);
/* Unites what has changed, hands it to the roles, plans the next refresh. */
void sources_unite(struct sources *sources);
/* Sends the fetches that are due and GO to a feed that has just started. */
void sources_brief_feed(struct sources *sources);
/* Sends the list in force, if there is one. */
void sources_send_list(struct sources *sources, struct role *role);
const struct list *sources_list(const struct sources *sources);
/*
 * The union as it would be if every list that a gate holds back were accepted:
 * a sealed memfd of the caller's, its hash in hash.  -ENODATA: no list was read yet.
 */
int sources_candidate(struct sources *sources, uint8_t hash[static LIST_HASH_LEN]);
size_t sources_count(const struct sources *sources);

struct source_view {
	const struct conf_source *conf;
	const struct conf_source *from;	/* what discovered it; NULL: configured */
	const struct threat_set *set;	/* NULL: configured */
	size_t sets, left_out;		/* that it discovered; for which there is no room */
	const char *note;		/* of discovery, "" when there is none */
	const char *state;		/* "ok", "loading", "failing", "held" */
	const struct list_source *row;	/* of the list in force; NULL: none yet */
	const struct list *held;	/* NULL: none */
	uint64_t held_added, held_removed;	/* ranges, against what is in force */
	bool unkept;			/* in force, but not on disk: a restart would not have it */
	bool names_unkept;		/* the same of its domain names */
	int64_t last_good_ms, last_try_ms;	/* wall clock, 0: never */
	int64_t next_ms;		/* wall clock, 0: as soon as the feed is free */
	uint64_t rejected, lines;
	uint32_t domains;		/* names on disk with it */
	const char *error;		/* "" when fine */
};
void sources_view(const struct sources *sources, size_t index, struct source_view *view);
/* Is it on this one source's list, whatever the others and scope say? */
bool sources_find(struct sources *sources, size_t index, const struct addr *addr,
    struct list_hit *hit);

/* events.c: kept until the reporter has them in its spool. */
struct events *events_new(struct agent *agent);
void events_free(struct events *events);
void events_raise(struct events *events, struct event *event);
void events_kept(struct events *events, uint64_t id);
void events_send_all(struct events *events);
/* An event with name, time and by filled in, the rest zero. */
void event_init(struct event *event, enum event_name name, const char *by);

/* endpoints.c: what feed and reporter connect to, never to be cut off. */
struct endpoints *endpoints_new(struct agent *agent);
void endpoints_free(struct endpoints *endpoints);
/* Takes over what agent->conf and agent->facts name. */
void endpoints_configure(struct endpoints *endpoints);
/* A role is about to connect: it is answered, by the enforcer if it may. */
void endpoints_announced(struct endpoints *endpoints, enum role_kind kind,
    const struct msg_endpoint *asked);
void endpoints_done(struct endpoints *endpoints, const struct msg_endpoint *done);
/* To an enforcer that has just started. */
void endpoints_send_all(struct endpoints *endpoints);
struct endpoints_view {
	uint64_t refused;	/* announcements */
	uint64_t unanswered;	/* connected to before, or without, the enforcer's answer */
	const char *trouble;	/* the last refusal, "" when there was none of late */
};
void endpoints_view(const struct endpoints *endpoints, struct endpoints_view *view);

/* handout.c: keys of AWS, from the reporter, who alone asks for them, to the feed. */
struct handout *handout_new(struct agent *agent);
void handout_free(struct handout *handout);
/* By the feed, who is answered in any case. */
void handout_asked(struct handout *handout, const struct msg_keys_ask *ask);
/* By the reporter: they are kept; or there are none. */
void handout_given(struct handout *handout, const struct msg_keys *given);
void handout_has_none(struct handout *handout, const struct msg_no_keys *none);
/* To a reporter that has just started: the last ones, and what the feed waits for. */
void handout_brief_reporter(struct handout *handout);
void handout_feed_ended(struct handout *handout);

/* status.c: asks the roles and renders contract §3 "status". */
struct status *status_new(struct agent *agent);
void status_free(struct status *status);
typedef void status_fn(char *json, void *arg);	/* json malloc'd, callee frees; NULL: no memory */
void status_ask(struct status *status, status_fn *call, void *arg);
/* Nobody waits any more: the client is gone. */
void status_forget(struct status *status, void *arg);
void status_enforcer(struct status *status, const struct msg_enforcer_status *enforcer);
void status_applied(struct status *status, const struct msg_applied *applied);
void status_sensor(struct status *status, const struct msg_sensor_status *sensor);
void status_reporter(struct status *status, const struct msg_reporter_status *reporter);
void status_sink(struct status *status, const struct msg_sink_status *sink);

/* heartbeat.c: a sign of life for the sinks that want one. */
struct heartbeat *heartbeat_new(struct agent *agent);
void heartbeat_free(struct heartbeat *heartbeat);
/* Takes over what agent->conf says. */
void heartbeat_configure(struct heartbeat *heartbeat);

/* control.c */
struct control *control_new(struct agent *agent);	/* NULL: no memory */
void control_free(struct control *control);
void control_answered(struct control *control, const struct msg_answer *answer, int fd);
void control_checked(struct control *control, const struct msg_checked *checked);
void control_planned(struct control *control, const struct msg_planned *planned);
void control_verified(struct control *control, const struct msg_verified *verified);
/* kept: 0, or -errno of an order that was done and will not outlive a restart. */
void control_mode_done(struct control *control, const struct msg_mode_done *done, int kept);
/* Whoever waits for its answer is told that there will be none. */
void control_role_ended(struct control *control, enum role_kind kind);

#endif
