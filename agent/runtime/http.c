/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/http.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include <curl/curl.h>

#define CONNECT_TIMEOUT_MS	5000L	/* contract §5 */
#define TOTAL_TIMEOUT_MS	30000L
#define LOW_SPEED_BYTES		100L	/* a second … */
#define LOW_SPEED_SECONDS	30L	/* … for so long: given up */
/* With the longest request (two minutes) less than an endpoint stays protected for sure. */
#define LIFETIME_SECONDS	120L
#define REDIRECTS_MAX		5L
#define HEADERS_MAX		200	/* lines of all answers of one request */
#define HEADER_BYTES_MAX	65536
#define RETRY_AFTER_MAX_S	3600	/* contract §5 */
#define BODY_FIRST		16384	/* bytes of the first allocation */

struct http {
	CURL *curl;
	struct curl_slist *connect_to;
	http_connect_fn *tell;		/* NULL: nobody is told */
	void *tell_arg;
	char reason[CURL_ERROR_SIZE];
	/* of the request that runs */
	struct http_answer *answer;
	const char *const *wanted;
	uint64_t max_bytes;
	size_t room;			/* allocated for the body */
	unsigned int headers;
	size_t header_bytes;
	char encoding[64];		/* Content-Encoding */
	int failed;			/* -errno of our own callbacks */
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void
start_curl(void)
{
	curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http *
http_new(void)
{
	struct http *http;

	pthread_once(&curl_once, start_curl);
	if (curl_ready != CURLE_OK)
		return NULL;
	http = calloc(1, sizeof(*http));
	if (http == NULL)
		return NULL;
	http->curl = curl_easy_init();
	if (http->curl == NULL) {
		free(http);
		return NULL;
	}
	return http;
}

void
http_free(struct http *http)
{
	if (http == NULL)
		return;
	curl_easy_cleanup(http->curl);
	curl_slist_free_all(http->connect_to);
	free(http);
}

void
http_on_connect(struct http *http, http_connect_fn *tell, void *arg)
{
	http->tell = tell;
	http->tell_arg = arg;
}

/* False: it is of no family that has TCP ports. */
static bool
address_of(const struct curl_sockaddr *from, struct addr *addr, uint16_t *port)
{
	const void *bytes = &from->addr;

	if (from->family == AF_INET) {
		const struct sockaddr_in *in = bytes;

		*addr = addr_from_v4(ntohl(in->sin_addr.s_addr));
		*port = ntohs(in->sin_port);
		return true;
	}
	if (from->family == AF_INET6) {
		const struct sockaddr_in6 *in6 = bytes;

		*addr = addr_from_v6(in6->sin6_addr.s6_addr);
		*port = ntohs(in6->sin6_port);
		return true;
	}
	return false;
}

static curl_socket_t
on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http *http = arg;
	struct addr addr;
	uint16_t port;

	if (http->tell != NULL && purpose == CURLSOCKTYPE_IPCXN &&
	    address_of(address, &addr, &port))
		http->tell(&addr, port, http->tell_arg);
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

void
http_answer_free(struct http_answer *answer)
{
	free(answer->body);
	answer->body = NULL;
}

/* Makes room for more bytes and a NUL. */
static int
grow(struct http *http, size_t more)
{
	size_t need = http->answer->body_size + more + 1;
	size_t room = http->room > 0 ? http->room : BODY_FIRST;
	void *body;

	if (need <= http->room)
		return 0;
	while (room < need)
		room *= 2;
	if (room > http->max_bytes + 1 && need <= http->max_bytes + 1)
		room = (size_t)http->max_bytes + 1;
	body = realloc(http->answer->body, room);
	if (body == NULL)
		return -ENOMEM;
	http->answer->body = body;
	http->room = room;
	return 0;
}

/* After inflation; what comes over the wire is bounded in on_progress. */
static size_t
on_body(char *data, size_t size, size_t n, void *arg)
{
	struct http *http = arg;
	size_t bytes = size * n;

	if (bytes > http->max_bytes - http->answer->body_size) {
		http->failed = -EFBIG;
		return 0;
	}
	http->failed = grow(http, bytes);
	if (http->failed != 0)
		return 0;
	memcpy((char *)http->answer->body + http->answer->body_size, data, bytes);
	http->answer->body_size += bytes;
	return bytes;
}

static int
on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
	struct http *http = arg;

	if (now >= 0 && (uint64_t)now > http->max_bytes) {
		http->failed = -EFBIG;
		return 1;
	}
	return 0;
}

/* The value of header NAME in line, printable ASCII, cut to size. */
static bool
take_header(const char *line, size_t len, const char *name, char *value, size_t size)
{
	size_t at = strlen(name), n = 0;

	if (len <= at || strncasecmp(line, name, at) != 0 || line[at] != ':')
		return false;
	for (at++; at < len && (line[at] == ' ' || line[at] == '\t'); at++)
		continue;
	for (; at < len && n + 1 < size && line[at] >= ' ' && line[at] <= '~'; at++)
		value[n++] = line[at];
	while (n > 0 && value[n - 1] == ' ')
		n--;
	value[n] = '\0';
	return true;
}

/* A validator that was cut is none: it would never match. */
static void
take_validator(const char *line, size_t len, const char *name, char *value, size_t size)
{
	char whole[1024];

	if (!take_header(line, len, name, whole, sizeof(whole)))
		return;
	value[0] = '\0';
	if (strlen(whole) < size)
		memcpy(value, whole, strlen(whole) + 1);
}

/* Seconds or an HTTP date (RFC 9110 §10.2.3). */
static uint32_t
retry_after(const char *text)
{
	long long seconds;
	char *end;
	time_t when;

	if (isdigit((unsigned char)text[0])) {
		errno = 0;
		seconds = strtoll(text, &end, 10);
		if (*end != '\0')
			return 0;
	} else {
		when = curl_getdate(text, NULL);
		if (when == (time_t)-1)
			return 0;
		seconds = (long long)when - (long long)time(NULL);
	}
	return seconds <= 0 ? 0 : seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S :
	    (uint32_t)seconds;
}

static void
forget_headers(struct http_answer *answer)
{
	answer->etag[0] = answer->last_modified[0] = '\0';
	answer->content_type[0] = answer->location[0] = '\0';
	answer->retry_after_s = 0;
	answer->date_s = 0;
	memset(answer->wanted, 0, sizeof(answer->wanted));
}

static void
take_wanted(struct http *http, const char *line, size_t len)
{
	const char *const *name = http->wanted;
	size_t i;

	for (i = 0; name != NULL && i < HTTP_WANTED_MAX && name[i] != NULL; i++)
		take_header(line, len, name[i], http->answer->wanted[i],
		    sizeof(http->answer->wanted[i]));
}

static int64_t
date_of(const char *text)
{
	time_t when = curl_getdate(text, NULL);

	return when > 0 ? (int64_t)when : 0;
}

static size_t
on_header(char *line, size_t size, size_t n, void *arg)
{
	struct http *http = arg;
	struct http_answer *answer = http->answer;
	size_t len = size * n;
	char text[64];

	http->header_bytes += len;
	if (++http->headers > HEADERS_MAX || http->header_bytes > HEADER_BYTES_MAX) {
		http->failed = -EPROTO;
		snprintf(answer->error, sizeof(answer->error),
		    "more than %d header lines or %d bytes of them", HEADERS_MAX,
		    HEADER_BYTES_MAX);
		return 0;
	}
	/* the status line of a redirect's next answer */
	if (len > 5 && strncmp(line, "HTTP/", 5) == 0) {
		forget_headers(answer);
		http->encoding[0] = '\0';
	}
	take_validator(line, len, "ETag", answer->etag, sizeof(answer->etag));
	take_validator(line, len, "Last-Modified", answer->last_modified,
	    sizeof(answer->last_modified));
	take_header(line, len, "Content-Type", answer->content_type,
	    sizeof(answer->content_type));
	take_header(line, len, "Location", answer->location, sizeof(answer->location));
	take_header(line, len, "Content-Encoding", http->encoding, sizeof(http->encoding));
	if (take_header(line, len, "Retry-After", text, sizeof(text)))
		answer->retry_after_s = retry_after(text);
	if (take_header(line, len, "Date", text, sizeof(text)))
		answer->date_s = date_of(text);
	take_wanted(http, line, len);
	return len;
}

static void
set_url_rules(CURL *curl, const struct http_request *request)
{
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, request->allow_http ? "http,https" : "https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, request->follow_https ? 1L : 0L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	curl_easy_setopt(curl, CURLOPT_UNRESTRICTED_AUTH, 0L);
	/* squeezed dots would break a signature over the path */
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "threatlistd/" VERSION);
	if (request->inflate)
		curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip");
}

