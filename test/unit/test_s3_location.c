/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every way of writing where a list is in S3, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/s3_location.h"

static const struct {
	const char *text, *bucket, *key, *region;
} good[] = {
	/* GuardDuty's user guide */
	{ "https://s3.amazonaws.com/bucket.name/file.txt", "bucket.name", "file.txt", "" },
	{ "https://s3-us-west-2.amazonaws.com/bucket.name/file.txt", "bucket.name", "file.txt",
	  "us-west-2" },
	{ "http://bucket.s3.amazonaws.com/file.txt", "bucket", "file.txt", "" },
	{ "http://bucket.s3-eu-central-1.amazonaws.com/file.txt", "bucket", "file.txt",
	  "eu-central-1" },
	{ "s3://bucket.name/file.txt", "bucket.name", "file.txt", "" },
	/* the hosts of today */
	{ "https://s3.us-west-2.amazonaws.com/b-1/a/b.txt", "b-1", "a/b.txt", "us-west-2" },
	{ "https://bucket.s3.us-west-2.amazonaws.com/a/b", "bucket", "a/b", "us-west-2" },
	{ "https://my.bucket.s3.us-west-2.amazonaws.com/k", "my.bucket", "k", "us-west-2" },
	{ "https://my.s3.bucket.s3.us-west-2.amazonaws.com/k", "my.s3.bucket", "k", "us-west-2" },
	{ "https://s3.bucket.s3.amazonaws.com/k", "s3.bucket", "k", "" },
	{ "https://s3-logs.s3.amazonaws.com/k", "s3-logs", "k", "" },
	{ "https://s3.dualstack.ap-southeast-2.amazonaws.com/buck/k", "buck", "k", "ap-southeast-2" },
	{ "https://b.c.d.s3.dualstack.eu-west-1.amazonaws.com/k", "b.c.d", "k", "eu-west-1" },
	{ "https://s3-fips.us-gov-west-1.amazonaws.com/buck/k", "buck", "k", "us-gov-west-1" },
	{ "https://buck.s3-fips.dualstack.us-east-2.amazonaws.com/k", "buck", "k", "us-east-2" },
	{ "https://s3-fips-us-gov-west-1.amazonaws.com/buck/k", "buck", "k", "us-gov-west-1" },
	{ "https://s3-external-1.amazonaws.com/buck/k", "buck", "k", "us-east-1" },
	{ "https://s3.cn-north-1.amazonaws.com.cn/buck/k", "buck", "k", "cn-north-1" },
	{ "https://buck.s3.cn-northwest-1.amazonaws.com.cn/k", "buck", "k", "cn-northwest-1" },
	{ "https://s3.us-iso-east-1.c2s.ic.gov/buck/k", "buck", "k", "us-iso-east-1" },
	{ "HTTPS://S3.US-West-2.AmazonAWS.com/buck/Key", "buck", "Key", "us-west-2" },
	/* keys: decoded once in URLs, taken as they are behind s3:// */
	{ "https://s3.amazonaws.com/buck/a%20b%2Fc+d%2520", "buck", "a b/c+d%20", "" },
	{ "s3://buck/a%20b?c#d+e", "buck", "a%20b?c#d+e", "" },
	{ "https://s3.amazonaws.com/buck//a//../b/", "buck", "/a//../b/", "" },
	{ "https://s3.amazonaws.com/buck/%3F%23", "buck", "?#", "" },
};

static void
every_good_form_is_read(void **state)
{
	struct s3_location location;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const char *wrong = s3_location_parse(&location, good[i].text);

		if (wrong != NULL)
			fail_msg("%s %s", good[i].text, wrong);
		assert_string_equal(location.bucket, good[i].bucket);
		assert_string_equal(location.key, good[i].key);
		assert_string_equal(location.region, good[i].region);
	}
}

