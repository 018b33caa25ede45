/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who of many clients has a place. */
#include "control_inside.h"

#include <stddef.h>

struct client *
control_room(struct control *control, const struct peer *peer)
{
	struct client *room = NULL, *silent = NULL;
	int max = CLIENTS_MAX, most = CLIENTS_MAX, own = 0, i;

	if (peer->who.uid != 0) {
		max -= ROOT_CLIENTS;
		most = USER_CLIENTS_MAX;
	}
	for (i = 0; i < max; i++) {
		struct client *client = &control->clients[i];

		if (client->fd < 0) {
			room = client;
			continue;
		}
		own += client->peer.who.uid == peer->who.uid;
		if ((peer->who.uid == 0 || client->peer.who.uid == peer->who.uid) &&
		    client->request.kind == 0 &&
		    (silent == NULL || client->number < silent->number))
			silent = client;
	}
	if (room != NULL && own < most)
		return room;
	return silent;
}

bool
control_is_full(const struct control *control)
{
	int i;

	for (i = 0; i < CLIENTS_MAX; i++) {
		if (control->clients[i].fd < 0 || control->clients[i].request.kind == 0)
			return false;
	}
	return true;
}
