/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Randomness for core/pace.h, so that a fleet does not ask in step. */
#ifndef AGENT_JITTER_H
#define AGENT_JITTER_H

#include <stdint.h>

uint32_t random_bits(void);

#endif
