/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which messages each role may send the parent.  Any other is a breach, and the role is ended. */
#ifndef AGENT_PERMIT_H
#define AGENT_PERMIT_H

#include "agent.h"

/* type: enum message_type, or any other number. */
bool permit_message(enum role_kind kind, uint32_t type);

#endif
