/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Log lines on stderr: "event key=value …".  Under systemd each begins with
 * <3>…<7> (sd-daemon(3)); for a person (-f) with a time and the role, in colour
 * on a terminal.  One event, one line; the same key always has the same name:
 * source, entries, error, path, peer, generation, took_ms.
 */
#ifndef THREATLISTD_LOG_H
#define THREATLISTD_LOG_H

#include <stdbool.h>

enum log_style {
	LOG_STYLE_JOURNAL,	/* <N>role: message */
	LOG_STYLE_PERSON,	/* time role: message */
	LOG_STYLE_COMMAND,	/* role: message, of what ends with its answer */
	LOG_STYLE_SILENT,	/* nothing: tests and fuzzers */
};

/* role is borrowed for ever: a constant. */
void log_init(const char *role, enum log_style style);
enum log_style log_style(void);
/* Is stderr the journal's (JOURNAL_STREAM, systemd.exec(5))?  There a line without <N> counts as information. */
bool log_is_journal(void);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* As log_warn, but takes no lock, not even the C library's for the clock: in signal handlers. */
void log_warn_untimed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Limits one cause of lines: returns true when the line may be written, at
 * most once per interval_ms; *skipped then says how many were not.
 * Zero-initialise.  now_ms is any monotonic clock.
 */
struct log_limit {
	long long next_ms;
	unsigned int skipped;
};
bool log_allowed(struct log_limit *limit, long long now_ms, long long interval_ms,
    unsigned int *skipped);

#endif
