/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sd_notify(3) without libsystemd.  Everything is silently nothing outside systemd. */
#ifndef RUNTIME_NOTIFY_H
#define RUNTIME_NOTIFY_H

#include <stdint.h>

/* Reads and unsets NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, so that roles never see them. */
void notify_init(void);

/* Sends one datagram, e.g. "READY=1\nSTATUS=…". */
void notify_send(const char *text);

/* Half the watchdog period in ms, 0: no watchdog. */
int64_t notify_watchdog_ms(void);

#endif
