/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mode, panic, resume, purge: what the operator says holds before anything else. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "enforce/enforcer.h"
#include "runtime/state.h"

int
orders_remove_table(struct enforcer *enforcer, struct enforce_error *err)
{
	int error;

	/* lifting comes first and in one message; dormant, nothing more is counted */
	enforce_panic(enforcer->enforce, NULL);
	sweep_close(enforcer);
	error = enforce_purge(enforcer->enforce, err);
	/* the next table is not to be born dormant */
	if (error == 0 && !enforcer->panic)
		error = enforce_resume(enforcer->enforce, err);
	return error;
}

static int
put_mode(struct enforcer *enforcer, struct enforce_error *err)
{
	if (enforcer->mode == ENFORCE_DROP && enforcer->confirm_until_ms != 0)
		return enforce_arm(enforcer->enforce, enforcer->confirm_until_ms, err);
	return enforce_set_mode(enforcer->enforce, enforcer->mode, err);
}

int
orders_align(struct enforcer *enforcer, struct enforce_error *err)
{
	struct enforce_stat stat;
	int error;

	error = enforce_stat(enforcer->enforce, &stat, err);
	if (error != 0)
		return error;
	if (stat.table && (stat.mode != enforcer->mode ||
	    stat.armed != (enforcer->confirm_until_ms != 0)))
		error = put_mode(enforcer, err);
	if (error == 0 && stat.table && stat.dormant && !enforcer->panic)
		error = enforce_resume(enforcer->enforce, err);
	if (error == 0 && enforcer->now.list != NULL && (!stat.table || !enforcer->in_force))
		error = lists_apply(enforcer, err);
	return error;
}

void
orders_disarmed(struct enforcer *enforcer, const struct enforce_change_info *info)
{
	struct event event = { .name = EVENT_MODE_CHANGED, .pid = info->pid };
	struct enforce_error err = { "" };

	if (enforcer->confirm_until_ms == 0)
		return;
	sweep_now(enforcer);
	enforcer->mode = ENFORCE_WATCH;
	enforcer->confirm_until_ms = 0;
	if (enforce_set_mode(enforcer->enforce, ENFORCE_WATCH, &err) != 0)
		log_warn("rules not renewed error=\"%s\"", err.text);
	log_notice("drop ended by hand pid=%u program=\"%s\"", info->pid, info->program);
	snprintf(event.program, sizeof(event.program), "%.31s", info->program);
	snprintf(event.reason, sizeof(event.reason), "set armed was emptied by hand");
	enforcer_event(enforcer, &event);
}

/* Did somebody end an unconfirmed isolation while nobody was here? */
static bool
released_meanwhile(struct enforcer *enforcer)
{
	struct enforce_stat stat;

	return enforcer->isolation.until_ms != 0 &&
	    enforce_stat(enforcer->enforce, &stat, NULL) == 0 && stat.table && !stat.dormant &&
	    stat.isolate_armed && !stat.isolated;
}

/* Did the kernel turn an unconfirmed drop of before into watch while nobody was here? */
static bool
turned_meanwhile(struct enforcer *enforcer)
{
	struct enforce_stat stat;

	return enforce_stat(enforcer->enforce, &stat, NULL) == 0 && stat.table && stat.armed &&
	    stat.mode == ENFORCE_WATCH;
}

static int
change_mode(struct enforcer *enforcer, const struct msg_mode *order, struct enforce_error *err)
{
	static const struct enforce_change_info nobody = { .changes = 0 };
	uint8_t mode = order->mode;
	int error;

	enforcer->mode = mode;
	enforcer->confirm_until_ms = mode == ENFORCE_DROP ? order->confirm_until_ms : 0;
	enforcer->purged = false;
	if (order->token == 0 && enforcer->confirm_until_ms != 0 && turned_meanwhile(enforcer)) {
		orders_disarmed(enforcer, &nobody);
		mode = ENFORCE_WATCH;
	}
	/* what was counted until now was so under the old mode */
	if (mode == ENFORCE_OFF)
		sweep_close(enforcer);
	else
		sweep_now(enforcer);
	if (mode == ENFORCE_OFF) {
		enforcer->in_force = false;
		return enforcer->isolation.on && !enforcer->panic ?
		    enforce_isolate_alone(enforcer->enforce, &enforcer->isolation, err) :
		    enforce_set_mode(enforcer->enforce, mode, err);
	}
	error = put_mode(enforcer, err);
	return error != 0 ? error : orders_align(enforcer, err);
}

/* *confirmed: or of CONFIRMED_…. */
static int
confirm(struct enforcer *enforcer, uint32_t *confirmed, struct enforce_error *err)
{
	int error = 0, released;

	if (enforcer->mode == ENFORCE_DROP && enforcer->confirm_until_ms == 0 &&
	    enforcer->isolation.until_ms == 0) {
		snprintf(err->text, sizeof(err->text), "nothing waits for a confirmation any more");
		return -ENOENT;
	}
	if (enforcer->confirm_until_ms != 0 || enforcer->isolation.until_ms == 0) {
		error = enforce_confirm(enforcer->enforce, err);
		if (error == 0) {
			enforcer->confirm_until_ms = 0;
			*confirmed |= CONFIRMED_DROP;
		}
	}
	if (enforcer->isolation.until_ms != 0) {
		released = enforce_isolate_confirm(enforcer->enforce, err);
		if (released == 0) {
			enforcer->isolation.until_ms = 0;
			*confirmed |= CONFIRMED_ISOLATION;
		} else {
			error = released;
		}
	}
	return error;
}

