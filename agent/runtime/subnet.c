/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/subnet.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

static bool
address_of(const struct sockaddr *sa, struct addr *addr)
{
	if (sa == NULL)
		return false;
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		*addr = addr_from_v4(ntohl(in.sin_addr.s_addr));
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		*addr = addr_from_v6(in6.sin6_addr.s6_addr);
		return !IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr);
	}
	return false;
}

/* Bits set at the head of a mask. */
static unsigned int
mask_length(const struct sockaddr *sa)
{
	uint8_t bytes[16] = { 0 };
	unsigned int len = 0, size = 4;

	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		memcpy(bytes, &in.sin_addr, 4);
	} else {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		memcpy(bytes, in6.sin6_addr.s6_addr, 16);
		size = 16;
	}
	while (len < size * 8 && (bytes[len / 8] & (0x80 >> (len % 8))) != 0)
		len++;
	return len;
}

size_t
subnets_of_host(struct range *own, size_t max)
{
	struct ifaddrs *all, *one;
	size_t n = 0;

	if (getifaddrs(&all) != 0)
		return 0;
	for (one = all; one != NULL && n < max; one = one->ifa_next) {
		struct addr addr;
		unsigned int len;

		if ((one->ifa_flags & IFF_LOOPBACK) != 0 || one->ifa_netmask == NULL ||
		    !address_of(one->ifa_addr, &addr))
			continue;
		len = mask_length(one->ifa_netmask);
		if (len > 0 && len < addr_bits(addr.family))
			own[n++] = range_of_prefix(&addr, len);
	}
	freeifaddrs(all);
	return n;
}
