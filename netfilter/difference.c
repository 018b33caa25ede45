/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stddef.h>

#include "difference.h"

void
difference_init(struct difference *difference, uint8_t key_size, bool ranges)
{
	difference->old = NULL;
	difference->at = difference->n = 0;
	keys_init(&difference->come, key_size, ranges);
	keys_init(&difference->gone, key_size, ranges);
}

void
difference_fini(struct difference *difference)
{
	keys_fini(&difference->come);
	keys_fini(&difference->gone);
}

static int
add_gone(struct difference *difference)
{
	const uint8_t *item = keys_item(difference->old, difference->at++);

	return keys_add(&difference->gone, item, item + difference->old->key_size);
}

int
difference_change(struct difference *difference, const uint8_t *first, const uint8_t *last)
{
	const struct keys *old = difference->old;
	int error;

	while (old != NULL && difference->at < old->n) {
		int order = keys_order(old, difference->at, first, last);

		if (order > 0)
			break;
		if (order == 0) {
			difference->at++;
			return 0;
		}
		error = add_gone(difference);
		if (error != 0)
			return error;
	}
	return keys_add(&difference->come, first, last);
}

int
difference_end(struct difference *difference)
{
	int error = 0;

	while (difference->old != NULL && difference->at < difference->old->n && error == 0)
		error = add_gone(difference);
	return error;
}

void
difference_restart(struct difference *difference)
{
	keys_fini(&difference->come);
	keys_fini(&difference->gone);
	difference->at = difference->n = 0;
}

bool
difference_none(const struct difference *difference)
{
	return difference->come.n == 0 && difference->gone.n == 0;
}
