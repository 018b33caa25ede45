/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The text of addresses and ranges, read strictly.  The reading itself stops
 * at the first wrong byte; what kind of wrong it was (a URL, a hash, …) is
 * found out only then, so that good lines pay nothing for it.
 */
#include "threatlistd/addr.h"

#include <string.h>

const char addr_wrong_domain[] = "a domain name, not an address";
static const char not_an_address[] = "not an address";

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
has_letter(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (is_letter(text[i]))
			return true;
	}
	return false;
}

/* Lengths in hex digits of MD5, SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512. */
static bool
is_hash(const char *text, size_t len)
{
	size_t i;

	if (len != 32 && len != 40 && len != 56 && len != 64 && len != 96 && len != 128)
		return false;
	for (i = 0; i < len; i++) {
		if (hex_value(text[i]) < 0)
			return false;
	}
	return true;
}

/* HOST:PORT or [ADDRESS]:PORT.  An IPv6 address has two colons at least. */
static bool
is_host_port(const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len);
	size_t after;

	if (text[0] == '[')
		return true;
	if (colon == NULL)
		return false;
	after = len - (size_t)(colon + 1 - text);
	return memchr(colon + 1, ':', after) == NULL && after > 0 && is_digit(colon[1]);
}

/* Could it be a name?  Other alphabets have their say as well. */
static bool
is_of_names(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (strchr("!\"#$&'()+,;<=>?@[\\]^`{|}~", text[i]) != NULL)
			return false;
	}
	return true;
}

/* What the text is instead of an address; reason when it is nothing we know. */
static const char *
what_it_is(const char *text, size_t len, const char *reason)
{
	const char *slash;

	if (len == 0)
		return "empty";
	if (memchr(text, '\0', len) != NULL)
		return "contains a NUL byte";
	if (memmem(text, len, "://", 3) != NULL)
		return "a URL, not an address";
	if (memchr(text, '%', len) != NULL)
		return "a zone id cannot be part of a list";
	if (len > 2 && memcmp(text, "*.", 2) == 0 && has_letter(text, len))
		return addr_wrong_domain;
	if (memchr(text, '*', len) != NULL)
		return "wildcards are not accepted, write a prefix";
	if (is_hash(text, len))
		return "a hash, not an address";
	if (is_host_port(text, len))
		return "host and port, not an address alone";
	if (memchr(text, ':', len) == NULL && memchr(text, '.', len) != NULL &&
	    has_letter(text, len)) {
		slash = memchr(text, '/', len);
		if (slash != NULL && has_letter(text, (size_t)(slash - text)))
			return "a URL, not an address";
		return is_of_names(text, len) ? addr_wrong_domain : reason;
	}
	return reason;
}

static const char *
read_v4(uint8_t bytes[static 4], const char *text, size_t len)
{
	size_t i = 0, start;
	unsigned int octet, n;

	for (n = 0; n < 4; n++) {
		if (n > 0) {
			if (i == len)
				return "fewer than four octets";
			if (text[i++] != '.')
				return not_an_address;
		}
		octet = 0;
		for (start = i; i < len && is_digit(text[i]) && i - start < 4; i++)
			octet = octet * 10 + (unsigned int)(text[i] - '0');
		if (i == start)
			return i == len && n > 0 ? "fewer than four octets" : not_an_address;
		if (text[start] == '0' && i - start > 1)
			return "octet with a leading zero";
		if (octet > 255)
			return "octet above 255";
		bytes[n] = (uint8_t)octet;
	}
	if (i < len)
		return text[i] == '.' ? "more than four octets" : not_an_address;
	return NULL;
}

/* Groups as they are read, and where the double colon stood. */
struct groups {
	uint8_t bytes[16];
	unsigned int used;	/* bytes filled */
	int gap;		/* byte where :: stood, -1: nowhere */
};

/* One group, or the dotted end; *at moves behind it. */
static const char *
read_group(struct groups *groups, const char *text, size_t len, size_t *at)
{
	size_t i = *at;
	unsigned int value = 0;
	const char *wrong;

	while (i < len && hex_value(text[i]) >= 0 && i - *at < 5)
		value = value << 4 | (unsigned int)hex_value(text[i++]);
	if (i < len && text[i] == '.') {
		if (groups->used > 12)
			return "more than eight groups";
		wrong = read_v4(groups->bytes + groups->used, text + *at, len - *at);
		groups->used += 4;
		*at = len;
		return wrong;
	}
	if (i == *at)
		return not_an_address;
	if (i - *at > 4)
		return "group of more than four digits";
	if (groups->used > 14)
		return "more than eight groups";
	groups->bytes[groups->used++] = (uint8_t)(value >> 8);
	groups->bytes[groups->used++] = (uint8_t)value;
	*at = i;
	return NULL;
}

/* The colon or colons after a group; a colon must be followed by something. */
static const char *
read_colons(struct groups *groups, const char *text, size_t len, size_t *at)
{
	if (text[*at] != ':')
		return not_an_address;
	(*at)++;
	if (*at < len && text[*at] == ':') {
		if (groups->gap >= 0)
			return "more than one ::";
		groups->gap = (int)groups->used;
		(*at)++;
		return NULL;
	}
	return *at == len ? "ends in a colon" : NULL;
}

