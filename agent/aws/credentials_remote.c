/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keys that are handed out for a while: by a container endpoint or the instance's role. */
#include "aws/credentials_source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <openssl/crypto.h>

#define CONTAINER_HOST	"http://169.254.170.2"
#define CONTAINER_TIMEOUT_MS	2000	/* the endpoint is on the host or next to it */
#define ANSWER_MAX	32768	/* bytes */
#define URL_TEXT_MAX	1024
#define AUTHORIZATION_MAX	8192
#define ROLE_PATH	"meta-data/iam/security-credentials/"
#define ROLE_LETTERS	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-"

/* 2020-04-02T00:49:51Z */
static bool
parse_time(const char *text, int64_t *time_ms)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (end != NULL && *end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	if (end == NULL || (strcmp(end, "Z") != 0 && strcmp(end, "+00:00") != 0))
		return false;
	*time_ms = (int64_t)timegm(&tm) * 1000;
	return *time_ms > 0;
}

static const char *
member(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static int
take_answer(const cJSON *answer, struct aws_keys *keys, char *reason)
{
	const char *code = member(answer, "Code"), *message = member(answer, "Message");
	const char *id = member(answer, "AccessKeyId"), *secret = member(answer, "SecretAccessKey");
	const char *token = member(answer, "Token"), *expires = member(answer, "Expiration");
	char text[121];

	if (code != NULL && strcmp(code, "Success") != 0) {
		if (!imds_take(text, sizeof(text), code, strlen(code)))
			return credentials_wrong(reason, -EACCES, "refused, with a code that "
			    "cannot be printed");
		credentials_wrong(reason, 0, "refused: %s", text);
		if (message != NULL && imds_take(text, sizeof(text), message, strlen(message)))
			credentials_wrong(reason, 0, "refused: %.60s: %s", code, text);
		return -EACCES;
	}
	if (id == NULL || secret == NULL || token == NULL || expires == NULL)
		return credentials_wrong(reason, -EPROTO, "the answer has no %s", id == NULL ?
		    "AccessKeyId" : secret == NULL ? "SecretAccessKey" : token == NULL ? "Token" :
		    "Expiration");
	if (!credentials_set_id(keys, id) || !credentials_set_secret(keys, secret) ||
	    !credentials_set_token(keys, token) || !parse_time(expires, &keys->expires_ms))
		return credentials_wrong(reason, -EPROTO, "the answer holds no usable keys");
	return 0;
}

/* cJSON frees its copies as they are. */
static void
wipe_members(cJSON *answer)
{
	cJSON *item;

	cJSON_ArrayForEach(item, answer) {
		if (cJSON_IsString(item) && item->valuestring != NULL)
			OPENSSL_cleanse(item->valuestring, strlen(item->valuestring));
	}
}

int
credentials_parse(const char *json, size_t size, struct aws_keys *keys, char *reason)
{
	cJSON *answer = cJSON_ParseWithLength(json, size);
	int error;

	if (!cJSON_IsObject(answer))
		error = credentials_wrong(reason, -EPROTO, "the answer is no JSON object");
	else
		error = take_answer(answer, keys, reason);
	wipe_members(answer);
	cJSON_Delete(answer);
	return error;
}

static void
wipe_answer(struct http_answer *answer)
{
	if (answer->body != NULL)
		OPENSSL_cleanse(answer->body, answer->body_size);
	http_answer_free(answer);
}

/* The one role of the instance profile. */
static int
find_role(struct imds *imds, char role[static CREDENTIALS_ROLE_MAX], char *reason)
{
	int error = imds_get_line(imds, ROLE_PATH, role, CREDENTIALS_ROLE_MAX, reason);

	if (error == 0 && role[0] == '\0')
		error = credentials_wrong(reason, -ENOENT, "the instance has no role: attach an "
		    "instance profile");
	if (error == 0 && role[strspn(role, ROLE_LETTERS)] != '\0')
		error = credentials_wrong(reason, -EPROTO, "IMDS names a role that cannot be one");
	return error;
}

int
credentials_instance(struct imds *imds, struct aws_keys *keys,
    char role[static CREDENTIALS_ROLE_MAX], char *reason)
{
	char path[sizeof(ROLE_PATH) + CREDENTIALS_ROLE_MAX];
	struct http_answer answer;
	int error = find_role(imds, role, reason);

	if (error != 0)
		return error;
	snprintf(path, sizeof(path), ROLE_PATH "%s", role);
	error = imds_get(imds, path, &answer, reason);
	if (error == 0)
		error = credentials_parse(answer.body, answer.body_size, keys, reason);
	wipe_answer(&answer);
	return error;
}

/*
 * The host of a plain http endpoint, resolved this once; the request then goes
 * to that very address.  Only where nobody can listen in: the host itself, the
 * endpoints of ECS and EKS.
 */
static bool
is_near(const struct sockaddr *to)
{
	static const struct in6_addr eks = { { {
		0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x23 } } };
	uint32_t v4;
	struct in6_addr v6;

	if (to->sa_family == AF_INET) {
		v4 = ntohl(((const struct sockaddr_in *)(const void *)to)->sin_addr.s_addr);
		return v4 >> 24 == 127 || v4 == 0xa9feaa02 || v4 == 0xa9feaa17;
	}
	v6 = ((const struct sockaddr_in6 *)(const void *)to)->sin6_addr;
	return IN6_IS_ADDR_LOOPBACK(&v6) || memcmp(&v6, &eks, sizeof(v6)) == 0;
}

static int
resolve(const char *host, char address[static INET6_ADDRSTRLEN], char *reason)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	int error = getaddrinfo(host, NULL, &hints, &found);

	if (error != 0)
		return credentials_wrong(reason, -EHOSTUNREACH, "%.100s: %s", host,
		    gai_strerror(error));
	error = 0;
	if (getnameinfo(found->ai_addr, found->ai_addrlen, address, INET6_ADDRSTRLEN, NULL, 0,
	    NI_NUMERICHOST) != 0)
		error = credentials_wrong(reason, -EINVAL, "%.100s has no address", host);
	else if (!is_near(found->ai_addr))
		error = credentials_wrong(reason, -EPERM, "AWS_CONTAINER_CREDENTIALS_FULL_URI is "
		    "http to %s; allowed are https, loopback, 169.254.170.2, 169.254.170.23 and "
		    "fd00:ec2::23", address);
	freeaddrinfo(found);
	return error;
}

