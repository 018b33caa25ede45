/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/ssm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/endpoint.h"
#include "threatlistd/log.h"

#define HTTPS_PORT	443
#define LOG_EVERY_MS	(3600 * 1000)

static const char *const services[] = { "ssm", "ssmmessages", "ec2messages" };
#define SERVICES	(sizeof(services) / sizeof(services[0]))

struct ssm {
	struct loop *loop;
	struct announcer *announcer;
	struct loop_timer *timer;
	char region[AWS_REGION_MAX];	/* empty: none */
	struct log_limit failed;	/* of the thread */
	/* a round's own, by its thread */
	atomic_bool busy;
	char names[SERVICES][AWS_HOST_MAX];
};

/* Resolvers may be slow: never in the loop's thread. */
static void
announce(struct ssm *ssm, const char *name)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL, *at;
	unsigned int skipped;
	struct addr addr;
	int error;

	error = getaddrinfo(name, "443", &hints, &found);
	if (error != 0) {
		if (log_allowed(&ssm->failed, loop_now_ms(), LOG_EVERY_MS, &skipped))
			log_warn("way back not kept open name=%s error=\"%s\" skipped=%u", name,
			    gai_strerror(error), skipped);
		return;
	}
	for (at = found; at != NULL; at = at->ai_next) {
		if (at->ai_family == AF_INET)
			addr = addr_from_v4(ntohl(((const struct sockaddr_in *)
			    (const void *)at->ai_addr)->sin_addr.s_addr));
		else if (at->ai_family == AF_INET6)
			addr = addr_from_v6(((const struct sockaddr_in6 *)
			    (const void *)at->ai_addr)->sin6_addr.s6_addr);
		else
			continue;
		announcer_tell(&addr, HTTPS_PORT, ssm->announcer);
	}
	freeaddrinfo(found);
}

static void *
run_round(void *arg)
{
	struct ssm *ssm = arg;
	size_t i;

	for (i = 0; i < SERVICES; i++)
		announce(ssm, ssm->names[i]);
	atomic_store(&ssm->busy, false);
	return NULL;
}

static bool
name_services(struct ssm *ssm)
{
	const struct aws_wishes wishes = { .region = ssm->region };
	char reason[IMDS_REASON_MAX];
	struct aws_site site;
	size_t i;

	if (aws_site_find(&site, &wishes, NULL, reason) != 0)
		return false;
	for (i = 0; i < SERVICES; i++)
		snprintf(ssm->names[i], sizeof(ssm->names[i]), "%s.%s.%s", services[i],
		    site.region, site.suffix);
	return true;
}

static void
begin_round(void *arg)
{
	struct ssm *ssm = arg;
	pthread_t thread;

	if (ssm->region[0] == '\0')
		return;
	loop_timer_start(ssm->loop, ssm->timer, SSM_EVERY_MS);
	/* the one before still waits for a resolver */
	if (atomic_load(&ssm->busy) || !name_services(ssm))
		return;
	atomic_store(&ssm->busy, true);
	if (pthread_create(&thread, NULL, run_round, ssm) != 0)
		atomic_store(&ssm->busy, false);
	else
		pthread_detach(thread);
}

struct ssm *
ssm_new(struct loop *loop, struct announcer *announcer)
{
	struct ssm *ssm = calloc(1, sizeof(*ssm));

	if (ssm == NULL)
		return NULL;
	ssm->loop = loop;
	ssm->announcer = announcer;
	ssm->timer = loop_timer_new(loop, begin_round, ssm);
	if (ssm->timer == NULL) {
		free(ssm);
		return NULL;
	}
	return ssm;
}

void
ssm_set_region(struct ssm *ssm, const char *region)
{
	if (strcmp(region, "local") == 0 || !aws_region_is_valid(region))
		region = "";
	if (strcmp(region, ssm->region) == 0)
		return;
	snprintf(ssm->region, sizeof(ssm->region), "%s", region);
	begin_round(ssm);
}

bool
ssm_free(struct ssm *ssm)
{
	if (ssm == NULL)
		return true;
	if (atomic_load(&ssm->busy))
		return false;
	loop_timer_free(ssm->loop, ssm->timer);
	free(ssm);
	return true;
}
