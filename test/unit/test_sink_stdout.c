/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines on standard output, whose reader may not read. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/sink.h"

#define LONG_LINE	9000	/* more than the pipe holds */

/* Instead of the C library's: nobody reads, and it is not waited for. */
int
poll(struct pollfd *fds, nfds_t nfds, int timeout)
{
	return 0;
}

static void
read_all(int fd, char *text, size_t room)
{
	size_t at = 0;
	ssize_t n;

	while ((n = read(fd, text + at, room - 1 - at)) > 0)
		at += (size_t)n;
	text[at] = '\0';
}

static void
a_line_that_was_cut_spoils_no_other(void **state)
{
	static char line[LONG_LINE + 1], text[4 * LONG_LINE];
	struct spool_body bodies[] = {
		{ 4, (char[]){ "{\"a\":1}" }, 7 }, { 6, line, LONG_LINE }, { 7, (char[]){ "{}" }, 2 },
	};
	struct conf_sink conf = { .type = SINK_STDOUT };
	struct sink_setting setting = { .conf = &conf };
	struct sink_result result = { .outcome = OUTCOME_AGAIN };
	int fds[2], before = dup(STDOUT_FILENO);
	void *sink = sink_stdout.open(&setting);
	size_t cut;

	memset(line, 'x', LONG_LINE);
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) > 0);
	dup2(fds[1], STDOUT_FILENO);
	sink_stdout.deliver(sink, bodies, 3, &result);
	read_all(fds[0], text, sizeof(text));
	cut = strlen(text);
	fcntl(fds[1], F_SETPIPE_SZ, 65536);
	/* what went is not given again */
	assert_int_equal(result.outcome, OUTCOME_PARTLY);
	assert_int_equal(result.nparts, 2);
	assert_int_equal(result.parts[0].sequence, 6);
	assert_int_equal(result.parts[1].sequence, 7);
	assert_int_equal(result.parts[1].outcome, OUTCOME_AGAIN);
	free(result.parts);
	memset(&result, 0, sizeof(result));
	sink_stdout.deliver(sink, bodies + 1, 2, &result);
	read_all(fds[0], text + cut, sizeof(text) - cut);
	dup2(before, STDOUT_FILENO);
	assert_int_equal(result.outcome, OUTCOME_ACCEPTED);
	assert_in_range(cut, 9, 4096);
	assert_memory_equal(text, "{\"a\":1}\nxxx", 11);
	assert_memory_equal(text + cut, "\nx", 2);
	assert_memory_equal(text + cut + 1, line, LONG_LINE);
	assert_string_equal(text + cut + 1 + LONG_LINE, "\n{}\n");
	sink_stdout.close(sink);
	close(before);
	close(fds[0]);
	close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_that_was_cut_spoils_no_other),
	};

	return cmocka_run_group_tests_name("sink_stdout", tests, NULL, NULL);
}
