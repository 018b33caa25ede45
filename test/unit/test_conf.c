/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The config.  test/golden/conf holds texts with their normal form (.ok), and
 * in bad/ texts with the message they get (.err).  Run from the top of the tree.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/channel.h"
#include "runtime/conf.h"
#include "threatlistd/log.h"

struct text {
	char *data;
	size_t size;
};

static struct text
read_file(const char *path)
{
	struct text text = { NULL, 0 };
	FILE *file = fopen(path, "rb");

	if (file == NULL)
		fail_msg("%s: %s", path, strerror(errno));
	text.data = calloc(1, CONF_FILE_MAX);
	assert_non_null(text.data);
	text.size = fread(text.data, 1, CONF_FILE_MAX - 1, file);
	fclose(file);
	return text;
}

/* The file beside path with another ending. */
static struct text
read_beside(const char *path, const char *ending)
{
	char other[512];

	snprintf(other, sizeof(other), "%.*s%s", (int)(strrchr(path, '.') - path), path, ending);
	return read_file(other);
}

static struct text
print(const struct conf *conf)
{
	struct text text;
	FILE *out = open_memstream(&text.data, &text.size);

	assert_non_null(out);
	assert_int_equal(conf_print(conf, out), 0);
	fclose(out);
	return text;
}

static struct conf *
parse(const char *name, const struct text *text)
{
	struct conf_error err = { "" };
	struct conf *conf;

	if (conf_parse(&conf, name, text->data, text->size, &err) != 0)
		fail_msg("%s", err.text);
	return conf;
}

static void
each(const char *pattern, void (*check)(const char *path))
{
	glob_t found;
	size_t i;

	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (i = 0; i < found.gl_pathc; i++)
		check(found.gl_pathv[i]);
	globfree(&found);
}

/* What is printed reads back to the same. */
static void
check_returns(const char *path, const struct text *printed)
{
	struct conf *conf = parse(path, printed);
	struct text again = print(conf);

	assert_string_equal(again.data, printed->data);
	free(again.data);
	conf_free(conf);
}

static void
check_good(const char *path)
{
	struct text given = read_file(path), want = read_beside(path, ".ok"), got;
	struct conf *conf = parse(path, &given);

	got = print(conf);
	if (strcmp(got.data, want.data) != 0)
		fail_msg("%s is printed as\n%s", path, got.data);
	check_returns(path, &got);
	free(got.data);
	free(given.data);
	free(want.data);
	conf_free(conf);
}

static void
check_bad(const char *path)
{
	struct text given = read_file(path), want = read_beside(path, ".err");
	struct conf_error err = { "" };
	struct conf *conf;
	const char *name = strrchr(path, '/') + 1;

	if (conf_parse(&conf, name, given.data, given.size, &err) != -EINVAL)
		fail_msg("%s is taken", path);
	assert_null(conf);
	want.data[strcspn(want.data, "\n")] = '\0';
	assert_string_equal(err.text, want.data);
	free(given.data);
	free(want.data);
}

static void
check_shipped(const char *path)
{
	struct conf_error err = { "" };
	struct conf *conf;
	struct text printed;

	if (conf_load(&conf, path, &err) != 0)
		fail_msg("%s", err.text);
	printed = print(conf);
	check_returns(path, &printed);
	free(printed.data);
	conf_free(conf);
}

static void
good_texts_have_one_form(void **state)
{
	each("test/golden/conf/*.conf", check_good);
}

static void
bad_texts_get_their_message(void **state)
{
	each("test/golden/conf/bad/*.conf", check_bad);
}

static void
shipped_configs_are_good(void **state)
{
	each("packaging/examples/*.conf", check_shipped);
	check_shipped("packaging/threatlistd.conf");
}

/* A package must not drop anything before an admin says so. */
static void
packaged_config_only_watches(void **state)
{
	struct conf_error err;
	struct conf *conf;

	assert_int_equal(conf_load(&conf, "packaging/threatlistd.conf", &err), 0);
	assert_int_equal(conf->enforce.mode, ENFORCE_WATCH);
	assert_int_equal(conf->nsources, 0);
	assert_int_equal(conf->nsinks, 1);
	conf_free(conf);
}

/* The table of formats and core's own must agree. */
static void
formats_are_those_of_core(void **state)
{
	char text[200];
	struct conf_error err;
	struct conf *conf;
	unsigned int i;

	for (i = FORMAT_AUTO; i < FORMAT_END; i++) {
		snprintf(text, sizeof(text), "[source a]\ntype = file\nlocation = /a\nformat = %s\n",
		    format_name(i));
		assert_int_equal(conf_parse(&conf, "t", text, strlen(text), &err), 0);
		assert_int_equal(conf->sources[0].format, i);
		conf_free(conf);
	}
}

static void
write_file(const char *folder, const char *name, const char *text)
{
	char path[1024];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void
remove_file(const char *folder, const char *name)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	remove(path);
}