static const char *const bad[] = {
	"", "s3:", "s3://", "s3:///key", "s3://bucket", "s3://bucket/", "s3://Bucket/key",
	"s3://bu/key", "s3://bucket_name/key", "s3://-bucket/key", "s3://bucket./key",
	"s3://buc..ket/key", "s3://user@bucket/key", "ftp://s3.amazonaws.com/bucket/key",
	"bucket/key", "/bucket/key", "https://", "https:///bucket/key",
	"https://s3.amazonaws.com", "https://s3.amazonaws.com/", "https://s3.amazonaws.com/bucket",
	"https://s3.amazonaws.com/bucket/", "https://s3.amazonaws.com//key",
	"https://bucket.s3.amazonaws.com/", "https://bucket.s3.amazonaws.com",
	"https://b.s3.amazonaws.com/key", "https://.s3.amazonaws.com/key",
	"https://s3.amazonaws.com/bucket/key?versionId=1", "https://s3.amazonaws.com/bucket/key#x",
	"https://user:secret@s3.amazonaws.com/bucket/key", "https://s3.amazonaws.com:443/bucket/key",
	"https://s3.example.com/bucket/key", "https://s3amazonaws.com/bucket/key",
	"https://s3.amazonaws.com.evil.example/bucket/key", "https://xs3.amazonaws.com/bucket/key",
	"https://amazonaws.com/bucket/key", "https://s3-website-us-west-2.amazonaws.com/bucket/key",
	"https://s3.us-west.amazonaws.com/bucket/key", "https://s3-fips.amazonaws.com/bucket/key",
	"https://s3.dualstack.amazonaws.com/bucket/key", "https://s3..amazonaws.com/bucket/key",
	"https://s3.amazonaws.com/bucket/a%2", "https://s3.amazonaws.com/bucket/a%zz",
	"https://s3.amazonaws.com/bucket/a%00b", "https://s3.amazonaws.com/bucket/a%0Ab",
	"s3://bucket/a\nb", "https://192.0.2.1/bucket/key", "https://[2001:db8::1]/bucket/key",
};

static void
what_is_no_location_is_told(void **state)
{
	struct s3_location location;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (s3_location_parse(&location, bad[i]) == NULL)
			fail_msg("taken: %s", bad[i]);
	}
}

static void
keys_have_a_bound(void **state)
{
	char text[1100] = "s3://bucket/";
	struct s3_location location;

	memset(text + 12, 'k', 1024);
	assert_null(s3_location_parse(&location, text));
	assert_int_equal(strlen(location.key), 1024);
	text[12 + 1024] = 'k';
	assert_non_null(s3_location_parse(&location, text));
}

static void
hosts_have_a_bound(void **state)
{
	static const char ending[] = ".s3.amazonaws.com/key";
	char text[400] = "https://";
	struct s3_location location;
	char *host = text + strlen(text);
	size_t left = 255 - strcspn(ending, "/");

	/* the longest host is read, and its bucket refused for itself */
	memset(host, 'b', left);
	strcpy(host + left, ending);
	assert_string_equal(s3_location_parse(&location, text),
	    "has a bucket name that is none (3 to 63 of a-z, 0-9, . and -)");
	memset(host, 'b', left + 1);
	strcpy(host + left + 1, ending);
	assert_string_equal(s3_location_parse(&location, text),
	    "has a host name of more than 255 bytes");
	assert_non_null(s3_location_parse(&location, "https:///key"));
}

static void
path_is_encoded_once(void **state)
{
	struct s3_location location;
	char path[S3_PATH_MAX];

	assert_null(s3_location_parse(&location, "s3://bucket/a b+c/%41~_-./\xc3\xa4"));
	s3_location_path(&location, path);
	assert_string_equal(path, "/a%20b%2Bc/%2541~_-./%C3%A4");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_good_form_is_read),
		cmocka_unit_test(what_is_no_location_is_told),
		cmocka_unit_test(keys_have_a_bound),
		cmocka_unit_test(hosts_have_a_bound),
		cmocka_unit_test(path_is_encoded_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
