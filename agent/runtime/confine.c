/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "runtime/confine.h"

#include <errno.h>
#include <limits.h>
#include <link.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/landlock.h"
#include "runtime/program.h"
#include "runtime/sandbox.h"
#include "threatlistd/log.h"

/* Names, certificates, and where hosts say what they are. */
static const char *const web_paths[] = {
	"/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share", "/usr/local/share",
	"/var/lib/ca-certificates", "/var/lib/sss", "/dev/null", "/dev/urandom", "/proc/sys",
	"/sys/devices/virtual/dmi", "/sys/devices/system/cpu", "/sys/hypervisor",
};

/*
 * A directory, not the files in it: resolv.conf and the CA bundle are replaced
 * under a running reporter, and a rule goes with the file that was there.
 */
static const char *const lasting_paths[] = { "/etc", "/run" };

/*
 * A feed does not live that long, and reads what anybody may send: of /etc what the
 * C library and its name services, libcurl and OpenSSL look into, wherever
 * distributions keep it, and no key.
 */
static const char *const feed_paths[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/hostname", "/etc/nsswitch.conf",
	"/etc/gai.conf", "/etc/services", "/etc/protocols", "/etc/networks", "/etc/mdns.allow",
	"/etc/localtime", "/etc/timezone", "/etc/passwd", "/etc/group", "/etc/nscd.conf",
	"/etc/ld.so.cache", "/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem",
	"/etc/ssl/openssl.cnf", "/etc/ssl/ct_log_list.cnf", "/etc/pki/ca-trust",
	"/etc/pki/tls/certs", "/etc/pki/tls/cert.pem", "/etc/pki/tls/openssl.cnf",
	"/etc/pki/tls/openssl.d", "/etc/pki/tls/ct_log_list.cnf", "/etc/crypto-policies",
	"/etc/ca-certificates", "/etc/gnutls", "/etc/pkcs11",
};

/* Where resolv.conf really is.  A lasting role starts before what makes these: it gets all of /run. */
static const char *const resolver_paths[] = {
	"/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/run/nscd",
	"/run/connman", "/run/netconfig",
};

static const char *const enforcer_paths[] = { "/etc", "/run", "/proc/sys" };

/* Files that the environment names; aws/ and OpenSSL read them. */
static const char *const secret_files[] = {
	"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
};
static const char *const certificate_files[] = { "AWS_CA_BUNDLE", "SSL_CERT_FILE" };

/* One of many that are not on every host. */
static void
allow_if_there(struct landlock *landlock, const char *path, enum landlock_way way)
{
	int error = landlock_allow(landlock, path, way);

	if (error != 0 && error != -ENOENT && error != -EACCES && error != -ENOTDIR)
		log_warn("directory not allowed path=%s error=\"%s\"", path, strerror(-error));
}

/* Cuts off the last part, and is "/" or "." at last. */
static void
go_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL)
		memcpy(path, ".", 2);
	else
		slash[slash == path ? 1 : 0] = '\0';
}

/* What is not there yet may be made later: the nearest directory above it that is there. */
static void
allow_dir(struct landlock *landlock, const char *dir, enum landlock_way way)
{
	char path[PATH_MAX];
	int error;

	if (snprintf(path, sizeof(path), "%s", dir) >= (int)sizeof(path))
		return;
	while ((error = landlock_allow(landlock, path, way)) == -ENOENT || error == -ENOTDIR) {
		go_up(path);
		/* all there is would be too much for a file that may never come */
		if (strcmp(path, "/") == 0 || strcmp(path, ".") == 0)
			break;
	}
	if (error != 0)
		log_warn("directory not allowed path=%s error=\"%s\"", dir, strerror(-error));
}

/* A file is replaced by renaming another: its directory, and that of what it links to. */
static void
allow_file(struct landlock *landlock, const char *file, enum landlock_way way)
{
	char path[PATH_MAX], real[PATH_MAX];

	if (file == NULL || snprintf(path, sizeof(path), "%s", file) >= (int)sizeof(path))
		return;
	if (realpath(path, real) != NULL) {
		go_up(real);
		allow_dir(landlock, real, way);
	}
	go_up(path);
	allow_dir(landlock, path, way);
}

static void
allow_all(struct landlock *landlock, const char *const paths[], size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		allow_if_there(landlock, paths[i], LANDLOCK_READ);
}

static void
allow_named_dir(struct landlock *landlock, const char *name)
{
	const char *value = getenv(name);

	if (value != NULL)
		allow_if_there(landlock, value, LANDLOCK_READ);
}

/* Tokens of sinks, keys of AWS: the reporter's alone. */
static void
allow_secrets(struct landlock *landlock)
{
	const char *home = getenv("HOME");
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof(secret_files) / sizeof(secret_files[0]); i++)
		allow_file(landlock, getenv(secret_files[i]), LANDLOCK_READ);
	allow_named_dir(landlock, "CREDENTIALS_DIRECTORY");
	if (home != NULL && snprintf(path, sizeof(path), "%s/.aws", home) < (int)sizeof(path))
		allow_if_there(landlock, path, LANDLOCK_READ);
}

static void
allow_web(struct landlock *landlock, const struct conf *conf)
{
	size_t i;

	allow_all(landlock, web_paths, sizeof(web_paths) / sizeof(web_paths[0]));
	for (i = 0; i < sizeof(certificate_files) / sizeof(certificate_files[0]); i++)
		allow_file(landlock, getenv(certificate_files[i]), LANDLOCK_READ);
	allow_named_dir(landlock, "SSL_CERT_DIR");
	allow_file(landlock, conf->agent.ca_file, LANDLOCK_READ);
}

