/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The enforcer role with a parent that is driven by hand: one command a line on
 * stdin; whatever the role says comes out as one line of JSON each.
 *
 *	start CONF | kill | wait	the role as a process of its own
 *	mode drop|watch|off | panic | resume | purge
 *	list FILE GENERATION		every line of FILE drops
 *	recount | status | stop
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "threatlistd/log.h"
#include "core/compile.h"
#include "core/format.h"
#include "roles.h"
#include "runtime/channel.h"

#define LINE_MAX_BYTES	4096
#define FILE_MAX_BYTES	(64u << 20)

struct parent {
	struct loop *loop;
	struct channel *channel;	/* NULL: no role */
	pid_t pid;
};

static void
print_count(const struct count *count)
{
	char remote[ADDR_TEXT_MAX] = "", entry[RANGE_TEXT_MAX];

	if (count->remote.family != ADDR_NONE)
		addr_text(&count->remote, remote);
	printf("{\"type\":\"count\",\"remote\":\"%s\",\"entry\":\"%s\",\"dir\":%u,"
	    "\"verdict\":%u,\"flags\":%u,\"generation\":%llu,\"epoch\":\"%llx\","
	    "\"packets\":%llu,\"bytes\":%llu,\"dropped\":%llu}\n", remote,
	    range_text(&count->entry, entry), count->dir, count->verdict, count->flags,
	    (unsigned long long)count->generation, (unsigned long long)count->epoch,
	    (unsigned long long)count->packets, (unsigned long long)count->bytes,
	    (unsigned long long)count->dropped);
}

static void
on_message(const struct message *message, int *fd, void *arg)
{
	const struct msg_enforcer_status *status = &message->u.enforcer;
	uint32_t i;

	switch (message->type) {
	case MSG_APPLIED:
		printf("{\"type\":\"applied\",\"generation\":%llu,\"error\":%d,"
		    "\"reason\":\"%s\"}\n",
		    (unsigned long long)message->u.applied.generation,
		    message->u.applied.error, message->u.applied.reason);
		break;
	case MSG_MODE_DONE:
		printf("{\"type\":\"done\",\"error\":%d,\"reason\":\"%s\"}\n",
		    message->u.mode_done.error, message->u.mode_done.reason);
		break;
	case MSG_EVENT:
		printf("{\"type\":\"event\",\"name\":%u,\"pid\":%u,\"program\":\"%s\","
		    "\"reason\":\"%s\"}\n", message->u.event.name, message->u.event.pid,
		    message->u.event.program, message->u.event.reason);
		break;
	case MSG_ENFORCER_STATUS:
		printf("{\"type\":\"status\",\"generation\":%llu,\"table\":%s,\"dormant\":%s,"
		    "\"mode\":%u,\"overflow\":%llu,\"drops\":%llu,"
		    "\"pss\":%llu,\"warning\":\"%s\"}\n",
		    (unsigned long long)status->generation, status->stat.table ? "true" : "false",
		    status->stat.dormant ? "true" : "false", status->stat.mode,
		    (unsigned long long)status->seen_overflow,
		    (unsigned long long)status->stat.drops_packets,
		    (unsigned long long)status->pss, status->warning);
		break;
	case MSG_COUNTS:
		for (i = 0; i < message->u.counts.n; i++)
			print_count(&message->u.counts.counts[i]);
		break;
	case MSG_CONFINED:
		break;
	default:
		printf("{\"type\":\"unexpected\",\"message\":%u}\n", message->type);
		break;
	}
	fflush(stdout);
}

static void
on_closed(const char *reason, void *arg)
{
	printf("{\"type\":\"closed\",\"reason\":\"%s\"}\n", reason);
	fflush(stdout);
}

/* A file's bytes, NUL-terminated. */
static char *
read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "r");
	char *text = malloc(FILE_MAX_BYTES + 1);

	if (file == NULL || text == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	*size = fread(text, 1, FILE_MAX_BYTES, file);
	text[*size] = '\0';
	fclose(file);
	return text;
}

static void
send_with(struct parent *parent, const struct message *message, int fd)
{
	if (parent->channel == NULL || channel_send(parent->channel, message, fd) != 0)
		fprintf(stderr, "message %u not sent\n", message->type);
	if (fd >= 0)
		close(fd);
}

