/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The addresses of this host. */
#ifndef SENSOR_LOCAL_H
#define SENSOR_LOCAL_H

#include <stddef.h>

#include "threatlistd/addr.h"

/* Fills ranges with one address each, at most max.  Returns how many. */
size_t local_addresses(struct range *ranges, size_t max);

#endif
