/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The AWS Security Finding Format, made of a finding or event in its native form. */
#ifndef CORE_RENDER_ASFF_H
#define CORE_RENDER_ASFF_H

#include <stdbool.h>

/* Whose finding it is for the receiver: what was not known yet when it was rendered counts, too. */
struct asff_owner {
	const char *account, *region, *partition;
	const char *product_arn;	/* NULL: the account's own default product in product_region */
	const char *product_region;	/* NULL: region */
};

/* Is a body of ours in this format, not in the native one? */
bool render_is_asff(const char *body);

/* malloc'd; NULL: no memory, or native is not the native form. */
char *render_asff(const char *native, const struct asff_owner *owner);

#endif
