/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From text to answers: parse, compile, open, and match against its floor, one
 * random load from a 2 MiB table.  Prints NAME VALUE UNIT; times are medians of CPU
 * time.
 * With root and nft(8), also what "nft -c -f" takes for the same 250,000 lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/compile.h"
#include "core/match.h"

#define RUNS		5
#define PROBES		(1u << 20)
#define TABLE_BYTES	(2u << 20)
#define TEXT_MAX	(64u << 20)

/* CPU time: one thread, no waiting, and other work on the machine does not count. */
static double
now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static int
compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double
median(double values[static RUNS])
{
	qsort(values, RUNS, sizeof(values[0]), compare);
	return values[RUNS / 2];
}

static void
die(const char *what)
{
	fprintf(stderr, "bench_lists: %s failed\n", what);
	exit(1);
}

static char *
generate(unsigned int n, size_t *size)
{
	const char *build = getenv("B") != NULL ? getenv("B") : "build";
	char command[512], *text = malloc(TEXT_MAX);
	FILE *pipe;

	snprintf(command, sizeof(command), "%s/test/system/tool_genlist %u 1", build, n);
	pipe = popen(command, "r");
	if (text == NULL || pipe == NULL)
		die("tool_genlist");
	*size = fread(text, 1, TEXT_MAX, pipe);
	if (pclose(pipe) != 0 || *size == 0)
		die("tool_genlist");
	return text;
}

static struct list *
read_and_compile(const char *text, size_t size, struct image *image, double *parse, double *compile)
{
	static const struct list_source source = { .name = "bench", .action = LIST_DROP };
	struct entries *entries = entries_new();
	struct format_report report;
	struct list_error err;
	struct list *list;
	double start = now();

	if (entries == NULL || format_read(entries, FORMAT_TXT, text, size, &report) != 0)
		die("reading");
	*parse = now() - start;
	start = now();
	if (compile_source(entries, &source, image) != 0)
		die("compiling");
	*compile = now() - start;
	entries_free(entries);
	if (list_open_memory(&list, image->bytes, image->size, &err) != 0)
		die(err.text);
	return list;
}

static double
time_open(const struct image *image)
{
	double start = now();
	struct list_error err;
	struct list *list;

	if (list_open_memory(&list, image->bytes, image->size, &err) != 0)
		die(err.text);
	list_free(list);
	return now() - start;
}

static double
time_union(const struct list *list)
{
	double start = now();
	struct compile_notes notes;
	struct image image;

	if (compile_union(&list, 1, SCOPE_PUBLIC, &image, &notes) != 0)
		die("uniting");
	image_free(&image);
	return now() - start;
}

/* Times for one size; the image and list of the last run are kept. */
static struct list *
bench_compile(const char *name, unsigned int n, struct image *image)
{
	double parse[RUNS], compile[RUNS], both[RUNS], open[RUNS], united[RUNS];
	struct list *list = NULL;
	size_t size;
	char *text = generate(n, &size);
	int i;

	for (i = 0; i < RUNS; i++) {
		if (list != NULL) {
			list_free(list);
			image_free(image);
		}
		list = read_and_compile(text, size, image, &parse[i], &compile[i]);
		both[i] = parse[i] + compile[i];
		open[i] = time_open(image);
		united[i] = time_union(list);
	}
	printf("parse_%s %.1f ms\n", name, median(parse) * 1e3);
	printf("compile_%s %.1f ms\n", name, median(compile) * 1e3);
	printf("parse_compile_%s %.1f ms\n", name, median(both) * 1e3);
	printf("open_%s %.1f ms\n", name, median(open) * 1e3);
	printf("union_%s %.1f ms\n", name, median(united) * 1e3);
	printf("image_%s %.1f MiB\n", name, (double)image->size / (1 << 20));
	free(text);
	return list;
}

/* One interval set a family, as an admin would write it by hand. */
static void
write_nft(FILE *out, const struct list *list)
{
	size_t n4 = list_nranges4(list), n6 = list_nranges6(list), i;
	struct list_hit hit;
	char text[RANGE_TEXT_MAX];

	fputs("table inet bench_lists {\nset four { type ipv4_addr; flags interval; auto-merge; "
	    "elements = {\n", out);
	for (i = 0; i < n4; i++) {
		list_hit4(list, i, &hit);
		fprintf(out, "%s,\n", range_text(&hit.range, text));
	}
	fputs("} }\nset six { type ipv6_addr; flags interval; auto-merge; elements = {\n", out);
	for (i = 0; i < n6; i++) {
		list_hit6(list, i, &hit);
		fprintf(out, "%s,\n", range_text(&hit.range, text));
	}
	fputs("} }\n}\n", out);
}

