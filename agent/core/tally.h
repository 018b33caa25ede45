/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets and bytes of each listed remote, counted from what is seen, for
 * hosts without a kernel table that would count them.  Cumulative since the
 * remote was taken in; its epoch says which beginning that was.
 *
 * Pure and bounded: the remote that was quiet longest makes room for another once
 * TALLY_IDLE_MS have passed since and it was given.  Remotes that find no room are
 * not counted, but how many packets that were is.
 */
#ifndef CORE_TALLY_H
#define CORE_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "threatlistd/sighting.h"

#define TALLY_IDLE_MS	(60 * 1000)	/* who was given it has had the time to keep it */

struct tally;

/*
 * max: remotes, each direction by itself.  epoch and seed: random; epochs after it are
 * used, too.  NULL: no memory.
 */
struct tally *tally_new(size_t max, uint64_t epoch, uint64_t seed);
void tally_free(struct tally *tally);

/* Counts one packet of bytes bytes; the sighting says whose and which way. */
void tally_add(struct tally *tally, const struct sighting *sighting, uint32_t bytes);

/*
 * Gives the next count that changed since it was last given, in the order in
 * which they changed.  false: none.
 */
bool tally_next(struct tally *tally, struct count *count);

/* All counts are to be given again. */
void tally_again(struct tally *tally);

/* Packets that found no room. */
uint64_t tally_lost(const struct tally *tally);

#endif
