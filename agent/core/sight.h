/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sight: the way of a captured frame to sightings.  Its packets are decoded,
 * both sides looked up in the list, the flow asked who began, and each listed
 * side told apart: which one is remote, which way the packet went.
 *
 * The remote is the listed side that is not this host.  NFLOG says it by the
 * hook, and so that each packet is told once: the source in prerouting, the
 * destination in output, and in forward the destination first (a listed source
 * was met in prerouting).  Elsewhere the addresses of this host say it; what
 * they do not name is remote.
 *
 * A packet that only an ICMP error quotes is told as outbound or not at all:
 * anybody can send such a quote.
 *
 * Pure: no I/O, time is that of the frames.
 */
#ifndef CORE_SIGHT_H
#define CORE_SIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "threatlistd/list.h"
#include "threatlistd/sighting.h"
#include "core/decode.h"

#define SIGHT_LOCAL_MAX	1024	/* ranges of this host's addresses */

struct sight_conf {
	size_t max_flows;
	unsigned int sightings_per_s;
	uint64_t seed;			/* random */
	bool repeats;			/* a packet may come by several interfaces: see repeat.h */
};

/* One listed side of one packet. */
struct sight_hit {
	const struct packet *packet;	/* borrowed, as the hit, for the call */
	bool src;			/* the source is listed, else the destination */
	bool remote;			/* false: it is this host, or met at another hook */
	bool tell;			/* remote, and the flow is worth telling */
	struct list_hit hit;
	struct sighting sighting;
};

struct sight_stat {
	uint64_t frames;
	uint64_t skipped[SKIP_END];	/* frames by what could not be read of them */
	uint64_t undecodable;		/* frames that are no IP packet and should have been */
	uint64_t repeated;		/* listed packets that another interface showed before */
	uint64_t untold;		/* see flow_untold */
	size_t flows;
};

struct sight;

struct sight *sight_new(const struct sight_conf *conf);	/* NULL: no memory */
void sight_free(struct sight *sight);

/*
 * The list to look into, borrowed until the next call; NULL: none, nothing is a
 * hit.  index: every packet is looked up, not only those that the kernel found
 * listed, which is worth the memory of a struct match.  0, or -ENOMEM with the
 * old one still in use.
 */
int sight_set_list(struct sight *sight, const struct list *list, uint64_t generation, bool index);

/* Addresses of this host, copied; those past SIGHT_LOCAL_MAX are left out. */
void sight_set_local(struct sight *sight, const struct range *ranges, size_t n);

/* Calls each() for every listed side of every packet in the frame, outermost first, source first. */
typedef void sight_fn(const struct sight_hit *hit, void *arg);
void sight_frame(struct sight *sight, int link, const uint8_t *data, size_t size, int64_t time_us,
    sight_fn *each, void *arg);

/*
 * The same, but the frame may wait for others, as a copy: a look into an index of
 * 2 MiB is a wait for memory, and several take no longer than one.  What waits is
 * looked at in the order it came, by then or by sight_flush at the latest, which
 * is to be called before the list is changed.
 */
void sight_queue(struct sight *sight, int link, const uint8_t *data, size_t size, int64_t time_us,
    sight_fn *each, void *arg);
void sight_flush(struct sight *sight, sight_fn *each, void *arg);

void sight_stat(const struct sight *sight, struct sight_stat *stat);

#endif
