/* SPDX-License-Identifier: GPL-3.0-or-later */
/* HTTP against a peer that says exactly what it is told to, byte by byte. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/http.h"

/* Accepts connections one after the other; each gets the answer, then is closed or left silent. */
struct peer {
	int fd;
	uint16_t port;
	const char *answer;	/* NULL: none, the connection stays open */
	int connections;
	char got[8192];		/* the last request */
	pthread_t thread;
};

/* Reads until the end of the headers and as much body as they announce. */
static void
read_request(int fd, char *got, size_t size)
{
	size_t have = 0, want = SIZE_MAX;
	char *end, *length;
	ssize_t n;

	do {
		n = read(fd, got + have, size - 1 - have);
		if (n <= 0)
			return;
		have += (size_t)n;
		got[have] = '\0';
		end = strstr(got, "\r\n\r\n");
		if (end != NULL) {
			length = strstr(got, "Content-Length: ");
			want = (size_t)(end + 4 - got) +
			    (length != NULL ? strtoul(length + 16, NULL, 10) : 0);
		}
	} while (have < want);
}

static void *
serve(void *arg)
{
	struct peer *peer = arg;
	char byte;
	int fd;

	while ((fd = accept(peer->fd, NULL, NULL)) >= 0) {
		peer->connections++;
		read_request(fd, peer->got, sizeof(peer->got));
		if (peer->answer != NULL) {
			send(fd, peer->answer, strlen(peer->answer), MSG_NOSIGNAL);
			shutdown(fd, SHUT_WR);
		}
		/* until the other side is done with it */
		while (read(fd, &byte, 1) > 0)
			continue;
		close(fd);
	}
	return NULL;
}

static void
peer_open(struct peer *peer, const char *answer)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof(at);

	memset(peer, 0, sizeof(*peer));
	peer->answer = answer;
	peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(peer->fd >= 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(peer->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(peer->fd, 8), 0);
	assert_int_equal(getsockname(peer->fd, (struct sockaddr *)&at, &size), 0);
	peer->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&peer->thread, NULL, serve, peer), 0);
}

static void
peer_close(struct peer *peer)
{
	shutdown(peer->fd, SHUT_RDWR);
	pthread_join(peer->thread, NULL);
	close(peer->fd);
}

/* One exchange with a peer that gives this answer. */
static int
exchange(const char *answer_text, struct http_request *request, struct http_answer *answer,
    char got[static 8192])
{
	struct http *http = http_new();
	struct peer peer;
	char url[64];
	int error;

	assert_non_null(http);
	peer_open(&peer, answer_text);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/a/../b", peer.port);
	if (request->url == NULL)
		request->url = url;
	if (request->method == NULL)
		request->method = "GET";
	if (request->max_bytes == 0)
		request->max_bytes = 1000;
	request->proxy = "none";
	error = http_do(http, request, answer);
	http_free(http);
	peer_close(&peer);
	memcpy(got, peer.got, sizeof(peer.got));
	return error;
}

static void
answer_comes_whole(void **state)
{
	struct http_request request = { .allow_http = true };
	struct http_answer answer;
	char got[8192];

	assert_int_equal(exchange("HTTP/1.1 200 OK\r\nContent-Length: 5\r\netag:  \"a b\" \r\n"
	    "Content-Type: text/plain\r\n\r\nhello", &request, &answer, got), 0);
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.body_size, 5);
	assert_string_equal(answer.body, "hello");
	assert_string_equal(answer.etag, "\"a b\"");
	assert_string_equal(answer.content_type, "text/plain");
	assert_string_equal(answer.error, "");
	/* the path stays as it was given */
	assert_memory_equal(got, "GET /a/../b HTTP/1.1\r\n", 22);
	http_answer_free(&answer);
}

