/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel, seen from the agent: one table of drop rules, and nothing else of
 * nftables.  Everything behind this header speaks netlink; nobody else does.
 *
 * Calls block for as long as the kernel takes (seconds for a first load of a
 * million entries) and are made by one thread.  Functions that return int give
 * 0 or -errno, with a sentence for the log in *err (err may be NULL).
 */
#ifndef THREATLISTD_ENFORCE_H
#define THREATLISTD_ENFORCE_H

#include "threatlistd/addr.h"
#include "threatlistd/list.h"
#include "threatlistd/sighting.h"

#define ENFORCE_TABLE		"threatlistd"	/* family inet */

enum enforce_mode {
	ENFORCE_OFF = 0,		/* no table */
	ENFORCE_WATCH = 1,		/* count and log, pass */
	ENFORCE_DROP = 2,		/* each entry's own action */
};

struct enforce_error {
	char text[300];
};

#define ENFORCE_COMMENT_MAX	129	/* nft's longest comment of an element, with its NUL */

/* One of the admin's own exceptions: a member of allow4 or allow6. */
struct enforce_allow {
	struct range range;
	char comment[ENFORCE_COMMENT_MAX];	/* empty: none */
};

#define ENFORCE_SEEN_MS	(60 * 60 * 1000)	/* without a packet the kernel forgets a remote */

/* What the kernel counted of one remote, or of all that a wide prefix has too many of. */
struct enforce_seen {
	struct addr remote;		/* of a prefix: its first address that is no other entry's */
	uint8_t dir;			/* enum packet_dir */
	bool protect, allow;		/* false for a prefix */
	bool endpoint;			/* its connections as an endpoint alone: protect, too */
	/* 0: a remote; else a prefix, as a member of the kernel's set with this number */
	uint32_t instance;
	uint64_t packets, bytes;	/* since the element, or the set, exists */
	uint64_t left_ms;		/* of ENFORCE_SEEN_MS since its last packet; 0: not said */
};
typedef void enforce_seen_fn(const struct enforce_seen *seen, void *arg);

struct enforce_conf {
	uint8_t mode;			/* enum enforce_mode */
	bool log;			/* have log statements (NFLOG can be had) */
	uint16_t nflog_group;
	const struct range *admin;	/* never cut off; borrowed during open */
	size_t nadmin;
	/* the admin's exceptions as they were kept, for when there is no table to read them from */
	const struct enforce_allow *allow;	/* borrowed during open */
	size_t nallow;
	/* told, within a call, of counters that go with their set; NULL: not */
	enforce_seen_fn *retired;
	void *retired_arg;
};

/* Owns its sockets and a copy of what it needs to know of the list in force. */
struct enforce;

/*
 * Opens netlink and looks at what is there: a table of ours from an earlier run
 * is taken over as it is; the next apply loads its sets anew under their other
 * names, without a gap.  Changes nothing in the kernel.  A kernel that refuses
 * log statements is enforced on without them: logged, and seen in enforce_stat.
 * -EPERM names the capability that is missing.
 */
int enforce_open(struct enforce **enforce, const struct enforce_conf *conf,
    struct enforce_error *err);

/* Leaves the table as it is. */
void enforce_free(struct enforce *enforce);

/*
 * Puts a list in force: make before break, all or nothing.  Afterwards the
 * kernel holds exactly this list; on failure exactly the old one (or the union,
 * until the next apply finishes or undoes it).  Keeps nothing of list but its
 * own copy of the members.  A panic (dormant table) is kept, also when the
 * table has to be made anew.  With ENFORCE_OFF nothing is done.
 */
int enforce_apply(struct enforce *enforce, const struct list *list, struct enforce_error *err);

/*
 * What enforce_apply would change, counted, and whether the kernel would take
 * it.  Changes nothing: the kernel validates everything and takes it back.
 * With ENFORCE_OFF it is judged as for ENFORCE_DROP.
 */
