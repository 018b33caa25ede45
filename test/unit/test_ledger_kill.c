/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ledger under kill -9. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enforce/ledger.h"
#include "enforce/ledger_rows.h"
#include "ledger_book.h"

/*
 * A kill between any two stores of a booking leaves one of these regions:
 * the rows as before or as after, in any mixture of their bytes, and the
 * journal incomplete (rows untouched), complete, or done with.
 */
static void
killed_at_every_step(void **state)
{
	struct book book;
	const uint64_t size = ledger_size(SMALL, SMALL);
	char *before = malloc(size), *after = malloc(size);
	struct rows_header *header;
	struct count count;
	uint64_t i;

	assert_non_null(before);
	assert_non_null(after);
	new_book(&book, SMALL, SMALL);
	header = book.region;
	sweep_one(book.ledger, 1, 5, 10);
	memcpy(before, book.region, size);
	sweep_one(book.ledger, 1, 5, 17);
	memcpy(after, book.region, size);
	assert_memory_not_equal(before, after, size);

	/* the journal is being written: nothing happened */
	memcpy(book.region, before, size);
	memcpy(&header->journal.element_row, &((struct rows_header *)(void *)after)->journal.
	    element_row, sizeof(header->journal.element_row));
	reopen(&book);
	assert_null(book.anew);
	assert_int_equal(only_unsent(book.ledger).packets, 10);

	/* complete, and the copy cut off after every byte of the region */
	for (i = sizeof(*header); i < size; i += 7) {
		if (memcmp(before + i, after + i, size - i) == 0)
			break;
		memcpy(book.region, after, i);
		memcpy((char *)book.region + i, before + i, size - i);
		header->journal.complete = 1;
		reopen(&book);
		assert_null(book.anew);
		assert_int_equal(header->journal.complete, 0);
		count = only_unsent(book.ledger);
		assert_int_equal(count.packets, 17);
		sweep_one(book.ledger, 1, 5, 17);
		assert_int_equal(ledger_unsent(book.ledger, &count, 1), 0);
	}
	assert_true(i > sizeof(*header) + 7);
	close_book(&book);
	free(before);
	free(after);
}

/* What is booked is the sum of what the kernel said, key by key. */
static void
assert_books_balance(const struct book *book)
{
	static uint64_t sums[SMALL];
	struct ledger_conf conf = {
		.region = book->region, .max_elements = SMALL, .max_keys = SMALL,
		.origin = book->origin,
	};
	const char *anew;
	struct rows rows;
	uint32_t i;

	assert_int_equal(rows_open(&rows, &conf, &anew), 0);
	assert_null(anew);
	memset(sums, 0, sizeof(sums));
	for (i = 0; i < rows.header->nelements; i++) {
		if (rows.elements[i].used != 0)
			sums[rows.elements[i].key] += rows.elements[i].packets;
	}
	for (i = 0; i < rows.header->nkeys; i++) {
		if (rows.keys[i].used != 0)
			assert_int_equal(rows.keys[i].count.packets, sums[i]);
	}
	rows_close(&rows);
}

/* Books as fast as it can until it is killed; values never fall, so books must balance. */
static void
book_for_ever(struct book *book, uint32_t round)
{
	uint32_t base = round * 1000000, i;

	reopen(book);
	for (i = 0; ; i++) {
		ledger_begin(book->ledger, 1);
		read_one(book->ledger, i % 200, i & 1, base + i, true);
	}
}

static void
killed_for_real(void **state)
{
	struct book book;
	uint32_t round;

	new_book(&book, SMALL, SMALL);
	for (round = 1; round <= 40; round++) {
		volatile struct rows_header *header = book.region;
		pid_t pid = fork();
		uint64_t until = round * 37;

		assert_true(pid >= 0);
		if (pid == 0)
			book_for_ever(&book, round);
		/* in the middle of its work, at a place that differs */
		while (header->journal.element_row.packets < round * 1000000 + until)
			assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_books_balance(&book);
	}
	close_book(&book);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_every_step),
		cmocka_unit_test(killed_for_real),
	};

	return cmocka_run_group_tests_name("ledger under kill", tests, NULL, NULL);
}
