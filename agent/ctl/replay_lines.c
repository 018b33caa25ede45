/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ctl/replay_lines.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/json.h"
#include "core/render.h"

static const char *
kind_text(uint8_t kind)
{
	return kind == KIND_OUTER ? "outer" : kind == KIND_INNER ? "inner" : "embedded";
}

static void
write_lists(struct json_page *page, const struct list *list, uint64_t mask)
{
	cJSON *names = json_array(page, page->root, "lists");
	size_t i;

	for (i = 0; i < list_nsources(list); i++) {
		if ((mask & UINT64_C(1) << i) != 0)
			json_push_text(page, names, list_source(list, i)->name);
	}
}

int
replay_packet(const struct list *list, const struct sight_hit *hit, uint64_t frame,
    int64_t time_us)
{
	const struct packet *packet = hit->packet;
	char when[32], text[ADDR_TEXT_MAX], entry[RANGE_TEXT_MAX], *line;
	struct json_page page;

	snprintf(when, sizeof(when), "%" PRId64 ".%06" PRId64, time_us / 1000000, time_us % 1000000);
	json_begin(&page);
	json_text(&page, page.root, "time", when);
	json_integer(&page, page.root, "frame", frame);
	json_text(&page, page.root, "kind", kind_text(packet->kind));
	json_text(&page, page.root, "src", addr_text(&packet->src, text));
	json_text(&page, page.root, "dst", addr_text(&packet->dst, text));
	json_integer(&page, page.root, "proto", packet->proto);
	if (packet->has_ports) {
		json_integer(&page, page.root, "srcPort", packet->src_port);
		json_integer(&page, page.root, "dstPort", packet->dst_port);
	}
	json_text(&page, page.root, "side", hit->src ? "src" : "dst");
	json_text(&page, page.root, "remote", addr_text(&hit->sighting.remote, text));
	write_lists(&page, list, hit->hit.lists);
	json_text(&page, page.root, "entry", range_cidr(&hit->hit.entry, entry));
	line = json_end(&page);
	if (line == NULL)
		return -ENOMEM;
	printf("%s\n", line);
	free(line);
	return 0;
}

int
replay_findings(const struct findings *findings, const struct host_facts *facts)
{
	const struct finding **sorted = findings_sorted(findings);
	size_t i, n = findings_live(findings);
	int rc = 0;

	if (sorted == NULL)
		return -ENOMEM;
	for (i = 0; i < n && rc == 0; i++) {
		char *rendered = render_finding(sorted[i], facts, NULL);

		if (rendered != NULL)
			printf("%s\n", rendered);
		else
			rc = -ENOMEM;
		free(rendered);
	}
	free(sorted);
	return rc;
}
