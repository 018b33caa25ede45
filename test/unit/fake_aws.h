/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A network of canned answers and a clock that is set by hand, as a transport of agent/aws. */
#ifndef FAKE_AWS_H
#define FAKE_AWS_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/transport.h"

#define FAKE_ROUTES_MAX		16
#define FAKE_ASKED_MAX		64
#define FAKE_START_MS		INT64_C(1700000000000)	/* 2023-11-14T22:13:20Z */

struct fake_route {
	const char *method, *url;	/* the URL's beginning */
	int error;
	long status;
	const char *body;
	int64_t date_s;
	uint32_t retry_after_s;
	const char *wanted[HTTP_WANTED_MAX];
	unsigned int times;		/* then the next one that fits; 0: for ever */
};

/* What was asked, as far as tests look. */
struct fake_asked {
	char method[8], url[512], headers[4096], body[512], connect_to[64], proxy[32];
	bool allow_http, follow;
	long connect_timeout_ms;
};

struct fake_aws {
	struct fake_route routes[FAKE_ROUTES_MAX];
	unsigned int served[FAKE_ROUTES_MAX];
	struct fake_asked asked[FAKE_ASKED_MAX];
	size_t nasked;
	int64_t now_ms;
	uint32_t random;
};

static inline struct fake_route *
fake_route_for(struct fake_aws *fake, const struct http_request *request)
{
	size_t i;

	for (i = 0; i < FAKE_ROUTES_MAX && fake->routes[i].url != NULL; i++) {
		struct fake_route *route = &fake->routes[i];

		if (strcmp(route->method, request->method) != 0 ||
		    strncmp(route->url, request->url, strlen(route->url)) != 0 ||
		    (route->times > 0 && fake->served[i] >= route->times))
			continue;
		fake->served[i]++;
		return route;
	}
	return NULL;
}

static inline void
fake_note(struct fake_aws *fake, const struct http_request *request)
{
	struct fake_asked *asked = &fake->asked[fake->nasked++ % FAKE_ASKED_MAX];
	const char *const *header = request->headers;
	size_t n = 0;

	memset(asked, 0, sizeof(*asked));
	snprintf(asked->method, sizeof(asked->method), "%s", request->method);
	snprintf(asked->url, sizeof(asked->url), "%s", request->url);
	for (; header != NULL && *header != NULL && n < sizeof(asked->headers); header++)
		n += (size_t)snprintf(asked->headers + n, sizeof(asked->headers) - n, "%s\n", *header);
	snprintf(asked->body, sizeof(asked->body), "%.*s", (int)request->body_size,
	    request->body != NULL ? (const char *)request->body : "");
	snprintf(asked->connect_to, sizeof(asked->connect_to), "%s",
	    request->connect_to != NULL ? request->connect_to : "");
	snprintf(asked->proxy, sizeof(asked->proxy), "%s",
	    request->proxy != NULL ? request->proxy : "");
	asked->allow_http = request->allow_http;
	asked->follow = request->follow_https;
	asked->connect_timeout_ms = request->connect_timeout_ms;
}

static inline int
fake_fetch(const struct http_request *request, struct http_answer *answer, void *arg)
{
	struct fake_aws *fake = arg;
	struct fake_route *route;
	size_t i;

	memset(answer, 0, sizeof(*answer));
	fake_note(fake, request);
	route = fake_route_for(fake, request);
	if (route == NULL || route->error != 0) {
		snprintf(answer->error, sizeof(answer->error), "nothing there");
		return route != NULL ? route->error : -ECONNREFUSED;
	}
	answer->connected = true;
	answer->status = route->status > 0 ? route->status : 200;
	answer->date_s = route->date_s;
	answer->retry_after_s = route->retry_after_s;
	for (i = 0; i < HTTP_WANTED_MAX; i++)
		snprintf(answer->wanted[i], sizeof(answer->wanted[i]), "%s",
		    route->wanted[i] != NULL ? route->wanted[i] : "");
	answer->body = strdup(route->body != NULL ? route->body : "");
	answer->body_size = answer->body != NULL ? strlen(answer->body) : 0;
	return answer->body != NULL ? 0 : -ENOMEM;
}

static inline int64_t
fake_now(void *arg)
{
	return ((struct fake_aws *)arg)->now_ms;
}

static inline uint32_t
fake_random(void *arg)
{
	return ((struct fake_aws *)arg)->random;
}

static inline struct aws_transport
fake_transport(struct fake_aws *fake)
{
	const struct aws_transport transport = { fake_fetch, fake_now, fake_random, fake };

	return transport;
}

static inline const struct fake_asked *
fake_last(const struct fake_aws *fake)
{
	return &fake->asked[(fake->nasked - 1) % FAKE_ASKED_MAX];
}

/* Nothing of the tester's own environment has a say. */
static inline void
fake_clear_environment(void)
{
	extern char **environ;
	char name[128];
	size_t i = 0, len;

	while (environ[i] != NULL) {
		len = strcspn(environ[i], "=");
		if (strncmp(environ[i], "AWS_", 4) == 0 && len < sizeof(name)) {
			memcpy(name, environ[i], len);
			name[len] = '\0';
			unsetenv(name);
			i = 0;
		} else {
			i++;
		}
	}
	unsetenv("HOME");
}

#endif