/* Cuts the host out of http://HOST[:PORT]/… */
static bool
cut_host(const char *url, char *host, size_t size)
{
	const char *from = url + strlen("http://"), *end;
	size_t len = strcspn(from, "/?#");

	if (memchr(from, '@', len) != NULL || memchr(from, '\\', len) != NULL)
		return false;
	if (*from == '[') {
		from++;
		end = memchr(from, ']', len - 1);
	} else {
		end = memchr(from, ':', len);
		end = end != NULL ? end : from + len;
	}
	if (end == NULL || end == from || (size_t)(end - from) >= size)
		return false;
	memcpy(host, from, (size_t)(end - from));
	host[end - from] = '\0';
	return true;
}

static int
find_url(char url[static URL_TEXT_MAX], char address[static INET6_ADDRSTRLEN], char *reason)
{
	const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	char host[256];
	int n;

	address[0] = '\0';
	if (relative != NULL && relative[0] != '\0') {
		if (relative[0] != '/')
			return credentials_wrong(reason, -EINVAL,
			    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with `/'");
		n = snprintf(url, URL_TEXT_MAX, CONTAINER_HOST "%s", relative);
	} else if (full != NULL && full[0] != '\0') {
		n = snprintf(url, URL_TEXT_MAX, "%s", full);
	} else {
		return credentials_wrong(reason, -ENOENT, "no container endpoint");
	}
	if (n >= URL_TEXT_MAX)
		return credentials_wrong(reason, -EINVAL, "the container endpoint's URL is longer "
		    "than %d bytes", URL_TEXT_MAX - 1);
	if (strncasecmp(url, "https://", 8) == 0)
		return 0;
	if (strncasecmp(url, "http://", 7) != 0 || !cut_host(url, host, sizeof(host)))
		return credentials_wrong(reason, -EINVAL,
		    "AWS_CONTAINER_CREDENTIALS_FULL_URI is no http or https URL");
	return resolve(host, address, reason);
}

/* The token is read each time: EKS renews the file. */
static int
read_token(const char *path, char token[static AUTHORIZATION_MAX], char *reason)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return credentials_wrong(reason, -EACCES, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE "
		    "%.100s: %s", path, strerror(errno));
	n = read(fd, token, AUTHORIZATION_MAX);
	close(fd);
	if (n < 0 || n == AUTHORIZATION_MAX)
		return credentials_wrong(reason, -EINVAL, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE "
		    "%.100s cannot be read or is longer than %d bytes", path,
		    AUTHORIZATION_MAX - 1);
	while (n > 0 && strchr("\r\n \t", token[n - 1]) != NULL)
		n--;
	token[n] = '\0';
	return 0;
}

/* "Authorization: …", empty when none is asked for. */
static int
make_authorization(char header[static AUTHORIZATION_MAX + 32], char *reason)
{
	const char *file = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *given = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN"), *at;
	char token[AUTHORIZATION_MAX] = "";
	int error = 0;

	header[0] = '\0';
	if (file != NULL && file[0] != '\0')
		error = read_token(file, token, reason);
	else if (given != NULL)
		snprintf(token, sizeof(token), "%s", given);
	for (at = token; error == 0 && *at != '\0'; at++) {
		if (*at < ' ' || *at > '~')
			error = credentials_wrong(reason, -EINVAL, "the container endpoint's "
			    "authorization token holds a character that cannot be sent");
	}
	if (error == 0 && token[0] != '\0')
		snprintf(header, AUTHORIZATION_MAX + 32, "Authorization: %s", token);
	OPENSSL_cleanse(token, sizeof(token));
	return error;
}

static int
fetch_keys(const struct aws_transport *transport, const struct http_request *request,
    struct aws_keys *keys, char *reason)
{
	struct http_answer answer;
	int error = transport->fetch(request, &answer, transport->arg);

	if (error != 0)
		credentials_wrong(reason, error, "container endpoint: %.200s", answer.error);
	else if (answer.status != 200)
		error = credentials_wrong(reason, -EACCES, "container endpoint answered %ld",
		    answer.status);
	else
		error = credentials_parse(answer.body, answer.body_size, keys, reason);
	wipe_answer(&answer);
	/* -ENOENT would mean that it is not configured */
	return error == -ENOENT ? -EPROTO : error;
}

int
credentials_container(const struct aws_transport *transport, struct aws_keys *keys, char *reason)
{
	char url[URL_TEXT_MAX], address[INET6_ADDRSTRLEN], header[AUTHORIZATION_MAX + 32];
	const char *const headers[] = { header, NULL };
	struct http_request request = {
		.method = "GET",
		.url = url,
		.max_bytes = ANSWER_MAX,
		.connect_timeout_ms = CONTAINER_TIMEOUT_MS,
		.total_timeout_ms = CONTAINER_TIMEOUT_MS,
		.proxy = "none",
	};
	int error = find_url(url, address, reason);

	if (error == 0)
		error = make_authorization(header, reason);
	if (error != 0)
		return error;
	if (header[0] != '\0')
		request.headers = headers;
	if (address[0] != '\0') {
		request.allow_http = true;
		request.connect_to = address;
	}
	error = fetch_keys(transport, &request, keys, reason);
	OPENSSL_cleanse(header, sizeof(header));
	return error;
}
