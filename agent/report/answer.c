/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/render.h"

#define ANSWER_BYTES_MAX	(64u << 20)	/* the newest findings that fit */
#define ANSWER_ROWS_MAX		200000u

struct lines {
	struct spool *spool;
	const struct host_facts *facts;
	char **line;			/* newest first; owned */
	size_t n, room, bytes;
	bool cut;			/* there is another one, and no room for it */
	int error;
};

static void
free_lines(struct lines *lines)
{
	while (lines->n > 0)
		free(lines->line[--lines->n]);
	free(lines->line);
}

/* Takes line, which may be NULL for no memory.  Not 0: no more. */
static int
add_line(struct lines *lines, char *line)
{
	char **more;

	if (line == NULL)
		return lines->error = -ENOMEM;
	if (lines->n == lines->room) {
		more = reallocarray(lines->line, lines->room * 2 + 64, sizeof(*more));
		if (more == NULL) {
			free(line);
			return lines->error = -ENOMEM;
		}
		lines->line = more;
		lines->room = lines->room * 2 + 64;
	}
	lines->line[lines->n++] = line;
	lines->bytes += strlen(line) + 1;
	return 0;
}

/*
 * The body as it was last told; with later activity it is rendered anew, so
 * that people see what is there now.
 */
static char *
present(struct lines *lines, const struct spool_row *row)
{
	struct finding finding;
	char *rendered = NULL;

	memset(&finding, 0, sizeof(finding));
	if (!row->active || spool_finding(lines->spool, row->id, &finding) != 1)
		return render_placed(row->body, 0);
	finding.blocked = finding_blocked(&finding);
	finding.severity = finding_severity(finding.direction, finding.blocked);
	rendered = render_finding(&finding, lines->facts, NULL);
	finding_fini(&finding);
	return rendered;
}

static int
take_row(const struct spool_row *row, void *arg)
{
	struct lines *lines = arg;

	lines->cut = lines->bytes > ANSWER_BYTES_MAX || lines->n == ANSWER_ROWS_MAX;
	return lines->cut || add_line(lines, present(lines, row)) != 0;
}

struct deliveries {
	struct json_page *page;
	cJSON *array;
};

static int
take_delivery(const struct spool_delivery *delivery, void *arg)
{
	struct deliveries *deliveries = arg;
	struct json_page *page = deliveries->page;
	cJSON *one = json_push_object(page, deliveries->array);

	json_text(page, one, "sink", delivery->sink);
	json_text(page, one, "state", delivery->state);
	if (delivery->sequence > 0) {
		json_integer(page, one, "sequence", delivery->sequence);
		json_integer(page, one, "revision", delivery->revision);
		json_integer(page, one, "attempts", delivery->attempts);
	}
	if (delivery->done_ms > 0)
		json_time(page, one, "time", delivery->done_ms);
	json_text(page, one, "lastError", delivery->error);
	return page->failed ? -ENOMEM : 0;
}

/* {"finding":…,"deliveries":[…]} around the one line there is. */
static int
add_deliveries(struct lines *lines, const char *id)
{
	struct json_page page;
	struct deliveries deliveries = { .page = &page };
	char *text;
	int error;

	json_begin(&page);
	json_raw(&page, page.root, "finding", lines->line[0]);
	deliveries.array = json_array(&page, page.root, "deliveries");
	error = spool_deliveries(lines->spool, id, take_delivery, &deliveries);
	text = json_end(&page);
	if (error == 0 && text == NULL)
		error = -ENOMEM;
	if (error != 0) {
		free(text);
		return error;
	}
	free(lines->line[0]);
	lines->line[0] = text;
	lines->bytes = strlen(text) + 1;
	return 0;
}

/* Oldest first. */
static char *
join(const struct lines *lines)
{
	char *text = malloc(lines->bytes + 1), *at = text;
	size_t i;

	for (i = lines->n; text != NULL && i-- > 0;) {
		at = stpcpy(at, lines->line[i]);
		*at++ = '\n';
	}
	return text;
}

static int
gather(struct lines *lines, const struct msg_query *query)
{
	struct spool_query select = { .since_ms = query->since_ms };
	int error;

	if (query->kind == QUERY_SHOW) {
		select.since_ms = 0;
		select.id = query->id;
	} else if (query->kind == QUERY_FINDINGS) {
		select.undelivered = query->undelivered != 0;
	} else {
		return -EINVAL;
	}
	error = spool_select(lines->spool, &select, take_row, lines);
	if (error >= 0)
		error = lines->error;
	if (error == 0 && query->kind == QUERY_SHOW)
		error = lines->n == 0 ? -ENOENT : add_deliveries(lines, query->id);
	return error;
}

int
answer_query(struct spool *spool, const struct host_facts *facts, const struct msg_query *query,
    struct msg_answer *answer, int *fd)
{
	struct lines lines = { .spool = spool, .facts = facts };
	char *text = NULL;

	memset(answer, 0, sizeof(*answer));
	answer->token = query->token;
	answer->error = gather(&lines, query);
	if (answer->error == 0) {
		text = join(&lines);
		if (text == NULL)
			answer->error = -ENOMEM;
	}
	answer->rows = answer->error == 0 ? (uint32_t)lines.n : 0;
	answer->cut = lines.cut;
	*fd = memfd_with("answer", text != NULL ? text : "", text != NULL ? lines.bytes : 0);
	free(text);
	free_lines(&lines);
	return *fd >= 0 ? 0 : *fd;
}