#define ENFORCE_SETS_MAX	32
struct enforce_plan_set {
	char name[16];
	uint64_t members, added, removed;
	uint8_t known;			/* 0: it is made anew, as its members now are not known */
	uint8_t pad[7];
};
struct enforce_plan {
	uint8_t table;			/* there is one now */
	uint8_t pad[3];
	uint32_t nsets;
	struct enforce_plan_set sets[ENFORCE_SETS_MAX];
	int32_t refused;		/* 0, or -errno of the kernel */
	uint32_t pad2;
	char reason[256];		/* of the refusal */
};
int enforce_plan(struct enforce *enforce, const struct list *list, struct enforce_plan *plan,
    struct enforce_error *err);

/*
 * Does the kernel hold the list in force, member by member?  All sets that
 * follow a list or the host are read back, by a socket of its own and a piece at
 * a time: other calls may come between, and what changes the sets only makes the
 * reading begin anew.  Changes nothing; sets that differ are no longer relied
 * on, so that the next enforce_apply makes them anew.
 */
#define ENFORCE_VERIFY_SETS_MAX		48
#define ENFORCE_VERIFY_EXAMPLES		32
#define ENFORCE_VERIFY_EACH		4	/* examples of one kind and set, at most */
struct enforce_verify_set {
	char name[16];
	uint64_t expected;	/* members by the list; 0 and there: a set left over */
	uint64_t present;	/* of these, in the kernel */
	uint64_t missing;	/* and not */
	uint64_t foreign;	/* in the kernel, and not expected */
};
struct enforce_verify_example {
	struct range range;	/* of a foreign one whose end is not known: its first address */
	uint8_t set;		/* index */
	uint8_t foreign;	/* 0: missing */
};
struct enforce_verify {
	uint32_t nsets, nexamples;
	struct enforce_verify_set sets[ENFORCE_VERIFY_SETS_MAX];
	struct enforce_verify_example examples[ENFORCE_VERIFY_EXAMPLES];
	uint8_t rules;		/* they are as we made them */
	uint8_t equal;		/* all is */
	uint8_t pad[2];
	uint32_t again;		/* times that something was read once more, as others changed nftables */
};
/* -EBUSY: one is under way; -ENOENT: there is no table; -ESTALE: list is not the one in force. */
int enforce_verify_begin(struct enforce *enforce, const struct list *list,
    struct enforce_error *err);
/*
 * Reads on for about budget_ms.  1: there is more; 0: done, out is filled in;
 * -errno: given up (-EINTR: nftables is changed faster than it can be read).
 */
int enforce_verify_step(struct enforce *enforce, int budget_ms, struct enforce_verify *out,
    struct enforce_error *err);
/* Ends one that is under way. */
void enforce_verify_end(struct enforce *enforce);

/*
 * Changes the mode in one small transaction.  ENFORCE_OFF removes the table;
 * after a way back from it, enforce_apply makes a new one.
 */
int enforce_set_mode(struct enforce *enforce, uint8_t mode, struct enforce_error *err);

/*
 * ENFORCE_DROP that the kernel turns into ENFORCE_WATCH at until_ms (milliseconds
 * of CLOCK_BOOTTIME), whatever becomes of us, unless enforce_set_mode or
 * enforce_confirm comes before.  In the past it is ENFORCE_WATCH at once.
 */
int enforce_arm(struct enforce *enforce, int64_t until_ms, struct enforce_error *err);

/* Makes what enforce_arm began last for good.  -ETIME: too late, the kernel has turned. */
int enforce_confirm(struct enforce *enforce, struct enforce_error *err);

/*
 * Lifts everything in one message (dormant table), and puts it back.  Without a
 * table they only say how the next one is made.
 */
int enforce_panic(struct enforce *enforce, struct enforce_error *err);
int enforce_resume(struct enforce *enforce, struct enforce_error *err);

/* Deletes the table; no table is no error.  The mode stays: enforce_apply makes a new one. */
int enforce_purge(struct enforce *enforce, struct enforce_error *err);

/* Recomputes the protect sets from addresses and routes of the host and applies the difference. */
int enforce_protect(struct enforce *enforce, struct enforce_error *err);
/* Were files that name DNS resolvers changed since this was last asked?  Then enforce_protect. */
bool enforce_resolvers_changed(struct enforce *enforce);

