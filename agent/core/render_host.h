/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts that findings and events have in common; private to the render*.c. */
#ifndef CORE_RENDER_HOST_H
#define CORE_RENDER_HOST_H

#include "threatlistd/finding.h"
#include "core/json.h"

struct render_head {
	const char *id, *type;
	uint8_t severity;
	int64_t created_ms, updated_ms;
	const char *title, *description;
};

/* schemaVersion … description. */
void render_head(struct json_page *page, const struct render_head *head,
    const struct host_facts *facts);
/* resource: this host. */
void render_resource(struct json_page *page, const struct host_facts *facts);
/* serviceName, detectorId, archived. */
cJSON *render_service(struct json_page *page, const struct host_facts *facts);
/* additionalInfo.threatlistd with version and hostId. */
cJSON *render_info(struct json_page *page, cJSON *additional, const struct host_facts *facts);
/* revision, the place of the sequence, spool. */
void render_place(struct json_page *page, cJSON *info, uint64_t revision, const char *spool);
/* evidence, and the first list by name as GuardDuty has it; lists as in struct finding. */
void render_evidence(struct json_page *page, cJSON *service, const char *lists);
void render_additional(struct json_page *page, cJSON *additional, const char *lists);
void render_lists(struct json_page *page, cJSON *info, const char *lists);
/* " on the list A", " on the lists A, B and 3 more"; nothing when they are unknown. */
#define LISTS_TEXT_MAX	768
void render_on_lists(const char *lists, char text[static LISTS_TEXT_MAX]);
/* "EC2 instance i-…" or "Host NAME".  Returns buf. */
#define HOST_TEXT_MAX	(FACT_MAX + 16)
const char *render_host(const struct host_facts *facts, char buf[static HOST_TEXT_MAX]);

/* ipAddressV4 or ipAddressV6; text may also be an entry's CIDR. */
void render_address(struct json_page *page, cJSON *to, uint8_t family, const char *text);

#endif
