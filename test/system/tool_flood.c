/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sends small UDP packets as fast as one CPU can, and counts them exactly:
 *
 *	tool_flood [-m MAC] [-d] [-c CPU] [-n COUNT] [-t SECONDS] DEVICE OTHER FILE
 *
 * FILE holds addresses, 4 or 16 bytes each, that are the sources in turn (-d:
 * the destinations); OTHER is the address at the other end.  With -m frames go
 * straight to the device, to the neighbour with that hardware address; without
 * it packets take the way of everything that this host sends.  It stops after
 * COUNT packets, SECONDS or SIGTERM, whichever comes first, and prints one line
 * of JSON; "ready" goes to stderr before the first one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "threatlistd/addr.h"

#define BURST		64
#define PAYLOAD		18		/* bytes: an Ethernet frame of the smallest size */
#define PORT		4000
#define FRAME_MAX	128

struct flood {
	int fd;
	bool frames;			/* with an Ethernet header */
	bool to_file;			/* addresses of the file are destinations */
	uint8_t mac[ETH_ALEN];
	struct addr other;
	const uint8_t *addresses;
	size_t n, next, size;		/* of the file's addresses; bytes of one */
	uint64_t most, sent, refused;
	double seconds;

	struct mmsghdr messages[BURST];
	struct iovec iov[BURST];
	uint8_t frame[BURST][FRAME_MAX];
	union {
		struct sockaddr_ll link;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} to[BURST];
};

static volatile sig_atomic_t stop;

static void
take_signal(int signo)
{
	stop = 1;
}

static double
seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* RFC 1071, of an IPv4 header whose checksum field is zero. */
static unsigned int
header_checksum(const uint8_t *at)
{
	uint32_t sum = 0;
	int i;

	for (i = 0; i < 20; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16)) & 0xffff;
}

/* All but the addresses; returns the size of the packet without link header. */
static size_t
make_header(uint8_t *at, size_t size)
{
	uint8_t *udp = at + (size == 4 ? 20 : 40);

	if (size == 4) {
		at[0] = 0x45;
		put16(at + 2, 20 + 8 + PAYLOAD);
		at[8] = 64;
		at[9] = IPPROTO_UDP;
	} else {
		at[0] = 0x60;
		put16(at + 4, 8 + PAYLOAD);
		at[6] = IPPROTO_UDP;
		at[7] = 64;
	}
	put16(udp, PORT);
	put16(udp + 2, PORT);
	put16(udp + 4, 8 + PAYLOAD);
	return (size_t)(udp - at) + 8 + PAYLOAD;
}

static void
make_message(struct flood *flood, int i, unsigned int ifindex)
{
	size_t link = flood->frames ? ETH_HLEN : 0, size;
	uint8_t *frame = flood->frame[i];
	struct msghdr *msg = &flood->messages[i].msg_hdr;

	memcpy(frame, flood->mac, ETH_ALEN);
	frame[ETH_ALEN] = 2;		/* a locally administered source */
	put16(frame + 2 * ETH_ALEN, flood->size == 4 ? ETH_P_IP : ETH_P_IPV6);
	if (!flood->frames)
		memset(frame, 0, ETH_HLEN);
	size = make_header(frame + link, flood->size);
	flood->iov[i] = (struct iovec){ frame, link + size };
	msg->msg_iov = &flood->iov[i];
	msg->msg_iovlen = 1;
	msg->msg_name = &flood->to[i];
	if (flood->frames) {
		flood->to[i].link = (struct sockaddr_ll){ .sll_family = AF_PACKET,
		    .sll_protocol = htons(flood->size == 4 ? ETH_P_IP : ETH_P_IPV6),
		    .sll_ifindex = (int)ifindex, .sll_halen = ETH_ALEN };
		memcpy(flood->to[i].link.sll_addr, flood->mac, ETH_ALEN);
		msg->msg_namelen = sizeof(flood->to[i].link);
	} else if (flood->size == 4) {
		flood->to[i].v4.sin_family = AF_INET;
		msg->msg_namelen = sizeof(flood->to[i].v4);
	} else {
		flood->to[i].v6.sin6_family = AF_INET6;
		msg->msg_namelen = sizeof(flood->to[i].v6);
	}
}

static void
put_addresses(struct flood *flood, int i)
{
	uint8_t *at = flood->frame[i] + (flood->frames ? ETH_HLEN : 0);
	const uint8_t *address = flood->addresses + flood->next * flood->size;
	const uint8_t *from = flood->to_file ? flood->other.bytes : address;
	const uint8_t *to = flood->to_file ? address : flood->other.bytes;

	flood->next = flood->next + 1 == flood->n ? 0 : flood->next + 1;
	if (flood->size == 4) {
		memcpy(at + 12, from, 4);
		memcpy(at + 16, to, 4);
		put16(at + 10, 0);
		put16(at + 10, header_checksum(at));
		if (!flood->frames)
			memcpy(&flood->to[i].v4.sin_addr, to, 4);
	} else {
		memcpy(at + 8, from, 16);
		memcpy(at + 24, to, 16);
		if (!flood->frames)
			memcpy(&flood->to[i].v6.sin6_addr, to, 16);
	}
}

