/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Own addresses against the list in force: told once for each entry, until it changes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/render.h"
#include "report/keep_inside.h"

/*
 * Whose keys are at stake.  The metadata service is asked here and now, within
 * its short limits: this happens once for a listing.
 */
static void
find_keys(struct keep *keep, struct own_listed *listed)
{
	char reason[CREDENTIALS_REASON_MAX];
	struct aws_identity identity;

	if (!keep->facts.on_ec2)
		return;
	if (aws_identity(keep->aws, &identity, reason) != 0) {
		log_warn("access key of the instance not known error=\"%s\"", reason);
		return;
	}
	snprintf(listed->key_id, sizeof(listed->key_id), "%.127s", identity.key_id);
	snprintf(listed->role, sizeof(listed->role), "%s", identity.role);
}

/* Keeps it and marks it for the sinks.  0 or -errno. */
static int
save(struct keep *keep, const char *id, const struct spool_own *told, const char *body)
{
	int error = spool_begin(keep->spool);

	if (error != 0)
		return error;
	error = spool_save_own(keep->spool, id, told, body);
	if (error == 0)
		error = keep_want(keep, id, false, OWN_SEVERITY, told->updated_ms);
	if (error == 0)
		return spool_commit(keep->spool);
	spool_rollback(keep->spool);
	return error;
}

static int
tell(struct keep *keep, const char *id, struct own_listed *listed, struct spool_own *told)
{
	int64_t now = loop_wall_ms();
	char address[ADDR_TEXT_MAX], *body;
	int error;

	find_keys(keep, listed);
	told->created_ms = told->revision > 0 ? told->created_ms : now;
	told->updated_ms = now > told->updated_ms ? now : told->updated_ms + 1;
	told->revision++;
	range_cidr(&listed->entry, told->entry);
	snprintf(told->lists, sizeof(told->lists), "%s", listed->lists);
	listed->created_ms = told->created_ms;
	listed->updated_ms = told->updated_ms;
	listed->revision = told->revision;
	body = render_own(listed, &keep->facts, spool_id(keep->spool));
	if (body == NULL)
		return -ENOMEM;
	error = save(keep, id, told, body);
	free(body);
	if (error == 0)
		log_warn("own address is listed address=%s entry=%s interface=%s",
		    addr_text(&listed->own->public_ip, address), told->entry,
		    listed->own->interface_id);
	return error;
}

static int
look(struct keep *keep, const struct list *list, const struct own_address *own,
    struct own_listed *listed, struct spool_own *told)
{
	char id[FINDING_ID_SIZE], entry[RANGE_TEXT_MAX];
	int error;

	memset(listed, 0, sizeof(*listed));
	own_finding_id(id, keep->facts.host_id, own);
	error = spool_own(keep->spool, id, told);
	if (error != 0)
		return error;
	if (!own_find(listed, list, own))
		return told->entry[0] != '\0' ? spool_forget_own(keep->spool, id) : 0;
	if (strcmp(told->entry, range_cidr(&listed->entry, entry)) == 0 &&
	    strcmp(told->lists, listed->lists) == 0)
		return 0;
	return tell(keep, id, listed, told);
}

void
keep_look_at_own(struct keep *keep, const struct list *list)
{
	struct own_listed *listed = malloc(sizeof(*listed));
	struct spool_own *told = malloc(sizeof(*told));
	unsigned int i;
	int error = listed == NULL || told == NULL ? -ENOMEM : 0;

	for (i = 0; i < keep->facts.nown && error == 0; i++)
		error = look(keep, list, &keep->facts.own[i], listed, told);
	free(listed);
	free(told);
	if (error != 0)
		keep_note_trouble(keep, error);
	keep_kick(keep);
}
