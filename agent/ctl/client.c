/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ctl/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/command.h"
#include "runtime/conf.h"
#include "runtime/passing.h"

#define CONF_PATH	"/etc/threatlistd/threatlistd.conf"
#define DEFAULT_SOCKET	"/run/threatlistd/" CONTROL_SOCKET
#define ANSWER_LIMIT_MS	120000	/* above what the agent itself waits for a role */

bool
client_option(struct client_options *options, int option)
{
	switch (option) {
	case 'c':
		options->conf_path = optarg;
		return true;
	case 'S':
		options->socket = optarg;
		return true;
	case 'j':
		options->json = true;
		return true;
	default:
		return false;
	}
}

void
client_request(struct control_request *request, enum control_kind kind, const char *text)
{
	memset(request, 0, sizeof(*request));
	request->version = CONTROL_VERSION;
	request->kind = kind;
	if (text != NULL)
		snprintf(request->text, sizeof(request->text), "%s", text);
}

/* -S, else run_dir of the config, else the packages' place.  An exit code: a named config is bad. */
static int
find_socket(const struct client_options *options, char *path, size_t size)
{
	const char *conf_path = options->conf_path != NULL ? options->conf_path : CONF_PATH;
	struct conf_error error;
	struct conf *conf;
	int rc;

	if (options->socket != NULL) {
		snprintf(path, size, "%s", options->socket);
		return EXIT_DONE;
	}
	rc = conf_load(&conf, conf_path, &error);
	if (rc == 0) {
		snprintf(path, size, "%s/" CONTROL_SOCKET, conf->agent.run_dir);
		conf_free(conf);
		return EXIT_DONE;
	}
	/* readers of the status need not be readers of the config */
	if (options->conf_path != NULL) {
		fprintf(stderr, "threatlistctl: %s\n", error.text);
		return rc == -EACCES ? EXIT_NOT_PERMITTED : EXIT_USAGE;
	}
	snprintf(path, size, DEFAULT_SOCKET);
	return EXIT_DONE;
}

static int
open_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

static int
read_json(int fd, struct client_answer *answer)
{
	struct stat st;
	size_t got = 0;

	if (fstat(fd, &st) != 0 || st.st_size < 0 || st.st_size > CONTROL_JSON_MAX)
		return -EFBIG;
	answer->json = malloc((size_t)st.st_size + 1);
	if (answer->json == NULL)
		return -ENOMEM;
	while (got < (size_t)st.st_size) {
		ssize_t n = pread(fd, answer->json + got, (size_t)st.st_size - got, (off_t)got);

		if (n <= 0)
			return -EIO;
		got += (size_t)n;
	}
	answer->json[got] = '\0';
	answer->size = got;
	return 0;
}

static int
receive(int from, struct client_answer *answer)
{
	struct pollfd ready = { .fd = from, .events = POLLIN };
	int fd, rc = 0;

	if (poll(&ready, 1, ANSWER_LIMIT_MS) <= 0)
		return -ETIMEDOUT;
	if (passing_receive(from, &answer->reply, sizeof(answer->reply), &fd, true) !=
	    (ssize_t)sizeof(answer->reply))
		rc = -EPIPE;
	answer->reply.message[sizeof(answer->reply.message) - 1] = '\0';
	if (rc == 0 && fd >= 0)
		rc = read_json(fd, answer);
	if (fd >= 0)
		close(fd);
	return rc;
}

static int
no_connection(int error, const char *path, bool quiet_absent)
{
	bool absent = error == -ENOENT || error == -ECONNREFUSED;

	if (error == -EACCES) {
		fprintf(stderr, "threatlistctl: %s: not permitted\n", path);
		return EXIT_NOT_PERMITTED;
	}
	if (!absent || !quiet_absent)
		fprintf(stderr, "threatlistctl: no agent answers at %s: %s\n", path,
		    strerror(-error));
	return EXIT_NO_AGENT;
}

int
client_ask(const struct client_options *options, const struct control_request *request,
    bool quiet_absent, struct client_answer *answer)
{
	char path[4096];
	int fd, rc;

	memset(answer, 0, sizeof(*answer));
	rc = find_socket(options, path, sizeof(path));
	if (rc != EXIT_DONE)
		return rc;
	fd = open_socket(path);
	if (fd < 0)
		return no_connection(fd, path, quiet_absent);
	if (send(fd, request, sizeof(*request), MSG_NOSIGNAL) != (ssize_t)sizeof(*request))
		rc = -errno;
	else
		rc = receive(fd, answer);
	/* an agent that refuses us at once has answered before it read */
	if (rc == -EPIPE)
		rc = receive(fd, answer);
	close(fd);
	if (rc != 0) {
		fprintf(stderr, "threatlistctl: no answer: %s\n", strerror(-rc));
		return EXIT_NO;
	}
	if (answer->reply.exit_code != 0)
		fprintf(stderr, "threatlistctl: %s\n", answer->reply.message);
	return answer->reply.exit_code;
}
