/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts of a canonical request, see sigv4.h. */
#ifndef AWS_CANONICAL_H
#define AWS_CANONICAL_H

#include <stdio.h>

#include "aws/sigv4.h"

/* One header of the canonical request: its values in the order they were sent. */
struct canonical_header {
	char name[SIGV4_NAME_MAX];	/* lower case */
	const char *value;
	size_t order;
};

struct canonical_headers {
	struct canonical_header header[SIGV4_HEADERS_MAX];
	size_t n;
};

/* Each returns 0, -EINVAL or -ENOMEM. */
int canonical_path(FILE *out, const char *path, unsigned int flags);
int canonical_query(FILE *out, const char *query);

/* Borrows value.  Headers that are never signed are passed over. */
int canonical_header_add(struct canonical_headers *headers, const char *name, const char *value);
void canonical_headers_sort(struct canonical_headers *headers);
/* name:value lines; repeated ones joined by ',' */
void canonical_headers_print(FILE *out, const struct canonical_headers *headers);
/* name;name;… */
void canonical_names_print(FILE *out, const struct canonical_headers *headers);

#endif
