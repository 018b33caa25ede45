/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Systems Manager is how an EC2 host is reached when it is cut off otherwise:
 * its endpoints are announced while the agent runs, so that no list and no
 * isolation closes the way back.  We never connect to them; amazon-ssm-agent does.
 */
#ifndef REPORT_SSM_H
#define REPORT_SSM_H

#include <stdbool.h>

#include "runtime/announce.h"
#include "runtime/loop.h"

/* Twice within the life of an announcement, and it is put off once without harm. */
#define SSM_EVERY_MS	(4 * 60 * 1000)

struct ssm;

/* loop and announcer are borrowed.  NULL: no memory. */
struct ssm *ssm_new(struct loop *loop, struct announcer *announcer);

/* Announces them in this Region, now and from now on; "", "local": in none. */
void ssm_set_region(struct ssm *ssm, const char *region);

/* False: a name is being looked up, and what it needs must stay; nothing was freed. */
bool ssm_free(struct ssm *ssm);

#endif
