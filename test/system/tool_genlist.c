/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Prints a threat list that looks like the public ones, the same for the same
 * arguments: tool_genlist ENTRIES [SEED [SHAPE]].
 *
 *	mixed	88 % IPv4 hosts, 3 to 5 in a /24, in a quarter of all /16s; 7 % IPv4
 *		prefixes, all in 1 % of the /16s; 4 % IPv6 hosts and 1 % prefixes
 *	hosts	IPv4 hosts alone
 *	spread	as mixed, but IPv4 prefixes in any /16
 *
 * No two lines are the same, all addresses are public ones.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "threatlistd/addr.h"
#include "core/scope.h"

#define NETS	65536u		/* /16s */

struct genlist {
	uint64_t random;
	uint64_t *seen;		/* open addressing, 0: free */
	size_t nseen;		/* slots, a power of two */
	uint32_t *host_nets;	/* /16s with hosts */
	uint32_t *prefix_nets;	/* /16s with prefixes */
	uint32_t nhost_nets, nprefix_nets;
	uint64_t left;		/* lines still to print */
};

/* xorshift64* */
static uint32_t
below(struct genlist *gen, uint32_t n)
{
	gen->random ^= gen->random >> 12;
	gen->random ^= gen->random << 25;
	gen->random ^= gen->random >> 27;
	return (uint32_t)((gen->random * UINT64_C(0x2545f4914f6cdd1d) >> 32) * n >> 32);
}

/* Is this the first time?  Keys are not zero. */
static bool
first_seen(struct genlist *gen, uint64_t key)
{
	size_t i = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20);

	for (;; i++) {
		uint64_t *slot = &gen->seen[i & (gen->nseen - 1)];

		if (*slot == key)
			return false;
		if (*slot == 0) {
			*slot = key;
			return true;
		}
	}
}

static bool
net_is_public(uint32_t net)
{
	const struct span *spans;
	size_t n, i;

	spans = scope_excluded(SCOPE_PUBLIC, ADDR_V4, &n);
	for (i = 0; i < n; i++) {
		if (spans[i].first.lo >> 16 <= net && net <= spans[i].last.lo >> 16)
			return false;
	}
	return true;
}

/* Picks about one in so many of the public /16s. */
static uint32_t
pick_nets(struct genlist *gen, uint32_t *nets, uint32_t one_in)
{
	uint32_t net, n = 0;

	for (net = 0; net < NETS; net++) {
		if (net_is_public(net) && below(gen, one_in) == 0)
			nets[n++] = net;
	}
	return n;
}

static void
print_v4(struct genlist *gen, uint32_t first, unsigned int len)
{
	struct addr addr = addr_from_v4(first);
	char buf[ADDR_TEXT_MAX];

	if (gen->left == 0 || !first_seen(gen, (uint64_t)first << 8 | len))
		return;
	gen->left--;
	if (len == 32)
		printf("%s\n", addr_text(&addr, buf));
	else
		printf("%s/%u\n", addr_text(&addr, buf), len);
}

static void
hosts4(struct genlist *gen)
{
	uint32_t block = gen->host_nets[below(gen, gen->nhost_nets)] << 16 | below(gen, 256) << 8;
	uint32_t n = 3 + below(gen, 3), i;

	for (i = 0; i < n; i++)
		print_v4(gen, block | below(gen, 256), 32);
}

static void
prefix4(struct genlist *gen)
{
	uint32_t net = gen->prefix_nets[below(gen, gen->nprefix_nets)] << 16;
	uint32_t kind = below(gen, 100);
	unsigned int len;

	if (kind < 60)
		len = 25 + below(gen, 7);
	else if (kind < 80)
		len = 24;
	else if (kind < 99)
		len = 17 + below(gen, 7);
	else
		len = 16;
	print_v4(gen, (net | below(gen, 65536)) & ~(UINT32_MAX >> len), len);
}

/* In 256 networks of /32; a /64 holds a few hosts. */
static void
print_v6(struct genlist *gen, unsigned int len)
{
	uint32_t provider = 0x2a000000 | below(gen, 256) << 16, site = below(gen, 4096) << 16;
	uint32_t host = below(gen, 65536) + 1;
	uint64_t upper = (uint64_t)provider << 32 | site | below(gen, 4);
	uint8_t bytes[16] = { 0 };
	struct addr addr;
	char buf[ADDR_TEXT_MAX];

	if (len < 64)
		upper &= ~(UINT64_MAX >> len);
	if (len < 128)
		host = 0;
	if (gen->left == 0 || !first_seen(gen, (upper ^ (uint64_t)len << 24) * 65599 + host))
		return;
	gen->left--;
	key_store64(bytes, upper);
	key_store64(bytes + 8, host);
	addr = addr_from_v6(bytes);
	if (len == 128)
		printf("%s\n", addr_text(&addr, buf));
	else
		printf("%s/%u\n", addr_text(&addr, buf), len);
}

static void
print_some(struct genlist *gen, bool hosts_only)
{
	uint32_t kind = below(gen, 1000);

	/* hosts4 prints four lines on average, the others one */
	if (hosts_only || kind < 647)
		hosts4(gen);
	else if (kind < 853)
		prefix4(gen);
	else if (kind < 970)
		print_v6(gen, 128);
	else
		print_v6(gen, below(gen, 2) == 0 ? 64 : 48);
}

static int
usage(void)
{
	fprintf(stderr, "usage: tool_genlist ENTRIES [SEED [mixed|hosts|spread]]\n");
	return 2;
}

int
main(int argc, char **argv)
{
	struct genlist gen = { .random = UINT64_C(0x853c49e6748fea9b) };
	const char *shape = argc > 3 ? argv[3] : "mixed";
	bool hosts_only = strcmp(shape, "hosts") == 0, spread = strcmp(shape, "spread") == 0;
	int rc = 1;

	if (argc < 2 || argc > 4 || (!hosts_only && !spread && strcmp(shape, "mixed") != 0))
		return usage();
	gen.left = strtoull(argv[1], NULL, 10);
	if (gen.left == 0 || gen.left > 4000000)
		return usage();
	if (argc > 2)
		gen.random ^= strtoull(argv[2], NULL, 10) * UINT64_C(0x9e3779b97f4a7c15);
	for (gen.nseen = 1024; gen.nseen < 2 * gen.left; gen.nseen *= 2)
		;
	gen.seen = calloc(gen.nseen, sizeof(*gen.seen));
	gen.host_nets = calloc(NETS, sizeof(*gen.host_nets));
	gen.prefix_nets = calloc(NETS, sizeof(*gen.prefix_nets));
	if (gen.seen == NULL || gen.host_nets == NULL || gen.prefix_nets == NULL)
		goto out;
	gen.nhost_nets = pick_nets(&gen, gen.host_nets, 4);
	gen.nprefix_nets = pick_nets(&gen, gen.prefix_nets, spread ? 1 : 100);
	while (gen.left > 0)
		print_some(&gen, hosts_only);
	rc = fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
out:
	free(gen.seen);
	free(gen.host_nets);
	free(gen.prefix_nets);
	return rc;
}
