/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/admission.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define TOKEN_MS	(1000 / ADMISSION_PER_SECOND)
#define PORT_DIGITS	5

void
admission_forget_ports(struct admission *admission)
{
	admission->nports = 0;
}

static bool
is_allowed(const struct admission *admission, uint16_t port)
{
	size_t i;

	for (i = 0; i < admission->nports; i++) {
		if (admission->ports[i] == port)
			return true;
	}
	return false;
}

void
admission_allow(struct admission *admission, uint16_t port)
{
	if (port == 0 || is_allowed(admission, port) || admission->nports == ADMISSION_PORTS_MAX)
		return;
	admission->ports[admission->nports++] = port;
}

static uint16_t
scheme_port(const char *url, uint16_t other)
{
	if (strncasecmp(url, "https://", 8) == 0)
		return 443;
	return strncasecmp(url, "http://", 7) == 0 ? 80 : other;
}

/* Digits up to the end; 0: they are no port. */
static uint16_t
read_port(const char *text, const char *end)
{
	uint32_t port = 0;

	if (text == end || end - text > PORT_DIGITS)
		return 0;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return 0;
		port = port * 10 + (uint32_t)(*text - '0');
	}
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

uint16_t
admission_url_port(const char *url, uint16_t other)
{
	const char *host = strstr(url, "://"), *end, *at, *colon;

	host = host != NULL ? host + 3 : url;
	end = host + strcspn(host, "/?#");
	/* user and password, which may have colons of their own */
	for (at = host; at < end; at++) {
		if (*at == '@')
			host = at + 1;
	}
	if (host < end && *host == '[') {
		while (host < end && *host != ']')
			host++;
	}
	colon = memchr(host, ':', (size_t)(end - host));
	return colon != NULL ? read_port(colon + 1, end) : scheme_port(url, other);
}

/* Neither "any", nor multicast, nor broadcast. */
static bool
is_single_host(const struct addr *addr)
{
	static const uint8_t zero[sizeof(addr->bytes)];

	if (addr->family == ADDR_V4)
		return addr->bytes[0] != 0 && addr->bytes[0] < 224;
	return addr->family == ADDR_V6 && addr->bytes[0] != 0xff &&
	    memcmp(addr->bytes, zero, sizeof(zero)) != 0;
}

static bool
take_token(struct admission *admission, int64_t now_ms)
{
	int64_t full_ms = admission->full_ms > now_ms ? admission->full_ms : now_ms;

	if (full_ms + TOKEN_MS > now_ms + ADMISSION_BURST * TOKEN_MS)
		return false;
	admission->full_ms = full_ms + TOKEN_MS;
	return true;
}

static void
forget_expired(struct admission *admission, int64_t now_ms)
{
	size_t i, kept = 0;

	for (i = 0; i < admission->nlive; i++) {
		if (admission->live[i].until_ms > now_ms)
			admission->live[kept++] = admission->live[i];
	}
	admission->nlive = kept;
}

int
admission_judge(struct admission *admission, const struct addr *addr, uint16_t port,
    int64_t now_ms, int64_t life_ms)
{
	struct admitted *live;
	size_t i;

	if (!take_token(admission, now_ms))
		return -EAGAIN;
	if (!is_single_host(addr))
		return -EINVAL;
	if (!is_allowed(admission, port))
		return -EACCES;
	forget_expired(admission, now_ms);
	for (i = 0; i < admission->nlive; i++) {
		live = &admission->live[i];
		if (live->port == port && addr_equal(&live->addr, addr))
			break;
	}
	if (i == ADMISSION_LIVE_MAX)
		return -ENOSPC;
	live = &admission->live[i];
	if (i == admission->nlive)
		admission->nlive++;
	live->addr = *addr;
	live->port = port;
	live->until_ms = now_ms + life_ms;
	return 0;
}
