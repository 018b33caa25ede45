/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "keys.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "threatlistd/log.h"

/* A mapping of its own: locked, and left out of core files. */
struct keys {
	struct msg_keys of_reporter, of_feed;	/* origin 0: none */
};

struct keys *
keys_new(void)
{
	struct keys *keys = mmap(NULL, sizeof(*keys), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (keys == MAP_FAILED)
		return NULL;
	/* LimitMEMLOCK may say no: still better kept than gone */
	if (mlock(keys, sizeof(*keys)) != 0)
		log_info("memory for keys not locked error=\"%s\"", strerror(errno));
	madvise(keys, sizeof(*keys), MADV_DONTDUMP);
	return keys;
}

void
keys_free(struct keys *keys)
{
	if (keys == NULL)
		return;
	explicit_bzero(keys, sizeof(*keys));
	munmap(keys, sizeof(*keys));
}

bool
keys_keep(struct keys *keys, bool of_feed, const struct msg_keys *given, int64_t now_ms)
{
	if (given->expires_ms - now_ms > KEYS_LIFE_MAX_MS)
		return false;
	*(of_feed ? &keys->of_feed : &keys->of_reporter) = *given;
	return true;
}

const struct msg_keys *
keys_for(const struct keys *keys, bool for_feed)
{
	const struct msg_keys *found = &keys->of_reporter;

	if (for_feed && keys->of_feed.origin != 0 &&
	    (found->origin == 0 || keys->of_feed.expires_ms > found->expires_ms))
		found = &keys->of_feed;
	return found->origin != 0 ? found : NULL;
}