/* A host that is to be isolated is so before anything else, which may take long. */
static int
isolate_first(struct enforcer *enforcer, const struct msg_mode *order, struct enforce_error *err)
{
	static const struct enforce_change_info nobody = { .changes = 0 };
	int error;

	isolation_take(enforcer, order);
	if (order->token == 0 && released_meanwhile(enforcer)) {
		isolation_released(enforcer, &nobody);
		return 0;
	}
	error = isolation_align(enforcer, err);
	if (error != 0 && enforcer->isolation.on)
		isolation_failed(enforcer, err->text);
	return error;
}

/* A mode that was ordered holds whether or not that succeeds. */
static int
isolate_and_change_mode(struct enforcer *enforcer, const struct msg_mode *order,
    struct enforce_error *err)
{
	struct enforce_error reason = { "" };
	int failed = isolate_first(enforcer, order, &reason);
	int error = change_mode(enforcer, order, err);

	if (error == 0 && failed != 0)
		*err = reason;
	return error != 0 ? error : failed;
}

/* The parent, who keeps what was ordered, may not know of a panic by hand. */
static void
tell_panic_found(struct enforcer *enforcer, uint8_t order)
{
	struct event event = { .name = EVENT_PANIC };

	if (enforcer->panic_found && order == ORDER_MODE) {
		log_notice("panic holds reason=\"the table was dormant before the agent came\"");
		snprintf(event.reason, sizeof(event.reason), "by hand, before the agent came");
		enforcer_event(enforcer, &event);
	}
	enforcer->panic_found = false;
}

static int
obey(struct enforcer *enforcer, const struct msg_mode *order, uint32_t *confirmed,
    struct enforce_error *err)
{
	int error;

	switch (order->order) {
	case ORDER_MODE:
		return isolate_and_change_mode(enforcer, order, err);
	case ORDER_CONFIRM:
		return confirm(enforcer, confirmed, err);
	case ORDER_ISOLATE:
		return isolate_first(enforcer, order, err);
	case ORDER_PANIC:
		enforcer->panic = true;
		isolation_take(enforcer, order);
		error = enforce_panic(enforcer->enforce, err);
		return error != 0 ? error : isolation_align(enforcer, err);
	case ORDER_RESUME:
		enforcer->panic = enforcer->purged = false;
		enforcer->mode = order->mode;
		enforcer->confirm_until_ms = order->confirm_until_ms;
		error = enforce_resume(enforcer->enforce, err);
		if (error != 0 || enforcer->mode == ENFORCE_OFF)
			return error;
		return orders_align(enforcer, err);
	case ORDER_PURGE:
		enforcer->purged = true;
		enforcer->in_force = false;
		isolation_take(enforcer, order);
		return orders_remove_table(enforcer, err);
	default:
		snprintf(err->text, sizeof(err->text), "there is no order %u", order->order);
		return -EINVAL;
	}
}

static const char *
order_name(uint8_t order)
{
	static const char *const names[] = {
		[ORDER_MODE] = "mode", [ORDER_PANIC] = "panic", [ORDER_RESUME] = "resume",
		[ORDER_PURGE] = "purge", [ORDER_CONFIRM] = "confirm",
		[ORDER_ISOLATE] = "isolate",
	};

	return order >= ORDER_MODE && order <= ORDER_ISOLATE ? names[order] : "unknown";
}

/* An order that failed half way leaves a list that is to be in force and is not: tried again. */
static bool
waits_for_table(const struct enforcer *enforcer)
{
	return enforcer->enforce != NULL && enforcer->now.list != NULL && !enforcer->in_force &&
	    !enforcer->purged && !enforcer->panic && enforcer->mode != ENFORCE_OFF &&
	    !loop_timer_running(enforcer->guard.restore);
}

void
orders_take(struct enforcer *enforcer, const struct msg_mode *order)
{
	struct message message = { .type = MSG_MODE_DONE };
	struct enforce_error err = { "" };
	int error = 0;

	if (order->mode > ENFORCE_DROP) {
		snprintf(err.text, sizeof(err.text), "there is no mode %u", order->mode);
		error = -EINVAL;
	}
	if (error == 0 && order->isolate_session.family > ADDR_V6) {
		snprintf(err.text, sizeof(err.text), "no address of a session");
		error = -EINVAL;
	}
	if (error == 0)
		error = enforcer_engine(enforcer, &err);
	if (error == 0) {
		tell_panic_found(enforcer, order->order);
		error = obey(enforcer, order, &message.u.mode_done.confirmed, &err);
	}
	if (error == 0)
		enforcer->last_change_ms = loop_wall_ms();
	else if (waits_for_table(enforcer))
		guard_failed(enforcer, err.text);
	if (error == 0)
		log_notice("order done order=%s mode=%s", order_name(order->order),
		    mode_name(order->mode));
	else
		log_warn("order not done order=%s mode=%s error=\"%s\"",
		    order_name(order->order), mode_name(order->mode), err.text);
	if (order->token == 0)
		return;
	message.u.mode_done.token = order->token;
	message.u.mode_done.error = error;
	snprintf(message.u.mode_done.reason, sizeof(message.u.mode_done.reason), "%.250s",
	    err.text);
	enforcer_send(enforcer, &message);
}
