/* SPDX-License-Identifier: GPL-3.0-or-later */
/* threatlistctl replay: what the agent would have seen in a capture file. */
#include <errno.h>
#include <limits.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/findings.h"
#include "core/sight.h"
#include "core/tally.h"
#include "ctl/client.h"
#include "ctl/command.h"
#include "ctl/lists.h"
#include "ctl/replay_lines.h"
#include "threatlistd/enforce.h"

#define REPLAY_FLOWS	(1u << 18)	/* followed at once */
#define REPLAY_REMOTES	(1u << 20)	/* counted, each direction by itself */
#define REPLAY_FINDINGS	(1u << 20)
#define UPDATE_MS	(15 * 60 * 1000)	/* update_interval's default, contract §2 */
#define GENERATION	1		/* there is one list only */
#define HOST_ID		"replay"	/* a capture does not say which host it is of */

/* Fair hash tables are for those who cannot be stopped by ^C: the same capture, the same run. */
#define SEED		UINT64_C(0x7468726561746c64)

static const char help[] =
    "usage: threatlistctl replay --list FILE... [--trusted FILE]... [--scope public|any]\n"
    "           [--local CIDR]... [--packets] [--layers outer|decap|all] CAPTURE\n"
    "Shows what the agent would report of a capture file (pcap or pcapng, - for stdin): its\n"
    "findings as JSON lines, by the time they began. The clock is the capture's.\n"
    "  --list FILE      a threat list; may be given several times\n"
    "  --trusted FILE   taken off the threat lists; may be given several times\n"
    "  --scope S        public (default): publicly routable addresses only; any: all\n"
    "  --local CIDR     addresses of the host the capture is of: never the remote side of a\n"
    "                   finding; without it every listed side is remote\n"
    "  --packets        also one JSON line for each listed side of each packet, in order\n"
    "  --layers L       outer: packets as they were captured; decap: and what tunnels carry;\n"
    "                   all (default): and what ICMP errors quote\n"
    "Exits with 1 if the capture could not be read to its end; what was read is printed.\n";

enum layers { LAYERS_OUTER, LAYERS_DECAP, LAYERS_ALL };

struct replay {
	struct client_options shared;
	struct ctl_list_options list_options;
	struct range local[SIGHT_LOCAL_MAX];
	size_t nlocal;
	bool packets;
	enum layers layers;

	struct ctl_lists lists;
	struct sight *sight;
	struct tally *tally;
	struct findings *findings;
	uint64_t frame;
	int64_t frame_us;		/* of the capture's own clock */
	int error;
};

static bool
layer_wanted(const struct replay *replay, uint8_t kind)
{
	return kind == KIND_OUTER || replay->layers == LAYERS_ALL ||
	    (kind == KIND_INNER && replay->layers == LAYERS_DECAP);
}

static void
on_hit(const struct sight_hit *hit, void *arg)
{
	struct replay *replay = arg;
	int64_t now_ms = hit->sighting.time_us / 1000;
	struct count count;

	if (replay->error != 0 || !layer_wanted(replay, hit->packet->kind))
		return;
	if (replay->packets)
		replay->error = replay_packet(replay->lists.list, hit, replay->frame,
		    replay->frame_us);
	/* what is due comes before what is new */
	if (findings_next_ms(replay->findings) <= now_ms)
		findings_tick(replay->findings, now_ms);
	if (hit->tell)
		findings_sighting(replay->findings, &hit->sighting, now_ms);
	if (!hit->remote || hit->packet->kind == KIND_EMBEDDED)
		return;
	tally_add(replay->tally, &hit->sighting, hit->packet->length);
	while (tally_next(replay->tally, &count))
		findings_count(replay->findings, &count, now_ms);
}

/* A file may hold any number for a time; one that does not fit is the beginning of time. */
static int64_t
time_of(const struct pcap_pkthdr *head)
{
	int64_t seconds = head->ts.tv_sec, micros = head->ts.tv_usec;

	if (seconds < 0 || seconds > INT64_MAX / 1000000 - UINT32_MAX || micros < 0 ||
	    micros > UINT32_MAX)
		return 0;
	return seconds * 1000000 + micros;
}