/*
 * The admin's exceptions, as last read from the kernel: IPv4 first, ascending.
 * They are put into every table that is made anew; so that they outlive reboots,
 * who holds us keeps them and gives them back to enforce_open.
 */
typedef void enforce_allow_fn(const struct enforce_allow *allow, void *arg);
void enforce_allow(const struct enforce *enforce, enforce_allow_fn *each, void *arg);

/*
 * Endpoints: addresses and TCP ports that the agent itself talks to.  Their
 * connections are never cut off, whatever the lists say of the address; the rest
 * of what comes from it or goes to it is.  A member lasts ENFORCE_ENDPOINT_MS
 * and is put into every table that is made anew meanwhile.
 */
#define ENFORCE_ENDPOINTS_MAX	256		/* at once */
#define ENFORCE_ENDPOINT_MS	(10 * 60 * 1000)

/*
 * Makes it one, or makes it last on; port in host byte order.  -ENOSPC: there
 * are too many.  Without a table it is only remembered for the next one.
 */
int enforce_endpoint(struct enforce *enforce, const struct addr *addr, uint16_t port,
    struct enforce_error *err);

/* All that the kernel has now; twice when somebody's transaction interrupted the reading. */
typedef void enforce_endpoint_fn(const struct addr *addr, uint16_t port, void *arg);
int enforce_endpoints(struct enforce *enforce, enforce_endpoint_fn *each, void *arg,
    struct enforce_error *err);

/*
 * Isolation: everything is cut off, in, out and forwarded, listed or not and
 * established or not, but what the host is run by: loopback, neighbour
 * discovery, DHCP, MTU errors, metadata and time service, resolvers (DNS alone),
 * the admin's addresses (conf and allow4, allow6), endpoints, and the session of
 * who asked for it.
 */
struct enforce_isolation {
	bool on;
	int64_t until_ms;	/* of CLOCK_BOOTTIME, the kernel ends it then; 0: for good */
	struct addr session;	/* the caller's own address; family 0: none */
	uint16_t session_port;	/* our TCP port that he came to, host byte order */
};

/*
 * Begins, renews or ends it, each in one transaction (which also makes a table
 * that is missing).  until_ms in the past ends it.  In a dormant table nothing is
 * cut off.  A table that enforce_purge takes away is gone with it.
 */
int enforce_isolate(struct enforce *enforce, const struct enforce_isolation *wanted,
    struct enforce_error *err);
/*
 * ENFORCE_OFF for a host that stays isolated: in one transaction all else in the
 * table goes, but for the admin's exceptions.
 */
int enforce_isolate_alone(struct enforce *enforce, const struct enforce_isolation *wanted,
    struct enforce_error *err);
/* What ends at until_ms is for good.  -ETIME: it is over already. */
int enforce_isolate_confirm(struct enforce *enforce, struct enforce_error *err);

/* What the kernel's own sets say of an address, asked element by element. */
enum enforce_answer {
	ENFORCE_UNKNOWN = 0,		/* no table, or the kernel could not be asked */
	ENFORCE_NO,
	ENFORCE_YES,
};
struct enforce_check {
	/* each enum enforce_answer */
	uint8_t listed;			/* hosts or prefix sets, and the prefilter before them */
	uint8_t protect, allow;
	/* the same by what we put into protect and last read of allow */
	uint8_t expect_protect, expect_allow;
};
int enforce_check(struct enforce *enforce, const struct addr *addr, struct enforce_check *check,
    struct enforce_error *err);

/*
 * One reading of the seen sets.  each() is called for every remote with the
 * cumulative values of its element and whether it is protected or allowed, and
 * once more for what it had to do with us as an endpoint; each of them twice
 * when somebody's transaction interrupted the reading: the later one is truer.
 * Elements expire an hour after their last packet: a remote that comes back
 * then starts from zero within the same table_epoch.
 */
int enforce_read_seen(struct enforce *enforce, enforce_seen_fn *each, void *arg,
    struct enforce_error *err);

/*
 * The same of the wide prefixes: of all sets of them that there are, also of one
 * that a change which broke off has left.  An apply makes new sets (other
 * instances, from zero) and tells what the old ones counted to conf's retired.
 * There is nothing new in them while enforce_stat's flooded_packets stays.
 */
