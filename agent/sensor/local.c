/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sensor/local.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

static bool
take_address(const struct sockaddr *sockaddr, struct addr *addr)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (sockaddr == NULL)
		return false;
	if (sockaddr->sa_family == AF_INET) {
		memcpy(&in, sockaddr, sizeof(in));
		*addr = addr_from_v4(ntohl(in.sin_addr.s_addr));
		return true;
	}
	if (sockaddr->sa_family == AF_INET6) {
		memcpy(&in6, sockaddr, sizeof(in6));
		*addr = addr_from_v6(in6.sin6_addr.s6_addr);
		return true;
	}
	return false;
}

size_t
local_addresses(struct range *ranges, size_t max)
{
	struct ifaddrs *all, *one;
	size_t n = 0;

	if (getifaddrs(&all) != 0)
		return 0;
	for (one = all; one != NULL && n < max; one = one->ifa_next) {
		if (take_address(one->ifa_addr, &ranges[n].first)) {
			ranges[n].last = ranges[n].first;
			n++;
		}
	}
	freeifaddrs(all);
	return n;
}
