/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "peer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "groups.h"
#include "users.h"

#define GROUPS_MAX	256

/* Is the peer a member of this group, by its credentials? */
static bool
in_group(int fd, gid_t first, const struct groups *groups, enum groups_which which)
{
	gid_t of[GROUPS_MAX], id;
	socklen_t size = sizeof(of);
	size_t i;

	if (!groups_id(groups, which, &id))
		return false;
	if (first == id)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, of, &size) != 0)
		return false;
	for (i = 0; i < size / sizeof(of[0]); i++) {
		if (of[i] == id)
			return true;
	}
	return false;
}

/* A name is for people, the uid says who it is. */
static void
name_user(struct peer *peer)
{
	char name[USER_NAME_MAX];

	user_name(peer->who.uid, name);
	snprintf(peer->by, sizeof(peer->by), "uid %u (%s)", peer->who.uid, name);
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
peer_know(struct peer *peer, int fd, const struct groups *groups)
{
	socklen_t size = sizeof(peer->who);

	memset(peer, 0, sizeof(*peer));
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer->who, &size) != 0)
		return;
	peer->operates = peer->reads = peer->who.uid == 0;
	if (peer->who.uid != 0 && peer->who.uid != getuid()) {
		peer->operates = in_group(fd, peer->who.gid, groups, GROUPS_ADMIN);
		peer->reads = peer->operates ||
		    in_group(fd, peer->who.gid, groups, GROUPS_READERS);
	}
	if (!peer->reads)
		return;
	name_user(peer);
	name_program(peer);
}
