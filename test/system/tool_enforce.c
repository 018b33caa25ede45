/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel engine driven by hand: one command a line on stdin, one line of
 * JSON each as the answer, always with "error" (0 or -errno) and "text".
 *
 *	open MODE [GROUP|-] [ADMIN]…	MODE drop|watch|off; - : no log statements
 *	apply ACTION=FILE…		ACTION drop|reject|watch, one source each
 *	arm MS | confirm		drop that ends after so many milliseconds, and does not
 *	mode MODE | panic | resume | purge | protect | close
 *	endpoint ADDRESS PORT | endpoints
 *	check ADDRESS | seen | stat | watch [MS]
 *	verify ACTION=FILE… | pieces [N]	begins to; and so many answers of the kernel's
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "threatlistd/enforce.h"
#include "threatlistd/log.h"
#include "core/compile.h"
#include "core/format.h"

#define LINE_MAX_BYTES	4096
#define FILE_MAX_BYTES	(256u << 20)
#define ADMIN_MAX	16

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What deadlines are told in. */
static int64_t
boot_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static char *
read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	long end;

	if (file == NULL)
		return NULL;
	if (fseek(file, 0, SEEK_END) == 0 && (end = ftell(file)) >= 0 &&
	    (unsigned long)end < FILE_MAX_BYTES) {
		rewind(file);
		*size = (size_t)end;
		text = malloc(*size + 1);
		if (text != NULL && fread(text, 1, *size, file) != *size) {
			free(text);
			text = NULL;
		}
	}
	fclose(file);
	return text;
}

static int
compile_file(const char *path, uint8_t action, struct image *image)
{
	struct list_source source = { .role = LIST_THREAT, .action = action };
	struct entries *entries = entries_new();
	struct format_report report;
	size_t size = 0;
	char *text = read_file(path, &size);
	int error = -ENOENT;

	snprintf(source.name, sizeof(source.name), "%.60s", path);
	if (text != NULL && entries != NULL) {
		error = format_read(entries, FORMAT_TXT, text, size, &report);
		if (error == 0 || error == -ENODATA)
			error = compile_source(entries, &source, image);
	}
	free(text);
	entries_free(entries);
	return error;
}

static uint8_t
action_by_name(const char *name)
{
	return strcmp(name, "watch") == 0 ? LIST_WATCH :
	    strcmp(name, "reject") == 0 ? LIST_REJECT : LIST_DROP;
}

static uint8_t
mode_by_name(const char *name)
{
	return name == NULL || strcmp(name, "off") == 0 ? ENFORCE_OFF :
	    strcmp(name, "watch") == 0 ? ENFORCE_WATCH : ENFORCE_DROP;
}

static void __attribute__((format(printf, 3, 4)))
answer(int error, const struct enforce_error *err, const char *fmt, ...)
{
	va_list args;

	printf("{\"error\":%d,\"text\":\"", error);
	if (error != 0) {
		const char *at;

		for (at = err->text; *at != '\0'; at++)
			putchar(*at == '"' || *at == '\\' ? '\'' : *at);
	}
	printf("\"");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("}\n");
	fflush(stdout);
}

static void
do_open(struct enforce **enforce, char *save)
{
	struct range admin[ADMIN_MAX];
	struct enforce_error err = { "" };
	struct enforce_conf conf = { .admin = admin };
	unsigned int notes = 0;
	const char *word;

	conf.mode = mode_by_name(strtok_r(NULL, " ", &save));
	word = strtok_r(NULL, " ", &save);
	conf.log = word != NULL && strcmp(word, "-") != 0;
	conf.nflog_group = conf.log ? (uint16_t)atoi(word) : 0;
	while (conf.nadmin < ADMIN_MAX && (word = strtok_r(NULL, " ", &save)) != NULL) {
		if (range_parse(&admin[conf.nadmin], word, strlen(word), &notes) == NULL)
			conf.nadmin++;
	}
	answer(enforce_open(enforce, &conf, &err), &err, "%s", "");
}

