#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# threatlistd from a bare Debian 12 in one command (as root):
#   sh packaging/quickstart.sh         install what is missing, build, run the main job
#   sh packaging/quickstart.sh test    install what is missing, build, run all tests
set -eu
cd "$(dirname "$0")/.."

BUILD_PACKAGES="gcc libc6-dev make pkg-config libpcap-dev libnftnl-dev libmnl-dev libcjson-dev
	libcurl4-openssl-dev libssl-dev libsqlite3-dev libexpat1-dev"
RUN_PACKAGES="nftables iproute2 iputils-ping procps openssl python3 python3-botocore"
TEST_PACKAGES="mount clang libclang-rt-dev llvm libcmocka-dev python3-pytest python3-pytest-xdist
	tcpdump libcap2-bin libseccomp2 git shellcheck clang-tidy cppcheck strace mandoc awscli sqlite3 python3-yaml
	python3-prometheus-client debhelper dpkg-dev lintian devscripts rpm rpmlint mmdebstrap systemd-container bash"

say() { printf '%s\n' "$*"; }
die() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }

# Installs those of the packages that are not there yet, and says which.
install_missing() {
	missing=""
	for package in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
			missing="$missing $package"
	done
	[ -n "$missing" ] || { say "packages: all there"; return 0; }
	say "packages to install:$missing"
	apt-get update -qq
	# shellcheck disable=SC2086 # a list of names
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

[ "$(id -u)" -eq 0 ] || die "needs root: it installs packages and makes network namespaces"
command -v apt-get >/dev/null || die "needs apt-get (Debian 12 or newer, Ubuntu 24.04)"

case "${1:-run}" in
run)
	# shellcheck disable=SC2086
	install_missing $BUILD_PACKAGES $RUN_PACKAGES
	make -s -j"$(nproc)" all build/test/system/tool_genlist
	exec /usr/bin/python3 test/demo/demo.py
	;;
test)
	# shellcheck disable=SC2086
	install_missing $BUILD_PACKAGES $RUN_PACKAGES $TEST_PACKAGES
	exec sh test/run-all.sh
	;;
*)
	die "usage: quickstart.sh [test]"
	;;
esac
