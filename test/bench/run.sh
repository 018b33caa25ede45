#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs every benchmark; each prints NAME VALUE UNIT lines.
set -u
status=0
for bench in "$B"/test/bench/bench_*; do
	case $bench in
	*.o | *.d) continue ;;
	esac
	printf '== %s\n' "$(basename "$bench")"
	"$bench" || { status=1; echo "FAILED: $bench" >&2; }
done
for bench in kernel packets bouncer flood; do
	printf '== %s.py\n' "$bench"
	if [ "$(id -u)" -eq 0 ] && command -v nft >/dev/null && command -v ipset >/dev/null &&
		command -v iptables >/dev/null && [ -x /usr/bin/time ]; then
		/usr/bin/python3 "$(dirname "$0")/$bench.py" ||
			{ status=1; echo "FAILED: $bench.py" >&2; }
	else
		echo "skipped: needs root, nft, ipset, iptables and time"
	fi
done
exit $status
