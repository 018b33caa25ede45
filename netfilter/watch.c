/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>

#include "attr.h"
#include "readback.h"
#include "switches.h"
#include "watch.h"

#define EVENT_BYTES	(64u << 10)
#define EVENTS_AT_ONCE	256u		/* datagrams; the rest at the next call */
#define RECEIVE_BYTES	(1 << 20)
#define MAKER_WAIT_MS	20		/* for the rest of a transaction's events, each time */
#define MAKER_WAITS	5u
#define SAMPLES		8u		/* members of each set that a look asks for */

/* The table's name is attribute 1 of every kind of object. */
#define ATTR_TABLE	1u

struct watch {
	struct mnl_socket *nft, *route;
	int epoll_fd, event_fd;
	unsigned int paused;
	uint32_t generation, commits;	/* when the pause began */
	bool unsure;			/* events may have been missed */
	bool allow;			/* an event was of allow4 or allow6: they are read once for all */
	struct enforce_change_info info;	/* gathered, not told yet */
	uint64_t gone;			/* handle of the table that was last told to be */
	uint32_t portid;		/* who is behind info, 0: nobody yet */
	uint8_t bytes[EVENT_BYTES];
};

static struct mnl_socket *
listen_to(struct watch *watch, int bus)
{
	struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct epoll_event event = { .events = EPOLLIN };
	int bytes = RECEIVE_BYTES;

	if (socket == NULL)
		return NULL;
	event.data.fd = mnl_socket_get_fd(socket);
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0 ||
	    epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, mnl_socket_get_fd(socket), &event) != 0) {
		mnl_socket_close(socket);
		return NULL;
	}
	if (setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
	    sizeof(bytes)) != 0)
		setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUF, &bytes,
		    sizeof(bytes));
	return socket;
}

static int
join(struct mnl_socket *socket, int group)
{
	return mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group));
}

static int
open_sockets(struct watch *watch)
{
	static const int routes[] = {
		RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE,
		RTNLGRP_LINK,
	};
	struct epoll_event event = { .events = EPOLLIN };
	size_t i;

	watch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	watch->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	event.data.fd = watch->event_fd;
	if (watch->epoll_fd < 0 || watch->event_fd < 0 ||
	    epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, watch->event_fd, &event) != 0)
		return -errno;
	watch->nft = listen_to(watch, NETLINK_NETFILTER);
	if (watch->nft == NULL || join(watch->nft, NFNLGRP_NFTABLES) != 0)
		return -errno;
	watch->route = listen_to(watch, NETLINK_ROUTE);
	if (watch->route == NULL)
		return -errno;
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (join(watch->route, routes[i]) != 0)
			return -errno;
	}
	return 0;
}

int
watch_open(struct watch **out, struct enforce_error *err)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int error;

	if (watch == NULL)
		return enforce_fail(err, -ENOMEM, "watching", NULL);
	watch->epoll_fd = watch->event_fd = -1;
	error = open_sockets(watch);
	if (error != 0) {
		watch_free(watch);
		return enforce_fail(err, error, "watching nftables and addresses", NULL);
	}
	*out = watch;
	return 0;
}

void
watch_free(struct watch *watch)
{
	if (watch == NULL)
		return;
	if (watch->nft != NULL)
		mnl_socket_close(watch->nft);
	if (watch->route != NULL)
		mnl_socket_close(watch->route);
	if (watch->event_fd >= 0)
		close(watch->event_fd);
	if (watch->epoll_fd >= 0)
		close(watch->epoll_fd);
	free(watch);
}

int
watch_fd(const struct watch *watch)
{
	return watch->epoll_fd;
}

static void
note(struct watch *watch, unsigned int change)
{
	const uint64_t one = 1;

	watch->info.changes |= change;
	if (write(watch->event_fd, &one, sizeof(one)) < 0)
		return;		/* it is set already */
}

/* The first damage of a reading is the one that is named, unless the whole table is gone. */
static void
note_damage(struct watch *watch, const char *kind, const char *name)
{
	if (watch->info.what[0] == '\0' || name == NULL)
		snprintf(watch->info.what, sizeof(watch->info.what), "%s%s%s", kind,
		    name == NULL ? "" : " ", name == NULL ? "" : name);
	note(watch, ENFORCE_CHANGE_DAMAGED);
}

