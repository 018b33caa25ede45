/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The directories that file sinks write to. */
#ifndef SINKDIRS_H
#define SINKDIRS_H

#include "runtime/conf.h"

/* missing: the first directory of path, which is the sink's, that is not there. */
typedef void sinkdir_fn(const struct conf_sink *sink, const char *missing, void *arg);

/* Calls found for each file sink whose directory is not there. */
void sinkdirs_look(const struct conf *conf, sinkdir_fn *found, void *arg);

/*
 * Makes such a directory, mode 0750, where the one above it is there; the log
 * has what was made and what could not be.  A path with more than one directory
 * missing is rather a slip of the pen than an order.
 */
void sinkdirs_make(const struct conf *conf);

/* The log has those that sinkdirs_make will not make. */
void sinkdirs_check(const struct conf *conf);

#endif