static double
children_time(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void
bench_nft(const struct list *list)
{
	char path[] = "/tmp/bench_listsXXXXXX", command[128];
	int fd = mkstemp(path), rc;
	FILE *out;
	double start;

	if (fd < 0 || (out = fdopen(fd, "w")) == NULL)
		die("temporary file");
	write_nft(out, list);
	if (fclose(out) != 0)
		die("temporary file");
	snprintf(command, sizeof(command), "nft -c -f %s", path);
	start = children_time();
	rc = system(command);
	if (rc == 0)
		printf("nft_check_250k %.1f ms\n", (children_time() - start) * 1e3);
	else
		fprintf(stderr, "bench_lists: nft -c -f did not work, left out\n");
	unlink(path);
}

/* xorshift64* */
static uint64_t random_state = 1;

static uint32_t
random32(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)(random_state * UINT64_C(0x2545f4914f6cdd1d) >> 32);
}

/* Each answer goes into the next question (and changes nothing), so that no two overlap. */
static double
time_match(const struct match *match, const uint32_t *probes, bool answer)
{
	double times[RUNS], start;
	uint32_t i, last, wrong = 0;
	int run;

	for (run = 0; run < RUNS; run++) {
		start = now();
		last = answer;
		for (i = 0; i < PROBES; i++) {
			last = match_has4(match, probes[i] ^ (last ^ (uint32_t)answer));
			wrong += last != answer;
		}
		times[run] = (now() - start) / PROBES * 1e9;
	}
	if (wrong != 0)
		die("match");
	return median(times);
}

static double
time_floor(const uint8_t *table, const uint32_t *probes)
{
	double times[RUNS], start;
	uint32_t i, last = 0;
	int run;

	for (run = 0; run < RUNS; run++) {
		start = now();
		for (i = 0; i < PROBES; i++)
			last = table[(probes[i] ^ last) % TABLE_BYTES];
		times[run] = (now() - start) / PROBES * 1e9;
	}
	if (last != 0)
		die("floor");
	return median(times);
}

enum kind { ANYWHERE, SAME_BLOCK, LISTED };

static void
fill_probes(uint32_t *probes, enum kind kind, const struct list *list, const struct match *match)
{
	const struct list_range4 *ranges = list_ranges4(list);
	uint32_t i = 0, addr;

	while (i < PROBES) {
		addr = random32();
		if (kind != ANYWHERE)
			addr = ranges[addr % list_nranges4(list)].first;
		if (kind == SAME_BLOCK)
			addr = (addr & ~UINT32_C(255)) | (random32() & 255);
		if (match_has4(match, addr) == (kind == LISTED))
			probes[i++] = addr;
	}
}

static double
time_match6(const struct match *match)
{
	uint8_t (*probes)[16] = calloc(PROBES, sizeof(*probes));
	double times[RUNS], start;
	uint32_t i, j, last;
	int run;

	if (probes == NULL)
		die("memory");
	for (i = 0; i < PROBES; i++) {
		for (j = 0; j < 16; j++)
			probes[i][j] = (uint8_t)random32();
		probes[i][0] = 0x2a;
	}
	for (run = 0; run < RUNS; run++) {
		start = now();
		for (i = 0, last = 0; i < PROBES; i++) {
			probes[i][15] ^= (uint8_t)last;
			last = match_has6(match, probes[i]);
		}
		times[run] = (now() - start) / PROBES * 1e9;
	}
	free(probes);
	return median(times);
}

static void
bench_match(const struct list *list)
{
	uint32_t *probes = calloc(PROBES, sizeof(*probes));
	uint8_t *table = malloc(TABLE_BYTES);
	struct match *match = match_new(list);
	double floor, miss;

	if (probes == NULL || table == NULL || match == NULL)
		die("memory");
	memset(table, 0, TABLE_BYTES);
	fill_probes(probes, ANYWHERE, list, match);
	floor = time_floor(table, probes);
	miss = time_match(match, probes, false);
	printf("match_floor %.2f ns\n", floor);
	printf("match_miss %.2f ns\n", miss);
	printf("match_miss_ratio %.2f x\n", miss / floor);
	fill_probes(probes, SAME_BLOCK, list, match);
	printf("match_miss_same_24 %.2f ns\n", time_match(match, probes, false));
	fill_probes(probes, LISTED, list, match);
	printf("match_hit %.2f ns\n", time_match(match, probes, true));
	printf("match_miss6 %.2f ns\n", time_match6(match));
	printf("match_bytes_per_entry %.1f B\n",
	    (double)match_bytes(match) / (double)list_source(list, 0)->entries);
	match_free(match);
	free(table);
	free(probes);
}

int
main(void)
{
	struct rusage usage;
	struct image image;
	struct list *list;

	list = bench_compile("250k", 250000, &image);
	bench_match(list);
	bench_nft(list);
	list_free(list);
	image_free(&image);
	list = bench_compile("1500k", 1500000, &image);
	list_free(list);
	image_free(&image);
	getrusage(RUSAGE_SELF, &usage);
	printf("peak_rss %.0f MiB\n", (double)usage.ru_maxrss / 1024);
	return 0;
}
