/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/hostid.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "runtime/durable.h"
#include "threatlistd/log.h"

#define KEPT_NAME	"host-id"
#define HASH_DIGITS	32	/* of the machine's hash or a random id, after "h-" */
#define LINE_BYTES	256

static const struct host_places usual_places = {
	.asset_tag = "/sys/devices/virtual/dmi/id/board_asset_tag",
	.machine_id = "/etc/machine-id",
};

/* The first line of a small file; empty if there is none of printable ASCII.  Closes fd. */
static void
take_line(int fd, char line[static LINE_BYTES])
{
	ssize_t n;
	int i;

	line[0] = '\0';
	if (fd < 0)
		return;
	n = read(fd, line, LINE_BYTES - 1);
	close(fd);
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	for (i = 0; line[i] != '\0'; i++) {
		if (line[i] <= ' ' || line[i] > '~')
			line[0] = '\0';
	}
}

static void
read_line(const char *path, char line[static LINE_BYTES])
{
	take_line(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), line);
}

static bool
is_instance_id(const char *text)
{
	size_t len = strlen(text);

	return strncmp(text, "i-", 2) == 0 && len >= 2 + 8 && len <= 2 + 17 &&
	    strspn(text + 2, "0123456789abcdef") == len - 2;
}

static void
hex_id(const uint8_t *bytes, char id[static FACT_MAX])
{
	size_t i;

	memcpy(id, "h-", 3);
	for (i = 0; i < HASH_DIGITS / 2; i++)
		snprintf(id + 2 + 2 * i, 3, "%02x", bytes[i]);
}

/* machine-id(5): confidential, so only a hash of it leaves the host.  False: there is none. */
static bool
machine_hash(const char *path, char id[static FACT_MAX])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char line[LINE_BYTES], text[LINE_BYTES + 16];
	int len;

	read_line(path, line);
	if (strlen(line) < 32)
		return false;
	len = snprintf(text, sizeof(text), "threatlistd|%s", line);
	SHA256((const unsigned char *)text, (size_t)len, digest);
	hex_id(digest, id);
	return true;
}

static void
random_id(char id[static FACT_MAX])
{
	uint8_t bytes[HASH_DIGITS / 2] = { 0 };

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		log_error("no random bytes for a host id error=\"%s\"", strerror(errno));
	hex_id(bytes, id);
}

static void
read_kept(const struct conf *conf, char kept[static LINE_BYTES])
{
	char path[4096];

	kept[0] = '\0';
	if (snprintf(path, sizeof(path), "%s/%s", conf->agent.state_dir, KEPT_NAME) <
	    (int)sizeof(path))
		take_line(durable_open(path), kept);
	if (strlen(kept) >= FACT_MAX)
		kept[0] = '\0';
}

/* Keeps id; was the one kept before another host's?  This machine's own hash is not. */
static bool
keep(const struct conf *conf, const struct host_places *places, const char *id)
{
	char kept[LINE_BYTES], own[FACT_MAX] = "", line[FACT_MAX + 1];
	bool other;
	int len, error;

	read_kept(conf, kept);
	if (strcmp(kept, id) == 0)
		return false;
	machine_hash(places->machine_id, own);
	other = kept[0] != '\0' && strcmp(kept, own) != 0;
	if (other)
		log_warn("host id differs from the one kept: the state is another host's kept=%s "
		    "id=%s", kept, id);
	len = snprintf(line, sizeof(line), "%s\n", id);
	error = durable_replace(conf->agent.state_dir, KEPT_NAME, line, (size_t)len);
	if (error != 0)
		log_error("host id not kept path=%s error=\"%s\"", conf->agent.state_dir,
		    strerror(-error));
	return other;
}

/* A global address of an interface that is up: IPv4 if there is one. */
static void
find_address(struct addr *addr)
{
	struct ifaddrs *all, *one;

	if (getifaddrs(&all) != 0)
		return;
	for (one = all; one != NULL && addr->family != ADDR_V4; one = one->ifa_next) {
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;

		if (one->ifa_addr == NULL || (one->ifa_flags & IFF_LOOPBACK) != 0 ||
		    (one->ifa_flags & IFF_UP) == 0)
			continue;
		if (one->ifa_addr->sa_family == AF_INET) {
			memcpy(&v4, one->ifa_addr, sizeof(v4));
			*addr = addr_from_v4(ntohl(v4.sin_addr.s_addr));
		} else if (one->ifa_addr->sa_family == AF_INET6 && addr->family == ADDR_NONE) {
			memcpy(&v6, one->ifa_addr, sizeof(v6));
			if (!IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr))
				*addr = addr_from_v6(v6.sin6_addr.s6_addr);
		}
	}
	freeifaddrs(all);
}