static void
empty_body_is_a_body(void **state)
{
	struct http_request request = { .allow_http = true };
	struct http_answer answer;
	char got[8192];

	assert_int_equal(exchange("HTTP/1.1 204 No Content\r\n\r\n", &request, &answer, got), 0);
	assert_int_equal(answer.status, 204);
	assert_int_equal(answer.body_size, 0);
	assert_string_equal(answer.body, "");
	http_answer_free(&answer);
}

static void
post_sends_its_body_at_once(void **state)
{
	const char *const headers[] = { "Content-Type: application/json", "X-One: 1", NULL };
	char body[3000], got[8192];
	struct http_request request = {
		.method = "POST", .allow_http = true, .headers = headers,
		.body = body, .body_size = sizeof(body),
	};
	struct http_answer answer;

	memset(body, 'x', sizeof(body));
	assert_int_equal(exchange("HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n", &request, &answer,
	    got), 0);
	assert_int_equal(answer.status, 202);
	assert_memory_equal(got, "POST ", 5);
	assert_non_null(strstr(got, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(got, "X-One: 1\r\n"));
	assert_non_null(strstr(got, "Content-Length: 3000\r\n"));
	assert_non_null(strstr(got, "User-Agent: threatlistd/"));
	assert_null(strstr(got, "Expect:"));
	assert_int_equal(strspn(strstr(got, "\r\n\r\n") + 4, "x"), 3000);
	http_answer_free(&answer);
}

static void
put_without_body_has_length_zero(void **state)
{
	struct http_request request = { .method = "PUT", .allow_http = true };
	struct http_answer answer;
	char got[8192];

	assert_int_equal(exchange("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nt", &request, &answer,
	    got), 0);
	assert_memory_equal(got, "PUT ", 4);
	assert_non_null(strstr(got, "Content-Length: 0\r\n"));
	http_answer_free(&answer);
}

static void
redirect_is_an_answer_unless_followed(void **state)
{
	struct http_request request = { .allow_http = true };
	struct http_answer answer;
	char got[8192];

	assert_int_equal(exchange("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
	    "Content-Length: 0\r\n\r\n", &request, &answer, got), 0);
	assert_int_equal(answer.status, 302);
	assert_string_equal(answer.location, "http://127.0.0.1:1/");
	http_answer_free(&answer);

	request = (struct http_request){ .allow_http = true, .follow_https = true };
	assert_int_equal(exchange("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
	    "Content-Length: 0\r\n\r\n", &request, &answer, got), -EPERM);
	assert_null(answer.body);
	http_answer_free(&answer);
}

static void
plain_http_only_when_allowed(void **state)
{
	struct http_request request = { .allow_http = false };
	struct http_answer answer;
	char got[8192];

	assert_int_equal(exchange("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", &request, &answer,
	    got), -EPERM);
	assert_string_equal(answer.error, "only https:// is allowed");
	assert_string_equal(got, "");
	http_answer_free(&answer);
	request = (struct http_request){ .allow_http = true, .url = "file:///etc/passwd" };
	assert_int_equal(exchange("", &request, &answer, got), -EPERM);
	http_answer_free(&answer);
}

/* Each costs the caller its answer, and never more than the answer. */
static void
broken_answers_are_errors(void **state)
{
	static const struct {
		const char *text;
		int error;
	} broken[] = {
		{ "", -EPROTO },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", -EPROTO },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", -EPROTO },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello", -EPROTO },
		{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello", -EPROTO },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", -EFBIG },
		{ "SSH-2.0-OpenSSH\r\n", -EPROTO },
	};
	struct http_answer answer;
	char got[8192];
	size_t i;

	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct http_request request = { .allow_http = true };
		int error = exchange(broken[i].text, &request, &answer, got);

		if (error != broken[i].error)
			fail_msg("%zu: %d (%s) for %s", i, error, answer.error, broken[i].text);
		assert_null(answer.body);
		assert_string_not_equal(answer.error, "");
		http_answer_free(&answer);
	}
}

