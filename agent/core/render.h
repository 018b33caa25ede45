/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The native form of findings and events: GuardDuty's finding object
 * (contract §4) as one line of JSON.
 *
 * What a sink gets differs from the rendered text only in the sequence, which
 * is known when delivery is first tried: render_placed puts it in.
 */
#ifndef CORE_RENDER_H
#define CORE_RENDER_H

#include <stdint.h>

#include "threatlistd/finding.h"
#include "core/finding.h"

/*
 * malloc'd; NULL: no memory.  spool is the spool's id; NULL: there is none,
 * and the text has no place for a sequence either.
 */
char *render_finding(const struct finding *finding, const struct host_facts *facts,
    const char *spool);
char *render_event(const struct event *event, const struct host_facts *facts, const char *spool);

/*
 * A copy of a rendered text with its sequence put in; 0: without one, as it is
 * shown to people.  malloc'd; NULL: no memory.
 */
char *render_placed(const char *rendered, uint64_t sequence);

#endif
