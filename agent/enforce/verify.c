/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * On demand, every member that the kernel holds is read back and compared.  It
 * takes seconds for long lists, so it is done in pieces between all other work;
 * what differs is damage as any other, and is repaired as such.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "enforce/enforcer.h"

#define PIECE_MS	10		/* others wait so long, or for one answer of the kernel's */
#define LIMIT_MS	(100 * 1000)	/* a million and a half take up to 30 s on a busy host */

static void
tell(struct enforcer *enforcer, int error, const char *reason, struct message *message)
{
	struct verifying *verifying = &enforcer->verifying;
	struct msg_verified *verified = &message->u.verified;

	message->type = MSG_VERIFIED;
	verified->token = verifying->token;
	verified->error = error;
	verified->took_ms = (uint32_t)(loop_now_ms() - verifying->begun_ms);
	snprintf(verified->reason, sizeof(verified->reason), "%.250s", reason);
	verifying->begun_ms = 0;
	enforcer_send(enforcer, message);
}

/* Says what differs, set by set; info->what is the first of it. */
static void
say_differences(const struct enforce_verify *verify, struct enforce_change_info *info)
{
	uint32_t i;

	for (i = 0; i < verify->nsets; i++) {
		const struct enforce_verify_set *set = &verify->sets[i];

		if (set->missing == 0 && set->foreign == 0)
			continue;
		log_warn("kernel differs from the list set=%s expected=%llu missing=%llu "
		    "foreign=%llu", set->name, (unsigned long long)set->expected,
		    (unsigned long long)set->missing, (unsigned long long)set->foreign);
		if (info->what[0] == '\0')
			snprintf(info->what, sizeof(info->what), "set %s", set->name);
	}
	if (!verify->rules)
		log_warn("kernel differs from the list rules=changed");
	if (info->what[0] == '\0')
		snprintf(info->what, sizeof(info->what), "%s", verify->rules ? "set" : "some rule");
}

static void
finish(struct enforcer *enforcer, struct message *message)
{
	struct enforce_change_info info = { .changes = ENFORCE_CHANGE_DAMAGED };
	struct msg_verified *verified = &message->u.verified;

	log_notice("verified sets=%u equal=%s again=%u took_ms=%lld", verified->verify.nsets,
	    verified->verify.equal ? "yes" : "no", verified->verify.again,
	    (long long)(loop_now_ms() - enforcer->verifying.begun_ms));
	if (verified->verify.equal) {
		tell(enforcer, 0, "", message);
		return;
	}
	say_differences(&verified->verify, &info);
	verified->repairs = enforcer->in_force && !enforcer->panic;
	tell(enforcer, 0, "", message);
	guard_damaged(enforcer, &info);
}

static void
read_on(void *arg)
{
	struct enforcer *enforcer = arg;
	struct verifying *verifying = &enforcer->verifying;
	struct message message = { .type = MSG_VERIFIED };
	struct enforce_error err = { "" };
	int rc;

	rc = enforce_verify_step(enforcer->enforce, PIECE_MS, &message.u.verified.verify, &err);
	if (rc == 0) {
		finish(enforcer, &message);
	} else if (rc < 0) {
		tell(enforcer, rc, err.text, &message);
	} else if (loop_now_ms() - verifying->begun_ms > LIMIT_MS) {
		enforce_verify_end(enforcer->enforce);
		tell(enforcer, -ETIME, "it took too long", &message);
	} else {
		loop_timer_start(enforcer->loop, verifying->timer, 0);
	}
}

/* Why there is nothing to compare; NULL: there is. */
static const char *
what_lacks(const struct enforcer *enforcer)
{
	if (enforcer->purged)
		return "the table was purged";
	if (enforcer->mode == ENFORCE_OFF)
		return "mode is off";
	if (enforcer->now.list == NULL)
		return "there is no list yet";
	return NULL;
}

void
verify_take(struct enforcer *enforcer, uint64_t token)
{
	struct verifying *verifying = &enforcer->verifying;
	struct message message = { .type = MSG_VERIFIED };
	struct enforce_error err = { "" };
	const char *lacks = what_lacks(enforcer);
	int error;

	if (verifying->begun_ms != 0) {
		message.u.verified.token = token;
		message.u.verified.error = -EBUSY;
		snprintf(message.u.verified.reason, sizeof(message.u.verified.reason),
		    "another one is under way");
		enforcer_send(enforcer, &message);
		return;
	}
	verifying->token = token;
	verifying->begun_ms = loop_now_ms();
	if (verifying->timer == NULL)
		verifying->timer = loop_timer_new(enforcer->loop, read_on, enforcer);
	error = verifying->timer == NULL ? -ENOMEM : lacks != NULL ? -ENOENT :
	    enforcer_engine(enforcer, &err);
	if (error == 0)
		error = enforce_verify_begin(enforcer->enforce, enforcer->now.list, &err);
	if (error != 0)
		tell(enforcer, error, lacks != NULL ? lacks : err.text[0] != '\0' ? err.text :
		    strerror(-error), &message);
	else
		loop_timer_start(enforcer->loop, verifying->timer, 0);
}

void
verify_stop(struct enforcer *enforcer)
{
	loop_timer_free(enforcer->loop, enforcer->verifying.timer);
}
