/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What names, threads and TLS load at first use, loaded before a process that
 * talks to the world is confined (confine.h): it cannot come later.
 */
#ifndef RUNTIME_PRELOAD_H
#define RUNTIME_PRELOAD_H

/* It stays loaded. */
void preload_online(void);

#endif
