/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A parent for one reporter: starts the role, tells it what the lines on
 * standard input say, and prints what it answers, a line of JSON each.
 *
 * usage: tool_reporter CONFIG HOST_ID [LIST]
 *   sighting REMOTE ENTRY in|out|- PROTO LOCAL_PORT REMOTE_PORT
 *   count REMOTE|- ENTRY in|out VERDICT EPOCH PACKETS BYTES DROPPED
 *   event ID NAME TIME_MS REASON
 *   own ADDRESS|-   a public address of the host from now on   list CIDR   another list
 *   findings SINCE_MS UNDELIVERED   show ID   status   facts HOST_ID   stop
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/roles.h"
#include "core/compile.h"
#include "runtime/channel.h"
#include "runtime/conf.h"
#include "threatlistd/log.h"

struct tool {
	struct loop *loop;
	struct channel *channel;
	pid_t pid;
	const char *host_id;
	struct addr own;	/* ADDR_NONE: none */
	uint64_t generation;
	char *rest;		/* of standard input, without a line's end yet */
	size_t size;
};

static void __attribute__((noreturn))
die(const char *what)
{
	fprintf(stderr, "tool_reporter: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void
send_it(struct tool *tool, const struct message *message, int fd)
{
	if (channel_send(tool->channel, message, fd) != 0)
		printf("{\"unsent\":%u}\n", message->type);
}

/* Prints the lines of an answer as they are, after a line that counts them. */
static void
print_answer(const struct msg_answer *answer, int fd)
{
	char piece[65536];
	ssize_t n;
	off_t at = 0;

	printf("{\"answer\":%" PRIu64 ",\"error\":%d,\"rows\":%u}\n", answer->token,
	    answer->error, answer->rows);
	while ((n = pread(fd, piece, sizeof(piece), at)) > 0) {
		fwrite(piece, 1, (size_t)n, stdout);
		at += n;
	}
}

static void
on_message(const struct message *message, int *fd, void *arg)
{
	const struct msg_sink_status *sink = &message->u.sink;
	const struct msg_reporter_status *reporter = &message->u.reporter;

	switch (message->type) {
	case MSG_EVENT_KEPT:
		printf("{\"kept\":%" PRIu64 "}\n", message->u.token.token);
		break;
	case MSG_ANSWER:
		print_answer(&message->u.answer, *fd);
		break;
	case MSG_SINK_STATUS:
		printf("{\"sink\":%u,\"state\":%u,\"sequence\":%" PRIu64 ",\"pending\":%" PRIu64
		    ",\"refused\":%" PRIu64 ",\"error\":\"%s\"}\n", sink->sink, sink->state,
		    sink->sequence, sink->pending, sink->refused, sink->error);
		break;
	case MSG_REPORTER_STATUS:
		printf("{\"live\":%" PRIu64 ",\"pending\":%" PRIu64 ",\"undelivered\":%" PRIu64
		    ",\"lost\":%" PRIu64 ",\"spoolOk\":%u,\"spool\":\"%s\",\"warning\":\"%s\"}\n",
		    reporter->live, reporter->pending, reporter->undelivered, reporter->lost,
		    reporter->spool_ok, reporter->spool, reporter->warning);
		break;
	case MSG_CONFINED:
		break;
	default:
		printf("{\"unexpected\":%u}\n", message->type);
		break;
	}
	fflush(stdout);
}

static void
on_closed(const char *reason, void *arg)
{
	struct tool *tool = arg;

	loop_stop(tool->loop);
}

static void
parse_addr(struct addr *addr, const char *text)
{
	if (addr_parse(addr, text, strlen(text)) != NULL) {
		errno = EINVAL;
		die(text);
	}
}

static void
parse_range(struct range *range, const char *text)
{
	unsigned int notes = 0;

	if (range_parse(range, text, strlen(text), &notes) != NULL) {
		errno = EINVAL;
		die(text);
	}
}

static void
do_sighting(struct tool *tool, char *args)
{
	struct message message;
	struct sighting *sighting = &message.u.sighting;
	char remote[64], entry[96], flow[8];
	unsigned int proto, local_port, remote_port;

	if (sscanf(args, "%63s %95s %7s %u %u %u", remote, entry, flow, &proto, &local_port,
	    &remote_port) != 6)
		die(args);
	memset(&message, 0, sizeof(message));
	message.type = MSG_SIGHTING;
	sighting->time_us = loop_wall_ms() * 1000;
	parse_addr(&sighting->remote, remote);
	parse_addr(&sighting->local, sighting->remote.family == ADDR_V4 ? "10.0.0.5" : "fd00::5");
	parse_range(&sighting->entry, entry);
	sighting->dir = flow[0] == 'o' ? DIR_OUT : DIR_IN;
	sighting->flow = flow[0] == 'o' ? FLOW_OUTBOUND : flow[0] == 'i' ? FLOW_INBOUND :
	    FLOW_UNKNOWN;
	sighting->proto = (uint8_t)proto;
	sighting->has_ports = local_port != 0 || remote_port != 0;
	sighting->local_port = (uint16_t)local_port;
	sighting->remote_port = (uint16_t)remote_port;
	sighting->action = LIST_DROP;
	sighting->uid = sighting->gid = SIGHTING_UNKNOWN_ID;
	sighting->packets = 1;
	sighting->lists = 1;
	sighting->generation = 1;
	send_it(tool, &message, -1);
}

static uint8_t
verdict_by_name(const char *name)
{
	static const char *const names[] = { "watched", "dropped", "rejected", "allowed",
	    "protected" };
	uint8_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0)
			return i;
	}
	errno = EINVAL;
	die(name);
}

