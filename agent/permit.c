/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "permit.h"

bool
permit_message(enum role_kind kind, uint32_t type)
{
	switch (type) {
	case MSG_DOMAINS:
	case MSG_FETCHED:
	case MSG_HOST_FOUND:
	case MSG_DISCOVERED:
	case MSG_KEYS_ASK:
		return kind == ROLE_FEED;
	case MSG_ENDPOINT:
		return kind == ROLE_FEED || kind == ROLE_REPORTER;
	case MSG_ENDPOINT_DONE:
	case MSG_APPLIED:
	case MSG_MODE_DONE:
	case MSG_CHECKED:
	case MSG_PLANNED:
	case MSG_VERIFIED:
	case MSG_ENFORCER_STATUS:
	case MSG_EVENT:
		return kind == ROLE_ENFORCER;
	case MSG_COUNTS:
		return kind == ROLE_ENFORCER || kind == ROLE_SENSOR;
	case MSG_SENSOR_STATUS:
	case MSG_SIGHTING:
		return kind == ROLE_SENSOR;
	case MSG_CONFINED:
		return true;
	case MSG_EVENT_KEPT:
	case MSG_ANSWER:
	case MSG_REPORTER_STATUS:
	case MSG_SINK_STATUS:
	/* a feed that was taken over must not choose the account that findings go to */
	case MSG_KEYS:
	case MSG_NO_KEYS:
		return kind == ROLE_REPORTER;
	default:
		return false;
	}
}
