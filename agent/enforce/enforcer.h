/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The enforcer role: keeps the list it was given last in the kernel, guards it
 * there, and tells what the kernel counted.  One struct enforcer, owned by
 * enforcer.c; lists.c, orders.c, guard.c, verify.c and sweep.c are its
 * parts.
 */
#ifndef ENFORCE_ENFORCER_H
#define ENFORCE_ENFORCER_H

#include "threatlistd/enforce.h"
#include "threatlistd/finding.h"
#include "threatlistd/list.h"
#include "threatlistd/log.h"
#include "enforce/ledger_file.h"
#include "runtime/channel.h"
#include "runtime/conf.h"
#include "runtime/loop.h"

/* A list that was handed to the kernel, for looking up what it counted. */
struct known_list {
	struct list *list;	/* NULL: none */
	uint64_t generation;
};

struct guard {
	struct loop_timer *restore, *isolate, *protect, *blind;
	int64_t backoff_ms;	/* of the next try, 0: none has failed */
	struct enforce_change_info damage;	/* changes 0: none to repair */
	int64_t damaged_ms, restored_ms;	/* loop_now_ms */
	char trouble[200];	/* empty: none */
	char protect_trouble[200];
	struct enforce_blind found;	/* ways round the hooks at the last look, */
	bool looked;			/* if there was one */
	struct enforce_change_info blinding;	/* who made the change that is looked at next */
	char isolate_trouble[200];
};

/* Packets of listed remotes that no remote was told for: the seen sets were full. */
struct overflow {
	uint64_t table_epoch, last;	/* of which table, and what it said last */
	uint64_t total;		/* of all tables since we came */
	uint64_t untold;	/* by events, of this run and those before */
	int64_t told_ms;	/* loop_now_ms, 0: never */
	int64_t grown_ms;	/* loop_now_ms, 0: never */
};

/* What the table's few counters said before the last whole reading of its many elements. */
struct last_reading {
	bool whole;		/* nothing of it has to be read once more */
	bool wide;		/* wide prefixes were read when so much was counted to them: */
	uint64_t flooded;
	uint64_t table_epoch, packets;
	int64_t begun_ms;	/* loop_now_ms */
};

struct sweep {
	struct loop_timer *timer;
	struct ledger_file file;
	struct overflow overflow;
	struct last_reading last;
	struct log_limit failed, refused;
	int64_t changed_ms;	/* loop_now_ms of the last reading that changed anything */
	int64_t tidied_ms;
	uint64_t changes, misfits;	/* bookings of this reading, and those put off */
	int64_t started_ms;	/* loop_now_ms */
	bool labelled;		/* all was read with a list in hand */
	bool closing;		/* the table goes: nothing can be put off */
	uint8_t mode;		/* enum enforce_mode of the table in this reading */
	int64_t wall_ms;	/* of this reading */
	int64_t since_ms;	/* loop_now_ms: all that came before is booked; 0: not all */
};

/* A reading of all members that is under way. */
struct verifying {
	struct loop_timer *timer;
	uint64_t token;
	int64_t begun_ms;	/* loop_now_ms, 0: none is */
};

struct enforcer {
	struct loop *loop;
	struct channel *channel;
	struct conf *conf;	/* NULL: not told yet */
	struct enforce *enforce;	/* NULL: the kernel cannot be had */
	int exit_code;
	bool confine;		/* the process is its own: it gives up all else with its config */
	uint8_t mode;		/* enum enforce_mode that is wanted */
	int64_t confirm_until_ms;	/* loop_now_ms: drop falls back to watch then; 0: it stays */
	struct enforce_isolation isolation;	/* as ordered */
	bool panic, purged;	/* nothing is put back against these */
	bool panic_found;	/* the table was dormant when we came */
	struct known_list now, before;
	struct loop_timer *forget_before;
	bool in_force;		/* the kernel holds now, as far as we know */
	int64_t last_change_ms;	/* wall clock, 0: never */
	struct log_limit endpoint_failed;
	struct guard guard;
	struct sweep sweep;
	struct verifying verifying;
};

