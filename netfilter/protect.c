/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "attr.h"
#include "kernel.h"
#include "protect.h"
#include "route.h"

#define RESOLVER_LINE	256

/*
 * Needed on every host, and on EC2 (metadata, VPC resolver, time, container
 * credentials: the same addresses in every VPC).
 */
static const char *const fixed[] = {
	"127.0.0.0/8", "169.254.0.0/16",	/* loopback; link-local and all of EC2's IPv4 ones */
	"0.0.0.0", "255.255.255.255",		/* DHCP before there is an address */
	"224.0.0.0/24",				/* multicast of the own link */
	"::", "::1", "fe80::/10",		/* duplicate address detection, loopback, link-local */
	"ff02::/16",				/* neighbour discovery */
	"fd00:ec2::23", "fd00:ec2::123", "fd00:ec2::253", "fd00:ec2::254",
};

static const char *const resolver_files[] = {
	"/etc/resolv.conf",
	"/run/systemd/resolve/resolv.conf",	/* what stands behind systemd's stub */
};

/* One kind of objects of the host's, on the way into protect. */
struct gathering {
	struct protect *protect;
	size_t before;		/* members that are there without it */
	int (*take)(struct protect *protect, const struct nlmsghdr *nlh);
};

void
protect_fini(struct protect *protect)
{
	free(protect->ranges);
	memset(protect, 0, sizeof(*protect));
}

int
protect_add(struct protect *protect, const struct range *range)
{
	if (protect->n == PROTECT_MAX)
		return -E2BIG;
	if (protect->n == protect->room) {
		size_t room = protect->room == 0 ? 64 : protect->room * 2;
		struct range *ranges = realloc(protect->ranges, room * sizeof(*ranges));

		if (ranges == NULL)
			return -ENOMEM;
		protect->ranges = ranges;
		protect->room = room;
	}
	protect->ranges[protect->n++] = *range;
	return 0;
}

static int
add_bytes(struct protect *protect, const void *bytes, size_t size)
{
	struct range range;
	uint32_t v4;

	if (size == 4) {
		memcpy(&v4, bytes, 4);
		range.first = addr_from_v4(ntohl(v4));
	} else if (size == 16) {
		range.first = addr_from_v6(bytes);
	} else {
		return 0;
	}
	range.last = range.first;
	return protect_add(protect, &range);
}

static int
take_address(struct protect *protect, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr, *own = NULL;

	/* of a point-to-point link IFA_ADDRESS is the other end's */
	attr_for_each(attr, nlh, sizeof(struct ifaddrmsg)) {
		if (mnl_attr_get_type(attr) == IFA_LOCAL ||
		    (mnl_attr_get_type(attr) == IFA_ADDRESS && own == NULL))
			own = attr;
	}
	return own == NULL ? 0 :
	    add_bytes(protect, mnl_attr_get_payload(own), mnl_attr_get_payload_len(own));
}

/* A gateway, given in the route's own family (RTA_GATEWAY) or another (RTA_VIA). */
static int
take_gateway(struct protect *protect, const struct nlattr *attr)
{
	const uint8_t *payload = mnl_attr_get_payload(attr);
	size_t size = mnl_attr_get_payload_len(attr);

	if (mnl_attr_get_type(attr) == RTA_GATEWAY)
		return add_bytes(protect, payload, size);
	if (mnl_attr_get_type(attr) == RTA_VIA && size > sizeof(struct rtvia))
		return add_bytes(protect, payload + sizeof(struct rtvia),
		    size - sizeof(struct rtvia));
	return 0;
}

static int
take_nexthops(struct protect *protect, const struct nlattr *multipath)
{
	const uint8_t *at = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);
	int error = 0;

	while (error == 0 && left >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *hop = (const struct rtnexthop *)at;
		const struct nlattr *attr;
		const void *payload;
		size_t used;

		if (hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > left)
			break;
		payload = at + sizeof(*hop);
		attr_for_each_within(attr, payload, hop->rtnh_len - sizeof(*hop)) {
			if (error == 0)
				error = take_gateway(protect, attr);
		}
		used = RTNH_ALIGN(hop->rtnh_len);
		if (used > left)
			break;
		at += used;
		left -= used;
	}
	return error;
}

