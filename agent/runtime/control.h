/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The talk between threatlistctl and the agent: SOCK_SEQPACKET at
 * RUN_DIR/control.sock, one request and one reply a connection.  A reply may
 * bring one read-only memfd with JSON text.  The peer is known by SO_PEERCRED.
 */
#ifndef RUNTIME_CONTROL_H
#define RUNTIME_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#define CONTROL_SOCKET		"control.sock"
#define CONTROL_VERSION		1
#define CONTROL_TEXT_MAX	256
#define CONTROL_JSON_MAX	(256u << 20)	/* what threatlistctl will read */

enum control_kind {
	/* readers: members of group threatlistd */
	CONTROL_STATUS = 1,	/* JSON object */
	CONTROL_LISTS,		/* JSON array */
	CONTROL_FINDINGS,	/* JSON lines; number: since (wall ms), flag UNDELIVERED */
	CONTROL_SHOW,		/* JSON object; text: id */
	CONTROL_CHECK,		/* JSON object; text: address */
	/* operators: uid 0 and [agent] admin_group */
	CONTROL_REFRESH,	/* text: source, empty for all; flag DISCOVER */
	CONTROL_ACCEPT,		/* text: source */
	CONTROL_ENFORCE,	/* text: drop, watch; number: seconds to confirm in, 0: for good */
	CONTROL_PANIC,
	CONTROL_RESUME,
	CONTROL_PURGE,
	CONTROL_CONFIRM,
	CONTROL_PLAN,		/* JSON object */
	/*
	 * text: off, on, or on ADDRESS PORT (whose session is kept, to which port of ours);
	 * number as of ENFORCE, but 0 only with flag LASTING
	 */
	CONTROL_ISOLATE,
	CONTROL_VERIFY,		/* JSON object */
	CONTROL_END
};

#define CONTROL_UNDELIVERED	(1u << 0)
#define CONTROL_DISCOVER	(1u << 1)
#define CONTROL_LASTING	(1u << 2)
#define CONTROL_FLAGS	(CONTROL_UNDELIVERED | CONTROL_DISCOVER | CONTROL_LASTING)

#define CONTROL_CONFIRM_MAX	86400	/* seconds */

struct control_request {
	uint32_t version;	/* CONTROL_VERSION */
	uint32_t kind;		/* enum control_kind */
	uint32_t flags;
	uint32_t pad;		/* zero */
	int64_t number;
	char text[CONTROL_TEXT_MAX];	/* NUL-terminated */
};

struct control_reply {
	int32_t exit_code;	/* contract §1 */
	uint32_t has_json;	/* a descriptor came along */
	char message[CONTROL_TEXT_MAX];	/* for a person, may be empty */
};

static inline bool
control_operates(uint32_t kind)
{
	return kind >= CONTROL_REFRESH;
}

const char *control_name(uint32_t kind);	/* "status", "panic" … for the log */

/* NULL when the bytes are a request, else what is wrong with them. */
const char *control_check(const void *data, uint64_t size);

/*
 * The agent's end, listening; an address that nobody answers at is a leftover of
 * an agent that was killed, and goes.  A descriptor that the caller owns, or -errno.
 */
int control_listen(const char *path);

#endif
