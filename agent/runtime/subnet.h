/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The subnets this host is on. */
#ifndef RUNTIME_SUBNET_H
#define RUNTIME_SUBNET_H

#include <stddef.h>

#include "threatlistd/addr.h"

/*
 * Fills own[] with the subnets of all interfaces but loopback; host routes (/32,
 * /128) and IPv6 link-local ones are left out.  Returns how many; at most max.
 */
size_t subnets_of_host(struct range *own, size_t max);

#endif
