/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asks the name services of this host, and may wait for them. */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>

#include "groups.h"
#include "roles.h"
#include "runtime/channel.h"
#include "runtime/sandbox.h"
#include "threatlistd/log.h"

static void
look_up(const char *name, struct groups_answer *answer, enum groups_which which)
{
	const struct group *group;

	errno = 0;
	group = getgrnam(name);
	if (group != NULL) {
		answer->group[which].state = GROUPS_THERE;
		answer->group[which].id = group->gr_gid;
	} else if (errno == 0 || errno == ENOENT || errno == ESRCH) {
		answer->group[which].state = GROUPS_NONE;
	}
}

int
groups_main(void)
{
	struct groups_answer answer;
	struct groups_ask ask;
	int error, i;

	error = sandbox_begin();
	if (error == 0)
		error = sandbox_keep_capabilities(0);
	if (error != 0) {
		log_error("sandbox not entered error=\"%s\"", strerror(-error));
		return 1;
	}
	if (recv(CHANNEL_FD, &ask, sizeof(ask), 0) != (ssize_t)sizeof(ask))
		return 1;
	memset(&answer, 0, sizeof(answer));
	for (i = 0; i < GROUPS_END; i++) {
		ask.names[i][GROUPS_NAME_MAX - 1] = '\0';
		look_up(ask.names[i], &answer, (enum groups_which)i);
	}
	return send(CHANNEL_FD, &answer, sizeof(answer), MSG_NOSIGNAL) ==
	    (ssize_t)sizeof(answer) ? 0 : 1;
}