/* Works until MSG_STOP or the channel ends, then stops the loop.  fd is consumed.  NULL: errno. */
struct enforcer *enforcer_new(struct loop *loop, int fd);
void enforcer_free(struct enforcer *enforcer);
int enforcer_exit_code(const struct enforcer *enforcer);

/* Opens the kernel unless it is open.  0 or -errno. */
int enforcer_engine(struct enforcer *enforcer, struct enforce_error *err);
/* Never waits; what finds no room is said in the log. */
void enforcer_send(struct enforcer *enforcer, const struct message *message);
void enforcer_event(struct enforcer *enforcer, const struct event *event);

/* lists.c: which list is in force. */
void lists_take(struct enforcer *enforcer, const struct msg_list *message, int fd);
/* What the list would change if it were taken. */
void lists_plan(struct enforcer *enforcer, const struct msg_plan *plan, int fd);
/* Puts the list of now in the kernel, unless that is against an order.  0 or -errno. */
int lists_apply(struct enforcer *enforcer, struct enforce_error *err);
/* Tells the parent how it went. */
void lists_tell(struct enforcer *enforcer, int error, int64_t took_ms, const char *reason);
void lists_free(struct enforcer *enforcer);
/* What the lists in hand say of an address; false: nothing. */
bool lists_label(const struct enforcer *enforcer, const struct addr *addr,
    struct ledger_label *label);

/* orders.c */
void orders_take(struct enforcer *enforcer, const struct msg_mode *order);
/* Brings mode and panic of the table in line, and the table back where it is missing. */
int orders_align(struct enforcer *enforcer, struct enforce_error *err);
/* What waits for a confirmation was ended in the kernel by someone else. */
void orders_disarmed(struct enforcer *enforcer, const struct enforce_change_info *info);
/* Lifts, counts, then deletes. */
int orders_remove_table(struct enforcer *enforcer, struct enforce_error *err);

/* isolation.c: all is cut off but what the host is run by. */
/* What the order says of it, for isolation_align. */
void isolation_take(struct enforcer *enforcer, const struct msg_mode *order);
/* Brings the kernel in line with it; panic: none.  0 or -errno. */
int isolation_align(struct enforcer *enforcer, struct enforce_error *err);
/* The same after the host or the table changed; a failure is said and tried again. */
void isolation_renew(struct enforcer *enforcer);
/* It is not as it should be: that is said, and it is tried again. */
void isolation_failed(struct enforcer *enforcer, const char *reason);
/* Somebody else changed chains or sets of it; told: an event of all that is told anyway. */
void isolation_restore(struct enforcer *enforcer, const struct enforce_change_info *info,
    bool told);
/* What waits for a confirmation was ended in the kernel by someone else. */
void isolation_released(struct enforcer *enforcer, const struct enforce_change_info *info);

/* guard.c: what others do to the table. */
int guard_start(struct enforcer *enforcer);
/* The list could not be put in force: tries again with back-off. */
void guard_failed(struct enforcer *enforcer, const char *reason);
/* What the kernel holds is not the list any more: it is put back, unless that is against an order. */
void guard_damaged(struct enforcer *enforcer, const struct enforce_change_info *info);
/* It is in force, or need not be. */
void guard_settled(struct enforcer *enforcer);
/* Looks whether the host has other DNS resolvers; called now and then, netlink does not tell. */
void guard_resolvers(struct enforcer *enforcer);
void guard_stop(struct enforcer *enforcer);

/* verify.c: does the kernel hold the list, member by member? */
void verify_take(struct enforcer *enforcer, uint64_t token);
void verify_stop(struct enforcer *enforcer);

/* sweep.c: what the kernel counted. */
int sweep_start(struct enforcer *enforcer);
/* Reads the counters at once, under the mode that still holds. */
void sweep_now(struct enforcer *enforcer);
/* The last time before the table goes. */
void sweep_close(struct enforcer *enforcer);
void sweep_send(struct enforcer *enforcer);
/* An enforce_seen_fn for counters that go with their set; arg is the enforcer. */
void sweep_retired(const struct enforce_seen *seen, void *arg);
void sweep_stop(struct enforcer *enforcer);

#endif
