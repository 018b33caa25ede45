/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a single packet says about who began its flow. */
#ifndef CORE_FLOW_BEGIN_H
#define CORE_FLOW_BEGIN_H

#include "core/flow.h"

/* The stronger one wins; a guess never replaces a guess. */
enum flow_evidence {
	EVIDENCE_NONE = 0,
	EVIDENCE_GUESS,
	EVIDENCE_SEEN,
};

struct flow_begin {
	uint8_t initiator;	/* enum flow_initiator */
	uint8_t evidence;	/* enum flow_evidence */
	bool opens;		/* a new beginning, whatever was known of the flow */
};

struct flow_begin flow_begin(const struct packet *packet);

#endif
