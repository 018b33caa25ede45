/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Users by /etc/passwd alone, passwd(5): who asks name services may have to wait
 * for them, and the service's own user is made on the host itself.
 */
#ifndef USERS_H
#define USERS_H

#include <stdbool.h>
#include <sys/types.h>

#define AGENT_USER	"threatlistd"	/* and its group: packaging/systemd/threatlistd.sysusers */
#define USER_NAME_MAX	33		/* with its NUL; longer names are cut */

/* False: the file has no such user, or cannot be read. */
bool user_id(const char *name, uid_t *uid);

/* Its name there; false, and "?": it has none. */
bool user_name(uid_t uid, char name[static USER_NAME_MAX]);

#endif
