/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values of the config: from text to member and back. */
#include "runtime/conf_table.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first: the normal form is the first that divides. */
static const struct unit duration_units[] = {
	{ "d", INT64_C(86400000) }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
	{ NULL, 0 }
};
static const struct unit size_units[] = {
	{ "G", INT64_C(1) << 30 }, { "M", INT64_C(1) << 20 }, { "K", INT64_C(1) << 10 }, { "", 1 },
	{ NULL, 0 }
};
static const struct unit percent_units[] = { { "%", 1 }, { NULL, 0 } };
static const struct unit count_units[] = { { "", 1 }, { NULL, 0 } };

#define LETTERS	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS	"0123456789"
#define ACCOUNT_LEN	12

static const struct unit *
units_of(enum conf_kind kind)
{
	switch (kind) {
	case KIND_DURATION:
	case KIND_OFF_DURATION:
		return duration_units;
	case KIND_SIZE:
		return size_units;
	case KIND_PERCENT:
		return percent_units;
	default:
		return count_units;
	}
}

static bool
is_number(enum conf_kind kind)
{
	return kind <= KIND_SIZE;
}

static void
store(const struct conf_key *key, void *base, int64_t value)
{
	void *member = (char *)base + key->at;
	uint8_t one = (uint8_t)value;
	uint16_t two = (uint16_t)value;
	uint32_t four = (uint32_t)value;

	assert(key->size == 1 || key->size == 2 || key->size == 4 || key->size == 8);
	switch (key->size) {
	case 1:
		memcpy(member, &one, sizeof(one));
		break;
	case 2:
		memcpy(member, &two, sizeof(two));
		break;
	case 4:
		memcpy(member, &four, sizeof(four));
		break;
	default:
		memcpy(member, &value, sizeof(value));
	}
}

static int64_t
load(const struct conf_key *key, const void *base)
{
	const void *member = (const char *)base + key->at;
	uint8_t one;
	uint16_t two;
	uint32_t four;
	int64_t eight;

	switch (key->size) {
	case 1:
		memcpy(&one, member, sizeof(one));
		return one;
	case 2:
		memcpy(&two, member, sizeof(two));
		return two;
	case 4:
		memcpy(&four, member, sizeof(four));
		return four;
	default:
		memcpy(&eight, member, sizeof(eight));
		return eight;
	}
}

static char *
load_text(const struct conf_key *key, const void *base)
{
	char *text;

	assert(key->size == sizeof(text));
	memcpy(&text, (const char *)base + key->at, sizeof(text));
	return text;
}

static int
store_text(const struct conf_key *key, void *base, const char *value)
{
	char *text = NULL;

	if (value != NULL) {
		text = strdup(value);
		if (text == NULL)
			return -ENOMEM;
	}
	free(load_text(key, base));
	memcpy((char *)base + key->at, &text, sizeof(text));
	return 0;
}

/* Digits and one of the units, nothing else; false also above INT64_MAX. */
static bool
read_number(const struct unit *units, const char *text, int64_t *value)
{
	int64_t number = 0;
	const char *at = text;

	if (*at < '0' || *at > '9')
		return false;
	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, *at - '0', &number))
			return false;
	}
	for (; units->name != NULL; units++) {
		if (strcmp(units->name, at) == 0)
			return !__builtin_mul_overflow(number, units->factor, value);
	}
	return false;
}

bool
conf_duration_read(const char *text, int64_t *ms)
{
	return read_number(duration_units, text, ms);
}

static void
print_number(const struct unit *units, int64_t value, FILE *out)
{
	while (units[1].name != NULL && (value == 0 || value % units->factor != 0))
		units++;
	fprintf(out, "%" PRId64 "%s", value / units->factor, units->name);
}

static int
read_choice(const struct conf_key *key, const char *value, void *base)
{
	const struct conf_choice *choice;

	for (choice = key->choices; choice->name != NULL; choice++) {
		if (strcmp(choice->name, value) == 0) {
			store(key, base, choice->value);
			return 0;
		}
	}
	return -EINVAL;
}