static void
note_gone(struct watch *watch, uint64_t handle)
{
	if (handle == watch->gone)
		return;
	watch->gone = handle;
	note_damage(watch, "table", NULL);
}

void
watch_gone(struct enforce *enforce)
{
	note_gone(enforce->watch, enforce->handle);
}

void
watch_doubt(struct enforce *enforce)
{
	note_damage(enforce->watch, "table", NULL);
}

void
watch_note_allow(struct enforce *enforce)
{
	/* what is there when we come is read by who opened us */
	if (enforce->watch != NULL)
		note(enforce->watch, ENFORCE_CHANGE_ALLOW);
}

void
watch_dormant(struct enforce *enforce, bool dormant)
{
	if (dormant == enforce->dormant)
		return;
	enforce->dormant = dormant;
	note(enforce->watch, dormant ? ENFORCE_CHANGE_PANIC : ENFORCE_CHANGE_RESUME);
}

static void
note_isolation(struct enforce *enforce, const char *kind, const char *name)
{
	struct watch *watch = enforce->watch;

	enforce->isolation.present = false;
	if (watch->info.what[0] == '\0')
		snprintf(watch->info.what, sizeof(watch->info.what), "%s %s", kind, name);
	note(watch, ENFORCE_CHANGE_ISOLATION);
}

void
watch_note(struct enforce *enforce, unsigned int change)
{
	note(enforce->watch, change);
}

void
watch_forget(struct enforce *enforce, unsigned int change)
{
	enforce->watch->info.changes &= ~change;
}

/* --- a look at everything, where events cannot tell ------------------------------------ */

static bool
has_samples(struct enforce *enforce, unsigned int set)
{
	const struct turn *turn = &enforce->sets[set];
	size_t i;

	for (i = 0; i < SAMPLES && i < turn->keys.n; i++) {
		if (readback_has(enforce->kernel, set_info(set)->names[turn->turn],
		    keys_item(&turn->keys, i * (turn->keys.n / SAMPLES) % turn->keys.n),
		    turn->keys.key_size) == 0)
			return false;
	}
	return true;
}

static void
look_at_sets(struct enforce *enforce)
{
	struct set_state state;
	unsigned int set;

	if (readback_sets(enforce->kernel, &state) != 0)
		return;
	for (set = 0; set < SET_TURNS; set++) {
		struct turn *turn = &enforce->sets[set];

		if (!turn->present || !turn->known)
			continue;
		if (!state.turns[set][turn->turn] || !has_samples(enforce, set)) {
			turn->known = false;
			note_damage(enforce->watch, "set", set_info(set)->names[turn->turn]);
		}
	}
	for (set = 0; set < FIXTURE_END; set++) {
		if (!state.fixtures[set]) {
			enforce->fixtures = false;
			note_damage(enforce->watch, "set", fixture_name((enum set_fixture)set));
		}
	}
}

static void
look(struct enforce *enforce)
{
	struct table_state table;
	struct rules_state rules;

	if (!enforce->table || readback_table(enforce->kernel, &table) != 0)
		return;
	if (!table.exists || table.handle != enforce->handle) {
		watch_gone(enforce);
		return;
	}
	watch_dormant(enforce, table.dormant);
	switch_armed(enforce);
	switch_isolated(enforce);
	if (readback_rules(enforce->kernel, &rules) == 0) {
		if (enforce->rules && rules.mark != enforce->rules_mark) {
			enforce->rules = false;
			note_damage(enforce->watch, "some", "rule");
		}
		if (enforce->isolation.present && rules.isolate_mark != enforce->isolation.mark)
			note_isolation(enforce, "some", "rule of isolate");
	}
	look_at_sets(enforce);
	engine_read_allow(enforce);
}

void
watch_pause(struct enforce *enforce)
{
	struct watch *watch = enforce->watch;
	int group = NFNLGRP_NFTABLES;

	if (watch->paused++ > 0)
		return;
	/* in this order: a change in between counts as one, and its event comes too */
	watch->generation = kernel_generation(enforce->kernel);
	watch->commits = kernel_commits(enforce->kernel);
	mnl_socket_setsockopt(watch->nft, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group));
}

bool
watch_undisturbed(struct enforce *enforce)
{
	const struct watch *watch = enforce->watch;

	enforce->generation = kernel_generation(enforce->kernel);
	return enforce->generation == watch->generation + kernel_commits(enforce->kernel) -
	    watch->commits;
}

