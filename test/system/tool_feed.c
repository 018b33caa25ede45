/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Plays the parent for the role feed: tool_feed [-f] [-H HASH -e ETAG
 * -m LAST_MODIFIED] CONF.  One JSON line for each thing that comes back, the
 * last one says how the role ended.
 *   -f  ask for host facts (alone if the config has no source)
 *   -H  hash of the image in force, with its validators
 *   -r  another feed for each line on standard input; what one of them found is
 *       told to the next, as the parent does
 * It plays the reporter, too: keys of AWS are asked for here, and kept.  For them
 * there are minutes between two feeds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "aws/call.h"
#include "core/domains.h"
#include "keys.h"
#include "roles.h"
#include "runtime/channel.h"
#include "runtime/conf.h"
#include "runtime/http.h"
#include "threatlistd/log.h"

#define BETWEEN_MS	120000	/* longer than any pause between two questions for keys */

static struct loop *loop;
static int64_t ahead_ms;	/* of the clock */
static struct channel *channel;
static struct keys *keys;
static struct aws *aws;
static struct host_facts found;

static void
print(cJSON *object)
{
	char *text = cJSON_PrintUnformatted(object);

	puts(text);
	fflush(stdout);
	free(text);
	cJSON_Delete(object);
}

static void
add_list(cJSON *object, int fd)
{
	struct list_error err;
	struct list *list;
	char hex[2 * LIST_HASH_LEN + 1];
	size_t i;

	if (list_open(&list, fd, true, &err) != 0) {
		cJSON_AddStringToObject(object, "imageError", err.text);
		return;
	}
	for (i = 0; i < LIST_HASH_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", list_hash(list)[i]);
	cJSON_AddStringToObject(object, "hash", hex);
	cJSON_AddNumberToObject(object, "ranges",
	    (double)(list_nranges4(list) + list_nranges6(list)));
	cJSON_AddStringToObject(object, "name", list_source(list, 0)->name);
	cJSON_AddStringToObject(object, "role", list_role_text(list_source(list, 0)->role));
	cJSON_AddStringToObject(object, "action", list_action_text(list_source(list, 0)->action));
	list_free(list);
}

/* Names that came before the answer they belong to. */
static cJSON *domains;

static void
take_domains(int fd)
{
	char *text = malloc(DOMAINS_BYTES), *line, *next = text;
	ssize_t n = pread(fd, text, DOMAINS_BYTES, 0);
	uint32_t names;

	cJSON_Delete(domains);
	domains = cJSON_CreateArray();
	if (n < 0 || !domains_check(text, (size_t)n, &names)) {
		cJSON_AddItemToArray(domains, cJSON_CreateString("not as they must be"));
	} else if (names > 0) {
		text[n - 1] = '\0';
		strsep(&next, "\n");
		while ((line = strsep(&next, "\n")) != NULL)
			cJSON_AddItemToArray(domains, cJSON_CreateString(line));
	}
	free(text);
}

static void
print_fetched(const struct msg_fetched *fetched, int fd)
{
	static const char *const outcomes[] = {
		[FETCH_NEW] = "new", [FETCH_SAME] = "same", [FETCH_FAILED] = "failed",
	};
	cJSON *object = cJSON_CreateObject(), *rejects = cJSON_AddArrayToObject(object, "rejects");
	int i;

	cJSON_AddNumberToObject(object, "source", fetched->source);
	cJSON_AddStringToObject(object, "outcome", outcomes[fetched->outcome]);
	cJSON_AddStringToObject(object, "reason", fetched->reason);
	cJSON_AddStringToObject(object, "etag", fetched->etag);
	cJSON_AddStringToObject(object, "lastModified", fetched->last_modified);
	cJSON_AddNumberToObject(object, "bytes", (double)fetched->bytes);
	cJSON_AddNumberToObject(object, "lines", (double)fetched->lines);
	cJSON_AddNumberToObject(object, "entries", (double)fetched->entries);
	cJSON_AddNumberToObject(object, "rejected", (double)fetched->rejected);
	cJSON_AddNumberToObject(object, "notes", (double)fetched->notes);
	cJSON_AddNumberToObject(object, "retryAfter", fetched->retry_after_s);
	for (i = 0; i < FETCH_REJECTS && fetched->rejects[i][0] != '\0'; i++)
		cJSON_AddItemToArray(rejects, cJSON_CreateString(fetched->rejects[i]));
	if (domains != NULL)
		cJSON_AddItemToObject(object, "domains", domains);
	domains = NULL;
	if (fd >= 0)
		add_list(object, fd);
	print(object);
}

static void
print_discovered(const struct msg_discovered *discovered)
{
	const struct threat_set *set = &discovered->set;
	cJSON *object = cJSON_CreateObject();

	if (discovered->end) {
		cJSON_AddBoolToObject(object, "listed", discovered->listed);
		cJSON_AddNumberToObject(object, "failed", discovered->failed);
		cJSON_AddNumberToObject(object, "sets", discovered->sets);
		cJSON_AddStringToObject(object, "detector", discovered->detector);
		cJSON_AddStringToObject(object, "reason", discovered->reason);
		cJSON_AddStringToObject(object, "note", discovered->note);
	} else {
		cJSON_AddStringToObject(object, "id", set->id);
		cJSON_AddStringToObject(object, "kind", set_kind_text(set->kind));
		cJSON_AddNumberToObject(object, "state", set->state);
		cJSON_AddStringToObject(object, "name", set->name);
		cJSON_AddStringToObject(object, "format", set->format);
		cJSON_AddStringToObject(object, "location", set->location);
		cJSON_AddStringToObject(object, "owner", set->owner);
	}
	print(object);
}

static void
print_facts(const struct host_facts *facts)
{
	cJSON *object = cJSON_CreateObject(), *own, *one;
	char text[ADDR_TEXT_MAX];
	unsigned int i;

#define ADD(member)	cJSON_AddStringToObject(object, #member, facts->member)
	ADD(host_id);
	ADD(instance_id);
	ADD(account);
	ADD(region);
	ADD(partition);
	ADD(zone);
	ADD(instance_type);
	ADD(image_id);
	ADD(profile_arn);
	ADD(profile_id);
	ADD(interface_id);
	ADD(vpc_id);
	ADD(subnet_id);
	ADD(security_group_id);
	ADD(security_group);
#undef ADD
	cJSON_AddStringToObject(object, "private_ip", facts->private_ip.family == ADDR_NONE ? "" :
	    addr_text(&facts->private_ip, text));
	cJSON_AddStringToObject(object, "public_ip", facts->public_ip.family == ADDR_NONE ? "" :
	    addr_text(&facts->public_ip, text));
	cJSON_AddNumberToObject(object, "on_ec2", facts->on_ec2);
	own = cJSON_AddArrayToObject(object, "own");
	for (i = 0; i < facts->nown; i++) {
		one = cJSON_CreateArray();
		cJSON_AddItemToArray(own, one);
		cJSON_AddItemToArray(one, cJSON_CreateString(addr_text(&facts->own[i].public_ip,
		    text)));
		cJSON_AddItemToArray(one, cJSON_CreateString(
		    facts->own[i].private_ip.family == ADDR_NONE ? "" :
		    addr_text(&facts->own[i].private_ip, text)));
		cJSON_AddItemToArray(one, cJSON_CreateString(facts->own[i].interface_id));
	}
	print(object);
}

static int64_t
now_ms(void *arg)
{
	return loop_wall_ms() + ahead_ms;
}

/* As parent and reporter would, one after the other. */
static void
hand_out(const struct msg_keys_ask *ask)
{
	struct message answer = { .type = MSG_KEYS };
	struct msg_keys given;
	char reason[CREDENTIALS_REASON_MAX];
	int error = 0;

	if (!keys_are_fresh(keys, ask->refused, loop_wall_ms())) {
		error = aws_give_keys(aws, ask->refused, &given, reason);
		if (error == 0)
			keys_keep(keys, &given, loop_wall_ms());
	}
	if (error == 0) {
		answer.u.keys = *keys_last(keys);
	} else {
		answer.type = MSG_NO_KEYS;
		snprintf(answer.u.no_keys.reason, sizeof(answer.u.no_keys.reason), "%s", reason);
	}
	channel_send(channel, &answer, -1);
}

static void
on_message(const struct message *message, int *fd, void *arg)
{
	if (message->type == MSG_DOMAINS) {
		take_domains(*fd);
	} else if (message->type == MSG_FETCHED) {
		print_fetched(&message->u.fetched, *fd);
	} else if (message->type == MSG_DISCOVERED) {
		print_discovered(&message->u.discovered);
	} else if (message->type == MSG_HOST_FOUND) {
		found = message->u.facts;
		print_facts(&found);
	} else if (message->type == MSG_KEYS_ASK) {
		hand_out(&message->u.keys_ask);
	}
}

static void
on_closed(const char *reason, void *arg)
{
	loop_stop(loop);
}

static pid_t
start_feed(int *channel_fd)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		if (pair[1] != CHANNEL_FD)
			dup2(pair[1], CHANNEL_FD);
		log_init("feed", LOG_STYLE_JOURNAL);
		exit(feed_main());
	}
	close(pair[1]);
	*channel_fd = pair[0];
	return pid;
}

