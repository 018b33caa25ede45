/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which endpoints a role may have protected: only TCP ports that the config
 * names for it, only so many at once, only so often.  The role touches foreign
 * bytes; whoever takes it over must not open the host to anybody he likes.
 *
 * Pure: time is an argument.
 */
#ifndef CORE_ADMISSION_H
#define CORE_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "threatlistd/addr.h"

#define ADMISSION_PORTS_MAX	128
#define ADMISSION_LIVE_MAX	128	/* half of what the kernel's sets are given */
#define ADMISSION_BURST		256	/* announcements at once … */
#define ADMISSION_PER_SECOND	8	/* … and in the long run */

struct admitted {
	struct addr addr;
	uint16_t port;			/* host byte order */
	int64_t until_ms;
};

/* Of one role; zero is a beginning. */
struct admission {
	uint16_t ports[ADMISSION_PORTS_MAX];
	size_t nports;
	struct admitted live[ADMISSION_LIVE_MAX];
	size_t nlive;
	int64_t full_ms;		/* when the bucket is full again, 0: it is */
};

/* Forgets which ports are allowed; what was admitted stays. */
void admission_forget_ports(struct admission *admission);
/* What is more than ADMISSION_PORTS_MAX, and port 0, is not allowed. */
void admission_allow(struct admission *admission, uint16_t port);

/*
 * The port of a URL, or what its scheme means; other: of any scheme but http and
 * https.  0: it has none.
 */
uint16_t admission_url_port(const char *url, uint16_t other);

/*
 * 0: admitted until now_ms + life_ms.  -EINVAL: no address of a single host,
 * -EACCES: not this port, -EAGAIN: too often, -ENOSPC: too many at once.
 */
int admission_judge(struct admission *admission, const struct addr *addr, uint16_t port,
    int64_t now_ms, int64_t life_ms);

#endif