void
watch_resume(struct enforce *enforce)
{
	struct watch *watch = enforce->watch;

	if (--watch->paused > 0)
		return;
	if (join(watch->nft, NFNLGRP_NFTABLES) != 0)
		watch->unsure = true;
	if (!watch_undisturbed(enforce) || watch->unsure) {
		watch->unsure = false;
		look(enforce);
	}
}

/* --- events ---------------------------------------------------------------------------- */

/* The attribute of this type as text, "" if there is none. */
static const char *
text_of(const struct nlmsghdr *nlh, uint16_t type)
{
	const struct nlattr *attr;

	attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == type &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			return mnl_attr_get_str(attr);
	}
	return "";
}

static uint32_t
number_of(const struct nlmsghdr *nlh, uint16_t type)
{
	const struct nlattr *attr;

	attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == type &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			return ntohl(mnl_attr_get_u32(attr));
	}
	return 0;
}

static void
take_isolate_event(struct enforce *enforce, const char *name, bool whole)
{
	if (!enforce->isolation.present)
		return;
	if (whole || strcmp(name, ISOLATE_ARMED) != 0)
		note_isolation(enforce, "set", name);
	else
		switch_isolated(enforce);
}

static void
take_set_event(struct enforce *enforce, const char *name, bool whole)
{
	unsigned int set, turn;

	if (isolate_owns(name)) {
		take_isolate_event(enforce, name, whole);
		return;
	}
	if (set_by_name(name, &set, &turn)) {
		if (enforce->sets[set].present && enforce->sets[set].turn == turn) {
			enforce->sets[set].known = false;
			note_damage(enforce->watch, "set", name);
		}
		return;
	}
	for (set = 0; set < FIXTURE_END; set++) {
		if (strcmp(name, fixture_name((enum set_fixture)set)) != 0)
			continue;
		if (set == FIXTURE_ARMED && !whole) {
			switch_armed(enforce);
		} else if (whole) {
			enforce->fixtures = false;
			note_damage(enforce->watch, "set", name);
		} else if (set <= FIXTURE_ALLOW6) {
			enforce->watch->allow = true;
		}
	}
}

static void
take_chain_event(struct enforce *enforce, const char *chain)
{
	if (isolate_owns(chain) && enforce->isolation.present)
		note_isolation(enforce, "chain", chain);
	if (!table_chain_is_ours(chain))
		return;
	enforce->rules = false;
	note_damage(enforce->watch, "chain", chain);
}

/* Of a table; one that went may have been another one than the one that is there now. */
static uint64_t
handle_of(const struct nlmsghdr *nlh, uint64_t otherwise)
{
	const struct nlattr *attr;

	attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_TABLE_HANDLE &&
		    mnl_attr_validate(attr, MNL_TYPE_U64) == 0)
			return be64toh(mnl_attr_get_u64(attr));
	}
	return otherwise;
}

/* The end of a transaction: who made it. */
static void
take_generation(struct watch *watch, const struct nlmsghdr *nlh)
{
	if (watch->portid == nlh->nlmsg_pid && watch->info.changes != 0 && watch->info.pid == 0) {
		watch->info.pid = number_of(nlh, NFTA_GEN_PROC_PID);
		snprintf(watch->info.program, sizeof(watch->info.program), "%s",
		    text_of(nlh, NFTA_GEN_PROC_NAME));
	}
	watch->portid = 0;
}