static int
read_figure(const struct conf_key *key, const char *value, void *base)
{
	int64_t number;

	if (key->kind == KIND_CHOICE)
		return read_choice(key, value, base);
	if (key->kind == KIND_OFF_DURATION && strcmp(value, "off") == 0) {
		store(key, base, 0);
		return 0;
	}
	if (!read_number(units_of(key->kind), value, &number) || number < key->low ||
	    number > key->high)
		return -EINVAL;
	store(key, base, number);
	return 0;
}

const char *
conf_url_host(const char *url, size_t *len)
{
	const char *host, *end;

	host = strstr(url, "://");
	if (host == NULL)
		return NULL;
	host += 3;
	end = host + strcspn(host, "/?#");
	if (memchr(host, '@', (size_t)(end - host)) != NULL)
		return NULL;
	if (*host == '[') {
		host++;
		*len = strcspn(host, "]");
		return *len > 0 && host + *len < end ? host : NULL;
	}
	*len = strcspn(host, ":/?#");
	return *len > 0 ? host : NULL;
}

bool
conf_url_is_loopback(const char *url)
{
	static const uint8_t v6_loopback[16] = { [15] = 1 };
	struct addr addr;
	size_t len;
	const char *host = conf_url_host(url, &len);

	if (host == NULL)
		return false;
	if (len == strlen("localhost") && memcmp(host, "localhost", len) == 0)
		return true;
	if (addr_parse(&addr, host, len) != NULL)
		return false;
	return addr.family == ADDR_V4 ? addr.bytes[0] == 127 :
	    memcmp(addr.bytes, v6_loopback, sizeof(v6_loopback)) == 0;
}

/* Printable ASCII without blanks, a host, no user or password (it would end up in logs). */
static bool
is_url(const char *url, bool https_only)
{
	const char *at;
	size_t len;

	if (strncmp(url, "https://", 8) != 0 && (https_only || strncmp(url, "http://", 7) != 0))
		return false;
	for (at = url; *at != '\0'; at++) {
		if (*at <= ' ' || *at > '~' || *at == '#')
			return false;
	}
	return conf_url_host(url, &len) != NULL;
}

static bool
text_is_good(const struct conf_key *key, const char *value)
{
	size_t len = strlen(value);

	switch (key->kind) {
	case KIND_PATH:
		return value[0] == '/';
	case KIND_LOCATION:
		return value[0] == '/' || is_url(value, true) || strncmp(value, "s3://", 5) == 0 ||
		    strncmp(value, "http://", 7) == 0;
	case KIND_URL:
		return is_url(value, false);
	case KIND_PROXY:
		return strcmp(value, "env") == 0 || strcmp(value, "none") == 0 ||
		    is_url(value, false);
	case KIND_ACCOUNT:
		return len == ACCOUNT_LEN && strspn(value, DIGITS) == len;
	case KIND_INTERFACE:
		return len <= (size_t)key->high && strpbrk(value, " \t/:#;") == NULL &&
		    strcmp(value, ".") != 0 && strcmp(value, "..") != 0;
	case KIND_RESOURCE:
		return len <= (size_t)key->high && strspn(value, LETTERS DIGITS "._-:/") == len;
	default:
		return len <= (size_t)key->high && strspn(value, LETTERS DIGITS "._-:@") == len;
	}
}

static int
read_text(const struct conf_key *key, const char *value, void *base)
{
	if (key->kind == KIND_AUTO_WORD && strcmp(value, "auto") == 0)
		return store_text(key, base, NULL);
	if (value[0] == '\0' || !text_is_good(key, value))
		return -EINVAL;
	return store_text(key, base, value);
}

struct cidrs {
	struct range *ranges;
	size_t n;
};