int enforce_read_wide(struct enforce *enforce, enforce_seen_fn *each, void *arg,
    struct enforce_error *err);

/*
 * Events.  enforce_watch_fd becomes readable when anything changed in nftables
 * or in the host's addresses and routes; enforce_watch then says what that
 * means for us.  Our own changes are never reported.
 */
enum enforce_change {
	ENFORCE_CHANGE_NONE = 0,
	ENFORCE_CHANGE_DAMAGED = 1u << 0,	/* table or a part of it is gone: call enforce_apply */
	ENFORCE_CHANGE_ADDRESSES = 1u << 1,	/* call enforce_protect */
	ENFORCE_CHANGE_PANIC = 1u << 2,		/* someone set the table dormant by hand */
	ENFORCE_CHANGE_RESUME = 1u << 3,	/* someone lifted a panic by hand */
	ENFORCE_CHANGE_DISARMED = 1u << 4,	/* someone emptied "armed" by hand: it is watch now */
	ENFORCE_CHANGE_ALLOW = 1u << 5,		/* the admin edited allow4 or allow6: keep them */
	ENFORCE_CHANGE_RELEASED = 1u << 6,	/* someone emptied "isolate_armed" by hand: it is over */
	ENFORCE_CHANGE_ISOLATION = 1u << 7,	/* its chains or sets were changed: call enforce_isolate */
	ENFORCE_CHANGE_BLIND = 1u << 8,		/* links or flowtables changed: call enforce_blind */
};
struct enforce_change_info {
	unsigned int changes;		/* or of enum enforce_change */
	bool dormant;			/* with one of PANIC and RESUME: which of them holds now */
	uint32_t pid;			/* of the program that did it, 0: unknown */
	char program[32];
	char what[64];			/* "table", "set hosts4", "chain prerouting" … */
};
int enforce_watch_fd(const struct enforce *enforce);
int enforce_watch(struct enforce *enforce, struct enforce_change_info *info);

/* Ways round our hooks, as far as netlink tells. */
enum enforce_way {
	ENFORCE_WAY_FLOWTABLE,
	ENFORCE_WAY_XDP,
	ENFORCE_WAY_CHILD,	/* of a link here: macvlan, ipvlan, vlan in another namespace */
	ENFORCE_WAYS
};
#define ENFORCE_WAY_MAX		200
struct enforce_blind {
	char ways[ENFORCE_WAYS][ENFORCE_WAY_MAX];	/* a sentence, or "": none known */
};
int enforce_blind(struct enforce *enforce, struct enforce_blind *blind,
    struct enforce_error *err);

struct enforce_set_stat {
	char name[16];
	uint64_t entries;		/* of the list sets, as we loaded them */
};
struct enforce_stat {
	bool table;			/* there is one */
	bool dormant;
	uint8_t mode;			/* enum enforce_mode in the kernel */
	bool armed;			/* its rules ask "armed": drop until that is empty */
	uint32_t generation;		/* nftables' generation id after our last change */
	bool log;			/* rules have log statements; false: not wanted, or refused */
	uint64_t drops_packets, drops_bytes;	/* dropped and rejected, since the table exists */
	uint64_t rejected_packets;		/* of these */
	uint64_t watched_packets, protected_packets, allowed_packets;	/* listed and passed */
	uint64_t flooded_packets;	/* counted to a wide prefix, not to their remote */
	uint64_t seen_overflow;		/* packets of listed remotes that found a seen set full */
	uint32_t nsets;
	struct enforce_set_stat sets[ENFORCE_SETS_MAX];
	bool isolated;			/* all but what it keeps is cut off now */
	bool isolate_rules;		/* its chains are there, also if dormant or over … */
	bool isolate_armed;		/* … and ask "isolate_armed" */
	uint64_t isolated_packets, isolated_bytes;	/* cut off by it, since the table exists */
	uint64_t table_epoch;		/* changes whenever the seen counters started anew */
};
int enforce_stat(struct enforce *enforce, struct enforce_stat *stat, struct enforce_error *err);

#endif