static void
do_count(struct tool *tool, char *args)
{
	struct message message;
	struct count *count = &message.u.counts.counts[0];
	char remote[64], entry[96], dir[8], verdict[16];

	memset(&message, 0, sizeof(message));
	if (sscanf(args, "%63s %95s %7s %15s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, remote,
	    entry, dir, verdict, &count->epoch, &count->packets, &count->bytes,
	    &count->dropped) != 8)
		die(args);
	message.type = MSG_COUNTS;
	message.u.counts.n = 1;
	if (strcmp(remote, "-") == 0)
		count->flags = COUNT_AGGREGATED;
	else
		parse_addr(&count->remote, remote);
	parse_range(&count->entry, entry);
	count->dir = dir[0] == 'o' ? DIR_OUT : DIR_IN;
	count->verdict = verdict_by_name(verdict);
	count->action = LIST_DROP;
	count->lists = 1;
	count->generation = 1;
	count->first_ms = count->last_ms = loop_wall_ms();
	send_it(tool, &message, -1);
}

static void
do_event(struct tool *tool, char *args)
{
	struct message message;
	struct event *event = &message.u.event;
	unsigned int name;

	memset(&message, 0, sizeof(message));
	message.type = MSG_EVENT;
	if (sscanf(args, "%" SCNu64 " %u %" SCNd64 " %255[^\n]", &event->id, &name,
	    &event->time_ms, event->reason) != 4)
		die(args);
	event->name = (uint8_t)name;
	send_it(tool, &message, -1);
}

static void
do_query(struct tool *tool, uint8_t kind, char *args)
{
	struct message message;
	struct msg_query *query = &message.u.query;
	unsigned int undelivered = 0;

	memset(&message, 0, sizeof(message));
	message.type = MSG_QUERY;
	query->token = 7;
	query->kind = kind;
	if (kind == QUERY_SHOW)
		snprintf(query->id, sizeof(query->id), "%s", args);
	else if (sscanf(args, "%" SCNd64 " %u", &query->since_ms, &undelivered) != 2)
		die(args);
	query->undelivered = undelivered != 0;
	send_it(tool, &message, -1);
}

