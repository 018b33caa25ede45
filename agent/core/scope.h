/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a scope takes out of every list. */
#ifndef CORE_SCOPE_H
#define CORE_SCOPE_H

#include "core/compile.h"
#include "core/nest.h"

/* The excluded spans of a family, ascending, disjoint and apart from each other. */
const struct span *scope_excluded(enum list_scope scope, uint8_t family, size_t *n);

#endif