static void
silence_times_out(void **state)
{
	struct http_request request = { .allow_http = true, .total_timeout_ms = 100 };
	struct http_answer answer;
	char got[8192];

	assert_int_equal(exchange(NULL, &request, &answer, got), -ETIMEDOUT);
	assert_int_equal(answer.status, 0);
	assert_string_not_equal(answer.error, "");
	http_answer_free(&answer);
}

static void
nobody_there_is_refused(void **state)
{
	struct http_request request = { .allow_http = true, .url = "http://127.0.0.1:1/" };
	struct http_answer answer;
	char got[8192];

	assert_int_equal(exchange("", &request, &answer, got), -ECONNREFUSED);
	assert_string_not_equal(answer.error, "");
	http_answer_free(&answer);
}

/* A handle is used again and again: nothing of one request shows in the next. */
static void
handle_starts_anew(void **state)
{
	const char *const headers[] = { "X-Secret: 1", NULL };
	struct http *http = http_new();
	struct http_request request = {
		.method = "POST", .allow_http = true, .body = "b", .body_size = 1, .max_bytes = 10,
		.headers = headers, .proxy = "none",
	};
	struct http_answer answer;
	struct peer peer;
	char url[64];

	peer_open(&peer, "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nContent-Length: 2\r\n\r\nok");
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", peer.port);
	request.url = url;
	assert_int_equal(http_do(http, &request, &answer), 0);
	http_answer_free(&answer);
	request = (struct http_request){
		.method = "GET", .allow_http = true, .url = url, .max_bytes = 10, .proxy = "none",
	};
	assert_int_equal(http_do(http, &request, &answer), 0);
	assert_string_equal(answer.body, "ok");
	http_answer_free(&answer);
	request.max_bytes = 1;
	assert_int_equal(http_do(http, &request, &answer), -EFBIG);
	http_answer_free(&answer);
	http_free(http);
	peer_close(&peer);
	assert_int_equal(peer.connections, 3);
	assert_memory_equal(peer.got, "GET / ", 6);
	assert_null(strstr(peer.got, "X-Secret"));
}

/* The URL names a host that does not exist; the connection goes where it is told. */
static void
address_and_headers_as_wanted(void **state)
{
	static const char *const wanted[] = { "x-amzn-RequestId", "X-Absent", NULL };
	struct http *http = http_new();
	struct http_answer answer;
	struct peer peer;
	char url[64];
	struct http_request request = {
		.method = "GET", .url = url, .max_bytes = 100, .allow_http = true, .proxy = "none",
		.connect_to = "127.0.0.1", .wanted = wanted,
	};

	peer_open(&peer, "HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
	    "X-AMZN-REQUESTID:  one two \r\nContent-Length: 0\r\n\r\n");
	snprintf(url, sizeof(url), "http://nowhere.invalid:%u/", peer.port);
	assert_int_equal(http_do(http, &request, &answer), 0);
	assert_non_null(strstr(peer.got, "Host: nowhere.invalid:"));
	assert_int_equal(answer.date_s, 1700000000);
	assert_string_equal(answer.wanted[0], "one two");
	assert_string_equal(answer.wanted[1], "");
	assert_true(answer.connected);
	http_answer_free(&answer);
	/* for that request alone */
	request.connect_to = NULL;
	assert_int_equal(http_do(http, &request, &answer), -ECONNREFUSED);
	assert_false(answer.connected);
	http_answer_free(&answer);
	http_free(http);
	peer_close(&peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_comes_whole),
		cmocka_unit_test(empty_body_is_a_body),
		cmocka_unit_test(post_sends_its_body_at_once),
		cmocka_unit_test(put_without_body_has_length_zero),
		cmocka_unit_test(redirect_is_an_answer_unless_followed),
		cmocka_unit_test(plain_http_only_when_allowed),
		cmocka_unit_test(broken_answers_are_errors),
		cmocka_unit_test(silence_times_out),
		cmocka_unit_test(nobody_there_is_refused),
		cmocka_unit_test(handle_starts_anew),
		cmocka_unit_test(address_and_headers_as_wanted),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
