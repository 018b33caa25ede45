/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "aws/imds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <openssl/crypto.h>

#define ENDPOINT_V4	"http://169.254.169.254"
#define ENDPOINT_V6	"http://[fd00:ec2::254]"
#define TIMEOUT_S	1	/* the service is on the host's own hypervisor */
#define TIMEOUT_MAX_S	30
#define ATTEMPTS_MAX	10
#define ANSWER_MAX	16384	/* bytes */
#define TOKEN_MAX	512
#define TOKEN_S		21600	/* the longest allowed */
#define TOKEN_MARGIN_S	60	/* no longer used so close to its end */
#define URL_MAX		512

struct imds {
	struct aws_transport transport;
	char endpoint[256];
	bool may_be_v6;			/* the environment does not say where it is */
	long timeout_ms;
	unsigned int attempts;
	char token[TOKEN_MAX];		/* empty: none */
	int64_t token_until_ms;
	char *reason;			/* of the call that runs */
};

static int __attribute__((format(printf, 3, 4)))
wrong(struct imds *imds, int error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(imds->reason, IMDS_REASON_MAX, fmt, args);
	va_end(args);
	return error;
}

/* Does the file below sysfs begin with this? */
static bool
begins(const char *sysfs, const char *name, const char *with)
{
	char path[256], text[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", sysfs, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return false;
	text[n] = '\0';
	return strncasecmp(text, with, strlen(with)) == 0;
}

bool
imds_is_wanted(const char *sysfs)
{
	const char *disabled = getenv("AWS_EC2_METADATA_DISABLED");
	const char *endpoint = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

	if (disabled != NULL && strcasecmp(disabled, "true") == 0)
		return false;
	/* whoever says where it is says that it is */
	if ((endpoint != NULL && endpoint[0] != '\0') || (mode != NULL && mode[0] != '\0'))
		return true;
	return begins(sysfs, "devices/virtual/dmi/id/board_asset_tag", "i-") ||
	    begins(sysfs, "devices/virtual/dmi/id/sys_vendor", "Amazon EC2") ||
	    begins(sysfs, "hypervisor/uuid", "ec2");
}

static void
find_endpoint(struct imds *imds)
{
	const char *endpoint = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	size_t len;

	imds->may_be_v6 = (endpoint == NULL || endpoint[0] == '\0') &&
	    (mode == NULL || mode[0] == '\0');
	if (endpoint == NULL || endpoint[0] == '\0')
		endpoint = mode != NULL && strcasecmp(mode, "ipv6") == 0 ? ENDPOINT_V6 : ENDPOINT_V4;
	snprintf(imds->endpoint, sizeof(imds->endpoint), "%s", endpoint);
	len = strlen(imds->endpoint);
	while (len > 0 && imds->endpoint[len - 1] == '/')
		imds->endpoint[--len] = '\0';
}

bool
imds_take(char *to, size_t size, const char *text, size_t len)
{
	size_t i;

	to[0] = '\0';
	if (len == 0 || len >= size)
		return false;
	for (i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			return false;
	}
	memcpy(to, text, len);
	to[len] = '\0';
	return true;
}

/* A whole number of the environment between 1 and max, else what is usual. */
static long
number_of(const char *name, long usual, long max)
{
	const char *text = getenv(name);
	char *end;
	long value;

	if (text == NULL || text[0] == '\0')
		return usual;
	value = strtol(text, &end, 10);
	return *end == '\0' && value >= 1 && value <= max ? value : usual;
}

struct imds *
imds_new(const struct aws_transport *transport)
{
	struct imds *imds = calloc(1, sizeof(*imds));

	if (imds == NULL)
		return NULL;
	imds->transport = *transport;
	imds->timeout_ms = 1000 * number_of("AWS_METADATA_SERVICE_TIMEOUT", TIMEOUT_S,
	    TIMEOUT_MAX_S);
	imds->attempts = (unsigned int)number_of("AWS_METADATA_SERVICE_NUM_ATTEMPTS", 1,
	    ATTEMPTS_MAX);
	find_endpoint(imds);
	return imds;
}

void
imds_free(struct imds *imds)
{
	if (imds == NULL)
		return;
	OPENSSL_cleanse(imds->token, sizeof(imds->token));
	free(imds);
}

static int
request(struct imds *imds, const char *method, const char *path, const char *header,
    struct http_answer *answer)
{
	const char *const headers[] = { header, NULL };
	char url[URL_MAX];
	const struct http_request about = {
		.method = method,
		.url = url,
		.headers = headers,
		.max_bytes = ANSWER_MAX,
		.connect_timeout_ms = imds->timeout_ms,
		.total_timeout_ms = imds->timeout_ms,
		.allow_http = true,
		.proxy = "none",
	};
	unsigned int left = imds->attempts;
	int error;

	snprintf(url, sizeof(url), "%s/latest/%s", imds->endpoint, path);
	memset(answer, 0, sizeof(*answer));
	do {
		http_answer_free(answer);
		error = imds->transport.fetch(&about, answer, imds->transport.arg);
	} while (error != 0 && --left > 0);
	if (error != 0)
		return wrong(imds, error, "%s of %.80s: %.140s", method, path, answer->error);
	return 0;
}

/* On a subnet with IPv6 alone there is no way to the IPv4 address; kept to as long as the token. */
static int
ask_token_v6(struct imds *imds, const char *header, struct http_answer *answer, int error)
{
	char reason[IMDS_REASON_MAX];
	struct http_answer other;

	memcpy(reason, imds->reason, sizeof(reason));
	memcpy(imds->endpoint, ENDPOINT_V6, sizeof(ENDPOINT_V6));
	if (request(imds, "PUT", "api/token", header, &other) == 0 && other.status == 200) {
		http_answer_free(answer);
		*answer = other;
		imds->reason[0] = '\0';
		return 0;
	}
	http_answer_free(&other);
	memcpy(imds->endpoint, ENDPOINT_V4, sizeof(ENDPOINT_V4));
	memcpy(imds->reason, reason, sizeof(reason));
	return error;
}

static int
get_token(struct imds *imds)
{
	struct http_answer answer;
	char header[64];
	int error;

	snprintf(header, sizeof(header), "X-aws-ec2-metadata-token-ttl-seconds: %d", TOKEN_S);
	imds->token[0] = '\0';
	if (imds->may_be_v6)
		memcpy(imds->endpoint, ENDPOINT_V4, sizeof(ENDPOINT_V4));
	error = request(imds, "PUT", "api/token", header, &answer);
	if (imds->may_be_v6 && (error == -ECONNREFUSED || error == -ETIMEDOUT) &&
	    !answer.connected)
		error = ask_token_v6(imds, header, &answer, error);
	if (error == -ETIMEDOUT)
		/* the answer's hop limit is 1 unless the instance says otherwise */
		wrong(imds, error, "%.80s does not answer: not on EC2, or behind more hops than "
		    "HttpPutResponseHopLimit", imds->endpoint);
	if (error == 0 && answer.status != 200)
		error = wrong(imds, -EACCES, "PUT of api/token answered %ld, and version 1 of the "
		    "service is not used", answer.status);
	if (error == 0 &&
	    !imds_take(imds->token, sizeof(imds->token), answer.body, answer.body_size))
		error = wrong(imds, -EPROTO, "PUT of api/token gave no token");
	if (error == 0)
		imds->token_until_ms = aws_now_ms(&imds->transport) +
		    1000 * (TOKEN_S - TOKEN_MARGIN_S);
	http_answer_free(&answer);
	return error;
}

bool
imds_is_v6(const struct imds *imds)
{
	return strcmp(imds->endpoint, ENDPOINT_V6) == 0;
}

static int
get_once(struct imds *imds, const char *path, struct http_answer *answer)
{
	char header[TOKEN_MAX + 64];
	int error;

	snprintf(header, sizeof(header), "X-aws-ec2-metadata-token: %s", imds->token);
	error = request(imds, "GET", path, header, answer);
	/* the next one looks again which address answers */
	if (error != 0 && imds->may_be_v6)
		imds->token[0] = '\0';
	return error;
}

int
imds_get(struct imds *imds, const char *path, struct http_answer *answer,
    char reason[static IMDS_REASON_MAX])
{
	int error = 0;

	reason[0] = '\0';
	imds->reason = reason;
	memset(answer, 0, sizeof(*answer));
	if (imds->token[0] == '\0' || aws_now_ms(&imds->transport) >= imds->token_until_ms)
		error = get_token(imds);
	if (error == 0)
		error = get_once(imds, path, answer);
	if (error == 0 && answer->status == 401) {
		/* expired, or the instance moved: one new token */
		http_answer_free(answer);
		memset(answer, 0, sizeof(*answer));
		error = get_token(imds);
		if (error == 0)
			error = get_once(imds, path, answer);
	}
	if (error != 0)
		return error;
	if (answer->status == 404)
		return wrong(imds, -ENOENT, "there is no %.80s", path);
	if (answer->status != 200)
		return wrong(imds, -EPROTO, "GET of %.80s answered %ld", path, answer->status);
	return 0;
}

int
imds_get_line(struct imds *imds, const char *path, char *to, size_t size,
    char reason[static IMDS_REASON_MAX])
{
	struct http_answer answer;
	int error = imds_get(imds, path, &answer, reason);

	to[0] = '\0';
	if (error == 0)
		imds_take(to, size, answer.body, strcspn(answer.body, "\r\n"));
	http_answer_free(&answer);
	return error == -ENOENT ? 0 : error;
}
