# SPDX-License-Identifier: GPL-3.0-or-later
# threatlistd: all check check-aws check-system check-service check-arm64 soak sigv4-vectors bench fuzz lint deb rpm
# completion install clean
# VARIANT=asan|fuzz|cov|kill builds beside the plain build (kill: a system call that a role is
# not allowed ends it); O=DIR builds elsewhere;
# WERROR=1 makes warnings errors (CI does); V=1 shows the commands.

VERSION := 0.1.0
O ?= build
VARIANT ?=
B := $(O)$(if $(VARIANT),-$(VARIANT))
PREFIX ?= /usr
SBINDIR ?= $(PREFIX)/sbin
DESTDIR ?=
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
MANDIR ?= $(PREFIX)/share/man
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
# where agent/runtime/program.c looks
LIBEXECDIR = $(patsubst %/,%,$(dir $(SBINDIR)))/libexec/threatlistd
PKG_CONFIG ?= pkg-config
PYTHON ?= /usr/bin/python3
INSTALL ?= install

ifeq ($(VARIANT),fuzz)
CC := clang
endif
ifeq ($(origin CC),default)
CC := gcc
endif

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wformat=2 -Wundef -Wno-unused-parameter
# an array whose size is found at run time: by a bound that the compiler sees, within a page
WARN += $(if $(findstring gcc,$(CC)),-Wvla-larger-than=4096)
WARN += $(if $(WERROR),-Werror)
SAN_asan := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1
# gcc 12 takes the address of a member, instrumented, for the size of what it is in
SAN_asan += $(if $(findstring gcc,$(CC)),-Wno-stringop-overflow)
SAN_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -O1 -DFUZZING
SAN_cov := --coverage -O0 -DLANDLOCK_OFF
SAN_kill := -DFILTER_KILL
# What each program links.  Parent, enforcer and sensor do without the larger half (agent/online.c): it does not link.
LIBS_threatlistd := libpcap libnftnl libmnl libcjson libcrypto
LIBS_online := libcjson libcurl libcrypto sqlite3 expat
LIBS := $(sort $(LIBS_threatlistd) $(LIBS_online))

# Packagers own CFLAGS, CPPFLAGS and LDFLAGS.
CFLAGS ?= -O2 -g
override CPPFLAGS += -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Iinclude -Iagent -I.
override CFLAGS += -std=gnu11 $(WARN) $(SAN_$(VARIANT)) $(shell $(PKG_CONFIG) --cflags $(LIBS))
libs = $(shell $(PKG_CONFIG) --libs $(1)) -lpthread -lm
LDLIBS := $(call libs,$(LIBS))

ifneq ($(V),1)
Q := @
say = @printf '  %-7s %s\n' $(1) $(2);
else
Q :=
say =
endif