static void
read_hash(const char *hex, uint8_t hash[static LIST_HASH_LEN])
{
	unsigned int byte;
	size_t i;

	for (i = 0; i < LIST_HASH_LEN && sscanf(hex + 2 * i, "%2x", &byte) == 1; i++)
		hash[i] = (uint8_t)byte;
}

static int
send_conf(const struct conf *conf)
{
	struct message message = { .type = MSG_CONF };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int fd, error;

	if (out == NULL || conf_print(conf, out) != 0)
		return -1;
	fclose(out);
	fd = memfd_with("conf", text, size);
	error = channel_send(channel, &message, fd);
	close(fd);
	free(text);
	return error;
}

static void
ask(const struct conf *conf, const struct msg_fetch *about)
{
	struct message message = { .type = MSG_FETCH, .u.fetch = *about };
	size_t i;

	for (i = 0; i < conf->nsources; i++) {
		message.u.fetch.source = message.u.fetch.conf = (uint32_t)i;
		message.u.fetch.discover = conf->sources[i].type == SOURCE_GUARDDUTY;
		channel_send(channel, &message, -1);
	}
	if (conf->nsources == 0) {
		message.u.fetch.source = FETCH_NO_SOURCE;
		channel_send(channel, &message, -1);
	}
	message.type = MSG_GO;
	channel_send(channel, &message, -1);
}