static const char *
read_v6(uint8_t bytes[static 16], const char *text, size_t len)
{
	struct groups groups = { .gap = -1 };
	const char *wrong;
	size_t at = 0, tail;

	if (len >= 2 && text[0] == ':' && text[1] == ':') {
		groups.gap = 0;
		at = 2;
	}
	while (at < len) {
		wrong = read_group(&groups, text, len, &at);
		if (wrong == NULL && at < len)
			wrong = read_colons(&groups, text, len, &at);
		if (wrong != NULL)
			return wrong;
	}
	if (groups.gap < 0 && groups.used < 16)
		return "fewer than eight groups";
	if (groups.gap >= 0 && groups.used > 14)
		return ":: stands for nothing";
	memset(bytes, 0, 16);
	tail = groups.gap < 0 ? 0 : groups.used - (unsigned int)groups.gap;
	memcpy(bytes, groups.bytes, groups.used - tail);
	memcpy(bytes + 16 - tail, groups.bytes + groups.used - tail, tail);
	return NULL;
}

/* An address, not yet explained when wrong. */
static const char *
read_addr(struct addr *addr, bool *mapped, const char *text, size_t len)
{
	static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };
	const char *wrong;

	memset(addr, 0, sizeof(*addr));
	*mapped = false;
	if (memchr(text, ':', len) == NULL) {
		addr->family = ADDR_V4;
		return read_v4(addr->bytes, text, len);
	}
	addr->family = ADDR_V6;
	wrong = read_v6(addr->bytes, text, len);
	if (wrong == NULL && memcmp(addr->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0) {
		addr->family = ADDR_V4;
		memmove(addr->bytes, addr->bytes + 12, 4);
		memset(addr->bytes + 4, 0, 12);
		*mapped = true;
	}
	return wrong;
}

const char *
addr_parse(struct addr *addr, const char *text, size_t len)
{
	const char *wrong;
	bool mapped;

	wrong = read_addr(addr, &mapped, text, len);
	return wrong == NULL ? NULL : what_it_is(text, len, wrong);
}

/* A prefix length written as an IPv4 netmask. */
static const char *
read_netmask(unsigned int *length, const char *text, size_t len)
{
	uint8_t bytes[4];
	uint32_t mask;
	const char *wrong;

	wrong = read_v4(bytes, text, len);
	if (wrong != NULL)
		return "neither a prefix length nor a netmask";
	mask = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	    bytes[3];
	if ((~mask & (~mask + 1)) != 0)
		return (mask & (mask + 1)) == 0 ? "a wildcard mask, not a netmask" :
		    "netmask with holes";
	*length = mask == 0 ? 0 : 32 - (unsigned int)__builtin_ctz(mask);
	return NULL;
}

static const char *
read_length(unsigned int *length, const char *text, size_t len)
{
	size_t i;

	if (len == 0)
		return "prefix length missing";
	*length = 0;
	for (i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return "prefix length is not a number";
		if (i == 3)
			return "prefix length too long";
		*length = *length * 10 + (unsigned int)(text[i] - '0');
	}
	if (text[0] == '0' && len > 1)
		return "prefix length with a leading zero";
	return NULL;
}

static const char *
read_prefix(struct range *range, const char *text, size_t len, bool mapped, unsigned int *notes)
{
	struct addr addr = range->first;
	unsigned int length;
	const char *wrong;

	if (addr.family == ADDR_V4 && !mapped && memchr(text, '.', len) != NULL)
		wrong = read_netmask(&length, text, len);
	else
		wrong = read_length(&length, text, len);
	if (wrong != NULL)
		return wrong;
	if (addr.family == ADDR_V6 || mapped) {
		if (length > 128)
			return "prefix length above 128";
	} else if (length > 32) {
		return "prefix length above 32";
	}
	if (mapped) {
		if (length < 96)
			return "prefix of an IPv4-mapped address shorter than /96";
		length -= 96;
	}
	*range = range_of_prefix(&addr, length);
	if (!addr_equal(&addr, &range->first))
		*notes |= RANGE_NOTE_HOST_BITS;
	return NULL;
}

static const char *
read_span_end(struct range *range, const char *text, size_t len, bool *mapped)
{
	const char *wrong;

	if (len == 0)
		return "range without an end";
	wrong = read_addr(&range->last, mapped, text, len);
	if (wrong != NULL)
		return what_it_is(text, len, wrong);
	if (range->first.family != range->last.family)
		return "range from one address family to the other";
	if (addr_compare(&range->first, &range->last) > 0)
		return "range ends before it starts";
	return NULL;
}

const char *
range_parse(struct range *range, const char *text, size_t len, unsigned int *notes)
{
	size_t head = 0;
	bool mapped, last_mapped = false;
	const char *wrong;

	while (head < len && text[head] != '/' && text[head] != '-')
		head++;
	wrong = read_addr(&range->first, &mapped, text, head);
	if (wrong != NULL)
		return what_it_is(text, len, wrong);
	range->last = range->first;
	if (head < len && text[head] == '/')
		wrong = read_prefix(range, text + head + 1, len - head - 1, mapped, notes);
	else if (head < len)
		wrong = read_span_end(range, text + head + 1, len - head - 1, &last_mapped);
	if (wrong == NULL && (mapped || last_mapped))
		*notes |= RANGE_NOTE_MAPPED;
	return wrong;
}