static struct cidrs
load_cidrs(const struct conf_key *key, const void *base)
{
	struct cidrs cidrs;
	const char *member = (const char *)base + key->at;

	memcpy(&cidrs.ranges, member, sizeof(cidrs.ranges));
	memcpy(&cidrs.n, member + sizeof(cidrs.ranges), sizeof(cidrs.n));
	return cidrs;
}

static void
store_cidrs(const struct conf_key *key, void *base, const struct cidrs *cidrs)
{
	char *member = (char *)base + key->at;

	free(load_cidrs(key, base).ranges);
	memcpy(member, &cidrs->ranges, sizeof(cidrs->ranges));
	memcpy(member + sizeof(cidrs->ranges), &cidrs->n, sizeof(cidrs->n));
}

static const char *
read_cidr(struct range *range, const char *text, size_t len)
{
	unsigned int notes = 0;
	const char *wrong = range_parse(range, text, len, &notes);

	if (wrong == NULL && range_prefix_len(range) < 0)
		wrong = "is not one prefix";
	return wrong;
}

static int
read_cidrs(const struct conf_key *key, const char *value, void *base, char *why)
{
	static const char between[] = ", \t";
	struct cidrs cidrs = { NULL, 0 };
	const char *wrong = NULL;
	size_t len;

	cidrs.ranges = calloc((size_t)key->high, sizeof(*cidrs.ranges));
	if (cidrs.ranges == NULL)
		return -ENOMEM;
	for (value += strspn(value, between); *value != '\0';
	    value += len, value += strspn(value, between)) {
		len = strcspn(value, between);
		wrong = cidrs.n == (size_t)key->high ? "is one too many" :
		    read_cidr(&cidrs.ranges[cidrs.n], value, len);
		if (wrong != NULL)
			break;
		cidrs.n++;
	}
	if (wrong == NULL && cidrs.n > 0) {
		store_cidrs(key, base, &cidrs);
		return 0;
	}
	if (wrong != NULL)
		snprintf(why, CONF_WHY_MAX, "`%.*s' %s", len < 60 ? (int)len : 60, value, wrong);
	free(cidrs.ranges);
	return -EINVAL;
}

int
conf_value_read(const struct conf_key *key, const char *value, void *base,
    char why[static CONF_WHY_MAX])
{
	why[0] = '\0';
	if (is_number(key->kind))
		return read_figure(key, value, base);
	if (key->kind == KIND_CIDRS)
		return read_cidrs(key, value, base, why);
	return read_text(key, value, base);
}

int
conf_value_inherit(const struct conf_key *key, const struct conf *conf, void *base)
{
	const char *from = (const char *)conf + key->from;
	char *text;

	if (is_number(key->kind)) {
		memcpy((char *)base + key->at, from, key->size);
		return 0;
	}
	memcpy(&text, from, sizeof(text));
	return store_text(key, base, text);
}

static void
print_choice(const struct conf_key *key, int64_t value, FILE *out)
{
	const struct conf_choice *choice = key->choices;

	while (choice->name != NULL && choice->value != value)
		choice++;
	assert(choice->name != NULL);
	fputs(choice->name, out);
}

static void
print_figure(const struct conf_key *key, const void *base, FILE *out)
{
	int64_t value = load(key, base);

	fprintf(out, "%s = ", key->name);
	if (key->kind == KIND_CHOICE)
		print_choice(key, value, out);
	else if (key->kind == KIND_OFF_DURATION && value == 0)
		fputs("off", out);
	else
		print_number(units_of(key->kind), value, out);
	fputc('\n', out);
}

/*
 * "KEY = ", or "KEY=" where the blanks would make of a line that was read one
 * that is too long to be read.
 */
static void
print_name(const struct conf_key *key, size_t value_len, FILE *out)
{
	fprintf(out, strlen(key->name) + 3 + value_len > CONF_LINE_MAX ? "%s=" : "%s = ",
	    key->name);
}

