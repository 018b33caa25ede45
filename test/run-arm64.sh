#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Units, corpora and golden files for arm64, cross-built and run by qemu's user emulation: O=build sh test/run-arm64.sh
# The libraries come from this machine's own package sources, unpacked below build-arm64/; nothing there is installed.
set -eu
cd "$(dirname "$0")/.."
out=$PWD/${O:-build}-arm64
tree=$out/tree
python=${PYTHON:-/usr/bin/python3}

die() { printf 'run-arm64.sh: %s\n' "$*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || die "needs $1 (package $2)"; }

need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
need qemu-aarch64-static qemu-user-static
need mmdebstrap mmdebstrap

LIBRARIES=libc6-dev,libpcap-dev,libnftnl-dev,libmnl-dev,libcjson-dev,libcurl4-openssl-dev,libssl-dev,libsqlite3-dev
LIBRARIES=$LIBRARIES,libexpat1-dev,libcmocka-dev

# What the emulator does not have, not what we do differently: SO_NETNS_COOKIE, and VmFlags in /proc/self/smaps.
UNITS_NOT="test_enforcer test_enforcer_counts test_keys test_ledger_file"
# Nor does it take limits of resources for the programs it runs.
GOLDEN_NOT=test/golden/test_feed_https.py::test_feed_has_given_up_its_rights

if [ ! -d "$tree" ]; then
	mkdir -p "$out"
	set --
	for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
		[ ! -s "$list" ] || set -- "$@" "$list"
	done
	rm -rf "$tree.half"
	# unpacked alone: the scripts of its packages would need the kernel to know arm64 programs
	mmdebstrap --variant=extract --architectures=arm64 --include="$LIBRARIES,libssl3" \
		"$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)" "$tree.half" "$@" >"$out/mmdebstrap.log" 2>&1 ||
		{ cat "$out/mmdebstrap.log" >&2; die "mmdebstrap failed"; }
	mv "$tree.half" "$tree"
fi

units=$(basename -s .c test/unit/test_*.c)
replays=$(basename -s .c test/fuzz/fuzz_*.c)
tools=$(basename -s .c test/system/tool_*.c)
# shellcheck disable=SC2086,SC2046 # lists of names
PKG_CONFIG_SYSROOT_DIR=$tree PKG_CONFIG_LIBDIR=$tree/usr/lib/aarch64-linux-gnu/pkgconfig \
	make -s -j"$(nproc)" WERROR=1 B="$out" CC="aarch64-linux-gnu-gcc --sysroot=$tree" all "$out/sigv4-vectors" \
	$(printf "$out/test/unit/%s " $units) $(printf "$out/test/fuzz/%s-replay " $replays) \
	$(printf "$out/test/system/%s " $tools)

# Programs as the tests name them, each a script that runs it under the emulator.
run=$out/emulated
rm -rf "$run"
emulate() {
	mkdir -p "$(dirname "$run/$1")"
	printf '#!/bin/sh\nexec qemu-aarch64-static -L %s %s "$@"\n' "$tree" "$out/$1" >"$run/$1"
	chmod 755 "$run/$1"
}
for name in threatlistd threatlistctl sigv4-vectors; do emulate "$name"; done
for name in $tools; do emulate "test/system/$name"; done
chosen="" corpora=""
for name in $units; do
	case " $UNITS_NOT " in *" $name "*) printf 'not under emulation: %s\n' "$name"; continue ;; esac
	emulate "test/unit/$name"
	chosen="$chosen $run/test/unit/$name"
done
for name in $replays; do
	emulate "test/fuzz/$name-replay"
	corpora="$corpora $run/test/fuzz/$name-replay"
done

# shellcheck disable=SC2086
B=$run sh test/run-units.sh $chosen
# shellcheck disable=SC2086
B=$run sh test/run-corpora.sh $corpora
B=$run "$python" -m pytest -q -p no:cacheprovider --deselect "$GOLDEN_NOT" test/golden
