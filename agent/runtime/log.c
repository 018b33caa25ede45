/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "threatlistd/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* syslog(3) levels, which journald reads from <N>. */
enum level { LEVEL_ERROR = 3, LEVEL_WARN = 4, LEVEL_NOTICE = 5, LEVEL_INFO = 6 };

#define LINE_MAX_BYTES	2048

/* Of the process: logging cannot be handed through every call. */
static const char *log_role = "threatlistd";
static enum log_style log_how = LOG_STYLE_JOURNAL;
static bool log_colour;

void
log_init(const char *role, enum log_style style)
{
	log_role = role;
	log_how = style;
	log_colour = style == LOG_STYLE_PERSON && isatty(STDERR_FILENO);
}

enum log_style
log_style(void)
{
	return log_how;
}

bool
log_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream != NULL && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	    fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static int
prefix(char *line, size_t size, enum level level, bool timed)
{
	static const char *const colours[] = {
		[LEVEL_ERROR] = "\033[31m", [LEVEL_WARN] = "\033[33m",
		[LEVEL_NOTICE] = "\033[1m", [LEVEL_INFO] = "",
	};
	static const char *const names[] = {
		[LEVEL_ERROR] = "error: ", [LEVEL_WARN] = "warning: ",
		[LEVEL_NOTICE] = "", [LEVEL_INFO] = "",
	};
	struct timespec now;
	struct tm tm;
	char clock[16];

	if (log_how == LOG_STYLE_JOURNAL)
		return snprintf(line, size, "<%d>%s: ", level, log_role);
	if (log_how == LOG_STYLE_COMMAND)
		return snprintf(line, size, "%s: %s", log_role,
		    level == LEVEL_WARN ? names[level] : "");
	/* gmtime_r takes a lock of the C library */
	if (!timed)
		return snprintf(line, size, "%-24s %s%s", log_role,
		    log_colour ? colours[level] : "", names[level]);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	return snprintf(line, size, "%s.%03ld %-11s %s%s", clock, now.tv_nsec / 1000000, log_role,
	    log_colour ? colours[level] : "", names[level]);
}

static void __attribute__((format(printf, 3, 0)))
write_line(enum level level, bool timed, const char *fmt, va_list args)
{
	char line[LINE_MAX_BYTES];
	int saved = errno, len, at;
	size_t i, end;

	if (log_how == LOG_STYLE_SILENT)
		return;
	at = prefix(line, sizeof(line), level, timed);
	len = vsnprintf(line + at, sizeof(line) - (size_t)at - 8, fmt, args);
	if (len < 0)
		len = 0;
	end = (size_t)at + (size_t)len;
	if (end > sizeof(line) - 8)
		end = sizeof(line) - 8;
	/* what came from outside must not make a line of its own */
	for (i = (size_t)at; i < end; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	if (log_colour) {
		memcpy(line + end, "\033[0m", 4);
		end += 4;
	}
	line[end++] = '\n';
	/* one write a line: roles share stderr */
	if (write(STDERR_FILENO, line, end) < 0) {
		/* nowhere to say so */
	}
	errno = saved;
}

#define LOG_FUNCTION(name, level)			\
	void						\
	name(const char *fmt, ...)			\
	{						\
		va_list args;				\
							\
		va_start(args, fmt);			\
		write_line(level, true, fmt, args);		\
		va_end(args);				\
	}

LOG_FUNCTION(log_error, LEVEL_ERROR)
LOG_FUNCTION(log_warn, LEVEL_WARN)
LOG_FUNCTION(log_notice, LEVEL_NOTICE)
LOG_FUNCTION(log_info, LEVEL_INFO)

void
log_warn_untimed(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(LEVEL_WARN, false, fmt, args);
	va_end(args);
}

bool
log_allowed(struct log_limit *limit, long long now_ms, long long interval_ms,
    unsigned int *skipped)
{
	if (now_ms < limit->next_ms) {
		limit->skipped++;
		return false;
	}
	*skipped = limit->skipped;
	limit->skipped = 0;
	limit->next_ms = now_ms + interval_ms;
	return true;
}
