/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Findings as messages that a person reads: what happened, where, what to do, and the JSON below. */
#ifndef CORE_RENDER_MESSAGE_H
#define CORE_RENDER_MESSAGE_H

#include <stdbool.h>

#define MESSAGE_SUBJECT_MAX	100		/* of SNS: fewer characters, printable ASCII */
#define MESSAGE_BYTES_MAX	(256u << 10)	/* of SNS */

struct message_text {
	char subject[MESSAGE_SUBJECT_MAX];
	char *text;	/* malloc'd */
};

/* One finding in its native form.  False: no memory, or it is not one. */
bool render_message(struct message_text *message, const char *native);

/* One message for n findings that waited because only max messages go out in an hour. */
bool render_summary(struct message_text *message, const char *const *natives, unsigned int n,
    unsigned int max);

#endif