static void
set_proxy(CURL *curl, const char *proxy)
{
	/* the environment's own: http_proxy, https_proxy, no_proxy */
	if (proxy == NULL || strcmp(proxy, "env") == 0)
		return;
	if (strcmp(proxy, "none") == 0) {
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
		curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
		return;
	}
	curl_easy_setopt(curl, CURLOPT_PROXY, proxy);
}

static void
set_tls(CURL *curl, const struct http_request *request)
{
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	if (request->ca_file != NULL) {
		/* this authority and no other */
		curl_easy_setopt(curl, CURLOPT_CAINFO, request->ca_file);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(curl, CURLOPT_PROXY_CAINFO, request->ca_file);
		curl_easy_setopt(curl, CURLOPT_PROXY_CAPATH, NULL);
	}
	if (request->cert_file != NULL) {
		curl_easy_setopt(curl, CURLOPT_SSLCERT, request->cert_file);
		curl_easy_setopt(curl, CURLOPT_SSLKEY, request->key_file != NULL ?
		    request->key_file : request->cert_file);
	}
}

static void
set_bounds(struct http *http, const struct http_request *request)
{
	CURL *curl = http->curl;

	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, http);
	curl_easy_setopt(curl, CURLOPT_MAXLIFETIME_CONN, LIFETIME_SECONDS);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, request->connect_timeout_ms > 0 ?
	    request->connect_timeout_ms : CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, request->total_timeout_ms > 0 ?
	    request->total_timeout_ms : TOTAL_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, LOW_SPEED_SECONDS);
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, request->max_bytes < INT64_MAX ?
	    (curl_off_t)request->max_bytes : (curl_off_t)INT64_MAX);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, http);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, http);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->reason);
}

