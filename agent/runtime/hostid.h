/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who this host is (contract §4): the configured id; else the board's asset tag
 * if it is an instance id; else what IMDS said; else the id kept in the state
 * dir; else a hash of the machine id.  The id in use is kept.
 */
#ifndef RUNTIME_HOSTID_H
#define RUNTIME_HOSTID_H

#include <stdbool.h>

#include "runtime/conf.h"
#include "threatlistd/finding.h"

/* Where the host says who it is; a test has its own. */
struct host_places {
	const char *asset_tag;		/* /sys/devices/virtual/dmi/id/board_asset_tag */
	const char *machine_id;		/* /etc/machine-id */
};

/*
 * Fills *facts with what can be known without network, and keeps the id in the
 * state dir.  True when the id kept there before is another host's (the image
 * was cloned): what else the state dir holds of spool and history is too.
 */
bool host_facts_init(struct host_facts *facts, const struct conf *conf);
bool host_facts_init_at(struct host_facts *facts, const struct conf *conf,
    const struct host_places *places);

/*
 * Takes over what IMDS said.  found comes from the feed and is checked; what the
 * config sets stays.  True as above.
 */
bool host_facts_merge(struct host_facts *facts, const struct host_facts *found,
    const struct conf *conf);
bool host_facts_merge_at(struct host_facts *facts, const struct host_facts *found,
    const struct conf *conf, const struct host_places *places);

#endif