/* The union of ACTION=FILE…; *list, and *image that it lies in, are the caller's.  0 or -errno. */
static int
read_lists(char *save, struct list **list, struct image *image, struct enforce_error *err)
{
	struct image images[LIST_SOURCES_MAX] = { { NULL, 0 } };
	struct list *lists[LIST_SOURCES_MAX] = { NULL };
	struct list_error list_err = { "" };
	struct compile_notes notes;
	size_t n = 0, i;
	int error = 0;
	char *word;

	*list = NULL;
	*image = (struct image){ NULL, 0 };
	while (error == 0 && n < LIST_SOURCES_MAX && (word = strtok_r(NULL, " ", &save)) != NULL) {
		char *path = strchr(word, '=');

		if (path == NULL)
			break;
		*path++ = '\0';
		error = compile_file(path, action_by_name(word), &images[n]);
		if (error == 0)
			error = list_open_memory(&lists[n], images[n].bytes, images[n].size,
			    &list_err);
		n++;
	}
	if (error == 0)
		error = compile_union((const struct list *const *)lists, n, SCOPE_ANY, image,
		    &notes);
	if (error == 0)
		error = list_open_memory(list, image->bytes, image->size, &list_err);
	snprintf(err->text, sizeof(err->text), "reading the lists %s", list_err.text);
	for (i = 0; i < n; i++) {
		list_free(lists[i]);
		image_free(&images[i]);
	}
	return error;
}

static void
do_apply(struct enforce *enforce, char *save)
{
	struct enforce_error err = { "" };
	struct rusage usage;
	double began = 0;
	struct image image;
	struct list *list;
	int error = read_lists(save, &list, &image, &err);

	if (error == 0) {
		began = seconds();
		error = enforce_apply(enforce, list, &err);
		began = seconds() - began;
	}
	list_free(list);
	image_free(&image);
	getrusage(RUSAGE_SELF, &usage);
	answer(error, &err, ",\"seconds\":%.4f,\"maxrss_kb\":%ld", began, usage.ru_maxrss);
}

static void
do_verify(struct enforce *enforce, char *save)
{
	struct enforce_error err = { "" };
	struct image image;
	struct list *list;
	int error = read_lists(save, &list, &image, &err);

	if (error == 0)
		error = enforce_verify_begin(enforce, list, &err);
	list_free(list);
	image_free(&image);
	answer(error, &err, "%s", "");
}

static void
print_verified(const struct enforce_verify *verify)
{
	char text[RANGE_TEXT_MAX];
	uint32_t i;

	printf(",\"equal\":%u,\"rules\":%u,\"again\":%u,\"sets\":{", verify->equal, verify->rules,
	    verify->again);
	for (i = 0; i < verify->nsets; i++)
		printf("%s\"%s\":[%llu,%llu,%llu,%llu]", i == 0 ? "" : ",", verify->sets[i].name,
		    (unsigned long long)verify->sets[i].expected,
		    (unsigned long long)verify->sets[i].present,
		    (unsigned long long)verify->sets[i].missing,
		    (unsigned long long)verify->sets[i].foreign);
	printf("},\"examples\":[");
	for (i = 0; i < verify->nexamples; i++)
		printf("%s[\"%s\",\"%s\",\"%s\"]", i == 0 ? "" : ",",
		    verify->sets[verify->examples[i].set].name,
		    verify->examples[i].foreign ? "foreign" : "missing",
		    range_text(&verify->examples[i].range, text));
	printf("]");
}

/* So many answers of the kernel's, or all. */
static void
do_pieces(struct enforce *enforce, const char *word)
{
	struct enforce_verify verify = { .nsets = 0 };
	struct enforce_error err = { "" };
	double began = seconds(), longest = 0, now = began, before;
	int left = word == NULL ? -1 : atoi(word), error;

	do {
		before = now;
		error = enforce_verify_step(enforce, 0, &verify, &err);
		now = seconds();
		if (now - before > longest)
			longest = now - before;
	} while (error == 1 && left != 0 && --left != 0);
	printf("{\"more\":%d", error == 1);
	print_verified(&verify);
	printf(",\"seconds\":%.4f,\"longest\":%.4f,\"error\":%d,\"text\":\"%s\"}\n", now - began,
	    longest, error == 1 ? 0 : error, err.text);
	fflush(stdout);
}