static void
set_method(CURL *curl, const struct http_request *request)
{
	if (strcmp(request->method, "GET") == 0) {
		curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
		return;
	}
	/* a body of our own, sent by POST's rules under whatever name */
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body != NULL ? request->body : "");
	if (strcmp(request->method, "POST") != 0)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

static struct curl_slist *
make_headers(const struct http_request *request)
{
	const char *const *header = request->headers;
	struct curl_slist *list, *longer;

	/* no waiting for 100 Continue */
	list = curl_slist_append(NULL, "Expect:");
	for (; list != NULL && header != NULL && *header != NULL; header++) {
		longer = curl_slist_append(list, *header);
		if (longer == NULL) {
			curl_slist_free_all(list);
			return NULL;
		}
		list = longer;
	}
	return list;
}

static int
error_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_URL_MALFORMAT:
	case CURLE_TOO_MANY_REDIRECTS:
		return -EPERM;
	case CURLE_FILESIZE_EXCEEDED:
		return -EFBIG;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

static void
say(struct http_answer *answer, const char *text)
{
	snprintf(answer->error, sizeof(answer->error), "%s", text);
}

/* What stopped us: our own bounds first, else what curl says. */
static int
judge(struct http *http, CURLcode code, const struct http_request *request)
{
	struct http_answer *answer = http->answer;
	int error = http->failed != 0 ? http->failed : error_of(code);
	char text[160];

	/* curl says this of a redirect, and of a peer that does not speak HTTP */
	if (code == CURLE_UNSUPPORTED_PROTOCOL && answer->location[0] != '\0')
		error = -EPERM;
	if (error == -EFBIG) {
		snprintf(text, sizeof(text), "the answer is larger than %llu bytes",
		    (unsigned long long)request->max_bytes);
		say(answer, text);
	} else if (error == -ENOMEM) {
		say(answer, "out of memory");
	} else if (error == -EPERM && code == CURLE_TOO_MANY_REDIRECTS) {
		say(answer, "more than 5 redirects");
	} else if (error == -EPERM && answer->location[0] != '\0') {
		snprintf(text, sizeof(text), "redirected to `%.100s', only https:// is followed",
		    answer->location);
		say(answer, text);
	} else if (error != 0 && answer->error[0] == '\0') {
		say(answer, http->reason[0] != '\0' ? http->reason : curl_easy_strerror(code));
	}
	return error;
}