static int
open_socket(struct flood *flood, const char *device)
{
	int on = 1, fd;

	if (flood->frames) {
		fd = socket(AF_PACKET, SOCK_RAW, 0);
		setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
		return fd;
	}
	fd = socket(flood->size == 4 ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_RAW);
	if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
	    (socklen_t)strlen(device)) != 0 || (flood->size == 16 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof(on)) != 0))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
map_addresses(struct flood *flood, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat info;
	void *map = MAP_FAILED;

	if (fd >= 0 && fstat(fd, &info) == 0 && info.st_size > 0)
		map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE,
		    fd, 0);
	if (fd >= 0)
		close(fd);
	if (map == MAP_FAILED)
		return -1;
	flood->addresses = map;
	flood->n = (size_t)info.st_size / flood->size;
	if (flood->n == 0)
		return -1;
	flood->next %= flood->n;
	return 0;
}

static int
run(struct flood *flood)
{
	double until = seconds(CLOCK_MONOTONIC) + flood->seconds;

	while (!stop && flood->sent + flood->refused < flood->most &&
	    seconds(CLOCK_MONOTONIC) < until) {
		uint64_t left = flood->most - flood->sent - flood->refused;
		unsigned int n = left < BURST ? (unsigned int)left : BURST;
		int i, done;

		for (i = 0; i < (int)n; i++)
			put_addresses(flood, i);
		for (i = 0; i < (int)n; i += done) {
			done = sendmmsg(flood->fd, flood->messages + i, n - (unsigned int)i, 0);
			if (done < 0 && errno != EPERM && errno != ENOBUFS)
				return -1;
			if (done < 0) {
				/* a verdict on the way out, or no room: this one was not sent */
				flood->refused++;
				done = 1;
			} else {
				flood->sent += (uint64_t)done;
			}
		}
	}
	return 0;
}

static int
parse(struct flood *flood, int argc, char **argv, unsigned int *cpu)
{
	unsigned int mac[ETH_ALEN];
	int option, i;

	while ((option = getopt(argc, argv, "m:dc:f:n:t:")) >= 0) {
		if (option == 'm' && sscanf(optarg, "%x:%x:%x:%x:%x:%x", &mac[0], &mac[1],
		    &mac[2], &mac[3], &mac[4], &mac[5]) == ETH_ALEN) {
			flood->frames = true;
			for (i = 0; i < ETH_ALEN; i++)
				flood->mac[i] = (uint8_t)mac[i];
		} else if (option == 'd') {
			flood->to_file = true;
		} else if (option == 'c') {
			*cpu = (unsigned int)atoi(optarg);
		} else if (option == 'f') {
			flood->next = strtoull(optarg, NULL, 10);
		} else if (option == 'n') {
			flood->most = strtoull(optarg, NULL, 10);
		} else if (option == 't') {
			flood->seconds = atof(optarg);
		} else {
			return -1;
		}
	}
	if (argc - optind != 3 || addr_parse(&flood->other, argv[optind + 1],
	    strlen(argv[optind + 1])) != NULL)
		return -1;
	flood->size = flood->other.family == ADDR_V4 ? 4 : 16;
	return 0;
}

int
main(int argc, char **argv)
{
	static struct flood flood = { .most = UINT64_MAX, .seconds = 3600 };
	unsigned int cpu = UINT32_MAX, i;
	double wall, used;
	cpu_set_t set;
	int error;

	if (parse(&flood, argc, argv, &cpu) != 0) {
		fprintf(stderr, "usage: tool_flood [-m MAC] [-d] [-c CPU] [-f FIRST] "
		    "[-n COUNT] [-t SECONDS] DEVICE OTHER FILE\n");
		return 2;
	}
	flood.fd = open_socket(&flood, argv[optind]);
	if (flood.fd < 0 || map_addresses(&flood, argv[optind + 2]) != 0) {
		perror("tool_flood");
		return 1;
	}
	if (cpu != UINT32_MAX) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	for (i = 0; i < BURST; i++)
		make_message(&flood, (int)i, if_nametoindex(argv[optind]));
	signal(SIGTERM, take_signal);
	fputs("ready\n", stderr);
	wall = seconds(CLOCK_MONOTONIC);
	used = seconds(CLOCK_THREAD_CPUTIME_ID);
	error = run(&flood);
	if (error != 0)
		perror("tool_flood: sendmmsg");
	printf("{\"sent\":%llu,\"refused\":%llu,\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n",
	    (unsigned long long)flood.sent, (unsigned long long)flood.refused,
	    seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_THREAD_CPUTIME_ID) - used);
	return error == 0 ? 0 : 1;
}