MAINS := agent/main.c agent/online.c agent/ctl/threatlistctl.c
SRCS := $(filter-out $(MAINS),$(sort $(wildcard agent/*.c agent/*/*.c netfilter/*.c)))
OBJS := $(SRCS:%.c=$(B)/%.o)
LIB := $(B)/threatlistd.a
UNITS := $(patsubst %.c,$(B)/%,$(sort $(wildcard test/unit/test_*.c)))
FUZZERS := $(sort $(wildcard test/fuzz/fuzz_*.c))
REPLAYS := $(patsubst %.c,$(B)/%-replay,$(FUZZERS))
BENCHES := $(patsubst %.c,$(B)/%,$(sort $(wildcard test/bench/bench_*.c)))
TOOLS := $(patsubst %.c,$(B)/%,$(sort $(wildcard test/system/tool_*.c)))
PROGRAMS := $(B)/threatlistd $(B)/threatlistd-online $(B)/threatlistctl

all: $(PROGRAMS)

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$@) $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(OBJS)
	$(call say,AR,$@) rm -f $@; $(AR) rcsD $@ $(OBJS)

$(B)/threatlistd: $(B)/agent/main.o $(LIB)
	$(call say,LD,$@) $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call libs,$(LIBS_threatlistd))

$(B)/threatlistd-online: $(B)/agent/online.o $(LIB)
	$(call say,LD,$@) $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call libs,$(LIBS_online))

$(B)/threatlistctl: $(B)/agent/ctl/threatlistctl.o $(LIB)
	$(call say,LD,$@) $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/test/unit/test_%: $(B)/test/unit/test_%.o $(LIB)
	$(call say,LD,$@) $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

$(B)/test/bench/bench_%: $(B)/test/bench/bench_%.o $(LIB)
	$(call say,LD,$@) $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/test/system/tool_%: $(B)/test/system/tool_%.o $(LIB)
	$(call say,LD,$@) $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Every fuzz target is also a plain program that replays files and folders.
$(B)/test/fuzz/fuzz_%-replay: $(B)/test/fuzz/fuzz_%.o $(B)/test/fuzz/replay.o $(LIB)
	$(call say,LD,$@) $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/test/fuzz/fuzz_%: $(B)/test/fuzz/fuzz_%.o $(LIB)
	$(call say,LD,$@) $(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(LDLIBS)

# The signer over a folder in the form of AWS's published signing vectors.
$(B)/sigv4-vectors: $(B)/test/aws/sigv4_vectors.o $(LIB)
	$(call say,LD,$@) $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

sigv4-vectors: $(B)/sigv4-vectors

# Fast, no root: units, replayed fuzz corpora, golden files, the tree's own rules.
check: all $(UNITS) $(REPLAYS) $(TOOLS) sigv4-vectors
	$(Q)B=$(B) sh test/run-units.sh $(UNITS)
	$(Q)B=$(B) sh test/run-corpora.sh $(REPLAYS)
	$(Q)B=$(B) $(PYTHON) -m pytest -q -p no:cacheprovider -n 2 test/golden test/lint

# No root, loopback only: the stand-in AWS against Debian's aws command, and the templates for AWS.
check-aws: $(B)/test/system/tool_aws $(B)/test/system/tool_feed $(B)/test/system/tool_reporter $(PROGRAMS)
	$(Q)B=$(B) $(PYTHON) -m pytest -q -p no:cacheprovider -n 4 -W ignore::DeprecationWarning test/aws

# Root: network namespaces, the kernel, the whole agent.  Tests mostly wait: five at a time, each in
# namespaces of its own.
check-system: all $(TOOLS)
	$(Q)B=$(B) $(PYTHON) -m pytest -q -p no:cacheprovider -n 5 test/system

# Root: what is in both packages; the Debian one in a booted systemd, or skipped, saying why, where none boots.
check-service:
	$(Q)B=$(B) $(PYTHON) -m pytest -q -rs -p no:cacheprovider test/service

# Units, corpora, golden files, cross-built and run under qemu-user; it gets arm64's libraries by itself.
check-arm64:
	$(Q)O=$(O) PYTHON=$(PYTHON) sh test/run-arm64.sh

# Root, minutes: hundreds of updates under floods, what a naive order would let through, every fault everywhere.
soak: all $(TOOLS)
	$(Q)SOAK=1 B=$(B) $(PYTHON) -m pytest -q -s -p no:cacheprovider test/system/test_gap.py test/system/test_faults.py

FUZZ_TIME ?= 60
fuzz:
	$(Q)$(MAKE) --no-print-directory VARIANT=fuzz $(patsubst %.c,$(O)-fuzz/%,$(FUZZERS))
	$(Q)B=$(O)-fuzz FUZZ_TIME=$(FUZZ_TIME) sh test/fuzz/run.sh $(notdir $(FUZZERS:.c=))

bench: all $(BENCHES) $(TOOLS)
	$(Q)B=$(B) sh test/bench/run.sh

# shellcheck, mandoc, the unit's exposure, gcc -fanalyzer, clang-tidy, cppcheck: every finding fails.
# test/lint/ has what they look for, and which findings are known to be wrong.
lint: export LINT_FLAGS = $(CPPFLAGS) $(CFLAGS)
lint: export CC := $(CC)
lint: all
	$(Q)shellcheck -s sh $(wildcard .ci/run packaging/*.sh test/*.sh test/*/*.sh)
	$(Q)sh test/lint/exposure.sh packaging/systemd/threatlistd.service
	$(Q)$(PYTHON) -m pytest -q -p no:cacheprovider test/lint
	$(Q)$(PYTHON) test/lint/analyze.py $(MAINS) $(SRCS)

MAN_PAGES := $(sort $(wildcard packaging/man/*.[1-8]))
EXAMPLES := $(sort $(wildcard packaging/examples/*.conf) $(wildcard packaging/aws/*.json packaging/aws/*.yaml packaging/aws/*.md))

# A config that is there already stays.
install: all
	$(INSTALL) -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSUSERSDIR) \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(ZSHDIR) \
		$(DESTDIR)$(PREFIX)/share/doc/threatlistd/examples $(DESTDIR)/etc/threatlistd/conf.d
	$(INSTALL) -m 755 $(B)/threatlistd $(DESTDIR)$(SBINDIR)/threatlistd
	$(INSTALL) -m 755 $(B)/threatlistd-online $(DESTDIR)$(LIBEXECDIR)/threatlistd-online
	$(INSTALL) -m 755 $(B)/threatlistctl $(DESTDIR)$(PREFIX)/bin/threatlistctl
	sed -e 's|/usr/sbin/|$(SBINDIR)/|' packaging/systemd/threatlistd.service >$(DESTDIR)$(UNITDIR)/threatlistd.service
	chmod 644 $(DESTDIR)$(UNITDIR)/threatlistd.service
	$(INSTALL) -m 644 packaging/systemd/threatlistd.sysusers $(DESTDIR)$(SYSUSERSDIR)/threatlistd.conf
	$(INSTALL) -m 644 packaging/completion/threatlistctl.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/threatlistctl
	$(INSTALL) -m 644 packaging/completion/_threatlistctl $(DESTDIR)$(ZSHDIR)/_threatlistctl
	$(INSTALL) -m 644 $(EXAMPLES) $(DESTDIR)$(PREFIX)/share/doc/threatlistd/examples
	$(foreach page,$(MAN_PAGES),$(INSTALL) -D -m 644 $(page) \
		$(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(page)))/$(notdir $(page)) && )true
	test -e $(DESTDIR)/etc/threatlistd/threatlistd.conf || $(INSTALL) -m 644 packaging/threatlistd.conf \
		$(DESTDIR)/etc/threatlistd/threatlistd.conf

# After a change of threatlistctl's help; "make check" notices that it is due.
completion: $(B)/threatlistctl
	$(PYTHON) packaging/completion/generate.py $(B)/threatlistctl

# Packages of the tree as it is, into $(O)/deb and $(O)/rpm.
deb:
	$(Q)O=$(O) VERSION=$(VERSION) sh packaging/build.sh deb

rpm:
	$(Q)O=$(O) VERSION=$(VERSION) sh packaging/build.sh rpm

clean:
	rm -rf $(O) $(O)-asan $(O)-fuzz $(O)-cov $(O)-kill $(O)-arm64

-include $(shell find $(addprefix $(B)/,agent netfilter test) -name '*.d' -type f 2>/dev/null)

.PHONY: all check check-aws check-system check-service check-arm64 soak sigv4-vectors fuzz bench lint install \
	completion deb rpm clean
.SECONDARY:
