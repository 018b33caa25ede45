/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scope = public: the special-purpose address registries, RFC 6890 and its updates. */
#include "core/scope.h"

#define V4(a, b, c, d)	((uint64_t)(a) << 24 | (uint64_t)(b) << 16 | (uint64_t)(c) << 8 | (d))
#define NET4(a, b, c, d, len) { \
	.first = { 0, V4(a, b, c, d) }, \
	.last = { 0, V4(a, b, c, d) | ((UINT64_C(1) << (32 - (len))) - 1) }, \
}
/* IPv6 by the first 64 bits of first and last address; len up to 64. */
#define SPAN6(first64, last64) { \
	.first = { (first64), 0 }, \
	.last = { (last64), UINT64_MAX }, \
}

static const struct span not_public4[] = {
	NET4(0, 0, 0, 0, 8),
	NET4(10, 0, 0, 0, 8),
	NET4(100, 64, 0, 0, 10),
	NET4(127, 0, 0, 0, 8),
	NET4(169, 254, 0, 0, 16),
	NET4(172, 16, 0, 0, 12),
	NET4(192, 0, 0, 0, 24),
	NET4(192, 0, 2, 0, 24),
	NET4(192, 88, 99, 0, 24),
	NET4(192, 168, 0, 0, 16),
	NET4(198, 18, 0, 0, 15),
	NET4(198, 51, 100, 0, 24),
	NET4(203, 0, 113, 0, 24),
	NET4(224, 0, 0, 0, 3),
};

static const struct span not_public6[] = {
	SPAN6(UINT64_C(0x0000000000000000), UINT64_C(0x1fffffffffffffff)),	/* below 2000::/3 */
	SPAN6(UINT64_C(0x2001000000000000), UINT64_C(0x200101ffffffffff)),	/* 2001::/23 */
	SPAN6(UINT64_C(0x20010db800000000), UINT64_C(0x20010db8ffffffff)),	/* 2001:db8::/32 */
	SPAN6(UINT64_C(0x2002000000000000), UINT64_C(0x2002ffffffffffff)),	/* 2002::/16 */
	/* 3fff::/20 */
	SPAN6(UINT64_C(0x3fff000000000000), UINT64_C(0x3fff0fffffffffff)),
	SPAN6(UINT64_C(0x4000000000000000), UINT64_MAX),			/* above 2000::/3 */
};

const struct span *
scope_excluded(enum list_scope scope, uint8_t family, size_t *n)
{
	*n = 0;
	if (scope != SCOPE_PUBLIC)
		return NULL;
	if (family == ADDR_V4) {
		*n = sizeof(not_public4) / sizeof(not_public4[0]);
		return not_public4;
	}
	*n = sizeof(not_public6) / sizeof(not_public6[0]);
	return not_public6;
}