static void
send_facts(struct tool *tool, const char *host_id)
{
	struct message message;
	struct host_facts *facts = &message.u.facts;

	memset(&message, 0, sizeof(message));
	message.type = MSG_FACTS;
	snprintf(facts->host_id, sizeof(facts->host_id), "%s", host_id);
	snprintf(facts->instance_id, sizeof(facts->instance_id), "%s", host_id);
	facts->on_ec2 = strncmp(host_id, "i-", 2) == 0;
	snprintf(facts->account, sizeof(facts->account), "%s",
	    facts->on_ec2 ? "111122223333" : "000000000000");
	snprintf(facts->region, sizeof(facts->region), "%s",
	    facts->on_ec2 ? "eu-central-1" : "local");
	snprintf(facts->partition, sizeof(facts->partition), "aws");
	snprintf(facts->vpc_id, sizeof(facts->vpc_id), "vpc-0a1b2c3d");
	parse_addr(&facts->private_ip, "10.0.0.5");
	if (tool->own.family != ADDR_NONE) {
		facts->nown = 1;
		facts->own[0].public_ip = tool->own;
		parse_addr(&facts->own[0].private_ip, "10.0.0.5");
		snprintf(facts->own[0].interface_id, sizeof(facts->own[0].interface_id), "eni-7");
	}
	send_it(tool, &message, -1);
}

/* A list of one source, as the parent would unite it. */
static void
send_list(struct tool *tool, const char *cidr)
{
	struct list_source source = { .name = "abuse", .action = LIST_DROP };
	struct message message = { .type = MSG_LIST };
	struct entries *entries = entries_new();
	struct list *one, *all;
	struct image image, united;
	struct compile_notes notes;
	struct list_error error;
	struct range range;
	int fd;

	parse_range(&range, cidr);
	if (entries == NULL || entries_add(entries, &range, 1) != 0 ||
	    compile_source(entries, &source, &image) != 0 ||
	    list_open_memory(&one, image.bytes, image.size, &error) != 0 ||
	    compile_union((const struct list *const *)&one, 1, SCOPE_ANY, &united, &notes) != 0 ||
	    list_open_memory(&all, united.bytes, united.size, &error) != 0)
		die("list");
	fd = memfd_with("list", united.bytes, united.size);
	if (fd < 0)
		die("memfd");
	message.u.list.generation = ++tool->generation;
	memcpy(message.u.list.hash, list_hash(all), LIST_HASH_LEN);
	send_it(tool, &message, fd);
	close(fd);
	list_free(all);
	list_free(one);
	image_free(&united);
	image_free(&image);
	entries_free(entries);
}

/* A text for all sinks. */
static void
do_heartbeat(struct tool *tool, const char *text)
{
	struct message message = { .type = MSG_HEARTBEAT };
	int fd = memfd_with("heartbeat", text, strlen(text));

	if (fd < 0)
		die("memfd");
	message.u.heartbeat.sinks = UINT32_MAX;
	message.u.heartbeat.size = (uint32_t)strlen(text);
	send_it(tool, &message, fd);
	close(fd);
}