static void
set(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%.*s", (int)size - 1, text);
}
#define SET(facts, member, text)	set((facts)->member, sizeof((facts)->member), text)

bool
host_facts_init_at(struct host_facts *facts, const struct conf *conf,
    const struct host_places *places)
{
	char tag[LINE_BYTES], kept[LINE_BYTES];

	memset(facts, 0, sizeof(*facts));
	read_line(places->asset_tag, tag);
	read_kept(conf, kept);
	if (conf->agent.host_id != NULL)
		SET(facts, host_id, conf->agent.host_id);
	else if (is_instance_id(tag))
		SET(facts, host_id, tag);
	else if (kept[0] != '\0')
		SET(facts, host_id, kept);
	else if (!machine_hash(places->machine_id, facts->host_id))
		random_id(facts->host_id);
	facts->on_ec2 = is_instance_id(tag);
	SET(facts, instance_id, facts->on_ec2 ? tag : facts->host_id);
	SET(facts, account, conf->agent.account != NULL ? conf->agent.account : "000000000000");
	SET(facts, region, conf->agent.region != NULL ? conf->agent.region : "local");
	SET(facts, partition, "aws");
	find_address(&facts->private_ip);
	return keep(conf, places, facts->host_id);
}

bool
host_facts_init(struct host_facts *facts, const struct conf *conf)
{
	return host_facts_init_at(facts, conf, &usual_places);
}

/* Copies a text from the feed if it is printable ASCII and there is one. */
static void
take(char *to, size_t size, const char *text)
{
	size_t i;

	for (i = 0; text[i] != '\0' && i + 1 < size; i++) {
		if (text[i] < ' ' || text[i] > '~')
			return;
	}
	if (i > 0 && text[i] == '\0')
		memcpy(to, text, i + 1);
}

static void
take_addr(struct addr *to, const struct addr *from)
{
	if (from->family == ADDR_V4 || from->family == ADDR_V6)
		*to = *from;
}

/* The addresses are as found now: one that was given back is none of ours any more. */
static void
take_own(struct host_facts *facts, const struct host_facts *found)
{
	unsigned int i;

	memset(facts->own, 0, sizeof(facts->own));
	facts->nown = 0;
	for (i = 0; i < found->nown && i < FACT_OWN_MAX; i++) {
		struct own_address *own = &facts->own[facts->nown];

		take_addr(&own->public_ip, &found->own[i].public_ip);
		take_addr(&own->private_ip, &found->own[i].private_ip);
		take(own->interface_id, sizeof(own->interface_id), found->own[i].interface_id);
		facts->nown += own->public_ip.family != ADDR_NONE;
	}
}

static void
take_all(struct host_facts *facts, const struct host_facts *found)
{
#define TAKE(member)	take(facts->member, sizeof(facts->member), found->member)
	TAKE(account);
	TAKE(region);
	TAKE(partition);
	TAKE(zone);
	TAKE(instance_type);
	TAKE(image_id);
	TAKE(profile_arn);
	TAKE(profile_id);
	TAKE(interface_id);
	TAKE(vpc_id);
	TAKE(subnet_id);
	TAKE(security_group_id);
	TAKE(security_group);
#undef TAKE
	take_addr(&facts->private_ip, &found->private_ip);
	take_addr(&facts->public_ip, &found->public_ip);
	take_own(facts, found);
}

bool
host_facts_merge_at(struct host_facts *facts, const struct host_facts *found,
    const struct conf *conf, const struct host_places *places)
{
	char tag[LINE_BYTES];

	if (!is_instance_id(found->instance_id)) {
		log_warn("host facts not taken: no instance id in them");
		return false;
	}
	take_all(facts, found);
	if (conf->agent.account != NULL)
		SET(facts, account, conf->agent.account);
	if (conf->agent.region != NULL)
		SET(facts, region, conf->agent.region);
	/* the board's word needs no network and comes first */
	read_line(places->asset_tag, tag);
	SET(facts, instance_id, is_instance_id(tag) ? tag : found->instance_id);
	facts->on_ec2 = 1;
	if (conf->agent.host_id != NULL)
		return false;
	SET(facts, host_id, facts->instance_id);
	return keep(conf, places, facts->host_id);
}

bool
host_facts_merge(struct host_facts *facts, const struct host_facts *found, const struct conf *conf)
{
	return host_facts_merge_at(facts, found, conf, &usual_places);
}