static void
drop_body(struct http *http)
{
	http_answer_free(http->answer);
	http->answer->body_size = 0;
}

/* For this request alone; the DNS cache stays as it is. */
static int
set_address(struct http *http, const char *address)
{
	char text[64];

	curl_slist_free_all(http->connect_to);
	http->connect_to = NULL;
	if (address == NULL)
		return 0;
	/* any host, any port: that address, the same port */
	snprintf(text, sizeof(text), strchr(address, ':') != NULL ? "::[%.50s]:" : "::%.50s:",
	    address);
	http->connect_to = curl_slist_append(NULL, text);
	curl_easy_setopt(http->curl, CURLOPT_CONNECT_TO, http->connect_to);
	return http->connect_to != NULL ? 0 : -ENOMEM;
}

/* Either a connection was made now, or one that was kept was used. */
static bool
was_connected(CURL *curl, const struct http_answer *answer)
{
	curl_off_t connected = 0, sent = 0;

	curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME_T, &connected);
	curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &sent);
	return answer->status > 0 || connected > 0 || sent > 0;
}

static bool
scheme_is_allowed(const struct http_request *request)
{
	return strncasecmp(request->url, "https://", 8) == 0 ||
	    (request->allow_http && strncasecmp(request->url, "http://", 7) == 0);
}

static void
begin(struct http *http, const struct http_request *request, struct http_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	http->answer = answer;
	http->wanted = request->wanted;
	http->max_bytes = request->max_bytes;
	http->room = 0;
	http->headers = 0;
	http->header_bytes = 0;
	http->encoding[0] = '\0';
	http->failed = 0;
	http->reason[0] = '\0';
	/* options only: connections, DNS cache and TLS sessions stay */
	curl_easy_reset(http->curl);
	set_bounds(http, request);
	set_url_rules(http->curl, request);
	set_proxy(http->curl, request->proxy);
	set_tls(http->curl, request);
	set_method(http->curl, request);
}

static CURLcode
perform(struct http *http, const struct http_request *request, struct curl_slist *headers,
    struct http_answer *answer)
{
	begin(http, request, answer);
	if (set_address(http, request->connect_to) != 0)
		return CURLE_OUT_OF_MEMORY;
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, headers);
	return curl_easy_perform(http->curl);
}

/*
 * Objects are labelled with what is no compression ("utf-8", "aws-chunked"), which
 * curl does not let through: they are asked for again, and taken as they are.
 */
static bool
is_mislabelled(const struct http *http, const struct http_request *request, CURLcode code)
{
	static const char *const real[] = { "gzip", "deflate", "compress", "br", "zstd" };
	size_t i;

	if (code != CURLE_BAD_CONTENT_ENCODING || !request->inflate)
		return false;
	for (i = 0; i < sizeof(real) / sizeof(real[0]); i++) {
		if (strcasestr(http->encoding, real[i]) != NULL)
			return false;
	}
	return true;
}

int
http_do(struct http *http, const struct http_request *request, struct http_answer *answer)
{
	struct http_request plain = *request;
	struct curl_slist *headers;
	CURLcode code;
	int error;

	assert(request->max_bytes > 0);
	memset(answer, 0, sizeof(*answer));
	if (!scheme_is_allowed(request)) {
		say(answer, request->allow_http ? "only http:// and https:// are allowed" :
		    "only https:// is allowed");
		return -EPERM;
	}
	headers = make_headers(request);
	if (headers == NULL) {
		say(answer, "out of memory");
		return -ENOMEM;
	}
	code = perform(http, request, headers, answer);
	if (is_mislabelled(http, request, code)) {
		plain.inflate = false;
		http_answer_free(answer);
		code = perform(http, &plain, headers, answer);
	}
	error = judge(http, code, request);
	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	answer->connected = was_connected(http->curl, answer);
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	if (error == 0)
		error = grow(http, 0);
	if (error != 0)
		drop_body(http);
	else
		((char *)answer->body)[answer->body_size] = '\0';
	return error;
}