static void
do_line(struct tool *tool, char *line)
{
	struct message message;
	char *args = strchr(line, ' ');

	memset(&message, 0, sizeof(message));
	if (args != NULL)
		*args++ = '\0';
	else
		args = line + strlen(line);
	if (strcmp(line, "sighting") == 0) {
		do_sighting(tool, args);
	} else if (strcmp(line, "count") == 0) {
		do_count(tool, args);
	} else if (strcmp(line, "event") == 0) {
		do_event(tool, args);
	} else if (strcmp(line, "heartbeat") == 0) {
		do_heartbeat(tool, args);
	} else if (strcmp(line, "findings") == 0) {
		do_query(tool, QUERY_FINDINGS, args);
	} else if (strcmp(line, "show") == 0) {
		do_query(tool, QUERY_SHOW, args);
	} else if (strcmp(line, "facts") == 0) {
		send_facts(tool, args);
	} else if (strcmp(line, "own") == 0) {
		memset(&tool->own, 0, sizeof(tool->own));
		if (strcmp(args, "-") != 0)
			parse_addr(&tool->own, args);
		send_facts(tool, tool->host_id);
	} else if (strcmp(line, "list") == 0) {
		send_list(tool, args);
	} else if (strcmp(line, "status") == 0) {
		message.type = MSG_STATUS_ASK;
		send_it(tool, &message, -1);
	} else if (strcmp(line, "stop") == 0) {
		message.type = MSG_STOP;
		send_it(tool, &message, -1);
	} else {
		errno = EINVAL;
		die(line);
	}
}

static void
on_input(int fd, uint32_t events, void *arg)
{
	struct tool *tool = arg;
	char piece[4096], *end, *line;
	ssize_t n = read(fd, piece, sizeof(piece));

	if (n <= 0) {
		loop_stop(tool->loop);
		return;
	}
	tool->rest = realloc(tool->rest, tool->size + (size_t)n + 1);
	if (tool->rest == NULL)
		die("input");
	memcpy(tool->rest + tool->size, piece, (size_t)n);
	tool->size += (size_t)n;
	tool->rest[tool->size] = '\0';
	line = tool->rest;
	while ((end = strchr(line, '\n')) != NULL) {
		*end = '\0';
		do_line(tool, line);
		line = end + 1;
	}
	tool->size = strlen(line);
	memmove(tool->rest, line, tool->size + 1);
}

/* Text for a message that carries a config: read, checked and printed back. */
static void
send_conf(struct tool *tool, const char *path)
{
	struct message message = { .type = MSG_CONF };
	struct conf_error error;
	struct conf *conf;
	char *text = NULL;
	size_t size;
	FILE *out;
	int fd;

	if (conf_load(&conf, path, &error) != 0) {
		fprintf(stderr, "%s\n", error.text);
		exit(2);
	}
	out = open_memstream(&text, &size);
	if (out == NULL || conf_print(conf, out) != 0 || fclose(out) != 0)
		die("config");
	fd = memfd_with("conf", text, size);
	if (fd < 0)
		die("memfd");
	send_it(tool, &message, fd);
	close(fd);
	free(text);
	conf_free(conf);
}

static pid_t
start_role(int *fd)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		die("socketpair");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		if (fds[1] != CHANNEL_FD && dup2(fds[1], CHANNEL_FD) < 0)
			_exit(2);
		log_init("reporter", LOG_STYLE_JOURNAL);
		exit(reporter_main());
	}
	close(fds[1]);
	*fd = fds[0];
	return pid;
}

int
main(int argc, char **argv)
{
	struct tool tool = { .pid = 0 };
	int fd, status = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: tool_reporter CONFIG HOST_ID [LIST_ENTRY]\n");
		return 2;
	}
	tool.pid = start_role(&fd);
	printf("{\"pid\":%d}\n", (int)tool.pid);
	fflush(stdout);
	tool.loop = loop_new();
	tool.channel = channel_new(tool.loop, fd, on_message, on_closed, &tool);
	if (tool.channel == NULL)
		die("channel");
	send_conf(&tool, argv[1]);
	tool.host_id = argv[2];
	send_facts(&tool, argv[2]);
	if (argc > 3)
		send_list(&tool, argv[3]);
	if (loop_add_fd(tool.loop, STDIN_FILENO, EPOLLIN, on_input, &tool) != 0)
		die("stdin");
	loop_run(tool.loop);
	channel_free(tool.channel);
	loop_free(tool.loop);
	free(tool.rest);
	waitpid(tool.pid, &status, 0);
	printf("{\"exit\":%d,\"signal\":%d}\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1,
	    WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	return 0;
}
