/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Patterns of STIX 2.x indicators, as far as they name addresses: comparisons of
 * ipv4-addr:value, ipv6-addr:value and network-traffic's src_ref.value and
 * dst_ref.value by =, IN or ISSUBSET.  What else a pattern asks for (a port, a
 * second observation) narrows when it matches; here its addresses are listed
 * all the same.  One that excludes addresses cannot be listed at all.
 */
#ifndef CORE_STIX_PATTERN_H
#define CORE_STIX_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#include "core/format.h"

struct stix_pattern {
	uint32_t values;		/* text values compared with addresses */
	enum format_skip skip;		/* without any: what it is about */
};

/* One value; what it returns, if not 0, ends the taking. */
typedef int stix_value_fn(const char *value, size_t len, void *arg);

/*
 * Reads the whole pattern.  NULL: it can be listed, and *pattern says what is in
 * it.  Otherwise a constant text that says why not.
 */
const char *stix_pattern_read(struct stix_pattern *pattern, const char *text, size_t len);

/* Hands out the values of a pattern that was read.  0, or what take returned. */
int stix_pattern_take(const char *text, size_t len, stix_value_fn *take, void *arg);

/* Likewise what domain-name:value is compared with by = or IN, up to the first that excludes names. */
int stix_pattern_take_domains(const char *text, size_t len, stix_value_fn *take, void *arg);

#endif
