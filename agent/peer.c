/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "peer.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GROUPS_MAX	256

/* Is the peer a member of the group of this name, by its credentials? */
static bool
in_group(int fd, gid_t first, const char *name)
{
	const struct group *group = getgrnam(name);
	gid_t groups[GROUPS_MAX];
	socklen_t size = sizeof(groups);
	size_t i;

	if (group == NULL)
		return false;
	if (first == group->gr_gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0)
		return false;
	for (i = 0; i < size / sizeof(groups[0]); i++) {
		if (groups[i] == group->gr_gid)
			return true;
	}
	return false;
}

static void
name_program(struct peer *peer)
{
	char path[64];
	ssize_t n = -1;
	size_t i;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)peer->who.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, peer->program, sizeof(peer->program) - 1);
		close(fd);
	}
	peer->program[n > 0 ? n : 0] = '\0';
	peer->program[strcspn(peer->program, "\n")] = '\0';
	/* it stands in quotes in the log, and whoever runs it chose it */
	for (i = 0; peer->program[i] != '\0'; i++) {
		if (peer->program[i] <= ' ' || peer->program[i] > '~' || peer->program[i] == '"')
			peer->program[i] = '?';
	}
	if (i == 0)
		memcpy(peer->program, "?", 2);
}

void
peer_know(struct peer *peer, int fd, const char *admin_group)
{
	const struct passwd *user;
	socklen_t size = sizeof(peer->who);

	memset(peer, 0, sizeof(*peer));
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer->who, &size) != 0)
		return;
	peer->operates = peer->reads = peer->who.uid == 0;
	if (peer->who.uid != 0 && peer->who.uid != getuid()) {
		peer->operates = in_group(fd, peer->who.gid, admin_group);
		peer->reads = peer->operates || in_group(fd, peer->who.gid, PEER_READERS);
	}
	if (!peer->reads)
		return;
	user = getpwuid(peer->who.uid);
	snprintf(peer->by, sizeof(peer->by), "uid %u (%.32s)", peer->who.uid,
	    user != NULL ? user->pw_name : "?");
	name_program(peer);
}