static void
start_role(struct parent *parent, const char *path)
{
	struct message message = { .type = MSG_CONF };
	size_t size;
	char *text;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		exit(1);
	parent->pid = fork();
	if (parent->pid == 0) {
		if (fds[1] == CHANNEL_FD)
			fcntl(fds[1], F_SETFD, 0);
		else
			dup2(fds[1], CHANNEL_FD);
		closefrom(CHANNEL_FD + 1);
		log_init("enforcer", LOG_STYLE_PERSON);
		exit(enforcer_main());
	}
	close(fds[1]);
	parent->channel = channel_new(parent->loop, fds[0], on_message, on_closed, NULL);
	text = read_file(path, &size);
	send_with(parent, &message, memfd_with("conf", text, size));
	free(text);
}

static void
end_role(struct parent *parent, int signo)
{
	int status = 0;

	if (parent->pid == 0)
		return;
	if (signo != 0)
		kill(parent->pid, signo);
	waitpid(parent->pid, &status, 0);
	channel_drain(parent->channel);
	channel_free(parent->channel);
	parent->channel = NULL;
	parent->pid = 0;
	printf("{\"type\":\"ended\",\"exit\":%d}\n",
	    WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
	fflush(stdout);
}

static void
send_list(struct parent *parent, const char *path, uint64_t generation)
{
	struct list_source source = { .name = "test", .action = LIST_DROP };
	struct message message = { .type = MSG_LIST };
	struct entries *entries = entries_new();
	struct format_report report;
	struct list_error err;
	struct image image;
	struct list *list;
	size_t size;
	char *text = read_file(path, &size);

	if (entries == NULL || format_read(entries, FORMAT_TXT, text, size, &report) != 0 ||
	    compile_source(entries, &source, &image) != 0 ||
	    list_open_memory(&list, image.bytes, image.size, &err) != 0) {
		fprintf(stderr, "%s: no list\n", path);
		exit(1);
	}
	message.u.list.generation = generation;
	memcpy(message.u.list.hash, list_hash(list), LIST_HASH_LEN);
	send_with(parent, &message, memfd_with("list", image.bytes, image.size));
	list_free(list);
	image_free(&image);
	entries_free(entries);
	free(text);
}

static void
send_order(struct parent *parent, uint8_t order, const char *mode)
{
	struct message message = { .type = MSG_MODE };

	message.u.mode.token = 1;
	message.u.mode.order = order;
	message.u.mode.mode = strcmp(mode, "off") == 0 ? ENFORCE_OFF :
	    strcmp(mode, "watch") == 0 ? ENFORCE_WATCH : ENFORCE_DROP;
	send_with(parent, &message, -1);
}

static void
obey(struct parent *parent, char *line)
{
	struct message message = { .type = 0 };
	char *rest = line + strcspn(line, " ");
	char word[LINE_MAX_BYTES];
	unsigned long long generation;

	if (*rest != '\0')
		*rest++ = '\0';
	if (strcmp(line, "start") == 0) {
		start_role(parent, rest);
	} else if (strcmp(line, "kill") == 0 || strcmp(line, "wait") == 0) {
		end_role(parent, line[0] == 'k' ? SIGKILL : 0);
	} else if (strcmp(line, "mode") == 0) {
		send_order(parent, ORDER_MODE, rest);
	} else if (strcmp(line, "panic") == 0) {
		send_order(parent, ORDER_PANIC, "drop");
	} else if (strcmp(line, "resume") == 0) {
		send_order(parent, ORDER_RESUME, "drop");
	} else if (strcmp(line, "purge") == 0) {
		send_order(parent, ORDER_PURGE, "drop");
	} else if (strcmp(line, "list") == 0 &&
	    sscanf(rest, "%4095s %llu", word, &generation) == 2) {
		send_list(parent, word, generation);
	} else {
		message.type = strcmp(line, "recount") == 0 ? MSG_RECOUNT :
		    strcmp(line, "status") == 0 ? MSG_STATUS_ASK : MSG_STOP;
		send_with(parent, &message, -1);
	}
}

static void
on_stdin(int fd, uint32_t events, void *arg)
{
	struct parent *parent = arg;
	char line[LINE_MAX_BYTES];
	size_t len = 0;

	/* byte by byte: what follows the line is for the next call */
	while (len < sizeof(line) - 1 && read(fd, line + len, 1) == 1) {
		if (line[len] == '\n') {
			line[len] = '\0';
			obey(parent, line);
			return;
		}
		len++;
	}
	loop_stop(parent->loop);
}

int
main(void)
{
	struct parent parent = { .loop = loop_new() };

	if (parent.loop == NULL || loop_add_fd(parent.loop, STDIN_FILENO, EPOLLIN, on_stdin,
	    &parent) != 0)
		return 1;
	loop_run(parent.loop);
	end_role(&parent, SIGKILL);
	loop_free(parent.loop);
	return 0;
}
