/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Feeds files, or all files of folders, to a fuzz target: a corpus as a regression test. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int replayed;

static int
replay_file(const char *path)
{
	FILE *file;
	uint8_t *data = NULL;
	struct stat st;
	int rc = -1;

	file = fopen(path, "rb");
	if (file == NULL || fstat(fileno(file), &st) != 0)
		goto out;
	/* exactly as long as the input, so that a sanitizer sees one byte too many */
	data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	if (data == NULL || fread(data, 1, (size_t)st.st_size, file) != (size_t)st.st_size)
		goto out;
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	replayed++;
	rc = 0;
out:
	if (rc != 0)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	free(data);
	if (file != NULL)
		fclose(file);
	return rc;
}

static int
replay_path(const char *path)
{
	struct dirent **names;
	char below[4096];
	int n, i, rc = 0;

	n = scandir(path, &names, NULL, alphasort);
	if (n < 0)
		return replay_file(path);
	for (i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.') {
			snprintf(below, sizeof(below), "%s/%s", path, names[i]->d_name);
			if (replay_file(below) != 0)
				rc = -1;
		}
		free(names[i]);
	}
	free(names);
	return rc;
}

int
main(int argc, char **argv)
{
	int i, rc = 0;

	for (i = 1; i < argc; i++) {
		if (replay_path(argv[i]) != 0)
			rc = 1;
	}
	if (replayed == 0) {
		fprintf(stderr, "%s: nothing to replay\n", argv[0]);
		rc = 1;
	}
	return rc;
}
