/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Events as findings: their names, types, severities and ids (contract §4). */
#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include <stdint.h>

#include "threatlistd/finding.h"
#include "core/finding.h"

const char *event_name_text(uint8_t name);	/* list-changed … */
const char *event_type(uint8_t name);		/* Policy:EC2/ThreatListChanged.Custom … */
uint8_t event_severity(uint8_t name);

/* Every occurrence has an id of its own: the same event told twice has the same one. */
void event_finding_id(char id[static FINDING_ID_SIZE], const char *host_id,
    const struct event *event);

#endif
