/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "threatlistd/enforce.h"
#include "armed.h"
#include "elements.h"
#include "endpoint.h"
#include "engine.h"
#include "readback.h"
#include "watch.h"

/* With so much time left, a member need not be renewed. */
#define FRESH_MS	(ENFORCE_ENDPOINT_MS / 2)

static size_t
address_size(unsigned int family)
{
	return family == FAMILY_V4 ? 4 : 16;
}

static size_t
key_size(unsigned int family)
{
	return address_size(family) + sizeof(uint32_t);
}

static const char *
set_name(unsigned int family)
{
	return fixture_name(FIXTURE_PROTECT_EP4 + family);
}

static struct endpoint
endpoint_of(const struct addr *addr, uint16_t port)
{
	struct endpoint endpoint = {
		.family = addr->family == ADDR_V4 ? FAMILY_V4 : FAMILY_V6,
	};
	const uint16_t wire = htons(port);

	memcpy(endpoint.key, addr->bytes, address_size(endpoint.family));
	memcpy(endpoint.key + address_size(endpoint.family), &wire, sizeof(wire));
	return endpoint;
}

/* left_ms 0: the member is to be deleted. */
static void
put(struct batch *batch, const struct endpoint *endpoint, int64_t left_ms)
{
	struct nlmsghdr *nlh = elements_begin(batch, left_ms > 0 ? NFT_MSG_NEWSETELEM :
	    NFT_MSG_DELSETELEM, left_ms > 0 ? NLM_F_CREATE : 0, set_name(endpoint->family));
	struct nlattr *list, *element, *key;

	if (nlh == NULL)
		return;
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	key = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);
	mnl_attr_put(nlh, NFTA_DATA_VALUE, key_size(endpoint->family), endpoint->key);
	mnl_attr_nest_end(nlh, key);
	if (left_ms > 0)
		mnl_attr_put_u64(nlh, NFTA_SET_ELEM_TIMEOUT, htobe64((uint64_t)left_ms));
	mnl_attr_nest_end(nlh, element);
	mnl_attr_nest_end(nlh, list);
	batch_end(batch, nlh);
}

void
endpoints_put(struct batch *batch, const struct endpoints *endpoints)
{
	int64_t now = armed_now_ms();
	size_t i;

	for (i = 0; i < endpoints->n; i++) {
		if (endpoints->all[i].until_ms > now)
			put(batch, &endpoints->all[i], endpoints->all[i].until_ms - now);
	}
}

static void
forget_expired(struct endpoints *endpoints, int64_t now)
{
	size_t i, kept = 0;

	for (i = 0; i < endpoints->n; i++) {
		if (endpoints->all[i].until_ms > now)
			endpoints->all[kept++] = endpoints->all[i];
	}
	endpoints->n = kept;
}

/* The one kept under this key, or a new one that has expired; NULL: there is no room. */
static struct endpoint *
find_or_add(struct endpoints *endpoints, const struct endpoint *wanted)
{
	size_t i;

	for (i = 0; i < endpoints->n; i++) {
		if (endpoints->all[i].family == wanted->family &&
		    memcmp(endpoints->all[i].key, wanted->key, sizeof(wanted->key)) == 0)
			return &endpoints->all[i];
	}
	if (endpoints->n == ENFORCE_ENDPOINTS_MAX)
		return NULL;
	endpoints->all[endpoints->n] = *wanted;
	return &endpoints->all[endpoints->n++];
}

/* The time of a member cannot be changed on every kernel: it is made anew, in one transaction. */
static int
renew(struct enforce *enforce, const struct endpoint *endpoint, struct enforce_error *err)
{
	struct batch batch;
	int error;

	batch_init(&batch);
	watch_pause(enforce);
	put(&batch, endpoint, 0);
	put(&batch, endpoint, ENFORCE_ENDPOINT_MS);
	error = kernel_commit(enforce->kernel, &batch, 0, "renewing an endpoint", err);
	if (error == -ENOENT) {
		batch_reset(&batch);
		put(&batch, endpoint, ENFORCE_ENDPOINT_MS);
		error = kernel_commit(enforce->kernel, &batch, 0, "adding an endpoint", err);
	}
	watch_resume(enforce);
	batch_fini(&batch);
	return error;
}

int
enforce_endpoint(struct enforce *enforce, const struct addr *addr, uint16_t port,
    struct enforce_error *err)
{
	const struct endpoint wanted = endpoint_of(addr, port);
	int64_t now = armed_now_ms();
	struct endpoint *endpoint;
	int error = 0;

	forget_expired(&enforce->endpoints, now);
	endpoint = find_or_add(&enforce->endpoints, &wanted);
	if (endpoint == NULL)
		return enforce_fail(err, -ENOSPC, "endpoints", "too many at once");
	if (enforce->table && (endpoint->until_ms < now + FRESH_MS ||
	    readback_has(enforce->kernel, set_name(endpoint->family), endpoint->key,
	    key_size(endpoint->family)) != 1))
		error = renew(enforce, endpoint, err);
	else if (enforce->table)
		return 0;
	/* also when the table is gone just now: the next one is made with it */
	endpoint->until_ms = now + ENFORCE_ENDPOINT_MS;
	return error;
}

struct telling {
	unsigned int family;
	enforce_endpoint_fn *each;
	void *arg;
};

static void
take_endpoint(const struct element *element, void *arg)
{
	const struct telling *telling = arg;
	size_t size = address_size(telling->family);
	struct addr addr;
	uint16_t wire;

	if (element->key_size != key_size(telling->family))
		return;
	memset(&addr, 0, sizeof(addr));
	addr.family = telling->family == FAMILY_V4 ? ADDR_V4 : ADDR_V6;
	memcpy(addr.bytes, element->key, size);
	memcpy(&wire, element->key + size, sizeof(wire));
	telling->each(&addr, ntohs(wire), telling->arg);
}

static void
take_message(const struct nlmsghdr *nlh, void *arg)
{
	elements_read(nlh, take_endpoint, arg);
}

int
enforce_endpoints(struct enforce *enforce, enforce_endpoint_fn *each, void *arg,
    struct enforce_error *err)
{
	_Alignas(struct nlmsghdr) uint8_t buf[KERNEL_REQUEST_MAX];
	struct telling telling = { .each = each, .arg = arg };
	int error;

	for (telling.family = 0; telling.family < FAMILY_END; telling.family++) {
		struct nlmsghdr *nlh = kernel_request(buf, NFT_MSG_GETSETELEM, NLM_F_DUMP);

		element_put_set(nlh, set_name(telling.family));
		error = kernel_ask(enforce->kernel, nlh, take_message, NULL, &telling);
		if (error != 0 && error != -ENOENT)
			return enforce_fail(err, error, set_name(telling.family), NULL);
	}
	return 0;
}
