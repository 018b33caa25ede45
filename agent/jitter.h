/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_JITTER_H
#define AGENT_JITTER_H

#include <stdint.h>

/* A period give or take a tenth, so that a fleet does not ask at once. */
int64_t jittered(int64_t period_ms);

#endif
