/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which sets the table has.  Those that follow a list or the host come in two
 * names that take turns whenever a set cannot be changed in place: prefix sets
 * at every change (a live interval set gives wrong answers while it is edited),
 * hashes when they outgrow their size.
 */
#ifndef NETFILTER_SETS_H
#define NETFILTER_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "batch.h"
#include "keys.h"

/* Four classes of members: each as hosts and prefixes, each for both families. */
enum set_class {
	CLASS_LISTED,		/* whatever the action */
	CLASS_WATCH,
	CLASS_REJECT,
	CLASS_PROTECT,
	CLASS_END
};

enum set_shape {
	SHAPE_HOSTS,		/* fixed-size hash */
	SHAPE_NETS,		/* intervals */
	SHAPE_END
};

enum { FAMILY_V4, FAMILY_V6, FAMILY_END };

/* The prefilters stand behind all others. */
#define SET_TOP(family)	(CLASS_END * SHAPE_END * FAMILY_END + (family))

/*
 * And behind them the prefixes wide enough to flood a seen set from, which
 * count by themselves what comes from (way 0) or goes to (way 1) too many new
 * remotes of theirs.  Here neighbours are not united: each is of one entry.
 */
#define SET_WIDE(way, family)	(SET_TOP(FAMILY_END) + (way) * FAMILY_END + (family))
#define SET_WAYS	2u
#define SET_TURNS	SET_WIDE(SET_WAYS, 0)
#define WIDE_BITS	9u	/* 512 addresses and more: fewer remotes cannot fill a seen set */
#define WIDE_MAX	4096u	/* the largest ones of each family, if there are more */
/* So many new remotes are told one by one, as in core/aggregate.h; the others by their prefix. */
#define WIDE_REMOTES	64u	/* a minute */

static inline unsigned int
set_of(enum set_class class, enum set_shape shape, unsigned int family)
{
	return ((unsigned int)class * SHAPE_END + shape) * FAMILY_END + family;
}

static inline bool
set_protects(unsigned int set)
{
	return set >= set_of(CLASS_PROTECT, SHAPE_HOSTS, 0) && set < SET_TOP(0);
}

static inline bool
set_is_top(unsigned int set)
{
	return set >= SET_TOP(0) && set < SET_TOP(FAMILY_END);
}

/* Has each member a limit and, for what is over it, a counter? */
static inline bool
set_counts(unsigned int set)
{
	return set >= SET_WIDE(0, 0);
}

struct set_info {
	const char *names[2];	/* taking turns */
	uint8_t key_size;	/* 4 or 16 */
	bool ranges;		/* interval set */
	const char *comment;
};
const struct set_info *set_info(unsigned int set);

/* The set and turn that bear this name; false: none of ours. */
bool set_by_name(const char *name, unsigned int *set, unsigned int *turn);

/*
 * The prefilter holds leading bits.  Listed addresses are close to each other:
 * 250,000 of real lists are in one of twenty /20s.  So it stands before the
 * hosts as well, and most packets are done with one lookup in a hash much
 * smaller than theirs.  Where IPv4 hosts have no neighbours, or prefixes are
 * wide, that would be as large as the list: with more members than half of it
 * and TOP_FEW it is one of prefixes alone, of fewer bits, behind the hosts.
 */
enum top_scope {
	TOP_UNKNOWN,		/* of another run, not to be relied on */
	TOP_NETS,		/* of prefixes alone, asked behind the hosts */
	TOP_ALL			/* of everything listed, asked first */
};
#define TOP_FEW		4096u
/* More than so many, and everything is looked up without a prefilter. */
#define TOP_MAX		131072u

static inline unsigned int
top_bits(unsigned int family, enum top_scope scope)
{
	return family == FAMILY_V6 ? 32 : scope == TOP_ALL ? 20 : 16;
}

/*
 * The sets that are made once and left alone: seen_…, allow…, the endpoints that
 * are never cut off and what was seen of them, and the dead-man switch.
 */
enum set_fixture {
	FIXTURE_ALLOW4, FIXTURE_ALLOW6,
	FIXTURE_SEEN_IN4, FIXTURE_SEEN_IN6, FIXTURE_SEEN_OUT4, FIXTURE_SEEN_OUT6,
	FIXTURE_PROTECT_EP4, FIXTURE_PROTECT_EP6,
	FIXTURE_SEEN_EP_IN4, FIXTURE_SEEN_EP_IN6, FIXTURE_SEEN_EP_OUT4, FIXTURE_SEEN_EP_OUT6,
	FIXTURE_ARMED,
	FIXTURE_END
};
const char *fixture_name(enum set_fixture fixture);
/* A switch, armed.h; one that is there stays as it is. */
void set_create_armed(struct batch *batch, const char *name, const char *comment);
/* Appends messages that make them all; those that are there stay as they are. */
void fixtures_create(struct batch *batch);

/* The size to give a hash for n members: room to grow at no cost in memory. */
uint32_t set_size_for(size_t n);

/* size is ignored for interval sets. */
void set_create(struct batch *batch, unsigned int set, unsigned int turn, uint32_t size);
/* The same under a name that is none of its two. */
void set_create_as(struct batch *batch, unsigned int set, const char *name, uint32_t size);
/* Sets of isolate.c alone; those that are there stay as they are. */
void set_create_nets(struct batch *batch, const char *name, unsigned int family,
    const char *comment);
/* Of addresses, each with a TCP port. */
void set_create_ports(struct batch *batch, const char *name, unsigned int family, uint32_t size,
    const char *comment);
/* All its members. */
void set_flush(struct batch *batch, const char *name);
void set_delete(struct batch *batch, const char *name);

#endif