static void
print_text(const struct conf_key *key, const char *text, FILE *out)
{
	print_name(key, strlen(text), out);
	fprintf(out, "%s\n", text);
}

static void
print_cidrs(const struct conf_key *key, const void *base, FILE *out)
{
	struct cidrs cidrs = load_cidrs(key, base);
	char text[RANGE_TEXT_MAX];
	size_t i, len = 0;

	if (cidrs.n == 0)
		return;
	for (i = 0; i < cidrs.n; i++)
		len += (i > 0) + strlen(range_text(&cidrs.ranges[i], text));
	print_name(key, len, out);
	for (i = 0; i < cidrs.n; i++)
		fprintf(out, "%s%s", i > 0 ? " " : "", range_text(&cidrs.ranges[i], text));
	fputc('\n', out);
}

void
conf_value_print(const struct conf_key *key, const void *base, FILE *out)
{
	const char *text;

	if (is_number(key->kind)) {
		print_figure(key, base, out);
	} else if (key->kind == KIND_CIDRS) {
		print_cidrs(key, base, out);
	} else {
		text = load_text(key, base);
		if (text == NULL && key->kind == KIND_AUTO_WORD)
			text = "auto";
		if (text != NULL)
			print_text(key, text, out);
	}
}

void
conf_value_free(const struct conf_key *key, void *base)
{
	if (key->kind == KIND_CIDRS)
		free(load_cidrs(key, base).ranges);
	else if (!is_number(key->kind))
		free(load_text(key, base));
}

static void
allowed_choices(const struct conf_key *key, FILE *out)
{
	const struct conf_choice *choice = key->choices;

	for (; choice->name != NULL; choice++) {
		fprintf(out, "%s%s", choice == key->choices ? "" :
		    choice[1].name == NULL ? " or " : ", ", choice->name);
	}
}

static void
allowed_figure(const struct conf_key *key, FILE *out)
{
	const struct unit *units = units_of(key->kind);

	if (key->kind == KIND_CHOICE) {
		allowed_choices(key, out);
		return;
	}
	if (key->kind == KIND_OFF_DURATION)
		fputs("off or ", out);
	fputs(units == duration_units ? "a duration (ms, s, m, h, d) from " :
	    units == size_units ? "a size (bytes, or K, M, G) from " :
	    units == percent_units ? "a percentage from " : "a number from ", out);
	print_number(units, key->low, out);
	fputs(" to ", out);
	print_number(units, key->high, out);
}

void
conf_value_allowed(const struct conf_key *key, char text[static CONF_WHY_MAX])
{
	static const char *const texts[] = {
		[KIND_PATH] = "an absolute path",
		[KIND_LOCATION] = "an absolute path (type file), an https:// URL without "
		    "blanks, user or fragment (type https), or s3://BUCKET/KEY or a URL of S3 (type s3)",
		[KIND_URL] = "an http:// or https:// URL without blanks, user or fragment",
		[KIND_PROXY] = "env, none or an http:// or https:// URL without user",
		[KIND_WORD] = "a word of up to 127 letters, digits and . _ - : @",
		[KIND_RESOURCE] = "a name or ARN of letters, digits and . _ - : /",
		[KIND_AUTO_WORD] = "auto or a word of up to 127 letters, digits and . _ - : @",
		[KIND_ACCOUNT] = "12 digits",
		[KIND_INTERFACE] = "any or the name of a network interface",
	};
	FILE *out;

	if (key->kind == KIND_CIDRS) {
		snprintf(text, CONF_WHY_MAX, "up to %" PRId64 " addresses and prefixes "
		    "(ADDRESS/LENGTH)", key->high);
		return;
	}
	if (!is_number(key->kind)) {
		snprintf(text, CONF_WHY_MAX, "%s", texts[key->kind]);
		return;
	}
	text[0] = '\0';
	out = fmemopen(text, CONF_WHY_MAX, "w");
	if (out == NULL)
		return;
	allowed_figure(key, out);
	fclose(out);
}
