/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who this host is, by the order of contract §4. */
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

#include "aws/imds.h"
#include "runtime/hostid.h"
#include "threatlistd/log.h"

#define TAG	"i-0123456789abcdef0"

static char folder[64], tag_path[96], machine_path[96];
static struct host_places places;
static struct conf *conf;

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void
configure(const char *more)
{
	struct conf_error err;
	char text[512];

	conf_free(conf);
	snprintf(text, sizeof(text), "[agent]\nstate_dir = %s\n%s", folder, more);
	if (conf_parse(&conf, "test", text, strlen(text), &err) != 0)
		fail_msg("%s", err.text);
}

static int
setup(void **state)
{
	log_init("test", LOG_STYLE_SILENT);
	snprintf(folder, sizeof(folder), "/tmp/threatlistd-hostid-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(tag_path, sizeof(tag_path), "%s/board_asset_tag", folder);
	snprintf(machine_path, sizeof(machine_path), "%s/machine-id", folder);
	places = (struct host_places){ tag_path, machine_path };
	write_file(machine_path, "0123456789abcdef0123456789abcdef\n");
	configure("");
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	conf_free(conf);
	conf = NULL;
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	return system(command);
}

static bool
init(struct host_facts *facts)
{
	return host_facts_init_at(facts, conf, &places);
}

/* printf 'threatlistd|0123456789abcdef0123456789abcdef' | sha256sum */
#define MACHINE	"h-fc0c30c9f5ecbaecbf36d1637022f64d"

static void
machine_id_is_hashed_and_kept(void **state)
{
	struct host_facts facts;

	assert_false(init(&facts));
	assert_string_equal(facts.host_id, MACHINE);
	assert_string_equal(facts.instance_id, MACHINE);
	assert_string_equal(facts.account, "000000000000");
	assert_string_equal(facts.region, "local");
	assert_string_equal(facts.partition, "aws");
	assert_int_equal(facts.on_ec2, 0);
	/* kept: it outlives the machine id */
	unlink(machine_path);
	assert_false(init(&facts));
	assert_string_equal(facts.host_id, MACHINE);
}

static void
host_without_any_gets_one(void **state)
{
	struct host_facts facts, again;

	unlink(machine_path);
	assert_false(init(&facts));
	assert_int_equal(strlen(facts.host_id), 34);
	assert_false(init(&again));
	assert_string_equal(again.host_id, facts.host_id);
}

static void
board_comes_first(void **state)
{
	struct host_facts facts;

	write_file(tag_path, TAG "\n");
	assert_false(init(&facts));
	assert_string_equal(facts.host_id, TAG);
	assert_int_equal(facts.on_ec2, 1);
	write_file(tag_path, "Not Specified\n");
	assert_false(init(&facts));
	assert_string_equal(facts.host_id, TAG);
	assert_int_equal(facts.on_ec2, 0);
}

static void
clone_is_noticed_once(void **state)
{
	struct host_facts facts;

	write_file(tag_path, TAG "\n");
	assert_false(init(&facts));
	write_file(tag_path, "i-0fedcba987654321\n");
	assert_true(init(&facts));
	assert_string_equal(facts.host_id, "i-0fedcba987654321");
	assert_false(init(&facts));
}

/* The hash of this very machine was only the best known at the time. */
static void
better_knowledge_is_no_clone(void **state)
{
	struct host_facts facts;

	assert_false(init(&facts));
	write_file(tag_path, TAG "\n");
	assert_false(init(&facts));
	assert_string_equal(facts.host_id, TAG);
}

static void
config_wins(void **state)
{
	struct host_facts facts, found = { .instance_id = TAG, .account = "111122223333",
	    .region = "eu-west-1", .zone = "eu-west-1a" };

	configure("host_id = web-7\naccount = 123456789012\nregion = eu-north-1\n");
	assert_false(init(&facts));
	assert_false(host_facts_merge_at(&facts, &found, conf, &places));
	assert_string_equal(facts.host_id, "web-7");
	assert_string_equal(facts.instance_id, TAG);
	assert_string_equal(facts.account, "123456789012");
	assert_string_equal(facts.region, "eu-north-1");
	assert_string_equal(facts.zone, "eu-west-1a");
}

static void
imds_is_merged_and_checked(void **state)
{
	struct host_facts facts, found = { .instance_id = TAG, .account = "111122223333",
	    .region = "eu\x01west", .zone = "\xff" };

	memset(found.vpc_id, 'x', sizeof(found.vpc_id));
	assert_null(addr_parse(&found.public_ip, "198.51.100.9", 12));
	found.private_ip.family = 99;
	assert_false(init(&facts));
	facts.private_ip = addr_from_v4(0x0a000001);
	assert_false(host_facts_merge_at(&facts, &found, conf, &places));
	assert_string_equal(facts.host_id, TAG);
	assert_string_equal(facts.account, "111122223333");
	assert_string_equal(facts.region, "local");
	assert_string_equal(facts.zone, "");
	assert_string_equal(facts.vpc_id, "");
	assert_int_equal(facts.public_ip.family, ADDR_V4);
	assert_int_equal(addr_to_v4(&facts.private_ip), 0x0a000001);
	assert_int_equal(facts.on_ec2, 1);
	/* without a board the id stays kept until IMDS says another */
	assert_false(init(&facts));
	assert_string_equal(facts.host_id, TAG);
	strcpy(found.instance_id, "i-0fedcba987654321");
	assert_true(host_facts_merge_at(&facts, &found, conf, &places));
	strcpy(found.instance_id, "i-../../etc");
	assert_false(host_facts_merge_at(&facts, &found, conf, &places));
	assert_string_equal(facts.host_id, "i-0fedcba987654321");
}

static void
imds_cannot_overrule_the_board(void **state)
{
	struct host_facts facts, found = { .instance_id = "i-0fedcba987654321" };

	write_file(tag_path, TAG "\n");
	assert_false(init(&facts));
	assert_false(host_facts_merge_at(&facts, &found, conf, &places));
	assert_string_equal(facts.host_id, TAG);
	assert_string_equal(facts.instance_id, TAG);
}

static void
make_sysfs(const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	write_file(path, text);
}

static void
imds_is_asked_on_ec2_only(void **state)
{
	char command[256];

	snprintf(command, sizeof(command), "mkdir -p '%s/devices/virtual/dmi/id' '%s/hypervisor'",
	    folder, folder);
	assert_int_equal(system(command), 0);
	unsetenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	unsetenv("AWS_EC2_METADATA_DISABLED");
	assert_false(imds_is_wanted("/nonexistent"));
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6", 1);
	assert_true(imds_is_wanted("/nonexistent"));
	unsetenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	make_sysfs("devices/virtual/dmi/id/sys_vendor", "QEMU\n");
	make_sysfs("devices/virtual/dmi/id/board_asset_tag", "\n");
	assert_false(imds_is_wanted(folder));
	make_sysfs("devices/virtual/dmi/id/sys_vendor", "Amazon EC2\n");
	assert_true(imds_is_wanted(folder));
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	assert_false(imds_is_wanted(folder));
	unsetenv("AWS_EC2_METADATA_DISABLED");
	make_sysfs("devices/virtual/dmi/id/sys_vendor", "Xen\n");
	make_sysfs("hypervisor/uuid", "EC2E1916-9099-7CAF-FD21-012345ABCDEF\n");
	assert_true(imds_is_wanted(folder));
	make_sysfs("hypervisor/uuid", "4f000000-0000-0000-0000-000000000000\n");
	assert_false(imds_is_wanted(folder));
	make_sysfs("devices/virtual/dmi/id/board_asset_tag", TAG "\n");
	assert_true(imds_is_wanted(folder));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(machine_id_is_hashed_and_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(host_without_any_gets_one, setup, teardown),
		cmocka_unit_test_setup_teardown(board_comes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(clone_is_noticed_once, setup, teardown),
		cmocka_unit_test_setup_teardown(better_knowledge_is_no_clone, setup, teardown),
		cmocka_unit_test_setup_teardown(config_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(imds_is_merged_and_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(imds_cannot_overrule_the_board, setup, teardown),
		cmocka_unit_test_setup_teardown(imds_is_asked_on_ec2_only, setup, teardown),
	};

	return cmocka_run_group_tests_name("hostid", tests, NULL, NULL);
}
