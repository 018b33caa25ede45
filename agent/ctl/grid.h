/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Aligned tables for people: cells are collected, widths follow from them. */
#ifndef CTL_GRID_H
#define CTL_GRID_H

#include <stdbool.h>
#include <stdio.h>

#define GRID_COLUMNS_MAX	12

struct grid;

/* heads: column titles, NULL-terminated, borrowed; one beginning with '>' is right-aligned. */
struct grid *grid_new(const char *const *heads);
void grid_free(struct grid *grid);

/* The next cell, row by row; copied.  NULL and "" show as "-". */
void grid_cell(struct grid *grid, const char *text);
__attribute__((format(printf, 2, 3))) void grid_cellf(struct grid *grid, const char *fmt, ...);

/* bold: the titles stand out (a terminal). */
void grid_print(const struct grid *grid, FILE *out, bool bold);

#endif
