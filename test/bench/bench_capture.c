/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the sensor costs for each packet of an interface that is not listed:
 * its whole way (decode, match) against the same capture with an empty
 * callback, in a network namespace of its own, packets from a second process.
 * Prints NAME VALUE UNIT.  Needs root.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/compile.h"
#include "core/sight.h"
#include "sensor/capture.h"

#define ENTRIES		250000
#define FRAMES		4096	/* different sources */
#define FRAME_BYTES	60
#define BURST		64
#define RUN_S		1.0
#define RUNS		9	/* of each, in turn; the figures are medians */
#define TEXT_MAX	(64u << 20)

struct run {
	struct sight *sight;		/* NULL: the empty callback */
	uint64_t frames, hits;
};

static void
die(const char *what)
{
	fprintf(stderr, "bench_capture: %s failed\n", what);
	exit(1);
}

static double
wall(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static double
cpu(void)
{
	struct timespec at;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* Shaped like public lists; image stays mapped for ever. */
static struct list *
make_list(void)
{
	static const struct list_source source = { .name = "bench", .action = LIST_DROP };
	const char *build = getenv("B") != NULL ? getenv("B") : "build";
	struct entries *entries = entries_new();
	char command[512], *text = malloc(TEXT_MAX);
	struct format_report report;
	struct list_error err;
	struct image image;
	struct list *list;
	size_t size;
	FILE *pipe;

	snprintf(command, sizeof(command), "%s/test/system/tool_genlist %u 1", build, ENTRIES);
	pipe = popen(command, "r");
	if (text == NULL || pipe == NULL || entries == NULL)
		die("tool_genlist");
	size = fread(text, 1, TEXT_MAX, pipe);
	if (pclose(pipe) != 0 || format_read(entries, FORMAT_TXT, text, size, &report) != 0 ||
	    compile_source(entries, &source, &image) != 0 ||
	    list_open_memory(&list, image.bytes, image.size, &err) != 0)
		die("list");
	entries_free(entries);
	free(text);
	return list;
}

/* UDP from addresses all over the space that are not listed to one of ours. */
static void
make_frames(uint8_t frames[FRAMES][FRAME_BYTES], const struct list *list)
{
	static const uint8_t head[] = {
		0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0,
		0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1,
		0xc0, 0, 0, 53, 0, 26,
	};
	struct addr source = { .family = ADDR_V4 };
	struct list_hit hit;
	unsigned int i, j;

	srandom(1);
	memset(frames, 0, FRAMES * sizeof(frames[0]));
	for (i = 0; i < FRAMES; i++) {
		memcpy(frames[i], head, sizeof(head));
		do {
			for (j = 0; j < 4; j++)
				source.bytes[j] = (uint8_t)(random() >> 8);
		} while (list_find(list, &source, &hit));
		memcpy(frames[i] + 26, source.bytes, 4);
	}
}

static void __attribute__((noreturn))
send_for_ever(const char *interface, const struct list *list)
{
	static uint8_t frames[FRAMES][FRAME_BYTES];
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	struct iovec iov[BURST];
	struct mmsghdr messages[BURST];
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	unsigned int at = 0, i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	to.sll_ifindex = (int)if_nametoindex(interface);
	make_frames(frames, list);
	for (;;) {
		memset(messages, 0, sizeof(messages));
		for (i = 0; i < BURST; i++, at = (at + 1) % FRAMES) {
			iov[i] = (struct iovec){ frames[at], FRAME_BYTES };
			messages[i].msg_hdr.msg_iov = &iov[i];
			messages[i].msg_hdr.msg_iovlen = 1;
			messages[i].msg_hdr.msg_name = &to;
			messages[i].msg_hdr.msg_namelen = sizeof(to);
		}
		if (sendmmsg(fd, messages, BURST, 0) < 0)
			usleep(100);
	}
}

static void
on_hit(const struct sight_hit *hit, void *arg)
{
	struct run *run = arg;

	run->hits++;
}

static void
on_frame(int link, const uint8_t *data, size_t size, int64_t time_us, void *arg)
{
	struct run *run = arg;

	run->frames++;
	if (run->sight != NULL)
		sight_queue(run->sight, link, data, size, time_us, on_hit, run);
}

/* CPU nanoseconds of this process for each packet. */
static double
measure(struct run *run, const char *interface, double *lost_share)
{
	struct capture_error err;
	struct capture *capture;
	struct pollfd ready = { .events = POLLIN };
	uint64_t received, lost;
	double end, start;

	if (capture_open_interface(&capture, interface, &err) != 0)
		die(err.text);
	ready.fd = capture_fd(capture);
	run->frames = run->hits = 0;
	end = wall() + RUN_S;
	start = cpu();
	while (wall() < end) {
		if (poll(&ready, 1, 100) > 0 && capture_read(capture, on_frame, run, &err) != 0)
			die(err.text);
		if (run->sight != NULL)
			sight_flush(run->sight, on_hit, run);
	}
	start = cpu() - start;
	capture_stat(capture, &received, &lost);
	capture_close(capture);
	*lost_share = received > 0 ? (double)lost / (double)received : 0;
	if (run->frames == 0)
		die("seeing any packet");
	return start * 1e9 / (double)run->frames;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double values[static RUNS])
{
	qsort(values, RUNS, sizeof(values[0]), compare);
	return values[RUNS / 2];
}

int
main(void)
{
	struct sight_conf conf = { .max_flows = 32768, .sightings_per_s = 2000, .seed = 1 };
	struct run empty = { NULL, 0, 0 }, whole = { NULL, 0, 0 };
	double floor[RUNS], cost[RUNS], ratio[RUNS], floor_lost[RUNS], lost[RUNS];
	struct list *list;
	pid_t sender;
	int i;

	if (geteuid() != 0) {
		fprintf(stderr, "bench_capture: skipped, needs root\n");
		return 0;
	}
	list = make_list();
	whole.sight = sight_new(&conf);
	if (whole.sight == NULL || sight_set_list(whole.sight, list, 1, true) != 0)
		die("sight");
	if (unshare(CLONE_NEWNET) != 0 ||
	    system("ip link add bench0 type veth peer name bench1 && ip link set bench0 up && "
	    "ip link set bench1 up") != 0)
		die("network namespace");
	sender = fork();
	if (sender == 0)
		send_for_ever("bench0", list);
	for (i = 0; i < RUNS; i++) {
		floor[i] = measure(&empty, "bench1", &floor_lost[i]);
		cost[i] = measure(&whole, "bench1", &lost[i]);
		ratio[i] = cost[i] / floor[i];
	}
	kill(sender, SIGKILL);
	waitpid(sender, NULL, 0);
	printf("capture_empty %.1f ns/packet\n", median(floor));
	printf("capture_empty_lost %.4f share\n", median(floor_lost));
	printf("capture_sight_250k %.1f ns/packet\n", median(cost));
	printf("capture_sight_250k_lost %.4f share\n", median(lost));
	printf("capture_sight_over_empty %.2f ratio\n", median(ratio));
	sight_free(whole.sight);
	list_free(list);
	return 0;
}