static void
do_check(struct enforce *enforce, const char *word)
{
	static const char *const names[] = { "unknown", "no", "yes" };
	struct enforce_error err = { "no address" };
	struct enforce_check check = { 0 };
	struct addr addr;
	int error = -EINVAL;

	if (word != NULL && addr_parse(&addr, word, strlen(word)) == NULL)
		error = enforce_check(enforce, &addr, &check, &err);
	answer(error, &err, ",\"listed\":\"%s\",\"protect\":\"%s\",\"allow\":\"%s\"",
	    names[check.listed], names[check.protect], names[check.allow]);
}

static void
print_seen(const struct enforce_seen *seen, void *arg)
{
	char text[ADDR_TEXT_MAX];
	bool *first = arg;

	printf("%s{\"remote\":\"%s\",\"dir\":\"%s\",\"protect\":%s,\"allow\":%s,"
	    "\"endpoint\":%s,\"instance\":%u,\"packets\":%llu,\"bytes\":%llu}", *first ? "" : ",",
	    addr_text(&seen->remote, text), seen->dir == DIR_IN ? "in" : "out",
	    seen->protect ? "true" : "false", seen->allow ? "true" : "false",
	    seen->endpoint ? "true" : "false", seen->instance,
	    (unsigned long long)seen->packets, (unsigned long long)seen->bytes);
	*first = false;
}

static void
do_seen(struct enforce *enforce)
{
	struct enforce_error err = { "" };
	bool first = true;
	int error;

	printf("{\"seen\":[");
	error = enforce_read_seen(enforce, print_seen, &first, &err);
	if (error == 0)
		error = enforce_read_wide(enforce, print_seen, &first, &err);
	printf("],\"error\":%d,\"text\":\"%s\"}\n", error, err.text);
	fflush(stdout);
}

static void
do_endpoint(struct enforce *enforce, const char *address, const char *port)
{
	struct enforce_error err = { "no address and port" };
	struct addr addr;
	int error = -EINVAL;

	if (address != NULL && port != NULL && addr_parse(&addr, address, strlen(address)) == NULL)
		error = enforce_endpoint(enforce, &addr, (uint16_t)atoi(port), &err);
	answer(error, &err, "%s", "");
}

static void
print_endpoint(const struct addr *addr, uint16_t port, void *arg)
{
	char text[ADDR_TEXT_MAX];
	bool *first = arg;

	printf("%s[\"%s\",%u]", *first ? "" : ",", addr_text(addr, text), port);
	*first = false;
}

static void
do_endpoints(struct enforce *enforce)
{
	struct enforce_error err = { "" };
	bool first = true;
	int error;

	printf("{\"endpoints\":[");
	error = enforce_endpoints(enforce, print_endpoint, &first, &err);
	printf("],\"error\":%d,\"text\":\"%s\"}\n", error, err.text);
	fflush(stdout);
}

static void
do_stat(struct enforce *enforce)
{
	struct enforce_error err = { "" };
	struct enforce_stat stat;
	uint32_t i;
	int error = enforce_stat(enforce, &stat, &err);

	printf("{\"sets\":{");
	for (i = 0; i < stat.nsets; i++)
		printf("%s\"%s\":%llu", i == 0 ? "" : ",", stat.sets[i].name,
		    (unsigned long long)stat.sets[i].entries);
	printf("},\"table\":%d,\"dormant\":%d,\"mode\":%u,\"log\":%d,\"drops\":%llu,"
	    "\"armed\":%d,\"drop_bytes\":%llu,\"watched\":%llu,\"protected\":%llu,\"allowed\":%llu,"
	    "\"overflow\":%llu,\"generation\":%u,\"epoch\":%llu,\"error\":%d,\"text\":\"%s\"}\n",
	    stat.table, stat.dormant, stat.mode, stat.log,
	    (unsigned long long)stat.drops_packets, stat.armed, (unsigned long long)stat.drops_bytes,
	    (unsigned long long)stat.watched_packets,
	    (unsigned long long)stat.protected_packets,
	    (unsigned long long)stat.allowed_packets, (unsigned long long)stat.seen_overflow,
	    stat.generation, (unsigned long long)stat.table_epoch, error, err.text);
	fflush(stdout);
}