/* What earlier feeds found out. */
static void
hand_on(void)
{
	struct message message = { .type = MSG_FACTS };

	message.u.facts = found;
	channel_send(channel, &message, -1);
}

static void
print_end(pid_t pid)
{
	cJSON *object = cJSON_CreateObject();
	int status = 0;

	waitpid(pid, &status, 0);
	cJSON_AddNumberToObject(object, "exit", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	cJSON_AddNumberToObject(object, "signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	print(object);
}

/* One life of a feed.  False: there was none. */
static bool
run(const struct conf *conf, const struct msg_fetch *about)
{
	int fd = -1;
	pid_t pid = start_feed(&fd);

	if (pid < 0) {
		perror("tool_feed");
		return false;
	}
	loop = loop_new();
	channel = channel_new(loop, fd, on_message, on_closed, NULL);
	fprintf(stderr, "pid %d\n", (int)pid);
	send_conf(conf);
	hand_on();
	ask(conf, about);
	loop_run(loop);
	channel_free(channel);
	loop_free(loop);
	print_end(pid);
	return true;
}

int
main(int argc, char **argv)
{
	struct msg_fetch about = { .introduce = 1 };
	const struct aws_wishes wishes = { .region = NULL };
	struct aws_transport own;
	struct http *http;
	struct conf_error err;
	struct conf *conf;
	bool again = false, good;
	int option;
	char line[8];

	while ((option = getopt(argc, argv, "frH:e:m:")) != -1) {
		if (option == 'f') {
			about.ask_facts = 1;
		} else if (option == 'r') {
			again = true;
		} else if (option == 'H') {
			about.have_hash = 1;
			read_hash(optarg, about.hash);
		} else if (option == 'e') {
			snprintf(about.etag, sizeof(about.etag), "%s", optarg);
		} else if (option == 'm') {
			snprintf(about.last_modified, sizeof(about.last_modified), "%s", optarg);
		} else {
			return 2;
		}
	}
	if (optind + 1 != argc || conf_load(&conf, argv[optind], &err) != 0) {
		fprintf(stderr, "%s\n", optind + 1 == argc ? err.text : "usage: tool_feed CONF");
		return 2;
	}
	log_init("reporter", LOG_STYLE_JOURNAL);
	http = http_new();
	keys = keys_new();
	if (http == NULL || keys == NULL)
		return 1;
	own = aws_transport_real(http);
	own.now_ms = now_ms;
	aws = aws_new(&own, &wishes, "/sys");
	if (aws == NULL)
		return 1;
	good = run(conf, &about);
	about.introduce = about.ask_facts = 0;
	while (good && again && fgets(line, sizeof(line), stdin) != NULL) {
		ahead_ms += BETWEEN_MS;
		good = run(conf, &about);
	}
	aws_free(aws);
	http_free(http);
	keys_free(keys);
	conf_free(conf);
	return good ? 0 : 1;
}