/* The whole capture.  An exit code. */
static int
read_capture(struct replay *replay, const char *path)
{
	char text[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *head;
	const u_char *data;
	pcap_t *pcap;
	int link, rc = PCAP_ERROR_BREAK;

	pcap = pcap_open_offline(path, text);
	if (pcap == NULL) {
		fprintf(stderr, "threatlistctl: %s\n", text);
		return EXIT_NO;
	}
	link = pcap_datalink(pcap);
	if (!link_known(link)) {
		const char *name = pcap_datalink_val_to_name(link);

		fprintf(stderr, "threatlistctl: %s: link type %d (%s) is not one of Ethernet, Linux "
		    "cooked, raw IP, BSD loopback, NFLOG\n", path, link,
		    name != NULL ? name : "unknown");
		pcap_close(pcap);
		return EXIT_NO;
	}
	while (replay->error == 0 && (rc = pcap_next_ex(pcap, &head, &data)) == 1) {
		replay->frame++;
		replay->frame_us = time_of(head);
		sight_frame(replay->sight, link, data, head->caplen, replay->frame_us, on_hit,
		    replay);
	}
	if (replay->error != 0)
		fprintf(stderr, "threatlistctl: %s\n", strerror(-replay->error));
	else if (rc != PCAP_ERROR_BREAK)
		fprintf(stderr, "threatlistctl: %s: not read to its end, after frame %llu: %s\n", path,
		    (unsigned long long)replay->frame, pcap_geterr(pcap));
	pcap_close(pcap);
	return replay->error == 0 && rc == PCAP_ERROR_BREAK ? EXIT_DONE : EXIT_NO;
}

/* What could not be read of how many frames, on stderr; nothing when all were IP and whole. */
static void
print_skips(const struct replay *replay)
{
	struct sight_stat stat;
	int i;

	sight_stat(replay->sight, &stat);
	for (i = SKIP_NONE + 1; i < SKIP_END; i++) {
		if (stat.skipped[i] > 0)
			fprintf(stderr, "threatlistctl: %llu of %llu frames: %s\n",
			    (unsigned long long)stat.skipped[i], (unsigned long long)stat.frames,
			    decode_skip_text((enum decode_skip)i));
	}
	if (tally_lost(replay->tally) + findings_lost(replay->findings) > 0)
		fprintf(stderr, "threatlistctl: more remotes than are kept: findings are incomplete\n");
}

static int
open_parts(struct replay *replay)
{
	const struct sight_conf sight = {
		.max_flows = REPLAY_FLOWS, .sightings_per_s = UINT_MAX, .seed = SEED,
	};
	const struct findings_conf findings = {
		.host_id = HOST_ID, .update_interval_ms = UPDATE_MS,
		.max_findings = REPLAY_FINDINGS, .mode = ENFORCE_WATCH, .seed = SEED,
	};

	replay->sight = sight_new(&sight);
	replay->tally = tally_new(REPLAY_REMOTES, SEED, SEED);
	replay->findings = findings_new(&findings);
	if (replay->sight == NULL || replay->tally == NULL || replay->findings == NULL ||
	    sight_set_list(replay->sight, replay->lists.list, GENERATION, true) != 0) {
		fprintf(stderr, "threatlistctl: %s\n", strerror(ENOMEM));
		return EXIT_NO;
	}
	sight_set_local(replay->sight, replay->local, replay->nlocal);
	findings_set_list(replay->findings, GENERATION, replay->lists.list);
	return EXIT_DONE;
}

static int
print_findings(struct replay *replay)
{
	const struct host_facts facts = {
		.host_id = HOST_ID, .instance_id = HOST_ID, .account = "000000000000",
		.region = "local", .partition = "aws",
	};

	findings_finish(replay->findings, replay->frame_us / 1000);
	if (replay->error == 0)
		replay->error = replay_findings(replay->findings, &facts);
	if (replay->error == 0)
		return EXIT_DONE;
	fprintf(stderr, "threatlistctl: output: %s\n", strerror(-replay->error));
	return EXIT_NO;
}

static int
replay_file(struct replay *replay, const char *path)
{
	int rc, printed;

	rc = ctl_lists_read(&replay->lists, &replay->list_options);
	if (rc == EXIT_DONE)
		rc = open_parts(replay);
	if (rc == EXIT_DONE) {
		rc = read_capture(replay, path);
		printed = print_findings(replay);
		print_skips(replay);
		if (rc == EXIT_DONE)
			rc = printed;
	}
	findings_free(replay->findings);
	tally_free(replay->tally);
	sight_free(replay->sight);
	ctl_lists_free(&replay->lists);
	return rc;
}

static int
take_local(struct replay *replay, const char *text)
{
	unsigned int notes = 0;
	const char *wrong;

	if (replay->nlocal == SIGHT_LOCAL_MAX) {
		fprintf(stderr, "threatlistctl: at most %d --local, %s is one more\n",
		    SIGHT_LOCAL_MAX, text);
		return EXIT_USAGE;
	}
	wrong = range_parse(&replay->local[replay->nlocal], text, strlen(text), &notes);
	if (wrong != NULL) {
		fprintf(stderr, "threatlistctl: --local takes an address or CIDR: %s: %s\n", wrong,
		    text);
		return EXIT_USAGE;
	}
	replay->nlocal++;
	return EXIT_DONE;
}

static int
take_layers(struct replay *replay, const char *text)
{
	static const char *const names[] = { "outer", "decap", "all" };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0) {
			replay->layers = (enum layers)i;
			return EXIT_DONE;
		}
	}
	fprintf(stderr, "threatlistctl: --layers takes outer, decap or all, not %s\n", text);
	return EXIT_USAGE;
}

