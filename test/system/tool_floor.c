/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the kernel takes at least for a list: tool_floor MEMBERS puts so many
 * IPv4 hosts, ready in memory and each a single element, into one hash set of a
 * table that has nothing else, and prints the seconds of that transaction alone
 * (of those, if they do not fit into one).
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "netfilter/elements.h"
#include "netfilter/kernel.h"
#include "netfilter/table.h"

#define MEMBERS_MAX	(4u << 20)
#define MESSAGE_HEAD	256u	/* more than stands before the elements of a message */

/* Odd: a step that visits every 32-bit number once, neighbours far from each other. */
#define STEP		0x9e3779b1u

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int
fill(struct kernel *kernel, struct batch *batch, const char *set, const struct keys *keys,
    double *took, struct enforce_error *err)
{
	size_t most = kernel_batch_max(kernel) - kernel_batch_max(kernel) / 64 - MESSAGE_HEAD;
	size_t step = most / elements_size(keys, 1), from;
	int error = 0;

	*took = 0;
	for (from = 0; from < keys->n && error == 0; from += step) {
		double begun;

		elements_add(batch, set, keys, from, keys->n - from > step ? from + step : keys->n);
		begun = seconds();
		error = kernel_commit(kernel, batch, 0, "filling the set", err);
		*took += seconds() - begun;
		batch_reset(batch);
	}
	return error;
}

int
main(int argc, char **argv)
{
	const unsigned int set = set_of(CLASS_LISTED, SHAPE_HOSTS, FAMILY_V4);
	unsigned long n = argc == 2 ? strtoul(argv[1], NULL, 10) : 0, i;
	struct enforce_error err = { .text = "no memory" };
	struct kernel *kernel;
	struct batch batch;
	struct keys keys;
	double took;

	if (n == 0 || n > MEMBERS_MAX) {
		fprintf(stderr, "usage: tool_floor MEMBERS, 1 to %u\n", MEMBERS_MAX);
		return 2;
	}
	keys_init(&keys, sizeof(uint32_t), false);
	batch_init(&batch);
	for (i = 0; i < n; i++) {
		const uint32_t host = (uint32_t)i * STEP;

		if (keys_add(&keys, (const uint8_t *)&host, NULL) != 0)
			goto failed;
	}
	if (kernel_open(&kernel, &err) != 0)
		goto failed;
	table_create(&batch, false, 1);
	set_create(&batch, set, 0, set_size_for(n));
	if (kernel_commit(kernel, &batch, 0, "making the table", &err) != 0)
		goto failed;
	batch_reset(&batch);
	if (fill(kernel, &batch, set_info(set)->names[0], &keys, &took, &err) != 0)
		goto failed;
	printf("%.4f\n", took);
	kernel_free(kernel);
	batch_fini(&batch);
	keys_fini(&keys);
	return 0;
failed:
	fprintf(stderr, "tool_floor: %s\n", err.text);
	return 1;
}