static void
do_watch(struct enforce *enforce, const char *word)
{
	struct pollfd ready = { .fd = enforce_watch_fd(enforce), .events = POLLIN };
	struct enforce_change_info info = { .changes = 0 };
	struct enforce_error err = { "watching" };
	int error = 0;

	if (poll(&ready, 1, word == NULL ? 0 : atoi(word)) > 0)
		error = enforce_watch(enforce, &info);
	answer(error, &err, ",\"changes\":%u,\"dormant\":%d,\"pid\":%u,\"program\":\"%s\","
	    "\"what\":\"%s\"", info.changes, info.dormant, info.pid, info.program, info.what);
}

static void
command(struct enforce **enforce, char *line)
{
	struct enforce_error err = { "unknown command, or nothing is open" };
	char *save = NULL, *word = strtok_r(line, " ", &save);
	int error = -EINVAL;

	if (word == NULL)
		return;
	if (strcmp(word, "open") == 0 && *enforce == NULL) {
		do_open(enforce, save);
		return;
	}
	if (*enforce == NULL) {
		answer(error, &err, "%s", "");
		return;
	}
	if (strcmp(word, "apply") == 0) {
		do_apply(*enforce, save);
		return;
	} else if (strcmp(word, "verify") == 0) {
		do_verify(*enforce, save);
		return;
	} else if (strcmp(word, "pieces") == 0) {
		do_pieces(*enforce, strtok_r(NULL, " ", &save));
		return;
	} else if (strcmp(word, "check") == 0) {
		do_check(*enforce, strtok_r(NULL, " ", &save));
		return;
	} else if (strcmp(word, "seen") == 0) {
		do_seen(*enforce);
		return;
	} else if (strcmp(word, "endpoint") == 0) {
		word = strtok_r(NULL, " ", &save);
		do_endpoint(*enforce, word, strtok_r(NULL, " ", &save));
		return;
	} else if (strcmp(word, "endpoints") == 0) {
		do_endpoints(*enforce);
		return;
	} else if (strcmp(word, "stat") == 0) {
		do_stat(*enforce);
		return;
	} else if (strcmp(word, "watch") == 0) {
		do_watch(*enforce, strtok_r(NULL, " ", &save));
		return;
	}
	if (strcmp(word, "mode") == 0) {
		error = enforce_set_mode(*enforce, mode_by_name(strtok_r(NULL, " ", &save)), &err);
	} else if (strcmp(word, "arm") == 0) {
		word = strtok_r(NULL, " ", &save);
		error = enforce_arm(*enforce, boot_ms() + (word == NULL ? 0 : atoi(word)), &err);
	} else if (strcmp(word, "confirm") == 0) {
		error = enforce_confirm(*enforce, &err);
	} else if (strcmp(word, "panic") == 0) {
		error = enforce_panic(*enforce, &err);
	} else if (strcmp(word, "resume") == 0) {
		error = enforce_resume(*enforce, &err);
	} else if (strcmp(word, "purge") == 0) {
		error = enforce_purge(*enforce, &err);
	} else if (strcmp(word, "protect") == 0) {
		error = enforce_protect(*enforce, &err);
	} else if (strcmp(word, "close") == 0) {
		enforce_free(*enforce);
		*enforce = NULL;
		error = 0;
	}
	answer(error, &err, "%s", "");
}

int
main(void)
{
	struct enforce *enforce = NULL;
	char line[LINE_MAX_BYTES];

	log_init("tool", LOG_STYLE_PERSON);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		command(&enforce, line);
	}
	enforce_free(enforce);
	return 0;
}