static int
take_options(struct replay *replay, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "list", required_argument, NULL, 'l' },
		{ "trusted", required_argument, NULL, 't' },
		{ "scope", required_argument, NULL, 's' },
		{ "local", required_argument, NULL, 'L' },
		{ "layers", required_argument, NULL, 'y' },
		{ "packets", no_argument, NULL, 'p' },
		CLIENT_LONGS
	};
	int option, rc = EXIT_DONE;

	while (rc == EXIT_DONE &&
	    (option = getopt_long(argc, argv, CLIENT_SHORTS, longs, NULL)) != -1) {
		if (ctl_list_option(&replay->list_options, option, optarg, &rc) ||
		    client_option(&replay->shared, option))
			continue;
		if (option == 'L')
			rc = take_local(replay, optarg);
		else if (option == 'y')
			rc = take_layers(replay, optarg);
		else if (option == 'p')
			replay->packets = true;
		else
			rc = EXIT_USAGE;
	}
	/* --list A B CAPTURE: all but the last name lists */
	while (rc == EXIT_DONE && replay->list_options.n > 0 && argc - optind > 1)
		ctl_list_option(&replay->list_options, 'l', argv[optind++], &rc);
	return rc;
}

static bool
asks_for_help(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	}
	return false;
}

int
ctl_replay(int argc, char **argv)
{
	struct replay *replay;
	int rc;

	if (asks_for_help(argc, argv)) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	replay = calloc(1, sizeof(*replay));
	if (replay == NULL) {
		fprintf(stderr, "threatlistctl: %s\n", strerror(ENOMEM));
		return EXIT_NO;
	}
	replay->layers = LAYERS_ALL;
	rc = take_options(replay, argc, argv);
	if (rc == EXIT_DONE && (replay->list_options.n == 0 || argc - optind != 1))
		rc = EXIT_USAGE;
	if (rc == EXIT_USAGE)
		fputs(help, stderr);
	else
		rc = replay_file(replay, argv[optind]);
	free(replay);
	return rc;
}
