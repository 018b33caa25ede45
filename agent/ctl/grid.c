/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ctl/grid.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CELL_MAX	256	/* bytes; longer texts are cut */
#define GAP		"  "

struct grid {
	const char *const *heads;
	size_t columns;
	char **cells;
	size_t n, room;
};

struct grid *
grid_new(const char *const *heads)
{
	struct grid *grid;

	grid = calloc(1, sizeof(*grid));
	if (grid == NULL)
		return NULL;
	grid->heads = heads;
	while (heads[grid->columns] != NULL)
		grid->columns++;
	assert(grid->columns <= GRID_COLUMNS_MAX);
	return grid;
}

void
grid_free(struct grid *grid)
{
	size_t i;

	if (grid == NULL)
		return;
	for (i = 0; i < grid->n; i++)
		free(grid->cells[i]);
	free(grid->cells);
	free(grid);
}

void
grid_cell(struct grid *grid, const char *text)
{
	char **cells;

	if (grid->n == grid->room) {
		size_t room = grid->room > 0 ? 2 * grid->room : 64;

		cells = realloc(grid->cells, room * sizeof(*cells));
		if (cells == NULL)
			return;
		grid->cells = cells;
		grid->room = room;
	}
	grid->cells[grid->n++] = strdup(text != NULL && text[0] != '\0' ? text : "-");
}

void
grid_cellf(struct grid *grid, const char *fmt, ...)
{
	char text[CELL_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	grid_cell(grid, text);
}

static void
print_cell(FILE *out, const char *text, int width, bool right, bool last)
{
	if (right)
		fprintf(out, "%*s", width, text);
	else if (last)
		fputs(text, out);
	else
		fprintf(out, "%-*s", width, text);
	fputs(last ? "" : GAP, out);
}

void
grid_print(const struct grid *grid, FILE *out, bool bold)
{
	int width[GRID_COLUMNS_MAX] = { 0 };
	size_t i, column;

	for (column = 0; column < grid->columns; column++) {
		const char *head = grid->heads[column];

		width[column] = (int)strlen(head + (head[0] == '>'));
	}
	for (i = 0; i < grid->n; i++) {
		int len = grid->cells[i] != NULL ? (int)strlen(grid->cells[i]) : 0;

		if (len > width[i % grid->columns])
			width[i % grid->columns] = len;
	}
	fputs(bold ? "\033[1m" : "", out);
	for (column = 0; column < grid->columns; column++) {
		const char *head = grid->heads[column];
		bool right = head[0] == '>';

		print_cell(out, head + right, width[column], right, column + 1 == grid->columns);
	}
	fputs(bold ? "\033[0m\n" : "\n", out);
	for (i = 0; i < grid->n; i++) {
		column = i % grid->columns;
		print_cell(out, grid->cells[i] != NULL ? grid->cells[i] : "-", width[column],
		    grid->heads[column][0] == '>', column + 1 == grid->columns);
		if (column + 1 == grid->columns)
			fputc('\n', out);
	}
}