static void
folder_adds_in_order(void **state)
{
	char folder[] = "/tmp/threatlistd-conf-XXXXXX", path[512], below[512], want[2048];
	struct conf_error err;
	struct conf *conf;

	log_init("test", LOG_STYLE_SILENT);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/main.conf", folder);
	snprintf(below, sizeof(below), "%s/conf.d", folder);
	assert_int_equal(mkdir(below, 0700), 0);
	write_file(folder, "main.conf", "[agent]\nscope = any\n");
	write_file(below, "b.conf", "[source b]\ntype = file\nlocation = /b\n");
	write_file(below, "A.conf", "[agent]\nrefresh = 1h\n[source A]\ntype = file\nlocation = /a\n");
	write_file(below, ".hidden.conf", "nonsense");
	write_file(below, "b.conf.bak", "nonsense");
	assert_int_equal(conf_load(&conf, path, &err), 0);
	assert_int_equal(conf->agent.scope, SCOPE_ANY);
	assert_int_equal(conf->nsources, 2);
	assert_string_equal(conf->sources[0].name, "A");
	assert_string_equal(conf->sources[1].name, "b");
	assert_int_equal(conf->sources[1].refresh_ms, 3600000);
	conf_free(conf);

	write_file(below, "c.conf", "# one\n[agent]\nscope = public\n");
	assert_int_equal(conf_load(&conf, path, &err), -EINVAL);
	snprintf(want, sizeof(want), "%s/c.conf:3: scope is given already, at %s:2", below, path);
	assert_string_equal(err.text, want);

	write_file(below, "c.conf", "[source b]\n");
	assert_int_equal(conf_load(&conf, path, &err), -EINVAL);
	snprintf(want, sizeof(want), "%s/c.conf:1: [source b] is there already, at %s/b.conf:1",
	    below, below);
	assert_string_equal(err.text, want);
	remove_file(below, "c.conf");
	remove_file(below, "b.conf");
	remove_file(below, "A.conf");
	remove_file(below, ".hidden.conf");
	remove_file(below, "b.conf.bak");
	rmdir(below);
	unlink(path);
	rmdir(folder);
}

static void
only_small_regular_files(void **state)
{
	char path[] = "/tmp/threatlistd-conf-XXXXXX";
	struct conf_error err;
	struct conf *conf;
	int fd;

	assert_int_equal(conf_load(&conf, "/nonexistent/x.conf", &err), -ENOENT);
	assert_string_equal(err.text, "/nonexistent/x.conf: No such file or directory");
	assert_int_equal(conf_load(&conf, "/tmp", &err), -EINVAL);
	assert_string_equal(err.text, "/tmp: not a regular file");
	assert_int_equal(conf_load(&conf, "/dev/zero", &err), -EINVAL);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, CONF_FILE_MAX + 1), 0);
	close(fd);
	assert_int_equal(conf_load(&conf, path, &err), -EFBIG);
	assert_non_null(strstr(err.text, "at most 1 MiB"));
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(conf_load(&conf, path, &err), -EINVAL);
	unlink(path);
}

/* As it travels to the roles. */
static void
descriptor_carries_it(void **state)
{
	struct text given = read_file("test/golden/conf/full.ok"), got;
	struct conf_error err;
	struct conf *conf;
	int fd = memfd_with("conf", given.data, given.size);

	assert_true(fd >= 0);
	assert_int_equal(conf_from_fd(&conf, fd, &err), 0);
	got = print(conf);
	assert_string_equal(got.data, given.data);
	close(fd);
	free(got.data);
	free(given.data);
	conf_free(conf);
}

/* A line of the most bytes there may be: HEAD and piece over and over. */
static void
check_longest(const char *sections, const char *head, const char *piece)
{
	char config[CONF_LINE_MAX + 256], line[CONF_LINE_MAX + 64];
	size_t len = strlen(head);
	struct text text, printed;
	struct conf *conf;

	memcpy(line, head, len);
	for (; len < CONF_LINE_MAX; len += strlen(piece))
		memcpy(line + len, piece, strlen(piece));
	line[CONF_LINE_MAX] = '\0';
	snprintf(config, sizeof(config), "%s%s\n", sections, line);
	text = (struct text){ config, strlen(config) };
	conf = parse("longest", &text);
	printed = print(conf);
	check_returns("printed", &printed);
	free(printed.data);
	conf_free(conf);
}

/* What "threatlistd -n" takes the roles can read, too: they get it as it is printed. */
static void
longest_lines_can_be_printed(void **state)
{
	check_longest("[agent]\n", "ca_file=/", "f");
	check_longest("[source a]\ntype = https\n", "location=https://lists.example.com/", "u");
	check_longest("[sink a]\ntype = http\n", "url=https://collector.example.com/", "u");
	check_longest("[agent]\n", "proxy=http://proxy.example.com/", "u");
	check_longest("[enforce]\n", "admin=2001:db8:11::/48,198.51.100.128/25",
	    ",2001:db8:1234:5678::/64");
}

static void
durations_are_exact(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "0s", 0 }, { "500ms", 500 }, { "90s", 90000 }, { "15m", 900000 },
		{ "6h", 21600000 }, { "90d", INT64_C(7776000000) },
	};
	static const char *const bad[] = {
		"", "s", "1", "1 s", " 1s", "1s ", "1S", "+1s", "-1s", "1.5h", "1w", "1mss",
		"9223372036854775808ms", "9223372036854775807s",
	};
	int64_t ms;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(conf_duration_read(good[i].text, &ms));
		assert_int_equal(ms, good[i].ms);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(conf_duration_read(bad[i], &ms));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_texts_have_one_form),
		cmocka_unit_test(bad_texts_get_their_message),
		cmocka_unit_test(shipped_configs_are_good),
		cmocka_unit_test(packaged_config_only_watches),
		cmocka_unit_test(formats_are_those_of_core),
		cmocka_unit_test(folder_adds_in_order),
		cmocka_unit_test(only_small_regular_files),
		cmocka_unit_test(descriptor_carries_it),
		cmocka_unit_test(longest_lines_can_be_printed),
		cmocka_unit_test(durations_are_exact),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