static int
take_route(struct protect *protect, const struct nlmsghdr *nlh)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	int error = 0;

	if (route->rtm_dst_len != 0)
		return 0;
	attr_for_each(attr, nlh, sizeof(*route)) {
		if (error != 0)
			break;
		error = mnl_attr_get_type(attr) == RTA_MULTIPATH ?
		    take_nexthops(protect, attr) : take_gateway(protect, attr);
	}
	return error;
}

static void
forget(void *arg)
{
	struct gathering *gathering = arg;

	gathering->protect->n = gathering->before;
}

static int
take(const struct nlmsghdr *nlh, void *arg)
{
	struct gathering *gathering = arg;

	return gathering->take(gathering->protect, nlh);
}

static int
dump(struct protect *protect, uint16_t type, size_t header,
    int (*each)(struct protect *protect, const struct nlmsghdr *nlh))
{
	struct gathering gathering = { protect, protect->n, each };

	return route_dump(type, header, take, forget, &gathering);
}

static int
add_resolvers(struct protect *protect, const char *path)
{
	static const char keyword[] = "nameserver";
	char line[RESOLVER_LINE];
	struct range range;
	FILE *file;
	int error = 0;

	file = fopen(path, "re");
	if (file == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (error == 0 && fgets(line, sizeof(line), file) != NULL) {
		char *text = line + strspn(line, " \t");

		if (strncmp(text, keyword, sizeof(keyword) - 1) != 0 ||
		    !isblank((unsigned char)text[sizeof(keyword) - 1]))
			continue;
		text += sizeof(keyword) - 1;
		text += strspn(text, " \t");
		/* fe80::1%eth0: the zone does not matter here */
		text[strcspn(text, " \t\r\n%")] = '\0';
		if (addr_parse(&range.first, text, strlen(text)) == NULL) {
			range.last = range.first;
			error = protect_add(protect, &range);
		}
	}
	fclose(file);
	return error;
}

int
protect_resolvers(struct protect *protect)
{
	int error = 0, failed;
	size_t i;

	for (i = 0; i < sizeof(resolver_files) / sizeof(resolver_files[0]); i++) {
		failed = add_resolvers(protect, resolver_files[i]);
		if (failed != 0)
			error = failed;
	}
	return error;
}

/* FNV-1a: what is compared only has to differ. */
static uint64_t
mix(uint64_t mark, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	while (size-- > 0)
		mark = (mark ^ *at++) * 1099511628211u;
	return mark;
}

uint64_t
protect_resolvers_mark(void)
{
	uint64_t mark = 14695981039346656037u;
	struct stat st;
	size_t i;

	for (i = 0; i < sizeof(resolver_files) / sizeof(resolver_files[0]); i++) {
		if (stat(resolver_files[i], &st) != 0)
			memset(&st, 0, sizeof(st));
		mark = mix(mark, &st.st_ino, sizeof(st.st_ino));
		mark = mix(mark, &st.st_size, sizeof(st.st_size));
		mark = mix(mark, &st.st_mtim, sizeof(st.st_mtim));
	}
	return mark;
}

int
protect_gather(struct protect *protect, struct enforce_error *err)
{
	struct range range;
	unsigned int notes = 0;
	int error = 0, failed = 0;
	size_t i;

	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		const char *wrong = range_parse(&range, fixed[i], strlen(fixed[i]), &notes);

		assert(wrong == NULL);
		if (wrong == NULL && protect_add(protect, &range) != 0)
			return enforce_fail(err, -ENOMEM, "protected addresses", NULL);
	}
	error = dump(protect, RTM_GETADDR, sizeof(struct ifaddrmsg), take_address);
	if (error != 0)
		failed = enforce_fail(err, error, "reading own addresses", NULL);
	error = dump(protect, RTM_GETROUTE, sizeof(struct rtmsg), take_route);
	if (error != 0)
		failed = enforce_fail(err, error, "reading routes", NULL);
	error = protect_resolvers(protect);
	if (error != 0)
		failed = enforce_fail(err, error, "reading resolvers", NULL);
	return failed;
}
