/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "jitter.h"

#include <sys/random.h>

uint32_t
random_bits(void)
{
	uint32_t bits;

	if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != (ssize_t)sizeof(bits))
		return UINT32_MAX / 2;	/* early at boot: no jitter rather than no refresh */
	return bits;
}
