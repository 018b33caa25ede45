/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "keys.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "threatlistd/log.h"

/* A mapping of its own: locked, and left out of core files. */
struct keys {
	struct msg_keys last;	/* origin 0: none */
	int64_t kept_ms;
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
keys_keep(struct keys *keys, const struct msg_keys *given, int64_t now_ms)
{
	if (given->expires_ms - now_ms > KEYS_LIFE_MAX_MS)
		return false;
	keys->last = *given;
	keys->kept_ms = now_ms;
	return true;
}

const struct msg_keys *
keys_last(const struct keys *keys)
{
	return keys->last.origin != 0 ? &keys->last : NULL;
}

bool
keys_are_fresh(const struct keys *keys, const char *refused, int64_t now_ms)
{
	const struct msg_keys *last = &keys->last;

	/* a clock that was set back must not keep them for longer */
	if (last->origin == 0 || strcmp(last->id, refused) == 0 || now_ms < keys->kept_ms)
		return false;
	if (last->expires_ms == 0)
		return now_ms - keys->kept_ms < KEYS_RENEW_MS;
	return last->expires_ms - KEYS_RENEW_MS > now_ms;
}