static void
take_nft(struct enforce *enforce, const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	unsigned int type = nlh->nlmsg_type & 0xff;

	if (NFNL_SUBSYS_ID(nlh->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*nfg) ||
	    nlh->nlmsg_pid == kernel_portid(enforce->kernel))
		return;
	if (type == NFT_MSG_NEWGEN) {
		take_generation(enforce->watch, nlh);
		return;
	}
	if (type == NFT_MSG_NEWFLOWTABLE || type == NFT_MSG_DELFLOWTABLE) {
		note(enforce->watch, ENFORCE_CHANGE_BLIND);
		enforce->watch->portid = nlh->nlmsg_pid;
	}
	if (nfg->nfgen_family != NFPROTO_INET ||
	    strcmp(text_of(nlh, ATTR_TABLE), ENFORCE_TABLE) != 0)
		return;
	/* one that was found gone already, and not yet who did it */
	if (enforce->table || (enforce->watch->info.changes & ENFORCE_CHANGE_DAMAGED) != 0)
		enforce->watch->portid = nlh->nlmsg_pid;
	if (!enforce->table)
		return;
	switch (type) {
	case NFT_MSG_NEWTABLE:
		watch_dormant(enforce, (number_of(nlh, NFTA_TABLE_FLAGS) &
		    NFT_TABLE_F_DORMANT) != 0);
		break;
	case NFT_MSG_DELTABLE:
		note_gone(enforce->watch, handle_of(nlh, enforce->handle));
		break;
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_DELCHAIN:
		take_chain_event(enforce, text_of(nlh, NFTA_CHAIN_NAME));
		break;
	case NFT_MSG_NEWRULE:
	case NFT_MSG_DELRULE:
		take_chain_event(enforce, text_of(nlh, NFTA_RULE_CHAIN));
		break;
	case NFT_MSG_DELSET:
		take_set_event(enforce, text_of(nlh, NFTA_SET_NAME), true);
		break;
	case NFT_MSG_NEWSETELEM:
	case NFT_MSG_DELSETELEM:
		take_set_event(enforce, text_of(nlh, NFTA_SET_ELEM_LIST_SET), false);
		break;
	default:
		break;
	}
}

static void
take_route(struct enforce *enforce, const struct nlmsghdr *nlh)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(nlh);

	switch (nlh->nlmsg_type) {
	case RTM_NEWADDR:
	case RTM_DELADDR:
		note(enforce->watch, ENFORCE_CHANGE_ADDRESSES);
		break;
	case RTM_DELLINK:
	case RTM_NEWLINK:
		/* a parent's own comes when a child of it comes or ends, wherever that is */
		note(enforce->watch, ENFORCE_CHANGE_BLIND);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		/* only gateways of default routes are protected */
		if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(*route) && route->rtm_dst_len == 0)
			note(enforce->watch, ENFORCE_CHANGE_ADDRESSES);
		break;
	default:
		break;
	}
}

typedef void take_fn(struct enforce *enforce, const struct nlmsghdr *nlh);

/* false: events were lost. */
static bool
read_socket(struct enforce *enforce, struct mnl_socket *socket, take_fn *take)
{
	struct watch *watch = enforce->watch;
	unsigned int i;
	bool whole = true;

	for (i = 0; i < EVENTS_AT_ONCE; i++) {
		ssize_t n = mnl_socket_recvfrom(socket, watch->bytes, sizeof(watch->bytes));
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)watch->bytes;
		int left = (int)n;

		if (n < 0 && (errno == ENOBUFS || errno == ENOSPC))
			whole = false;
		else if (n < 0 && errno == EAGAIN)
			break;
		for (; n > 0 && mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			take(enforce, nlh);
	}
	return whole;
}

/* Who made a transaction comes as its last event; where all CPUs are busy, well behind the others. */
static bool
read_nft(struct enforce *enforce)
{
	struct watch *watch = enforce->watch;
	struct pollfd more = { .fd = mnl_socket_get_fd(watch->nft), .events = POLLIN };
	bool whole = read_socket(enforce, watch->nft, take_nft);
	unsigned int i;

	for (i = 0; i < MAKER_WAITS && whole && watch->portid != 0 && watch->info.changes != 0 &&
	    poll(&more, 1, MAKER_WAIT_MS) > 0; i++)
		whole = read_socket(enforce, watch->nft, take_nft);
	return whole;
}

/* Events may be older than an order of ours, or undo each other. */
static void
ask_dormant(struct enforce *enforce)
{
	struct table_state table;

	if (readback_table(enforce->kernel, &table) == 0 && table.exists)
		enforce->dormant = table.dormant;
	enforce->watch->info.dormant = enforce->dormant;
}

int
watch_read(struct enforce *enforce, struct enforce_change_info *info)
{
	struct watch *watch = enforce->watch;
	uint64_t count;

	if (!read_nft(enforce))
		look(enforce);
	if (watch->allow)
		engine_read_allow(enforce);
	watch->allow = false;
	if (!read_socket(enforce, watch->route, take_route))
		note(watch, ENFORCE_CHANGE_ADDRESSES | ENFORCE_CHANGE_BLIND);
	if ((watch->info.changes & (ENFORCE_CHANGE_PANIC | ENFORCE_CHANGE_RESUME)) != 0)
		ask_dormant(enforce);
	if (read(watch->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	*info = watch->info;
	memset(&watch->info, 0, sizeof(watch->info));
	return 0;
}