static void
allow_feed(struct landlock *landlock, const struct conf *conf)
{
	size_t i;

	allow_web(landlock, conf);
	allow_all(landlock, feed_paths, sizeof(feed_paths) / sizeof(feed_paths[0]));
	allow_all(landlock, resolver_paths, sizeof(resolver_paths) / sizeof(resolver_paths[0]));
	for (i = 0; i < conf->nsources; i++) {
		allow_file(landlock, conf->sources[i].ca_file, LANDLOCK_READ);
		if (conf->sources[i].type == SOURCE_FILE)
			allow_file(landlock, conf->sources[i].location, LANDLOCK_READ);
	}
}

static void
allow_reporter(struct landlock *landlock, const struct conf *conf)
{
	size_t i;

	allow_web(landlock, conf);
	allow_secrets(landlock);
	allow_all(landlock, lasting_paths, sizeof(lasting_paths) / sizeof(lasting_paths[0]));
	allow_file(landlock, "/etc/resolv.conf", LANDLOCK_READ);
	allow_dir(landlock, conf->agent.state_dir, LANDLOCK_WRITE);
	for (i = 0; i < conf->nsinks; i++) {
		const struct conf_sink *sink = &conf->sinks[i];

		allow_file(landlock, sink->token_file, LANDLOCK_READ);
		allow_file(landlock, sink->header_file, LANDLOCK_READ);
		allow_file(landlock, sink->ca_file, LANDLOCK_READ);
		allow_file(landlock, sink->cert_file, LANDLOCK_READ);
		allow_file(landlock, sink->key_file, LANDLOCK_READ);
		if (sink->type == SINK_FILE)
			allow_file(landlock, sink->path, LANDLOCK_WRITE);
	}
}

static void
allow_enforcer(struct landlock *landlock, const struct conf *conf)
{
	allow_all(landlock, enforcer_paths, sizeof(enforcer_paths) / sizeof(enforcer_paths[0]));
	allow_file(landlock, "/etc/resolv.conf", LANDLOCK_READ);
	allow_dir(landlock, conf->agent.state_dir, LANDLOCK_WRITE);
}

/* Of the program itself, by which it was loaded: called first for that. */
static int
find_loader(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char **path = arg;
	size_t i;

	for (i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type == PT_INTERP)
			*path = (const char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
	}
	return 1;
}

/*
 * It runs the agent's own two programs, as every role, by their loader, and no other.
 * An upgrade replaces the loader under a running agent, which is to go on
 * starting roles: its directory.
 */
static void
allow_parent(struct landlock *landlock, const struct conf *conf)
{
	const char *loader = NULL;
	char real[PATH_MAX];

	allow_dir(landlock, conf->agent.run_dir, LANDLOCK_SOCKETS);
	/* AddressSanitizer's report of an error is made by llvm-symbolizer */
	allow_dir(landlock, SANDBOX_SANITIZED ? "/" : "/proc/self/exe", LANDLOCK_EXECUTE);
	if (program_online() != NULL)
		allow_dir(landlock, program_online(), LANDLOCK_EXECUTE);
	dl_iterate_phdr(find_loader, &loader);
	if (loader == NULL)
		return;
	/* without it no role would start */
	if (realpath(loader, real) == NULL)
		snprintf(real, sizeof(real), "/?");
	go_up(real);
	allow_dir(landlock, real, LANDLOCK_EXECUTE);
}

static enum landlock_kind
kind_of(enum filter_role role)
{
	switch (role) {
	case FILTER_PARENT:
		return LANDLOCK_STARTER;
	case FILTER_FEED:
	case FILTER_REPORTER:
		return LANDLOCK_ONLINE;
	default:
		return LANDLOCK_OFFLINE;
	}
}

#ifdef LANDLOCK_OFF
/* A build that measures coverage writes where its objects are. */
static int
confine_files(enum filter_role role, const struct conf *conf)
{
	return 0;
}
#else
/* The ABI in force, 0: none. */
static int
confine_files(enum filter_role role, const struct conf *conf)
{
	static void (*const allow[FILTER_ROLES])(struct landlock *, const struct conf *) = {
		[FILTER_FEED] = allow_feed, [FILTER_ENFORCER] = allow_enforcer,
		[FILTER_REPORTER] = allow_reporter, [FILTER_PARENT] = allow_parent,
		/* the sensor opens nothing any more */
	};
	struct landlock *landlock;
	int error;

	landlock = landlock_new(kind_of(role));
	if (landlock == NULL) {
		log_info("files not confined error=\"Landlock: %s\"", strerror(errno));
		return 0;
	}
	if (allow[role] != NULL)
		allow[role](landlock, conf);
	/* AddressSanitizer's report of an error reads the maps and the program */
	if (SANDBOX_SANITIZED && role != FILTER_PARENT)
		landlock_allow(landlock, "/", LANDLOCK_READ);
	error = landlock_enter(landlock);
	if (error != 0)
		log_warn("files not confined error=\"Landlock: %s\"", strerror(-error));
	landlock_free(landlock);
	return error == 0 ? landlock_abi() : 0;
}
#endif

/* libcrypto's settings, and the providers that they name, are read when it hashes first; they stay. */
static void
load_hashing(void)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL);
}

void
confine(enum filter_role role, const struct conf *conf, struct msg_confined *done)
{
	int error;

	sandbox_keep_pss();
	tzset();	/* reads /etc/localtime */
	/* the parent may go on loading what it needs, as the roles do that it starts */
	if (role != FILTER_PARENT)
		load_hashing();
	sandbox_trim();
	memset(done, 0, sizeof(*done));
	done->landlock = (uint32_t)confine_files(role, conf);
	error = filter_enter(role);
	done->seccomp = error == 0;
	if (error != 0)
		log_warn("system calls not confined error=\"seccomp: %s\"", strerror(-error));
}
