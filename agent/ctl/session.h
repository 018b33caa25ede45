/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * By which ssh session this program was called: sshd(8) leaves it in
 * SSH_CONNECTION, which sudo(8) takes out of our own environment, but not out of
 * the shell's that called it.
 */
#ifndef CTL_SESSION_H
#define CTL_SESSION_H

#include <stddef.h>

/*
 * Appends " ADDRESS PORT" (of the client, of the server) to the text of the given
 * room; nothing if there is no session, or it cannot be read.
 */
void session_append(char *text, size_t size);

/* The same of a value of SSH_CONNECTION. */
void session_append_value(char *text, size_t size, const char *value);

#endif
