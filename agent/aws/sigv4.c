/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "aws/sigv4.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "aws/canonical.h"

#define ALGORITHM	"AWS4-HMAC-SHA256"
#define SHA256_BYTES	32
#define SCOPE_MAX	(8 + 2 * SIGV4_NAME_MAX + 16)

static void
to_hex(const unsigned char *bytes, char hex[static SIGV4_HEX_MAX])
{
	size_t i;

	for (i = 0; i < SHA256_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

void
sigv4_sha256_hex(const void *data, size_t size, char hex[static SIGV4_HEX_MAX])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	int done = EVP_Digest(size > 0 ? data : "", size, digest, &n, EVP_sha256(), NULL);

	/* fails only when the library itself is unusable */
	assert(done == 1 && n == SHA256_BYTES);
	(void)done;
	to_hex(digest, hex);
}

static void
hmac(const void *key, size_t key_size, const char *text, unsigned char out[static SHA256_BYTES])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	unsigned char *done = HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)text,
	    strlen(text), digest, &n);

	assert(done != NULL && n == SHA256_BYTES);
	(void)done;
	memcpy(out, digest, SHA256_BYTES);
	OPENSSL_cleanse(digest, sizeof(digest));
}

/* date, region, service, "aws4_request", each under the key before it */
static void
sign_text(const struct sigv4_request *request, const char date[static 9], const char *text,
    char signature[static SIGV4_HEX_MAX])
{
	char first[sizeof("AWS4") + AWS_SECRET_MAX];
	unsigned char key[SHA256_BYTES];

	snprintf(first, sizeof(first), "AWS4%s", request->keys->secret);
	hmac(first, strlen(first), date, key);
	hmac(key, sizeof(key), request->region, key);
	hmac(key, sizeof(key), request->service, key);
	hmac(key, sizeof(key), "aws4_request", key);
	hmac(key, sizeof(key), text, key);
	to_hex(key, signature);
	OPENSSL_cleanse(first, sizeof(first));
	OPENSSL_cleanse(key, sizeof(key));
}

static int
write_date(int64_t time_s, char date[static SIGV4_DATE_MAX])
{
	time_t when = (time_t)time_s;
	struct tm tm;

	/* four digits of a year */
	if (time_s < 0 || time_s > 253402300799 || gmtime_r(&when, &tm) == NULL ||
	    strftime(date, SIGV4_DATE_MAX, "%Y%m%dT%H%M%SZ", &tm) == 0)
		return -EINVAL;
	return 0;
}

static bool
has_header(const struct canonical_headers *headers, const char *name)
{
	size_t i;

	for (i = 0; i < headers->n; i++) {
		if (strcmp(headers->header[i].name, name) == 0)
			return true;
	}
	return false;
}

/* The caller's and our own, in order. */
static int
collect_headers(const struct sigv4_request *request, const struct sigv4 *to,
    struct canonical_headers *headers)
{
	size_t i;
	int error = 0;

	headers->n = 0;
	for (i = 0; i < request->nheaders && error == 0; i++)
		error = canonical_header_add(headers, request->headers[i].name,
		    request->headers[i].value);
	if (error == 0 && !has_header(headers, "host"))
		error = -EINVAL;
	if (error == 0)
		error = canonical_header_add(headers, "x-amz-date", to->date);
	if (error == 0 && request->keys->token[0] != '\0' && !(request->flags & SIGV4_OMIT_TOKEN))
		error = canonical_header_add(headers, "x-amz-security-token",
		    request->keys->token);
	if (error == 0 && (request->flags & SIGV4_SIGN_PAYLOAD))
		error = canonical_header_add(headers, "x-amz-content-sha256", to->payload_hash);
	canonical_headers_sort(headers);
	return error;
}

/* Closes what open_memstream(3) wrote; *text is the caller's either way. */
static int
close_text(FILE *out, int error)
{
	if (ferror(out) && error == 0)
		error = -ENOMEM;
	if (fclose(out) != 0 && error == 0)
		error = -ENOMEM;
	return error;
}

static int
write_canonical(const struct sigv4_request *request, const struct canonical_headers *headers,
    struct sigv4 *to)
{
	size_t size;
	FILE *out = open_memstream(&to->canonical, &size);
	int error;

	if (out == NULL)
		return -ENOMEM;
	fprintf(out, "%s\n", request->method);
	error = canonical_path(out, request->path, request->flags);
	fputc('\n', out);
	if (error == 0 && request->query != NULL)
		error = canonical_query(out, request->query);
	fputc('\n', out);
	canonical_headers_print(out, headers);
	fputc('\n', out);
	canonical_names_print(out, headers);
	fprintf(out, "\n%s", to->payload_hash);
	return close_text(out, error);
}

static int
write_authorization(const struct sigv4_request *request, const struct canonical_headers *headers,
    const char *scope, struct sigv4 *to)
{
	size_t size;
	FILE *out = open_memstream(&to->authorization, &size);

	if (out == NULL)
		return -ENOMEM;
	fprintf(out, ALGORITHM " Credential=%s/%s, SignedHeaders=", request->keys->id, scope);
	canonical_names_print(out, headers);
	fprintf(out, ", Signature=%s", to->signature);
	return close_text(out, 0);
}

static bool
is_name(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len < SIGV4_NAME_MAX && strspn(text, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*,") == len;
}

static int
take_payload_hash(const struct sigv4_request *request, struct sigv4 *to)
{
	if (request->payload_hash == NULL) {
		sigv4_sha256_hex(request->body, request->body_size, to->payload_hash);
		return 0;
	}
	if (strlen(request->payload_hash) >= sizeof(to->payload_hash))
		return -EINVAL;
	memcpy(to->payload_hash, request->payload_hash, strlen(request->payload_hash) + 1);
	return 0;
}

int
sigv4_sign(const struct sigv4_request *request, struct sigv4 *to)
{
	struct canonical_headers *headers = NULL;
	char date[9], scope[SCOPE_MAX], hash[SIGV4_HEX_MAX];
	int error;

	memset(to, 0, sizeof(*to));
	if (!is_name(request->region) || !is_name(request->service) || !is_name(request->method))
		return -EINVAL;
	error = write_date(request->time_s, to->date);
	if (error == 0)
		error = take_payload_hash(request, to);
	if (error != 0)
		return error;
	headers = calloc(1, sizeof(*headers));
	if (headers == NULL)
		return -ENOMEM;
	error = collect_headers(request, to, headers);
	if (error == 0)
		error = write_canonical(request, headers, to);
	if (error != 0)
		goto out;
	memcpy(date, to->date, 8);
	date[8] = '\0';
	snprintf(scope, sizeof(scope), "%s/%s/%s/aws4_request", date, request->region,
	    request->service);
	sigv4_sha256_hex(to->canonical, strlen(to->canonical), hash);
	if (asprintf(&to->string_to_sign, ALGORITHM "\n%s\n%s\n%s", to->date, scope, hash) < 0) {
		to->string_to_sign = NULL;
		error = -ENOMEM;
		goto out;
	}
	sign_text(request, date, to->string_to_sign, to->signature);
	error = write_authorization(request, headers, scope, to);
out:
	free(headers);
	return error;
}

void
sigv4_free(struct sigv4 *to)
{
	/* the canonical request holds the session token */
	if (to->canonical != NULL)
		OPENSSL_cleanse(to->canonical, strlen(to->canonical));
	free(to->canonical);
	free(to->string_to_sign);
	free(to->authorization);
	to->canonical = to->string_to_sign = to->authorization = NULL;
}
