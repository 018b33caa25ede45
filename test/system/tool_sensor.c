/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Plays the parent of one sensor: tool_sensor CONF LIST.  Prints "pid N", then
 * a line for each message of the sensor, at last "exit CODE".  Takes orders,
 * one a line, on stdin: status, recount, list FILE, stop.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/compile.h"
#include "core/format.h"
#include "roles.h"
#include "runtime/channel.h"
#include "threatlistd/log.h"

#define FILE_MAX	(35u << 20)

struct parent {
	struct loop *loop;
	struct channel *channel;
	uint64_t generation;
};

static void __attribute__((noreturn))
fail(const char *what)
{
	fprintf(stderr, "tool_sensor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static char *
read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "re");
	char *data = malloc(FILE_MAX);

	if (file == NULL || data == NULL)
		fail(path);
	*size = fread(data, 1, FILE_MAX, file);
	fclose(file);
	return data;
}

static void
send_fd(struct parent *parent, const struct message *message, const void *data, size_t size)
{
	int fd = memfd_with("tool", data, size);

	if (fd < 0 || channel_send(parent->channel, message, fd) != 0)
		fail("send");
	close(fd);
}

static void
send_list(struct parent *parent, const char *path)
{
	struct list_source source = { .name = "tool", .action = LIST_DROP };
	struct message message = { .type = MSG_LIST };
	struct entries *entries = entries_new();
	struct image one, all;
	struct list *alone, *list;
	struct list_error error;
	struct compile_notes notes;
	struct format_report report;
	size_t size;
	char *data = read_file(path, &size);

	if (format_read(entries, FORMAT_TXT, data, size, &report) != 0 ||
	    compile_source(entries, &source, &one) != 0 ||
	    list_open_memory(&alone, one.bytes, one.size, &error) != 0 ||
	    compile_union((const struct list *const[]){ alone }, 1, SCOPE_ANY, &all, &notes) != 0 ||
	    list_open_memory(&list, all.bytes, all.size, &error) != 0)
		fail("list");
	message.u.list.generation = ++parent->generation;
	memcpy(message.u.list.hash, list_hash(list), LIST_HASH_LEN);
	send_fd(parent, &message, all.bytes, all.size);
	list_free(list);
	list_free(alone);
	image_free(&all);
	image_free(&one);
	entries_free(entries);
	free(data);
}

static void
send_conf(struct parent *parent, const char *path)
{
	struct message message = { .type = MSG_CONF };
	size_t size;
	char *data = read_file(path, &size);

	send_fd(parent, &message, data, size);
	free(data);
}

static void
print_sighting(const struct sighting *sighting)
{
	char local[ADDR_TEXT_MAX], remote[ADDR_TEXT_MAX], entry[RANGE_TEXT_MAX];

	printf("sighting dir=%s flow=%d kind=%d proto=%d local=%s remote=%s lport=%d rport=%d "
	    "uid=%" PRId64 " ifindex=%u packets=%u generation=%" PRIu64 " entry=%s time=%" PRId64 "\n",
	    sighting->dir == DIR_IN ? "in" : "out", sighting->flow, sighting->kind,
	    sighting->proto, addr_text(&sighting->local, local),
	    addr_text(&sighting->remote, remote), sighting->has_ports ? sighting->local_port : -1,
	    sighting->has_ports ? sighting->remote_port : -1,
	    sighting->uid == SIGHTING_UNKNOWN_ID ? INT64_C(-1) : (int64_t)sighting->uid,
	    sighting->ifindex, sighting->packets, sighting->generation,
	    range_text(&sighting->entry, entry), sighting->time_us);
}

static void
print_counts(const struct msg_counts *counts)
{
	char remote[ADDR_TEXT_MAX];
	uint32_t i;

	for (i = 0; i < counts->n; i++) {
		const struct count *count = &counts->counts[i];

		printf("count dir=%s remote=%s packets=%" PRIu64 " bytes=%" PRIu64 " dropped=%" PRIu64
		    " verdict=%d flags=%d epoch=%" PRIu64 "\n", count->dir == DIR_IN ? "in" : "out",
		    addr_text(&count->remote, remote), count->packets, count->bytes, count->dropped,
		    count->verdict, count->flags, count->epoch);
	}
}

static void
on_message(const struct message *message, int *fd, void *arg)
{
	static const char *const states[] = { "off", "nflog", "interface", "both", "failed" };
	const struct msg_sensor_status *status = &message->u.sensor;

	switch (message->type) {
	case MSG_SIGHTING:
		print_sighting(&message->u.sighting);
		break;
	case MSG_COUNTS:
		print_counts(&message->u.counts);
		break;
	case MSG_SENSOR_STATUS:
		printf("status token=%" PRIu64 " state=%s received=%" PRIu64 " lost=%" PRIu64
		    " undecodable=%" PRIu64 " flows=%" PRIu64 " sighted=%" PRIu64 " pss=%" PRIu64
		    " warning=%s\n", status->token, states[status->state], status->received,
		    status->lost, status->undecodable, status->flows, status->sighted, status->pss,
		    status->warning);
		break;
	case MSG_CONFINED:
		break;
	default:
		printf("message %u\n", message->type);
	}
	fflush(stdout);
}

static void
on_closed(const char *reason, void *arg)
{
	struct parent *parent = arg;

	loop_stop(parent->loop);
}

static void
on_order(int fd, uint32_t events, void *arg)
{
	struct parent *parent = arg;
	struct message message = { .type = MSG_STOP };
	char line[4096];

	if (fgets(line, sizeof(line), stdin) == NULL) {
		loop_del_fd(parent->loop, fd);
		return;
	}
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "list ", 5) == 0) {
		send_list(parent, line + 5);
		return;
	}
	if (strcmp(line, "status") == 0) {
		message.type = MSG_STATUS_ASK;
		message.u.token.token = 77;
	} else if (strcmp(line, "recount") == 0) {
		message.type = MSG_RECOUNT;
	}
	channel_send(parent->channel, &message, -1);
}

int
main(int argc, char **argv)
{
	struct parent parent = { NULL, NULL, 0 };
	int fds[2], status;
	pid_t pid;

	if (argc != 3 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		fail("usage: tool_sensor CONF LIST");
	setvbuf(stdin, NULL, _IONBF, 0);
	log_init("sensor", LOG_STYLE_PERSON);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		if (fds[1] != CHANNEL_FD && dup2(fds[1], CHANNEL_FD) < 0)
			fail("dup2");
		exit(sensor_main());
	}
	close(fds[1]);
	printf("pid %d\n", (int)pid);
	fflush(stdout);
	parent.loop = loop_new();
	parent.channel = channel_new(parent.loop, fds[0], on_message, on_closed, &parent);
	if (pid < 0 || parent.channel == NULL || loop_add_fd(parent.loop, STDIN_FILENO, EPOLLIN,
	    on_order, &parent) != 0)
		fail("start");
	send_conf(&parent, argv[1]);
	send_list(&parent, argv[2]);
	loop_run(parent.loop);
	channel_free(parent.channel);
	loop_free(parent.loop);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		printf("exit %d\n", WEXITSTATUS(status));
	else
		printf("signal %d\n", WTERMSIG(status));
	return 0;
}
