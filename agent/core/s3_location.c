/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/s3_location.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX	256
#define SMALL		"abcdefghijklmnopqrstuvwxyz"
#define DIGITS		"0123456789"

/* botocore, partitions.json; a longer one before its own ending */
static const char *const suffixes[] = {
	".amazonaws.com.cn", ".amazonaws.com", ".amazonaws.eu", ".c2s.ic.gov", ".sc2s.sgov.gov",
	".csp.hci.ic.gov", ".cloud.adc-e.uk",
};

static bool
is_bucket(const char *name)
{
	size_t len = strlen(name);

	return len >= 3 && len < S3_BUCKET_MAX && strspn(name, SMALL DIGITS ".-") == len &&
	    name[0] != '.' && name[0] != '-' && name[len - 1] != '.' && name[len - 1] != '-' &&
	    strstr(name, "..") == NULL;
}

/* A short word, more words, a number: us-gov-west-1. */
static bool
is_region(const char *text)
{
	size_t first = strspn(text, SMALL), at = strspn(text, SMALL "-");
	size_t digits = strspn(text + at, DIGITS);

	return first >= 2 && first <= 4 && at > first + 2 && text[at - 1] == '-' && digits > 0 &&
	    text[at + digits] == '\0' && at + digits < S3_REGION_MAX;
}

/*
 * Is the whole text an S3 endpoint without its suffix: s3, s3.REGION, s3-REGION,
 * s3.dualstack.REGION, s3-fips.REGION, s3-fips.dualstack.REGION …?
 */
static bool
is_endpoint(const char *text, struct s3_location *location)
{
	bool needs_region = false;

	location->region[0] = '\0';
	if (strncmp(text, "s3", 2) != 0)
		return false;
	text += 2;
	if (strcmp(text, "-external-1") == 0) {		/* us-east-1's old second name */
		snprintf(location->region, sizeof(location->region), "us-east-1");
		return true;
	}
	if (strncmp(text, "-fips", 5) == 0 && (text[5] == '.' || text[5] == '-')) {
		text += 5;
		needs_region = true;
	}
	if (strncmp(text, ".dualstack.", 11) == 0) {
		text += 10;
		needs_region = true;
	}
	if (*text == '\0')
		return !needs_region;
	if ((*text != '.' && *text != '-') || !is_region(text + 1))
		return false;
	snprintf(location->region, sizeof(location->region), "%s", text + 1);
	return true;
}

/*
 * Splits a host in small letters: the endpoint is the shortest ending that is
 * one, so a bucket may have dots and even an "s3" in its name.  False: no
 * endpoint in it.
 */
static bool
split_host(char *host, struct s3_location *location, const char **bucket)
{
	size_t len = strlen(host), i;
	char *at;

	*bucket = NULL;
	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t n = strlen(suffixes[i]);

		if (len > n && strcmp(host + len - n, suffixes[i]) == 0)
			break;
	}
	if (i == sizeof(suffixes) / sizeof(suffixes[0]))
		return false;
	host[len - strlen(suffixes[i])] = '\0';
	for (at = host + strlen(host); at > host; at--) {
		if (at[-1] == '.' && is_endpoint(at, location)) {
			at[-1] = '\0';
			*bucket = host;
			return true;
		}
	}
	return is_endpoint(host, location);
}

static int
hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Decodes once; a '+' stays one. */
static const char *
take_key(struct s3_location *location, const char *text, bool encoded)
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		int c = (unsigned char)*text;

		if (encoded && c == '%') {
			int high = hex_value(text[1]), low = high < 0 ? -1 : hex_value(text[2]);

			if (low < 0)
				return "has a % without two hexadecimal digits";
			c = high * 16 + low;
			text += 2;
		}
		if (c < ' ' || c == 0x7f)
			return "has a control character in its key";
		if (n + 1 == sizeof(location->key))
			return "has a key of more than 1024 bytes";
		location->key[n++] = (char)c;
	}
	location->key[n] = '\0';
	return n == 0 ? "has no key behind the bucket" : NULL;
}

static const char *
take_bucket(struct s3_location *location, const char *name, size_t len)
{
	if (len == 0)
		return "has no bucket";
	if (len >= sizeof(location->bucket))
		return "has a bucket name that is none (3 to 63 of a-z, 0-9, . and -)";
	memcpy(location->bucket, name, len);
	location->bucket[len] = '\0';
	return is_bucket(location->bucket) ? NULL :
	    "has a bucket name that is none (3 to 63 of a-z, 0-9, . and -)";
}

/* BUCKET/KEY */
static const char *
take_path(struct s3_location *location, const char *text, bool encoded)
{
	size_t len = strcspn(text, "/");
	const char *wrong = take_bucket(location, text, len);

	if (wrong != NULL)
		return wrong;
	return take_key(location, text + len + (text[len] == '/'), encoded);
}

static const char *
parse_url(struct s3_location *location, const char *text)
{
	const char *bucket, *wrong;
	size_t len = strcspn(text, "/?#"), i;

	if (strpbrk(text, "?#") != NULL)
		return "has a query or fragment";
	if (memchr(text, '@', len) != NULL)
		return "has a user or password";
	if (memchr(text, ':', len) != NULL)
		return "has a port";
	if (len >= HOST_MAX)
		return "has a host name of more than 255 bytes";
	/* bounded by the line above; hardening-check(1) looks for the probes of such an array */
	char host[len + 1];

	for (i = 0; i < len; i++)
		host[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];
	host[len] = '\0';
	if (!split_host(host, location, &bucket))
		return "is at a host that is none of S3's";
	text += len + (text[len] == '/');
	if (bucket == NULL)
		return take_path(location, text, true);
	wrong = take_bucket(location, bucket, strlen(bucket));
	return wrong != NULL ? wrong : take_key(location, text, true);
}

const char *
s3_location_parse(struct s3_location *location, const char *text)
{
	memset(location, 0, sizeof(*location));
	if (strncasecmp(text, "s3://", 5) == 0)
		return take_path(location, text + 5, false);
	if (strncasecmp(text, "https://", 8) == 0)
		return parse_url(location, text + 8);
	if (strncasecmp(text, "http://", 7) == 0)
		return parse_url(location, text + 7);
	return "is none of s3://BUCKET/KEY and an http(s) URL of S3";
}

void
s3_location_path(const struct s3_location *location, char path[static S3_PATH_MAX])
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" SMALL DIGITS "-_.~/";
	const char *from = location->key;
	char *to = path;

	*to++ = '/';
	for (; *from != '\0'; from++) {
		if (strchr(plain, *from) != NULL)
			*to++ = *from;
		else
			to += sprintf(to, "%%%02X", (unsigned int)(unsigned char)*from);
	}
	*to = '\0';
}
